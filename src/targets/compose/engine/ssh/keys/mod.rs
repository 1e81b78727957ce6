//! The private keys that are offered to a host: where they come from, and reading them. No byte of a key or password reaches a message.

use super::super::address::variable;
use super::super::error::usage;
use super::super::tls::mended;
use super::is_action;
use crate::targets::compose::settings::Settings;
use crate::targets::{Base, TargetError};
use russh::keys::{self, PrivateKey, decode_secret_key};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The input of the action: the runner keeps its hyphens.
const INPUT: &str = "INPUT_SSH-KEY";

/// The files that ssh itself looks for, the best first.
const USUAL_FILES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// A key has a few thousand bytes; past this it is something else.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// One key.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) key: Arc<PrivateKey>,
    /// Where it was found, in words.
    pub(super) from: String,
}

/// What is offered.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) found: Vec<Key>,
    /// The socket of an agent that holds more; asked first.
    pub(super) agent: Option<PathBuf>,
    /// Keys that were found and cannot be offered, and why.
    pub(super) left_out: Vec<String>,
    /// What to do when there is none.
    pub(super) next: &'static str,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let from = self.found.iter().map(|key| key.from.as_str());
        f.debug_list().entries(from).finish()
    }
}

/// The key that the settings or the input give, and no other; else those of the agent and of the usual files.
pub(super) fn find(settings: &Settings, base: &Base) -> Result<Keys, TargetError> {
    if let Some((text, from)) = given(settings, base)? {
        let password = password(settings, base)?;
        let key = read(&text, password.as_deref()).map_err(|wrong| wrong.refusal(&from))?;
        return Ok(Keys {
            found: vec![Key {
                key: Arc::new(key),
                from,
            }],
            ..Keys::default()
        });
    }
    let mut keys = Keys {
        agent: variable(base, "SSH_AUTH_SOCK").map(PathBuf::from),
        next: if is_action(base) {
            "give the input ssh-key: the text of a private key, from a secret"
        } else {
            "put a private key into ~/.ssh/id_ed25519, add one to the ssh agent, or name its file in the setting ssh-key"
        },
        ..Keys::default()
    };
    let password = password(settings, base)?;
    let home = variable(base, "HOME").map(|home| Path::new(home).join(".ssh"));
    for file in USUAL_FILES {
        let Some(path) = home.as_ref().map(|home| home.join(file)) else {
            break;
        };
        if !path.is_file() {
            continue;
        }
        let from = path.display().to_string();
        match text_of(&path).and_then(|text| read(&text, password.as_deref())) {
            Ok(key) => keys.found.push(Key {
                key: Arc::new(key),
                from,
            }),
            Err(wrong) => keys.left_out.push(format!("{from} ({})", wrong.what())),
        }
    }
    Ok(keys)
}

/// Why a key cannot be used.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    File(String),
    /// One line without dashes, which can only be a path.
    NoFile,
    Encrypted,
    Password,
    PublicKey,
    Unreadable(String),
}

impl Wrong {
    fn what(&self) -> String {
        match self {
            Self::File(why) => format!("it could not be read: {why}"),
            Self::NoFile => {
                "found one line without -----BEGIN, which is a path then, and there is no such file"
                    .to_owned()
            }
            Self::Encrypted => "it is encrypted, and no password is given".to_owned(),
            Self::Password => "it is encrypted, and the password does not fit".to_owned(),
            Self::PublicKey => "found a public key, expected the private one".to_owned(),
            Self::Unreadable(why) => {
                format!("found no private key of OpenSSH or in PEM that can be read ({why})")
            }
        }
    }

