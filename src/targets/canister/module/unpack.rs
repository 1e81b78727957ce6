//! A gzipped module unpacked by the rules of the network (`rs/embedders/src/wasm_utils/decoding.rs` of dfinity/ic): the size in the
//! last four bytes must be at most 100 MiB and must be true, so that a bomb ends at the limit.

use super::{BadModule, MODULE_BYTES_MAX, too_large};
use flate2::bufread::GzDecoder;
use std::io::Read as _;

/// Gzip, DEFLATE.
pub(super) const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b, 0x08];

/// Ten bytes of header and eight at the end, less what may be empty.
const BYTES_MIN: usize = 16;

/// The module inside.
pub(super) fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, BadModule> {
    let broken = |what: String| BadModule::new(what, "build and compress the module again");
    let size = match bytes.last_chunk::<4>() {
        Some(size) if BYTES_MIN <= bytes.len() => u32::from_le_bytes(*size),
        Some(_) | None => {
            return Err(broken(format!(
                "found a gzip file of {} bytes, expected a whole one: it is cut off",
                bytes.len()
            )));
        }
    };
    if MODULE_BYTES_MAX < u64::from(size) {
        return Err(too_large(&format!(
            "found a gzip file that unpacks to {size} bytes"
        )));
    }
    let mut unpacked = Vec::new();
    GzDecoder::new(bytes)
        .take(u64::from(size) + 1)
        .read_to_end(&mut unpacked)
        .map_err(|error| {
            broken(format!(
                "found a gzip file that cannot be unpacked ({error}): it is cut off or damaged"
            ))
        })?;
    if unpacked.len() as u64 != u64::from(size) {
        return Err(broken(format!(
            "found a gzip file that says it unpacks to {size} bytes and does not, expected one gzip stream without anything after it"
        )));
    }
    Ok(unpacked)
}
