//! Writes zips field by field, so that a test can make any field lie. It shares no code with the reader under test.

use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::Write as _;

/// The fields that local and central header share.
#[derive(Clone)]
pub(crate) struct Header {
    pub(crate) signature: [u8; 4],
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) crc: u32,
    pub(crate) compressed: u32,
    pub(crate) size: u32,
    pub(crate) name: Vec<u8>,
    pub(crate) extra: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Entry {
    /// Bytes before the local header.
    pub(crate) before: Vec<u8>,
    pub(crate) local: Header,
    pub(crate) content: Vec<u8>,
    pub(crate) descriptor: Vec<u8>,
    pub(crate) central: Header,
    pub(crate) made_by: u16,
    pub(crate) attributes: u32,
    pub(crate) disk: u16,
    /// Instead of the true one.
    pub(crate) offset: Option<u32>,
}

impl Entry {
    pub(crate) fn stored(name: &str, content: &[u8]) -> Self {
        Self::new(name.as_bytes(), 0, content, content.to_vec())
    }

    pub(crate) fn deflated(name: &str, content: &[u8]) -> Self {
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
        deflate.write_all(content).unwrap();
        Self::new(name.as_bytes(), 8, content, deflate.finish().unwrap())
    }

    fn new(name: &[u8], method: u16, content: &[u8], compressed: Vec<u8>) -> Self {
        let header = Header {
            signature: *b"PK\x03\x04",
            flags: 1 << 11,
            method,
            crc: crc32fast::hash(content),
            compressed: u32::try_from(compressed.len()).unwrap(),
            size: u32::try_from(content.len()).unwrap(),
            name: name.to_vec(),
            extra: Vec::new(),
        };
        let mode = if name.ends_with(b"/") {
            0o040_755
        } else {
            0o100_644
        };
        Self {
            before: Vec::new(),
            central: Header {
                signature: *b"PK\x01\x02",
                ..header.clone()
            },
            local: header,
            content: compressed,
            descriptor: Vec::new(),
            made_by: 0x032d,
            attributes: mode << 16,
            disk: 0,
            offset: None,
        }
    }

    /// As a streaming writer leaves it: sizes after the content, zeros before it.
    pub(crate) fn with_descriptor(mut self) -> Self {
        let header = &self.central;
        self.descriptor = b"PK\x07\x08".to_vec();
        for field in [header.crc, header.compressed, header.size] {
            self.descriptor.extend(field.to_le_bytes());
        }
        self.central.flags |= 1 << 3;
        self.local.flags |= 1 << 3;
        (self.local.crc, self.local.compressed, self.local.size) = (0, 0, 0);
        self
    }

    /// All sizes in a zip64 field of the central header, and the offset too; `offset` is the true one.
    pub(crate) fn with_zip64(mut self, offset: u64) -> Self {
        let header = &mut self.central;
        let wide = [header.size.into(), header.compressed.into(), offset];
        header.extra = extra(1, &wide.map(u64::to_le_bytes).concat());
        (header.size, header.compressed) = (u32::MAX, u32::MAX);
        self.offset = Some(u32::MAX);
        self
    }

    pub(crate) fn both(mut self, change: impl Fn(&mut Header)) -> Self {
        change(&mut self.local);
        change(&mut self.central);
        self
    }

    pub(crate) fn change(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

pub(crate) fn extra(id: u16, field: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_le_bytes().to_vec();
    bytes.extend(u16::try_from(field.len()).unwrap().to_le_bytes());
    bytes.extend(field);
    bytes
}

/// The end records; `None` is the truth.
#[derive(Clone, Default)]
pub(crate) struct End {
    pub(crate) zip64: bool,
    pub(crate) disk: u16,
    pub(crate) entries: Option<u16>,
    pub(crate) bytes: Option<u32>,
    pub(crate) start: Option<u32>,
    pub(crate) wide_entries: Option<u64>,
    pub(crate) wide_start: Option<u64>,
    pub(crate) wide_size: Option<u64>,
    pub(crate) locator: Option<u64>,
    pub(crate) comment: Vec<u8>,
    /// Instead of the comment's true length.
    pub(crate) comment_bytes: Option<u16>,
    /// Bytes between the last entry and the directory.
    pub(crate) before_directory: Vec<u8>,
    /// Bytes between the directory and the end record.
    pub(crate) between: Vec<u8>,
}

pub(crate) fn zip(entries: &[Entry], end: &End) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        bytes.extend(&entry.before);
        let offset = u32::try_from(bytes.len()).unwrap();
        let local = &entry.local;
        bytes.extend(local.signature);
        bytes.extend(20_u16.to_le_bytes());
        shared(local, &mut bytes);
        bytes.extend(&local.name);
        bytes.extend(&local.extra);
        bytes.extend(&entry.content);
        bytes.extend(&entry.descriptor);

        let central = &entry.central;
        directory.extend(central.signature);
        directory.extend(entry.made_by.to_le_bytes());
        directory.extend(20_u16.to_le_bytes());
        shared(central, &mut directory);
        directory.extend([0; 2]); // comment
        directory.extend(entry.disk.to_le_bytes());
        directory.extend([0; 2]);
        directory.extend(entry.attributes.to_le_bytes());
        directory.extend(entry.offset.unwrap_or(offset).to_le_bytes());
        directory.extend(&central.name);
        directory.extend(&central.extra);
    }
    bytes.extend(&end.before_directory);
    let start = bytes.len() as u64;
    bytes.extend(&directory);
    bytes.extend(&end.between);
    let count = entries.len() as u64;
    if end.zip64 {
        let record = bytes.len() as u64;
        bytes.extend(b"PK\x06\x06");
        bytes.extend(end.wide_size.unwrap_or(44).to_le_bytes());
        bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for field in [
            count,
            end.wide_entries.unwrap_or(count),
            directory.len() as u64,
        ] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(end.wide_start.unwrap_or(start).to_le_bytes());
        bytes.extend(b"PK\x06\x07");
        bytes.extend([0; 4]);
        bytes.extend(end.locator.unwrap_or(record).to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
    }
    let narrow = |says: Option<u32>, truth: u64| says.unwrap_or(u32::try_from(truth).unwrap());
    let entries = end.entries.unwrap_or(u16::try_from(count).unwrap());
    bytes.extend(b"PK\x05\x06");
    for field in [end.disk, end.disk, entries, entries] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(narrow(end.bytes, directory.len() as u64).to_le_bytes());
    bytes.extend(narrow(end.start, start).to_le_bytes());
    let comment = u16::try_from(end.comment.len()).unwrap();
    bytes.extend(end.comment_bytes.unwrap_or(comment).to_le_bytes());
    bytes.extend(&end.comment);
    bytes
}

fn shared(header: &Header, bytes: &mut Vec<u8>) {
    bytes.extend(header.flags.to_le_bytes());
    bytes.extend(header.method.to_le_bytes());
    bytes.extend([0; 4]); // time
    for field in [header.crc, header.compressed, header.size] {
        bytes.extend(field.to_le_bytes());
    }
    for length in [header.name.len(), header.extra.len()] {
        bytes.extend(u16::try_from(length).unwrap().to_le_bytes());
    }
}
