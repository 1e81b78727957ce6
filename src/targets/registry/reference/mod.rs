//! Image references: read as Docker and containerd read them, printed in full. What a registry answers for one is not
//! in here.

use crate::model::payload::Digest;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The registry of a reference that names none.
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// Where Docker Hub's API is.
const DEFAULT_HOST: &str = "registry-1.docker.io";

/// The tag of a reference that names neither tag nor digest.
const DEFAULT_TAG: &str = "latest";

/// distribution/reference: the longest path of a repository.
const REPOSITORY_CHARS_MAX: usize = 255;

/// distribution/reference: the longest tag.
const TAG_CHARS_MAX: usize = 128;

/// Longest part of a refused reference that is repeated.
const FOUND_CHARS_MAX: usize = 200;

/// An image in a registry, such as `ghcr.io/a/b:1.27@sha256:…`. Only valid ones exist.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// What was written where an image reference was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found image {found:?}, expected {expected}: {next}")]
pub struct BadReference {
    pub found: String,
    pub expected: &'static str,
    /// The one next action.
    pub next: &'static str,
}

impl Reference {
    /// Host and port as written, in lower case; `docker.io` when none was.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path in the registry; on Docker Hub `library/nginx` for `nginx`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// This image at a digest, without its tag: what it names can no longer change.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self {
            tag: None,
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// This image by its tag alone; `None` when it has only a digest. Without either the tag is `latest`.
    #[must_use]
    pub fn by_tag(&self) -> Option<Self> {
        let tag = match (&self.tag, self.digest) {
            (Some(tag), _) => tag.clone(),
            (None, None) => DEFAULT_TAG.to_owned(),
            (None, Some(_)) => return None,
        };
        Some(Self {
            tag: Some(tag),
            digest: None,
            ..self.clone()
        })
    }

    /// The shortest form that Docker reads as the same image, such as `nginx:1.27`. Other runtimes may look for it in
    /// another registry: what is put in place is better printed in full.
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        let short = full
            .strip_prefix("docker.io/library/")
            .or_else(|| full.strip_prefix("docker.io/"))
            .unwrap_or(&full);
        match short.parse::<Self>() {
            Ok(same) if same == *self => short.to_owned(),
            Ok(_) | Err(_) => full,
        }
    }

    /// Where the API of its registry is: host, and port when one was written.
    pub fn host(&self) -> &str {
        if self.registry == DEFAULT_REGISTRY {
            DEFAULT_HOST
        } else {
            &self.registry
        }
    }

    /// What the registry is asked for: the digest, else the tag.
    pub(in crate::targets::registry) fn asked(&self) -> String {
        match (self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => DEFAULT_TAG.to_owned(),
        }
    }

    /// Whether the registry is this machine: then, and only then, plain http is spoken.
    pub(in crate::targets) fn is_loopback(&self) -> bool {
        is_loopback(without_port(&self.registry))
    }
}

/// `localhost`, 127.0.0.0/8 and `::1`, the latter also in brackets.
pub(in crate::targets::registry) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn without_port(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        Some(_) | None => registry,
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = BadReference;

    /// The grammar of distribution/reference, with Docker's defaults.
    fn from_str(text: &str) -> Result<Self, BadReference> {
        read(text).map_err(|(expected, next)| BadReference {
            found: text.chars().take(FOUND_CHARS_MAX).collect(),
            expected,
            next,
        })
    }
}

type Expected = (&'static str, &'static str);

fn read(text: &str) -> Result<Reference, Expected> {
    if text.contains("://") {
        return Err(("registry/name:tag without https://", "remove the scheme"));
    }
    if text.len() == 64 && text.bytes().all(is_lower_hex) {
        return Err((
            "a name",
            "write name@sha256:… : a bare image id is in no registry",
        ));
    }
    let (named, digest) = match text.split_once('@') {
        None => (text, None),
        Some((named, digest)) => (named, Some(read_digest(digest)?)),
    };
    let (registry, remainder) = split_registry(named);
    check_registry(&registry)?;
    let (path, tag) = match remainder.split_once(':') {
        None => (remainder, None),
        Some((path, tag)) => (path, Some(tag)),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err((
            "a tag of 1 to 128 letters, digits, _ . and -, not beginning with . or -",
            "correct what follows the last colon",
        ));
    }
    if path.is_empty() {
        return Err(("a name such as ghcr.io/owner/app:1.0", "give its name"));
    }
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err((
            "a repository in lower case",
            "write it in lower case, as registries do",
        ));
    }
    let is_official = registry == DEFAULT_REGISTRY && !path.contains('/');
    let repository = if is_official {
        format!("library/{path}")
    } else {
        path.to_owned()
    };
    if REPOSITORY_CHARS_MAX < repository.len() || !repository.split('/').all(is_path_component) {
        return Err((
            "a repository of at most 255 letters and digits, in parts separated by / . _ __ or -",
            "correct the name before the tag",
        ));
    }
    Ok(Reference {
        registry,
        repository,
        tag: tag.map(str::to_owned),
        digest,
    })
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

fn read_digest(text: &str) -> Result<Digest, Expected> {
    let bad = (
        "a digest sha256: and 64 lower-case hex digits",
        "take the digest from the registry: other algorithms are not supported",
    );
    let hex = text.strip_prefix("sha256:").ok_or(bad)?;
    if !hex.bytes().all(is_lower_hex) {
        return Err(bad);
    }
    text.parse().map_err(|_found_is_told| bad)
}

/// What is before the first slash is a registry when it could not be a user of Docker Hub.
fn split_registry(named: &str) -> (String, &str) {
    let (registry, remainder) = match named.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (first.to_ascii_lowercase(), rest)
        }
        Some(_) | None => (DEFAULT_REGISTRY.to_owned(), named),
    };
    (hub_or(registry), remainder)
}

/// Docker Hub under its other names.
pub(in crate::targets::registry) fn hub_or(registry: String) -> String {
    match registry.as_str() {
        "index.docker.io" | DEFAULT_HOST => DEFAULT_REGISTRY.to_owned(),
        _ => registry,
    }
}

pub(in crate::targets::registry) fn check_registry(registry: &str) -> Result<(), Expected> {
    let host = without_port(registry);
    let port = registry
        .strip_prefix(host)
        .and_then(|rest| rest.strip_prefix(':'));
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse().is_ok_and(|port: u16| port != 0)
    };
    if port.is_none_or(is_port) {
        let v6 = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let is_host = match v6 {
            Some(v6) => v6.parse::<IpAddr>().is_ok(),
            // "a.1" has good labels, and is no host all the same.
            None => host.split('.').all(is_label) && url::Host::parse(host).is_ok(),
        };
        if is_host {
            return Ok(());
        }
    }
    Err((
        "a registry such as ghcr.io or localhost:5000",
        "correct the host before the first slash",
    ))
}

fn is_label(label: &str) -> bool {
    let ends = |c: char| c == '-';
    !label.is_empty()
        && !label.starts_with(ends)
        && !label.ends_with(ends)
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_tag(tag: &str) -> bool {
    let ok = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= TAG_CHARS_MAX
        && tag.bytes().next().is_some_and(ok)
        && tag.bytes().all(|b| ok(b) || b == b'.' || b == b'-')
}

/// Lower-case letters and digits, in runs separated by one of `.`, `_`, `__`, or any number of `-`.
fn is_path_component(part: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends_well =
        part.bytes().next().is_some_and(is_word) && part.bytes().next_back().is_some_and(is_word);
    ends_well
        && part
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(|separator| {
                matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
            })
}

#[cfg(test)]
mod tests;
