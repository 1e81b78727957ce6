//! The writing half of unpacking, on a thread of its own: hashes the files and writes them while the other half inflates.
//! Pieces of several small files travel in one batch, so that 10,000 files do not cost 10,000 hand-overs.

use super::ZipError;
use super::directory::{Entry, Kind};
use crate::model::payload::Digest;
use crate::tree::{FileFact, TreeWriter};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Write as _;
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender};

/// Unpacked bytes that travel together.
pub(super) const BATCH_BYTES: usize = 128 << 10;

/// What was unpacked since the last batch.
#[derive(Debug)]
pub(super) struct Batch {
    /// [`BATCH_BYTES`] long, so that it need not be cleared for each file.
    pub(super) bytes: Box<[u8]>,
    pub(super) filled: usize,
    pub(super) pieces: Vec<Piece>,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; BATCH_BYTES].into_boxed_slice(),
            filled: 0,
            pieces: Vec::new(),
        }
    }
}

/// Bytes of one entry, in order.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) entry: usize,
    pub(super) data: Data,
    /// The entry ends here.
    pub(super) last: bool,
}

#[derive(Debug)]
pub(super) enum Data {
    /// In the batch.
    Here(Range<usize>),
    /// As they came from the network.
    Stored(Bytes),
}

/// Writes what comes in below `root`, and gives used batches back. Ends when no more can come.
pub(super) fn write(
    entries: &[Entry],
    root: &Path,
    batches: &Receiver<Batch>,
    used: &Sender<Batch>,
) -> Result<Vec<FileFact>, ZipError> {
    struct Open {
        file: File,
        hash: Sha256,
        size_bytes: u64,
    }

    let mut tree = TreeWriter::new(root)?;
    let mut facts = Vec::with_capacity(entries.len());
    let mut open: Option<Open> = None;
    while let Ok(mut batch) = batches.recv() {
        for piece in batch.pieces.drain(..) {
            let entry = entries.get(piece.entry).expect("a piece names its entry");
            let executable = match entry.kind {
                Kind::Dir => {
                    tree.dir(&entry.path)?;
                    continue;
                }
                Kind::File { executable } => executable,
            };
            let mut to = match open.take() {
                Some(to) => to,
                None => Open {
                    file: tree.file(&entry.path, executable)?,
                    hash: Sha256::new(),
                    size_bytes: 0,
                },
            };
            let bytes = match &piece.data {
                Data::Here(range) => batch.bytes.get(range.clone()).unwrap_or_default(),
                Data::Stored(bytes) => bytes,
            };
            to.hash.update(bytes);
            to.file.write_all(bytes)?;
            to.size_bytes += bytes.len() as u64;
            if piece.last {
                facts.push(FileFact {
                    path: entry.path.to_string(),
                    size_bytes: to.size_bytes,
                    sha256: Digest::from_bytes(to.hash.finalize().into()),
                });
            } else {
                open = Some(to);
            }
        }
        batch.filled = 0;
        // Nobody takes it back at the end.
        drop(used.send(batch));
    }
    Ok(facts)
}
