//! Reads an archive once, in order, and unpacks it into a staged directory. On an error the directory holds a part: the
//! caller drops it.

use super::directory::{Directory, Entry, Kind, Method};
use super::input::Input;
use super::unpacked::{BATCH_BYTES, Batch, Data, Piece, write};
use super::{ZipError, local, refuse};
use crate::tree::{Budget, FileFact, Limits};
use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

/// Batches on their way to the writer: one is being written, one is full, one is being filled.
const BATCHES_WAITING: usize = 2;

/// Unpacks everything below `root`, which exists and is empty. Blocks; runs the writer on a thread of its own.
pub(in crate::artifact) fn extract(
    input: &mut Input,
    directory: &Directory,
    root: &Path,
    limits: Limits,
) -> Result<Vec<FileFact>, ZipError> {
    let (full, batches) = sync_channel(BATCHES_WAITING);
    let (used, empty) = channel();
    thread::scope(|scope| {
        let writer = scope.spawn(move || write(&directory.entries, root, &batches, &used));
        let mut unpacker = Unpacker {
            inflate: Decompress::new(false),
            block: Vec::new(),
            budget: Budget::new(limits, directory.total),
            batch: Batch::new(),
            full,
            empty,
        };
        let read = unpacker.all(input, directory);
        // The writer ends when its sender is gone.
        drop(unpacker);
        let written = writer
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (read, written) {
            // The reader only noticed that the writer is gone: the writer knows why.
            (Err(ZipError::Stopped) | Ok(()), written) => written,
            (Err(error), _) => Err(error),
        }
    })
}

struct Unpacker {
    inflate: Decompress,
    block: Vec<u8>,
    budget: Budget,
    batch: Batch,
    full: SyncSender<Batch>,
    empty: Receiver<Batch>,
}

impl Unpacker {
    fn all(&mut self, input: &mut Input, directory: &Directory) -> Result<(), ZipError> {
        let ends = directory.entries.iter().skip(1).map(|next| next.offset);
        let ends = ends.chain([directory.start]);
        for (index, (entry, end)) in directory.entries.iter().zip(ends).enumerate() {
            let header = local::header(input, entry, &mut self.block)?;
            let crc = match entry.method {
                Method::Stored => self.stored(input, index, entry)?,
                Method::Deflate => self.deflated(input, index, entry)?,
            };
            if crc != entry.crc {
                return refuse(format!(
                    "the content of \"{}\" has checksum {crc:08x}, expected {:08x}",
                    entry.path, entry.crc
                ));
            }
            let used = entry.offset + header + entry.compressed;
            let Some(descriptor) = end.checked_sub(used) else {
                return refuse(format!(
                    "the entry \"{}\" overlaps the next one",
                    entry.path
                ));
            };
            local::descriptor(input, entry, descriptor, &mut self.block)?;
        }
        self.hand_over()
    }

    /// Passes the content on as it is, and gives its checksum.
    fn stored(&mut self, input: &mut Input, index: usize, entry: &Entry) -> Result<u32, ZipError> {
        let mut crc = crc32fast::Hasher::new();
        let mut left = entry.compressed;
        if left == 0 {
            self.empty_piece(index)?;
        }
        while left > 0 {
            let bytes = input.some(left)?;
            left -= bytes.len() as u64;
            crc.update(&bytes);
            self.budget.bytes(bytes.len() as u64)?;
            let last = left == 0;
            if bytes.len() < BATCH_BYTES / 8 {
                self.copy(index, &bytes, last)?;
            } else {
                self.piece(index, Data::Stored(bytes), last)?;
            }
        }
        Ok(crc.finalize())
    }

    /// Small pieces travel together.
    fn copy(&mut self, index: usize, bytes: &Bytes, last: bool) -> Result<(), ZipError> {
        if BATCH_BYTES < self.batch.filled + bytes.len() {
            self.hand_over()?;
        }
        let start = self.batch.filled;
        let end = start + bytes.len();
        let room = self.batch.bytes.get_mut(start..end);
        room.expect("a batch with room").copy_from_slice(bytes);
        self.batch.filled = end;
        self.piece(index, Data::Here(start..end), last)
    }

    /// Inflates the content, and gives its checksum.
    fn deflated(
        &mut self,
        input: &mut Input,
        index: usize,
        entry: &Entry,
    ) -> Result<u32, ZipError> {
        let mut crc = crc32fast::Hasher::new();
        let mut left = entry.compressed;
        let mut came_out = 0_u64;
        let mut bytes = Bytes::new();
        self.inflate.reset(false);
        loop {
            if bytes.is_empty() && left > 0 {
                bytes = input.some(left)?;
                left -= bytes.len() as u64;
            }
            if self.batch.filled == BATCH_BYTES {
                self.hand_over()?;
            }
            let start = self.batch.filled;
            let before = (self.inflate.total_in(), self.inflate.total_out());
            let room = self.batch.bytes.get_mut(start..).unwrap_or_default();
            let status = self.inflate.decompress(&bytes, room, FlushDecompress::None);
            let took = self.inflate.total_in() - before.0;
            let gave = self.inflate.total_out() - before.1;
            let end = start + usize::try_from(gave).unwrap_or_default();
            self.batch.filled = end;
            let Ok(status) = status else {
                return refuse(format!(
                    "the content of \"{}\" is not valid DEFLATE",
                    entry.path
                ));
            };
            bytes = bytes.split_off(usize::try_from(took).unwrap_or(bytes.len()));
            came_out += gave;
            self.budget.bytes(gave)?;
            let ended = status == Status::StreamEnd;
            if entry.size < came_out || (ended && came_out < entry.size) {
                return refuse(format!(
                    "the entry \"{}\" unpacks to {} bytes, expected {}",
                    entry.path,
                    if ended {
                        came_out.to_string()
                    } else {
                        "more".to_owned()
                    },
                    entry.size
                ));
            }
            crc.update(self.batch.bytes.get(start..end).unwrap_or_default());
            self.piece(index, Data::Here(start..end), ended)?;
            if ended {
                break;
            }
            if took == 0 && gave == 0 && left == 0 {
                return refuse(format!("the content of \"{}\" is cut off", entry.path));
            }
        }
        if left > 0 || !bytes.is_empty() {
            return refuse(format!(
                "there are bytes after the content of \"{}\"",
                entry.path
            ));
        }
        match entry.kind {
            // A directory has no content, and so no checksum that anybody checks.
            Kind::Dir => Ok(entry.crc),
            Kind::File { .. } => Ok(crc.finalize()),
        }
    }

    fn empty_piece(&mut self, index: usize) -> Result<(), ZipError> {
        let here = self.batch.filled;
        self.piece(index, Data::Here(here..here), true)
    }

    fn piece(&mut self, entry: usize, data: Data, last: bool) -> Result<(), ZipError> {
        /// Beyond this many a batch of small or stored pieces would hold too much.
        const PIECES_MAX: usize = 256;
        let stored = matches!(data, Data::Stored(_));
        self.batch.pieces.push(Piece { entry, data, last });
        if stored || self.batch.pieces.len() == PIECES_MAX {
            self.hand_over()?;
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), ZipError> {
        let next = self
            .empty
            .try_recv()
            .unwrap_or_else(|_none_yet| Batch::new());
        let full = std::mem::replace(&mut self.batch, next);
        // The writer is gone: it tells why.
        self.full.send(full).map_err(|_gone| ZipError::Stopped)
    }
}
