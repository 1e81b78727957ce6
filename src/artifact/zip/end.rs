//! The end of a zip, where its central directory is announced: plain and zip64 record, and no third opinion.

use super::fields::Fields;
use super::{ZipError, refuse};

const END: [u8; 4] = *b"PK\x05\x06";
const END64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR64: [u8; 4] = *b"PK\x06\x07";
const END_BYTES: usize = 22;
const END64_BYTES: usize = 56;
const LOCATOR64_BYTES: usize = 20;
const COMMENT_BYTES_MAX: usize = 65_535;

/// As much of the end of an archive as [`find_end`] needs.
pub(in crate::artifact) const TAIL_BYTES: usize =
    COMMENT_BYTES_MAX + END_BYTES + LOCATOR64_BYTES + END64_BYTES;

/// A directory that needs more memory than this is refused: it is room for 300,000 entries.
const DIRECTORY_BYTES_MAX: u64 = 32 << 20;

/// Where the central directory is. It ends where the end records begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::artifact) struct End {
    pub(in crate::artifact) directory_start: u64,
    pub(in crate::artifact) directory_bytes: u64,
    pub(in crate::artifact) entries: u64,
}

/// Reads the end records. `tail` is the end of an archive of `total` bytes: all of it, or [`TAIL_BYTES`] at least.
pub(in crate::artifact) fn find_end(tail: &[u8], total: u64) -> Result<End, ZipError> {
    let at = position(tail)?;
    let (before, record) = tail.split_at(at);
    let mut fields = Fields(record);
    fields.bytes(4)?;
    let disk = fields.u16()?;
    let directory_disk = fields.u16()?;
    let here = fields.u16()?;
    let entries = fields.u16()?;
    let directory_bytes = fields.u32()?;
    let directory_start = fields.u32()?;
    let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);

    let locator = before.len().checked_sub(LOCATOR64_BYTES);
    let locator = locator.and_then(|at| before.split_at_checked(at));
    let (end, records) = match locator {
        Some((before, locator)) if locator.starts_with(&LOCATOR64) => {
            let wide = end64(before, locator, total - length(record))?;
            let narrow = [
                (u64::from(disk), 0xffff, 0),
                (u64::from(directory_disk), 0xffff, 0),
                (u64::from(here), 0xffff, wide.entries),
                (u64::from(entries), 0xffff, wide.entries),
                (
                    u64::from(directory_bytes),
                    0xffff_ffff,
                    wide.directory_bytes,
                ),
                (
                    u64::from(directory_start),
                    0xffff_ffff,
                    wide.directory_start,
                ),
            ];
            if narrow
                .iter()
                .any(|(narrow, wide, says)| narrow != wide && narrow != says)
            {
                return refuse("the zip64 end record contradicts the plain one");
            }
            (
                wide,
                length(record) + (LOCATOR64_BYTES + END64_BYTES) as u64,
            )
        }
        Some(_) | None => {
            if (disk, directory_disk) != (0, 0) || here != entries {
                return refuse("the archive is a part of several");
            }
            let end = End {
                directory_start: directory_start.into(),
                directory_bytes: directory_bytes.into(),
                entries: entries.into(),
            };
            (end, length(record))
        }
    };
    if DIRECTORY_BYTES_MAX < end.directory_bytes {
        return refuse(format!(
            "the central directory has {} bytes, the limit is {DIRECTORY_BYTES_MAX}",
            end.directory_bytes
        ));
    }
    let reaches = end.directory_start.checked_add(end.directory_bytes);
    if reaches.and_then(|at| at.checked_add(records)) != Some(total) {
        return refuse(
            "the central directory is not where the end record says: the archive is cut, or bytes were put before or after",
        );
    }
    Ok(end)
}

/// Where the end record begins: it and its comment reach to the last byte, and the comment holds no other one.
fn position(tail: &[u8]) -> Result<usize, ZipError> {
    for comment in 0..=COMMENT_BYTES_MAX {
        let Some(at) = tail.len().checked_sub(END_BYTES + comment) else {
            break;
        };
        let record = tail.get(at..).unwrap_or_default();
        if !record.starts_with(&END) {
            continue;
        }
        let says = Fields(record.get(20..).unwrap_or_default()).u16()?;
        if usize::from(says) == comment {
            return Ok(at);
        }
        return refuse("there is an end record inside the comment, or bytes after the end");
    }
    refuse("there is no end record: the archive is cut")
}

/// The zip64 record lies directly before its locator, which ends at `locator_end`.
fn end64(before: &[u8], locator: &[u8], locator_end: u64) -> Result<End, ZipError> {
    let mut fields = Fields(locator);
    fields.bytes(4)?;
    let disk = fields.u32()?;
    let offset = fields.u64()?;
    let disks = fields.u32()?;
    if disk != 0 || 1 < disks {
        return refuse("the archive is a part of several");
    }
    let at = before.len().checked_sub(END64_BYTES);
    let record = at.and_then(|at| before.get(at..)).unwrap_or_default();
    let should_be = locator_end.checked_sub((LOCATOR64_BYTES + END64_BYTES) as u64);
    if !record.starts_with(&END64) || Some(offset) != should_be {
        return refuse("the zip64 end record is not where its locator says");
    }
    let mut fields = Fields(record);
    fields.bytes(4)?;
    let size = fields.u64()?;
    fields.bytes(4)?; // versions
    let disks = (fields.u32()?, fields.u32()?);
    let here = fields.u64()?;
    let entries = fields.u64()?;
    let end = End {
        directory_bytes: fields.u64()?,
        directory_start: fields.u64()?,
        entries,
    };
    if size != (END64_BYTES - 12) as u64 {
        return refuse("the zip64 end record is larger than it should be");
    }
    if disks != (0, 0) || here != entries {
        return refuse("the archive is a part of several");
    }
    Ok(end)
}
