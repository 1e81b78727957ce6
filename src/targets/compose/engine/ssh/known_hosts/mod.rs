//! Which keys a host may show: lines in the form of a `known_hosts` file (sshd(8)), those that are about one host, and the judgment of
//! a key. No files and no connection.

use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::{Algorithm, HashAlg, PublicKey};
use sha1::Sha1;

/// A text of such lines.
pub(super) struct Source {
    /// Where it was found, in words.
    pub(super) from: String,
    pub(super) text: String,
    /// Whether every line must be one that can be read: so it is with what was given for this one purpose.
    pub(super) is_strict: bool,
}

/// What a line says of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Trusted,
    /// `@cert-authority`: it signs keys of hosts, and is none.
    Authority,
    /// `@revoked`
    Revoked,
}

#[derive(Debug)]
struct Line {
    mark: Mark,
    key: PublicKey,
    /// Where the line is.
    at: String,
}

/// What is known of one host.
#[derive(Debug)]
pub(super) struct Known {
    /// The host as such a file names it: `web-1`, or `[web-1]:2222`.
    name: String,
    lines: Vec<Line>,
    /// Where was looked.
    pub(super) looked: Vec<String>,
    /// Where a line has to be put to count, in words.
    pub(super) place: String,
}

/// Why a key is not the one of the host.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Distrust {
    /// Nothing is known of the host, or of keys of this kind. `line`: what would make it known.
    Unknown {
        line: String,
    },
    /// Another key of this kind is known.
    Changed {
        at: String,
    },
    Revoked {
        at: String,
    },
    /// Only an authority is known.
    Authority {
        at: String,
    },
}

impl Known {
    /// Picks the lines about a host.
    ///
    /// # Errors
    /// A line of a strict source that is none: where, and what was expected.
    pub(super) fn of(
        sources: &[Source],
        place: &str,
        host: &str,
        port: u16,
    ) -> Result<Self, String> {
        let host = host.to_lowercase();
        let name = match port {
            22 => host,
            port => format!("[{host}]:{port}"),
        };
        let mut known = Self {
            name,
            lines: Vec::new(),
            looked: Vec::new(),
            place: place.to_owned(),
        };
        for source in sources {
            known.looked.push(source.from.clone());
            for (index, text) in source.text.lines().enumerate() {
                let at = format!("{}, line {}", source.from, index + 1);
                let text = text.trim();
                if text.is_empty() || text.starts_with('#') {
                    continue;
                }
                match line(text, &known.name, source.is_strict) {
                    Some(Read::AboutIt(mark, key)) => known.lines.push(Line { mark, key, at }),
                    None if source.is_strict => {
                        return Err(format!(
                            "{at}: found {text:?}, expected a line such as `{} ssh-ed25519 AAAA…`",
                            known.name
                        ));
                    }
                    // Kinds of keys come and go, and a file of many hosts holds old ones.
                    Some(Read::AboutAnother) | None => (),
                }
            }
        }
        Ok(known)
    }

    /// The kinds of keys that are known. A host that has several is asked for one of these: another kind says nothing.
    pub(super) fn kinds(&self) -> Vec<Algorithm> {
        let trusted = self.lines.iter().filter(|line| line.mark == Mark::Trusted);
        trusted.map(|line| line.key.algorithm()).collect()
    }

    /// Whether a key is the one of the host.
    pub(super) fn judge(&self, key: &PublicKey) -> Result<(), Distrust> {
        let marked = |mark: Mark| self.lines.iter().filter(move |line| line.mark == mark);
        let is_it = |line: &&Line| line.key.key_data() == key.key_data();
        if let Some(line) = marked(Mark::Revoked).find(is_it) {
            let at = line.at.clone();
            return Err(Distrust::Revoked { at });
        }
        if marked(Mark::Trusted).any(|line| is_it(&line)) {
            return Ok(());
        }
        let is_of_its_kind = |line: &&Line| line.key.algorithm() == key.algorithm();
        if let Some(line) = marked(Mark::Trusted).find(is_of_its_kind) {
            let at = line.at.clone();
            return Err(Distrust::Changed { at });
        }
        if let Some(line) = marked(Mark::Authority).next() {
            let at = line.at.clone();
            return Err(Distrust::Authority { at });
        }
        Err(Distrust::Unknown {
            line: self.line(key),
        })
    }

