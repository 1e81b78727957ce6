//! `lastgood.json` inside an artifact, and what it promises of the files beside it.

use super::FetchError;
use crate::model::payload::{Digest, Expected, Measured, Promise, Shape, Verified};
use crate::model::release::{MANIFEST_NAME, MANIFEST_SCHEMA, PayloadPin, Release};
use crate::tree::{FileFact, tree_digest};
use std::fs;
use std::path::Path;

/// A manifest has some hundred bytes for each slot.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// Reads the manifest of the tree at `root`, when it has one, and checks every payload it names.
///
/// # Errors
/// It cannot be read, is of another schema, or names a payload that is missing or is something else.
pub(super) fn read(root: &Path, files: &[FileFact]) -> Result<Option<Release>, FetchError> {
    let Some(fact) = files.iter().find(|file| file.path == MANIFEST_NAME) else {
        return Ok(None);
    };
    let refused = |what: String| Err(FetchError::Manifest { what });
    if MANIFEST_BYTES_MAX < fact.size_bytes {
        let size = fact.size_bytes;
        return refused(format!(
            "has {size} bytes, the limit is {MANIFEST_BYTES_MAX}"
        ));
    }
    let text = fs::read(root.join(MANIFEST_NAME)).map_err(FetchError::Disk)?;
    // The schema first: a later one may have other fields.
    #[derive(serde::Deserialize)]
    struct Schema {
        schema: u32,
    }
    match serde_json::from_slice::<Schema>(&text) {
        Ok(Schema {
            schema: MANIFEST_SCHEMA,
        }) => (),
        Ok(Schema { schema }) => {
            return refused(format!(
                "has schema {schema}, expected {MANIFEST_SCHEMA}: a newer lastgood wrote it"
            ));
        }
        Err(error) => return refused(format!("cannot be read: {error}")),
    }
    let release: Release =
        match serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(&text)) {
            Ok(release) => release,
            Err(error) => {
                return refused(format!(
                    "cannot be read at {}: {}",
                    error.path(),
                    error.inner()
                ));
            }
        };
    for pin in release
        .slots
        .values()
        .filter_map(|pin| pin.payload.as_ref())
    {
        check(pin, root, files)?;
    }
    Ok(Some(release))
}

fn check(pin: &PayloadPin, root: &Path, files: &[FileFact]) -> Result<(), FetchError> {
    let measured = match pin.shape {
        Shape::File => files
            .iter()
            .find(|file| file.path == pin.path)
            .map(|file| file_measured(root, file)),
        Shape::Tree => tree_measured(root, &pin.path, files),
    };
    let Some(measured) = measured else {
        let what = format!(
            "names the payload {}, which is not in the artifact",
            pin.path
        );
        return Err(FetchError::Manifest { what });
    };
    let expected = Expected {
        digest: pin.sha256,
        size_bytes: Some(pin.size_bytes),
        promised_by: Promise::Manifest,
    };
    match Verified::check(measured, &expected) {
        Ok(_verified) => Ok(()),
        Err(mismatch) => Err(FetchError::Mismatch(mismatch)),
    }
}

pub(super) fn file_measured(root: &Path, file: &FileFact) -> Measured {
    Measured {
        path: root.join(&file.path),
        shape: Shape::File,
        size_bytes: file.size_bytes,
        digest: file.sha256,
    }
}

/// The directory `path` in the tree at `root`; `.` is the whole tree without its manifest. `None`: there is no such
/// directory.
pub(super) fn tree_measured(root: &Path, path: &str, files: &[FileFact]) -> Option<Measured> {
    let path = path.trim_end_matches('/');
    let inside: Vec<FileFact> = if path == "." {
        let all = files.iter().filter(|file| file.path != MANIFEST_NAME);
        all.cloned().collect()
    } else {
        let below = |file: &FileFact| {
            let rest = file.path.strip_prefix(path)?.strip_prefix('/')?;
            Some(FileFact {
                path: rest.to_owned(),
                ..file.clone()
            })
        };
        files.iter().filter_map(below).collect()
    };
    if inside.is_empty() {
        return None;
    }
    let digest: Digest = tree_digest(&inside);
    Some(Measured {
        path: if path == "." {
            root.to_owned()
        } else {
            root.join(path)
        },
        shape: Shape::Tree,
        size_bytes: inside.iter().map(|file| file.size_bytes).sum(),
        digest,
    })
}
