//! The bytes of an archive in order, from wherever they come, in pieces that are not copied when they need not be.

use super::{ZipError, refuse};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Read as _;
use tokio::sync::mpsc;

const BLOCK_BYTES: usize = 128 << 10;

/// Where the bytes come from.
#[derive(Debug)]
pub(in crate::artifact) enum Source {
    /// All of it.
    Memory,
    File(File),
    /// Pieces as the network gives them. The sender's end is the end of the bytes.
    Channel(mpsc::Receiver<Vec<Bytes>>),
}

/// A source and what of it has not been taken yet.
#[derive(Debug)]
pub(in crate::artifact) struct Input {
    source: Source,
    /// What came and was not taken yet: `piece` first.
    piece: Bytes,
    more: VecDeque<Bytes>,
}

impl Input {
    pub(in crate::artifact) fn memory(bytes: Bytes) -> Self {
        Self {
            source: Source::Memory,
            piece: bytes,
            more: VecDeque::new(),
        }
    }

    pub(in crate::artifact) fn file(file: File) -> Self {
        Self {
            source: Source::File(file),
            piece: Bytes::new(),
            more: VecDeque::new(),
        }
    }

    pub(in crate::artifact) fn channel(pieces: mpsc::Receiver<Vec<Bytes>>) -> Self {
        Self {
            source: Source::Channel(pieces),
            piece: Bytes::new(),
            more: VecDeque::new(),
        }
    }

    /// Takes what is left without looking at it, so that its sender can go on.
    pub(in crate::artifact) fn drain(self) {
        if let Source::Channel(mut pieces) = self.source {
            while pieces.blocking_recv().is_some() {}
        }
    }

    /// The next bytes, at least one and at most `max`. Blocks.
    pub(super) fn some(&mut self, max: u64) -> Result<Bytes, ZipError> {
        if self.piece.is_empty() && self.more.is_empty() {
            self.piece = match &mut self.source {
                Source::Memory => Bytes::new(),
                Source::File(file) => {
                    let mut block = vec![0; BLOCK_BYTES];
                    let read = file.read(&mut block)?;
                    block.truncate(read);
                    block.into()
                }
                Source::Channel(pieces) => {
                    self.more = pieces.blocking_recv().ok_or(ZipError::Stopped)?.into();
                    Bytes::new()
                }
            };
        }
        while self.piece.is_empty()
            && let Some(piece) = self.more.pop_front()
        {
            self.piece = piece;
        }
        if self.piece.is_empty() {
            return refuse("the archive is shorter than its directory says");
        }
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        Ok(self.piece.split_to(self.piece.len().min(max)))
    }

    /// Exactly `count` bytes, added to `into`.
    pub(super) fn exactly(&mut self, count: usize, into: &mut Vec<u8>) -> Result<(), ZipError> {
        let mut left = count;
        while left > 0 {
            let piece = self.some(left as u64)?;
            left -= piece.len();
            into.extend_from_slice(&piece);
        }
        Ok(())
    }
}
