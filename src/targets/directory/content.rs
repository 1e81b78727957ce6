//! What a payload becomes on disk: a tree copied, an archive unpacked, or one file. Blocking.
//! Names and links inside payloads are refused by `crate::tree`.

use crate::model::payload::{Measured, Shape};
use crate::model::release::MANIFEST_NAME;
use crate::targets::TargetError;
use crate::tree;
use anyhow::Context as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What an archive may become at most. A site beyond this does not belong into an artifact (GitHub's limit is 10 GiB
/// for all artifacts of a job).
const LIMITS: tree::Limits = tree::Limits {
    unpacked_bytes_max: 10 * 1024 * 1024 * 1024,
    files_max: 500_000,
};

/// A payload as `apply` and `wanted` get it, owned.
#[derive(Debug, Clone)]
pub(super) struct Payload {
    pub(super) path: PathBuf,
    pub(super) shape: Shape,
}

/// Makes the release's tree at `into`, which does not exist yet. The manifest `lastgood.json` at the root describes the
/// release and is no part of it.
pub(super) fn put(payload: &Payload, into: &Path) -> Result<(), TargetError> {
    match payload.shape {
        Shape::Tree => tree::copy_tree(&payload.path, into),
        Shape::File if is_archive(&payload.path) => tree::unpack_tar(&payload.path, into, &LIMITS),
        Shape::File => copy_single(&payload.path, into),
    }
    .and_then(|()| without_manifest(into))
    .map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            TargetError::BadRelease {
                what: format!("payload {} is refused: {error}", payload.path.display()),
                next: "pack regular files and directories only, as .tar, .tar.gz or .tgz, and deploy again"
                    .to_owned(),
            }
        }
        _ => TargetError::Failed(anyhow::Error::new(error).context(format!(
            "could not copy {} to {}",
            payload.path.display(),
            into.display()
        ))),
    })
}

/// Measures what the payload would become, in a temporary directory when it has to be unpacked for that.
pub(super) fn measure(payload: &Payload) -> Result<Measured, TargetError> {
    if payload.shape == Shape::Tree {
        let measured = tree::measure_release(&payload.path, &[MANIFEST_NAME]);
        return Ok(
            measured.with_context(|| format!("could not measure {}", payload.path.display()))?
        );
    }
    let scratch = tempfile::tempdir().context("could not make a temporary directory")?;
    let into = scratch.path().join("release");
    put(payload, &into)?;
    let measured = tree::measure(&into).context("could not measure the unpacked payload")?;
    scratch
        .close()
        .context("could not remove the temporary directory")?;
    Ok(measured)
}

/// Why a directory has no content digest: it holds something that a release never holds.
pub(super) fn irregular(dir: &Path) -> io::Result<Option<String>> {
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let path = entry.path();
            if path.to_str().is_none() {
                return Ok(Some(format!("name that is not UTF-8: {}", path.display())));
            }
            if kind.is_dir() {
                waiting.push(path);
            } else if !kind.is_file() {
                let what = if kind.is_symlink() {
                    "link"
                } else {
                    "special file"
                };
                return Ok(Some(format!("{what} {}", path.display())));
            }
        }
    }
    Ok(None)
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
    fs::copy(file, into.join(name)).map(|_bytes| ())
}

fn without_manifest(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(MANIFEST_NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
