//! Little-endian fields of a zip header, and its extra fields.

use super::{ZipError, refuse};

/// Reads fields from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], ZipError> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else {
            return refuse("a zip header is cut off");
        };
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u16(&mut self) -> Result<u16, ZipError> {
        let mut bytes = [0; 2];
        bytes.copy_from_slice(self.bytes(2)?);
        Ok(u16::from_le_bytes(bytes))
    }

    pub(super) fn u32(&mut self) -> Result<u32, ZipError> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.bytes(4)?);
        Ok(u32::from_le_bytes(bytes))
    }

    pub(super) fn u64(&mut self) -> Result<u64, ZipError> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.bytes(8)?);
        Ok(u64::from_le_bytes(bytes))
    }
}

/// The sizes and offset of an entry, as its header and its zip64 extra field have them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) size: u64,
    pub(super) compressed: u64,
    /// Local headers have none.
    pub(super) offset: Option<u64>,
}

/// What the header alone says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Narrow {
    pub(super) size: u32,
    pub(super) compressed: u32,
    pub(super) offset: Option<u32>,
}

const ZIP64: u16 = 0x0001;
const UNICODE_PATH: u16 = 0x7075;
const AES: u16 = 0x9901;
const STRONG_ENCRYPTION: u16 = 0x0017;

/// Reads the extra fields of a header whose name is `name`, and completes its sizes.
///
/// # Errors
/// They are malformed, say encrypted, give another name, or contradict the header.
pub(super) fn extent(extra: &[u8], narrow: Narrow, name: &[u8]) -> Result<Extent, ZipError> {
    let mut fields = Fields(extra);
    let mut wide = None;
    while !fields.0.is_empty() {
        let id = fields.u16()?;
        let length = fields.u16()?;
        let field = fields.bytes(length.into())?;
        match id {
            ZIP64 if wide.is_some() => return refuse("an entry has two zip64 fields"),
            ZIP64 => wide = Some(field),
            UNICODE_PATH if field.get(5..) != Some(name) => {
                return refuse("an entry has a second name that differs from the first");
            }
            AES | STRONG_ENCRYPTION => return refuse("an entry is encrypted"),
            _ => (),
        }
    }
    let Some(wide) = wide else {
        return Ok(Extent {
            size: narrow.size.into(),
            compressed: narrow.compressed.into(),
            offset: narrow.offset.map(u64::from),
        });
    };
    only_needed(wide, narrow)
        .or_else(|| all_in_order(wide, narrow))
        .map_or_else(
            || refuse("an entry's zip64 field contradicts its header"),
            Ok,
        )
}

/// The form that the specification asks for: only what the header marks as too large for itself.
fn only_needed(wide: &[u8], narrow: Narrow) -> Option<Extent> {
    let mut fields = Fields(wide);
    let mut take = |narrow: u32| match narrow {
        u32::MAX => fields.u64().ok(),
        narrow => Some(narrow.into()),
    };
    let extent = Extent {
        size: take(narrow.size)?,
        compressed: take(narrow.compressed)?,
        offset: match narrow.offset {
            Some(offset) => Some(take(offset)?),
            None => None,
        },
    };
    fields.0.is_empty().then_some(extent)
}

/// The form that Go and others write: all of them, or the first of them, in order; those that the header has too agree.
fn all_in_order(wide: &[u8], narrow: Narrow) -> Option<Extent> {
    let mut fields = Fields(wide);
    let mut take = |narrow: u32| {
        if fields.0.is_empty() {
            return (narrow != u32::MAX).then_some(u64::from(narrow));
        }
        let wide = fields.u64().ok()?;
        (narrow == u32::MAX || u64::from(narrow) == wide).then_some(wide)
    };
    let extent = Extent {
        size: take(narrow.size)?,
        compressed: take(narrow.compressed)?,
        offset: match narrow.offset {
            Some(offset) => Some(take(offset)?),
            None => None,
        },
    };
    // The disk the entry begins on: there is only the first.
    (fields.0.is_empty() || fields.0 == [0; 4]).then_some(extent)
}