    fn refusal(&self, from: &str) -> TargetError {
        let next = match self {
            Self::File(_) => "give the path of a private key that this command may read",
            Self::NoFile => {
                "give the path of a private key from the directory of the repository on, or the whole text of one, with its line breaks"
            }
            Self::Encrypted | Self::Password => {
                "name the variable that holds its password: ssh-key-password-from; or make a key of its own for this, without one"
            }
            Self::PublicKey => "give the file without .pub",
            Self::Unreadable(_) => {
                "give the whole text of the file, from -----BEGIN to the end of -----END, with its line breaks"
            }
        };
        usage(format!("{from}: {}", self.what()), next)
    }
}

/// The text of a key that somebody gave, and where it was found.
fn given(settings: &Settings, base: &Base) -> Result<Option<(String, String)>, TargetError> {
    let file = |path: &Path, what: &str| {
        let from = format!("{what} ({})", path.display());
        match text_of(path) {
            Ok(text) => Ok(Some((text, from))),
            Err(wrong) => Err(wrong.refusal(&from)),
        }
    };
    if let Some(name) = &settings.ssh_key_from {
        let Some(text) = variable(base, name) else {
            return Err(usage(
                format!(
                    "ssh-key-from: the variable {name} is not set, expected the text of a private key"
                ),
                format!("set {name} in the environment of this command, from a secret"),
            ));
        };
        return Ok(Some((text.to_owned(), format!("the variable {name}"))));
    }
    if let Some(path) = &settings.ssh_key {
        return file(&base.dir.join(path), "the setting ssh-key");
    }
    let Some(input) = variable(base, INPUT) else {
        return Ok(None);
    };
    let from = "the input ssh-key";
    let path = base.dir.join(input);
    // A key has lines, or at least dashes around it; a path has neither.
    let is_line = !input.contains('\n') && !input.contains("-----");
    if is_line && path.is_file() {
        return file(&path, from);
    }
    // What stands there may be a key all the same: it is not repeated.
    if is_line && !is_public(input) {
        return Err(Wrong::NoFile.refusal(from));
    }
    Ok(Some((input.to_owned(), from.to_owned())))
}

fn password(settings: &Settings, base: &Base) -> Result<Option<String>, TargetError> {
    let Some(name) = &settings.ssh_key_password_from else {
        return Ok(None);
    };
    match base.environment.get(name) {
        // Secrets are often stored with the line break that ended them.
        Some(value) if !value.is_empty() => {
            Ok(Some(value.trim_end_matches(['\r', '\n']).to_owned()))
        }
        Some(_) | None => Err(usage(
            format!("ssh-key-password-from: the variable {name} is not set, expected a password"),
            format!("set {name} in the environment of this command, from a secret"),
        )),
    }
}

fn text_of(path: &Path) -> Result<String, Wrong> {
    let file = |error: std::io::Error| Wrong::File(error.to_string());
    let size = fs::metadata(path).map_err(file)?.len();
    if FILE_BYTES_MAX < size {
        return Err(Wrong::File(format!(
            "it has {size} bytes, expected at most {FILE_BYTES_MAX}"
        )));
    }
    fs::read_to_string(path).map_err(file)
}

fn read(text: &str, password: Option<&str>) -> Result<PrivateKey, Wrong> {
    let text = mended(text);
    if !text.contains("-----BEGIN") && is_public(&text) {
        return Err(Wrong::PublicKey);
    }
    // What is said of the key is about its form: a key or password is in none of these messages.
    decode_secret_key(&text, password).map_err(|error| {
        let is_encrypted = is_encrypted(&text) || matches!(error, keys::Error::KeyIsEncrypted);
        match (is_encrypted, password) {
            (true, None) => Wrong::Encrypted,
            (true, Some(_)) => Wrong::Password,
            (false, _) => Wrong::Unreadable(error.to_string()),
        }
    })
}

fn is_public(text: &str) -> bool {
    keys::PublicKey::from_openssh(text.trim()).is_ok()
}

fn is_encrypted(text: &str) -> bool {
    let said = text.contains("ENCRYPTED");
    said || PrivateKey::from_openssh(text).is_ok_and(|key| key.is_encrypted())
}

#[cfg(test)]
mod tests;
