//! Which revision a release wants in a canister: the sha256 of its payload file, which is what the network certifies once the
//! file is installed. Nothing is read here.

use crate::model::payload::Measured;
use crate::model::state::{Revision, Slot};
use crate::targets::TargetError;

/// The revision of one slot. `pinned`: what the manifest says; `payload`: the file that was found for it. `None`: the release says
/// nothing of this canister.
///
/// # Errors
/// `BadRelease` when the manifest and the file do not agree.
pub(super) fn revision(
    slot: &Slot,
    pinned: Option<&Revision>,
    payload: Option<&Measured>,
) -> Result<Option<Revision>, TargetError> {
    match (pinned, payload) {
        (None, None) => Ok(None),
        (None, Some(payload)) => Ok(Some(Revision(payload.digest.to_string()))),
        (Some(pinned), Some(payload)) => {
            let found = payload.digest.to_string();
            if pinned.0 == found {
                return Ok(Some(pinned.clone()));
            }
            let name = payload
                .path
                .file_name()
                .unwrap_or(payload.path.as_os_str())
                .to_string_lossy();
            Err(TargetError::BadRelease {
                what: format!(
                    "{slot}: found {name} with {found}, expected {pinned} as the manifest says"
                ),
                next: "choose another release: --run-id; this one was changed, or recorded from another build"
                    .to_owned(),
            })
        }
        // A slot that was not asked for: the file of one that was has been looked for already.
        (Some(pinned), None) => Ok(Some(pinned.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::payload::{Digest, Shape};
    use std::path::PathBuf;

    fn measured(byte: u8) -> Measured {
        Measured {
            path: PathBuf::from("/tmp/x/api.wasm"),
            shape: Shape::File,
            size_bytes: 8,
            digest: Digest::from_bytes([byte; 32]),
        }
    }

    fn of(byte: u8) -> Revision {
        Revision(Digest::from_bytes([byte; 32]).to_string())
    }

    #[test]
    fn the_file_and_the_manifest_must_agree() {
        let slot = Slot("api".to_owned());
        let revision = |pinned: Option<u8>, payload: Option<u8>| {
            revision(
                &slot,
                pinned.map(of).as_ref(),
                payload.map(measured).as_ref(),
            )
        };
        assert_eq!(revision(None, None).unwrap(), None);
        assert_eq!(revision(None, Some(1)).unwrap(), Some(of(1)));
        assert_eq!(revision(Some(1), Some(1)).unwrap(), Some(of(1)));
        let error = revision(Some(2), Some(1)).unwrap_err();
        assert!(matches!(error, TargetError::BadRelease { .. }), "{error:?}");
        assert!(error.to_string().contains("api.wasm with sha256:0101"));
        assert_eq!(revision(Some(2), None).unwrap(), Some(of(2)));
    }
}
