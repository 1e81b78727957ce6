//! What a payload becomes on disk: a tree copied, an archive unpacked, or one file. Blocking.
//! Names and links inside payloads are refused by `crate::tree`.

use super::layout::sync_below;
use crate::model::payload::{Measured, Shape};
use crate::model::release::MANIFEST_NAME;
use crate::targets::TargetError;
use crate::tree::{self, Scratch, TreeError};
use anyhow::Context as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What an archive may become at most. A site beyond this does not belong into an artifact (GitHub's limit is 10 GiB
/// for all artifacts of a job).
const LIMITS: tree::Limits = tree::Limits {
    unpacked_bytes_max: 10 * 1024 * 1024 * 1024,
    files_max: 500_000,
    // What DEFLATE itself ends at: text compresses well, and the absolute limit holds anyway.
    ratio_max: 1032,
};

/// A payload as `apply` and `wanted` get it, owned.
#[derive(Debug, Clone)]
pub(super) struct Payload {
    pub(super) path: PathBuf,
    pub(super) shape: Shape,
}

/// Makes the release's tree at `into`, which does not exist yet, and flushes it to the disk. The manifest `lastgood.json` at the root describes the
/// release and is no part of it.
pub(super) fn put(payload: &Payload, into: &Path) -> Result<(), TargetError> {
    let made = match payload.shape {
        Shape::Tree => tree::copy_tree(&payload.path, into).map_err(TreeError::from),
        Shape::File if is_archive(&payload.path) => unpack(&payload.path, into),
        Shape::File => copy_single(&payload.path, into).map_err(TreeError::from),
    };
    let done = made.and_then(|()| Ok(without_manifest(into)?));
    done.map_err(|error| match error {
        TreeError::Refused(what) => refused(&payload.path, &what),
        TreeError::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            refused(&payload.path, &error.to_string())
        }
        TreeError::Io(error) => TargetError::Failed(anyhow::Error::new(error).context(format!(
            "could not copy {} to {}",
            payload.path.display(),
            into.display()
        ))),
    })
}

fn refused(payload: &Path, what: &str) -> TargetError {
    TargetError::BadRelease {
        what: format!("payload {} is refused: {what}", payload.display()),
        next: "pack regular files and directories only, as .tar, .tar.gz or .tgz, and deploy again"
            .to_owned(),
    }
}

fn unpack(archive: &Path, into: &Path) -> Result<(), TreeError> {
    fs::create_dir(into)?;
    tree::unpack_tar(archive, into, LIMITS)?;
    Ok(sync_below(into)?)
}

/// Measures what the payload would become, in a temporary directory when it has to be unpacked for that.
pub(super) fn measure(payload: &Payload) -> Result<Measured, TargetError> {
    if payload.shape == Shape::Tree {
        let measured = tree::measure_release(&payload.path, &[MANIFEST_NAME]);
        return Ok(
            measured.with_context(|| format!("could not measure {}", payload.path.display()))?
        );
    }
    let scratch =
        Scratch::new(&std::env::temp_dir()).context("could not make a temporary directory")?;
    let into = scratch.path().join("release");
    put(payload, &into)?;
    let measured = tree::measure(&into).context("could not measure the unpacked payload")?;
    Ok(measured)
}

fn is_archive(path: &Path) -> bool {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    [".tar", ".tar.gz", ".tgz"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn copy_single(file: &Path, into: &Path) -> io::Result<()> {
    fs::create_dir(into)?;
    let name = file.file_name().unwrap_or_default();
    fs::copy(file, into.join(name))?;
    sync_below(into)
}

fn without_manifest(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(MANIFEST_NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
