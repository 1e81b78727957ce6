//! Files and directory trees on this machine: what they hold, whether names from outside may be given to files, and how a
//! tree appears all at once or not at all. Blocking. No network, and no opinion on what a tree is for.

mod copy;
mod limits;
mod measure;
mod names;
mod scratch;
mod stage;
mod tar;
mod writer;

pub use copy::copy_tree;
pub use limits::{Budget, Limits};
pub use measure::{files_of, measure, measure_file, measure_release, tree_digest};
pub use names::{EntryName, clash, entry_name};
pub use scratch::Scratch;
pub use stage::Stage;
pub use tar::unpack_tar;
pub use writer::TreeWriter;

use crate::model::payload::Digest;
use std::io;

/// A regular file inside a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFact {
    /// Relative to the tree, `/`-separated.
    pub path: String,
    pub size_bytes: u64,
    pub sha256: Digest,
}

/// Why a tree was not made or measured.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// An archive that may not be unpacked: what was found, and what was expected.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl TreeError {
    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self::Refused(what.into())
    }
}
