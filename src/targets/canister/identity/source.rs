//! Where the private key and its password come from. Reads variables and one file; knows nothing of what a key looks like.

use super::refused;
use crate::model::secret::Secret;
use crate::targets::canister::settings::Settings;
use crate::targets::{Base, TargetError};
use pkcs8::der::zeroize::Zeroizing;
use std::fs;
use std::path::Path;

/// The input of the action: the runner keeps its hyphens.
const INPUT: &str = "INPUT_IDENTITY";
const PASSWORD_INPUT: &str = "INPUT_IDENTITY-PASSWORD";

/// What workflows call the secret with the key.
const USUAL: &str = "DFX_IDENTITY_PEM";

/// A key is a few hundred bytes; past this it is something else.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// The text of a key.
pub(super) struct Found {
    /// Where it was found, in words.
    pub(super) from: String,
    pub(super) text: Secret,
}

/// The key that is to be used. `None`: nobody gave one.
pub(super) fn find(settings: &Settings, base: &Base) -> Result<Option<Found>, TargetError> {
    let text = |from: &str, text: &str| {
        Ok(Some(Found {
            from: from.to_owned(),
            text: Secret::new(text),
        }))
    };
    if let Some(name) = &settings.identity_from {
        let value = named(base, name, "identity-from", "the PEM text of a private key")?;
        return text(&format!("the variable {name}"), value);
    }
    if let Some(path) = &settings.identity_file {
        return file(&base.dir.join(path), "the setting identity-file").map(Some);
    }
    if let Some(input) = variable(base, INPUT) {
        let path = base.dir.join(input.trim());
        // A key has lines, or at least dashes around it; a path has neither.
        let is_path = !input.contains('\n') && !input.contains("-----") && path.is_file();
        return if is_path {
            file(&path, "the input identity").map(Some)
        } else {
            text("the input identity", input)
        };
    }
    match variable(base, USUAL) {
        Some(value) => text(&format!("the variable {USUAL}"), value),
        None => Ok(None),
    }
}

/// The password of an encrypted key, when one is given.
pub(super) fn password(settings: &Settings, base: &Base) -> Result<Option<Secret>, TargetError> {
    let value = match &settings.identity_password_from {
        Some(name) => Some(named(base, name, "identity-password-from", "a password")?),
        None => variable(base, PASSWORD_INPUT),
    };
    // Secrets are often stored with the line break that ended them.
    Ok(value.map(|value| Secret::new(value.trim_end_matches(['\r', '\n']))))
}

fn variable<'a>(base: &'a Base, name: &str) -> Option<&'a str> {
    base.environment
        .get(name)
        .map(String::as_str)
        .filter(|value| !value.trim().is_empty())
}

/// The value of a variable that the settings name.
fn named<'a>(base: &'a Base, name: &str, key: &str, holds: &str) -> Result<&'a str, TargetError> {
    variable(base, name).ok_or_else(|| {
        refused(
            format!("{key}: the variable {name} is not set, expected {holds}"),
            format!("set {name} in the environment of this command, from a secret"),
        )
    })
}

fn file(path: &Path, what: &str) -> Result<Found, TargetError> {
    let from = format!("{what} ({})", path.display());
    let unreadable = |why: String| {
        refused(
            format!("{from}: could not be read: {why}"),
            "give the path of a PEM file that exists and that this command may read",
        )
    };
    let size = fs::metadata(path)
        .map_err(|error| unreadable(error.to_string()))?
        .len();
    if FILE_BYTES_MAX < size {
        return Err(unreadable(format!(
            "it has {size} bytes, expected at most {FILE_BYTES_MAX}"
        )));
    }
    let bytes = Zeroizing::new(fs::read(path).map_err(|error| unreadable(error.to_string()))?);
    // dfx encrypts a whole identity file in a form of its own (dfinity/sdk, `identity.pem.encrypted`), which is no text.
    match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN") || !is_dfx_encrypted(path) => Ok(Found {
            text: Secret::new(text),
            from,
        }),
        Ok(_) | Err(_) if is_dfx_encrypted(path) => Err(refused(
            format!(
                "{from}: found an identity that dfx has encrypted in its own form, expected PEM text"
            ),
            "export it: `dfx identity export NAME > identity.pem`, and keep that text as a secret",
        )),
        Ok(_) | Err(_) => Err(refused(
            format!("{from}: found no text, expected PEM"),
            "give the private key as PEM text; of an identity of dfx: `dfx identity export NAME`",
        )),
    }
}

fn is_dfx_encrypted(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "encrypted")
}
