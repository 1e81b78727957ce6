//! A payload file as a module for a canister: read within bounds, unpacked, validated, and described. Whether it should be
//! installed, and how, is decided elsewhere; nothing is sent.

mod inspect;
mod kind;
#[cfg(test)]
mod tests;
mod unpack;

pub(super) use inspect::Facts;

use crate::model::payload::Digest;
use crate::targets::TargetError;
use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The network takes no larger module, packed or unpacked (`WASM_MAX_SIZE` in `rs/config/src/embedders.rs` of dfinity/ic).
const MODULE_BYTES_MAX: u64 = 100 * 1024 * 1024;

/// A module that a canister can be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Module {
    /// As they are uploaded: of a gzipped module the gzip bytes.
    pub(super) bytes: Vec<u8>,
    /// sha256 of these bytes: what the network certifies once it is installed.
    pub(super) digest: Digest,
    pub(super) gzipped: bool,
    pub(super) facts: Facts,
}

/// Why a file is no module for a canister.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(super) struct BadModule {
    pub(super) what: String,
    /// The one next action.
    pub(super) next: String,
}

impl BadModule {
    fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            next: next.into(),
        }
    }
}

impl Module {
    /// Bytes and form, for a line: `1.2 MB, gzip of 3.4 MB`.
    pub(super) fn size(&self) -> String {
        let size = megabytes(self.bytes.len() as u64);
        if self.gzipped {
            let unpacked = megabytes(self.facts.size_bytes);
            return format!("{size}, gzip of {unpacked}");
        }
        size
    }
}

/// Bytes for people: decimal, as file managers write them.
pub(super) fn megabytes(bytes: u64) -> String {
    match bytes {
        1_000_000.. => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
        1_000.. => format!("{} kB", bytes / 1_000),
        few => format!("{few} bytes"),
    }
}

/// Reads a payload file as a module, on a thread that may wait: files of 100 MiB are validated.
///
/// # Errors
/// `BadRelease` when it is no module that the network takes; `Failed` when the file cannot be read.
pub(super) async fn read(path: &Path) -> Result<Module, TargetError> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || read_now(&path))
        .await
        .context("the reading of the module broke off")?
}

fn read_now(path: &Path) -> Result<Module, TargetError> {
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned();
    let bad = |bad: BadModule| TargetError::BadRelease {
        what: format!("{name}: {bad}"),
        next: bad.next,
    };
    let bytes = bytes(path, &name)?.map_err(bad)?;
    check(bytes).map_err(bad)
}

/// The bytes of the file; one byte too many is enough to know that it is too large.
fn bytes(path: &Path, name: &str) -> Result<Result<Vec<u8>, BadModule>, TargetError> {
    let doing = || format!("could not read the module {name}");
    let file = File::open(path).with_context(doing)?;
    let mut bytes = Vec::new();
    file.take(MODULE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .with_context(doing)?;
    if MODULE_BYTES_MAX < bytes.len() as u64 {
        return Ok(Err(too_large("found more than 100 MiB")));
    }
    Ok(Ok(bytes))
}

fn too_large(found: &str) -> BadModule {
    BadModule::new(
        format!("{found}, expected a module of at most 100 MiB"),
        "shrink the module with `ic-wasm shrink`, or move assets out of it",
    )
}

/// Whether bytes are a module that the network takes, and what it is like. What only some networks take is a doubt in its facts,
/// no error: limits have been raised before.
///
/// # Errors
/// What was found, what was expected, and one next action.
pub(super) fn check(bytes: Vec<u8>) -> Result<Module, BadModule> {
    let gzipped = bytes.starts_with(unpack::GZIP_MAGIC);
    let facts = if gzipped {
        inspect::inspect(&unpack::gunzip(&bytes)?)?
    } else {
        inspect::inspect(&bytes)?
    };
    Ok(Module {
        digest: Digest::from_bytes(Sha256::digest(&bytes).into()),
        bytes,
        gzipped,
        facts,
    })
}
