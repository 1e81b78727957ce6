//! A zip reader that refuses whatever two programs could read differently. The central directory is read first and says
//! where everything is; then the archive is read once, from its first byte to its last, and every byte must be accounted
//! for by exactly one header, entry or descriptor. Only STORED and DEFLATE, which is all that upload-artifact writes.
//! Where the bytes come from (network, memory, file) is the caller's.
//!
//! Format: APPNOTE.TXT 6.3.10, <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>.

mod directory;
mod end;
mod extract;
mod fields;
mod input;
mod local;
mod second;
mod unpacked;

pub(super) use directory::Directory;
pub(super) use end::{End, TAIL_BYTES, find_end};
pub(super) use extract::extract;
pub(super) use input::Input;

use crate::tree::TreeError;
use std::io;

/// Why an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ZipError {
    /// What was found and may not be.
    #[error("{0}")]
    Refused(String),
    /// The disk, not the archive.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes stopped coming; whoever sends them knows why.
    #[error("the bytes stopped coming")]
    Stopped,
}

impl From<TreeError> for ZipError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Refused(what) => Self::Refused(what),
            TreeError::Io(error) => Self::Io(error),
        }
    }
}

fn refuse<T>(what: impl Into<String>) -> Result<T, ZipError> {
    Err(ZipError::Refused(what.into()))
}