    /// The line that makes a key known.
    pub(super) fn line(&self, key: &PublicKey) -> String {
        format!("{} {}", self.name, bare(key))
    }
}

/// The first line of a text that nobody can read as one about a host.
pub(in crate::targets::compose) fn unreadable(text: &str) -> Option<&str> {
    let lines = text.lines().map(str::trim);
    let mut lines = lines.filter(|text| !text.is_empty() && !text.starts_with('#'));
    lines.find(|text| line(text, "", true).is_none())
}

/// A public key without its comment.
pub(super) fn bare(key: &PublicKey) -> String {
    let text = key.to_openssh().unwrap_or_default();
    let fields: Vec<&str> = text.split_whitespace().take(2).collect();
    fields.join(" ")
}

/// The fingerprint as ssh-keygen prints it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// What a line turned out to be.
enum Read {
    AboutIt(Mark, PublicKey),
    AboutAnother,
}

/// `[MARK] HOSTS KIND KEY [COMMENT]`. `None`: no such line. `is_bare`: whether a key without a host is one of the host, as it is where it
/// was given for this one purpose; in a file of many hosts it would be a key of every host.
fn line(text: &str, name: &str, is_bare: bool) -> Option<Read> {
    let mut fields = text.split_whitespace().peekable();
    let mark = match fields.next_if(|field| field.starts_with('@')) {
        None => Mark::Trusted,
        Some("@cert-authority") => Mark::Authority,
        Some("@revoked") => Mark::Revoked,
        Some(_) => return None,
    };
    let hosts = fields.next_if(|field| !is_kind(field));
    let (kind, key) = (fields.next()?, fields.next()?);
    if !is_kind(kind) {
        return None;
    }
    let key = PublicKey::from_openssh(&format!("{kind} {key}")).ok()?;
    match hosts {
        Some(hosts) if matches_any(hosts, name) => Some(Read::AboutIt(mark, key)),
        Some(_) => Some(Read::AboutAnother),
        None => is_bare.then_some(Read::AboutIt(mark, key)),
    }
}

/// The names of the kinds of keys (ssh-keygen(1), `-t`; sshd(8)): whole, because a host may be called `ssh-gw.example.com`.
const KINDS: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ssh-dss",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

fn is_kind(field: &str) -> bool {
    KINDS.contains(&field)
}

/// Whether a list of hosts has a name; one that is excluded by `!` is not in it, wherever that stands.
fn matches_any(hosts: &str, name: &str) -> bool {
    let mut found = false;
    for pattern in hosts.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if is_match(pattern, name) => return false,
            Some(_) => (),
            None => found |= is_match(pattern, name),
        }
    }
    found
}

fn is_match(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("|1|") {
        Some(hashed) => is_hash_of(hashed, name),
        None => wildmatch::WildMatch::new(&pattern.to_lowercase()).matches(name),
    }
}

/// `SALT|HASH`: an HMAC of the name, so that the file does not tell which hosts somebody uses.
fn is_hash_of(hashed: &str, name: &str) -> bool {
    use base64::Engine as _;
    let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).ok();
    let Some((salt, hash)) = hashed.split_once('|') else {
        return false;
    };
    let (Some(salt), Some(hash)) = (decode(salt), decode(hash)) else {
        return false;
    };
    Hmac::<Sha1>::new_from_slice(&salt)
        .is_ok_and(|hmac| hmac.chain_update(name).verify_slice(&hash).is_ok())
}

#[cfg(test)]
mod tests;
