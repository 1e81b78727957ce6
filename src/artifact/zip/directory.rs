//! The central directory: what the archive holds and where. All names, kinds, sizes and places are checked here, before
//! one byte is unpacked.

use super::end::End;
use super::fields::{Fields, Narrow, extent};
use super::{ZipError, refuse, second};
use crate::tree::{Budget, Limits, clash, entry_name};

const HEADER: [u8; 4] = *b"PK\x01\x02";

/// Bits of the general purpose flag that may be set: DEFLATE options (1, 2), data descriptor (3), UTF-8 name (11).
const FLAGS_KNOWN: u16 = 0b0000_1000_0000_1110;
const FLAG_DESCRIPTOR: u16 = 1 << 3;

/// What an archive holds, in the order of its bytes.
#[derive(Debug)]
pub(in crate::artifact) struct Directory {
    pub(super) entries: Vec<Entry>,
    /// Where the entries end and the directory begins.
    pub(super) start: u64,
    /// Size of the whole archive in bytes.
    pub(super) total: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: Box<str>,
    pub(super) kind: Kind,
    pub(super) method: Method,
    pub(super) flags: u16,
    pub(super) crc: u32,
    pub(super) size: u64,
    pub(super) compressed: u64,
    pub(super) offset: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Dir,
    File { executable: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflate,
}

impl Method {
    pub(super) fn read(number: u16) -> Result<Self, ZipError> {
        match number {
            0 => Ok(Self::Stored),
            8 => Ok(Self::Deflate),
            other => refuse(format!(
                "an entry is compressed by method {other}, expected 0 (stored) or 8 (deflate)"
            )),
        }
    }
}

impl Entry {
    pub(super) fn has_descriptor(&self) -> bool {
        self.flags & FLAG_DESCRIPTOR != 0
    }

    /// The name as it stands in the archive.
    pub(super) fn raw_name(&self) -> impl Iterator<Item = u8> {
        let slash = match self.kind {
            Kind::Dir => Some(b'/'),
            Kind::File { .. } => None,
        };
        self.path.bytes().chain(slash)
    }
}

impl Directory {
    /// Reads the directory from `bytes`, which `end` announced; the archive has `total` bytes and ends with `after`, the
    /// end records.
    pub(in crate::artifact) fn read(
        bytes: &[u8],
        after: &[u8],
        end: End,
        total: u64,
        limits: Limits,
    ) -> Result<Self, ZipError> {
        let mut budget = Budget::new(limits, total);
        let mut fields = Fields(bytes);
        let mut entries = Vec::new();
        for _ in 0..end.entries {
            budget.entry()?;
            let entry = entry(&mut fields)?;
            budget.bytes(entry.size)?;
            entries.push(entry);
        }
        if !fields.0.is_empty() {
            return refuse("the central directory holds more than its entries");
        }
        if entries.is_empty() {
            return refuse("it holds no file");
        }
        entries.sort_by_key(|entry| entry.offset);
        clash(
            entries
                .iter()
                .map(|entry| (&*entry.path, entry.kind == Kind::Dir)),
        )?;
        let directory = Self {
            entries,
            start: end.directory_start,
            total,
        };
        directory.places()?;
        second::agrees(&directory, bytes, after)?;
        Ok(directory)
    }

    /// Entries begin at the first byte and cannot overlap. That nothing lies between them is seen when they are read.
    fn places(&self) -> Result<(), ZipError> {
        const LOCAL_HEADER_BYTES: u64 = 30;
        let mut free = 0;
        for entry in &self.entries {
            if entry.offset < free {
                return refuse(format!("the entry \"{}\" overlaps another one", entry.path));
            }
            if free == 0 && entry.offset != 0 {
                return refuse("there are bytes before the first entry");
            }
            free = entry
                .compressed
                .checked_add(LOCAL_HEADER_BYTES)
                .and_then(|bytes| bytes.checked_add(entry.offset))
                .unwrap_or(u64::MAX);
        }
        if self.start < free {
            return refuse("the last entry overlaps the central directory");
        }
        Ok(())
    }
}

fn entry(fields: &mut Fields<'_>) -> Result<Entry, ZipError> {
    if fields.bytes(4)? != HEADER {
        return refuse("the central directory holds something that is not an entry");
    }
    let made_by = fields.u16()?;
    fields.u16()?; // version needed: the method and the flags say what is needed
    let flags = fields.u16()?;
    let method = fields.u16()?;
    fields.u32()?; // time: not kept
    let crc = fields.u32()?;
    let compressed = fields.u32()?;
    let size = fields.u32()?;
    let name_bytes = fields.u16()?;
    let extra_bytes = fields.u16()?;
    let comment_bytes = fields.u16()?;
    let disk = fields.u16()?;
    fields.u16()?; // internal attributes: text or binary
    let attributes = fields.u32()?;
    let offset = fields.u32()?;
    let raw = fields.bytes(name_bytes.into())?;
    let extra = fields.bytes(extra_bytes.into())?;
    fields.bytes(comment_bytes.into())?;

    let name = entry_name(raw)?;
    if flags & 1 != 0 {
        return refuse(format!("the entry \"{}\" is encrypted", name.path));
    }
    if flags & !FLAGS_KNOWN != 0 {
        return refuse(format!(
            "the entry \"{}\" has flags {flags:#06x}",
            name.path
        ));
    }
    if disk != 0 && disk != 0xffff {
        return refuse("the archive is a part of several");
    }
    let narrow = Narrow {
        size,
        compressed,
        offset: Some(offset),
    };
    let extent = extent(extra, narrow, raw)?;
    let entry = Entry {
        kind: kind(&name.path, name.is_dir, made_by, attributes)?,
        path: name.path.into_boxed_str(),
        method: Method::read(method)?,
        flags,
        crc,
        size: extent.size,
        compressed: extent.compressed,
        offset: extent.offset.unwrap_or_default(),
    };
    if entry.kind == Kind::Dir && entry.size != 0 {
        return refuse(format!("the directory \"{}\" has content", entry.path));
    }
    if entry.method == Method::Stored && entry.size != entry.compressed {
        return refuse(format!(
            "the entry \"{}\" is stored as {} bytes and says it has {}",
            entry.path, entry.compressed, entry.size
        ));
    }
    Ok(entry)
}

/// File or directory: the name and the attributes must agree, and there is no third kind.
fn kind(path: &str, is_dir: bool, made_by: u16, attributes: u32) -> Result<Kind, ZipError> {
    const DOS: u16 = 0;
    const DOS_DIRECTORY: u32 = 0x10;
    let mode = attributes >> 16;
    let says_dir = match mode & 0o170_000 {
        0 => (made_by >> 8 == DOS && attributes & DOS_DIRECTORY != 0).then_some(true),
        0o100_000 => Some(false),
        0o040_000 => Some(true),
        0o120_000 => return refuse(format!("the entry \"{path}\" is a symbolic link")),
        other => {
            return refuse(format!(
                "the entry \"{path}\" is a special file (type {other:#o})"
            ));
        }
    };
    if says_dir.is_some_and(|says_dir| says_dir != is_dir) {
        return refuse(format!(
            "the entry \"{path}\" is a directory by its name or its attributes, and not by the other"
        ));
    }
    if is_dir {
        return Ok(Kind::Dir);
    }
    Ok(Kind::File {
        executable: mode & 0o111 != 0,
    })
}
