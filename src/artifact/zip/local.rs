//! Local headers and data descriptors: they repeat what the central directory says, and must not contradict it.

use super::directory::{Entry, Method};
use super::fields::{Fields, Narrow, extent};
use super::input::Input;
use super::{ZipError, refuse};

const HEADER: [u8; 4] = *b"PK\x03\x04";
const HEADER_BYTES: usize = 30;
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";

/// Reads the local header of `entry` and gives its length in bytes.
pub(super) fn header(
    input: &mut Input,
    entry: &Entry,
    block: &mut Vec<u8>,
) -> Result<u64, ZipError> {
    block.clear();
    input.exactly(HEADER_BYTES, block)?;
    let mut fields = Fields(block.get(26..).unwrap_or_default());
    let name_bytes = usize::from(fields.u16()?);
    let extra_bytes = usize::from(fields.u16()?);
    input.exactly(name_bytes + extra_bytes, block)?;

    let differs = |what: &str| {
        refuse(format!(
            "the local header of \"{}\" has {what} than the central directory",
            entry.path
        ))
    };
    let mut fields = Fields(block);
    if fields.bytes(4)? != HEADER {
        return differs("another beginning");
    }
    fields.u16()?; // version needed
    let flags = fields.u16()?;
    let method = fields.u16()?;
    fields.u32()?; // time
    let crc = fields.u32()?;
    let compressed = fields.u32()?;
    let size = fields.u32()?;
    fields.u32()?; // lengths
    let name = fields.bytes(name_bytes)?;
    let extra = fields.bytes(extra_bytes)?;

    if flags != entry.flags {
        return differs("other flags");
    }
    if Method::read(method)? != entry.method {
        return differs("another method");
    }
    if !entry.raw_name().eq(name.iter().copied()) {
        return differs("another name");
    }
    let narrow = Narrow {
        size,
        compressed,
        offset: None,
    };
    let local = extent(extra, narrow, name)?;
    let says = (crc, local.compressed, local.size);
    let right = (entry.crc, entry.compressed, entry.size);
    // With a descriptor the writer did not know them yet, and wrote zeros, or knew and wrote them nevertheless.
    let not_yet = entry.has_descriptor() && says == (0, 0, 0);
    if says != right && !not_yet {
        return differs("another size or checksum");
    }
    Ok(block.len() as u64)
}

/// Reads the data descriptor of `entry`, which has exactly `bytes` bytes: with or without its signature, and with sizes of
/// 4 or 8 bytes each. Its length says which.
pub(super) fn descriptor(
    input: &mut Input,
    entry: &Entry,
    bytes: u64,
    block: &mut Vec<u8>,
) -> Result<(), ZipError> {
    let (signed, wide) = match (entry.has_descriptor(), bytes) {
        (false, 0) => return Ok(()),
        (true, 12) => (false, false),
        (true, 16) => (true, false),
        (true, 20) => (false, true),
        (true, 24) => (true, true),
        (_, found) => {
            return refuse(format!(
                "there are {found} bytes too many after \"{}\"",
                entry.path
            ));
        }
    };
    block.clear();
    input.exactly(usize::try_from(bytes).unwrap_or(usize::MAX), block)?;
    let mut fields = Fields(block);
    let signature = if signed {
        fields.bytes(4)?
    } else {
        &DESCRIPTOR
    };
    let crc = fields.u32()?;
    let (compressed, size) = if wide {
        (fields.u64()?, fields.u64()?)
    } else {
        (fields.u32()?.into(), fields.u32()?.into())
    };
    if signature != DESCRIPTOR
        || (crc, compressed, size) != (entry.crc, entry.compressed, entry.size)
    {
        return refuse(format!(
            "the data descriptor of \"{}\" contradicts the central directory",
            entry.path
        ));
    }
    Ok(())
}
