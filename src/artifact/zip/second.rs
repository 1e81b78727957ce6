//! A second opinion on the central directory, by the `zip` crate: an archive that two independent readers see differently
//! is refused, whoever is right. Our own reader decides; this one can only object.

use super::directory::{Directory, Kind, Method};
use super::{ZipError, refuse};
use std::io::{self, Read, Seek, SeekFrom};
use zip::CompressionMethod;
use zip::read::{ArchiveOffset, Config, ZipArchive};

/// Objects when the `zip` crate reads other entries from the directory and end records than we did.
pub(super) fn agrees(directory: &Directory, bytes: &[u8], after: &[u8]) -> Result<(), ZipError> {
    let view = View {
        start: directory.start,
        parts: [bytes, after],
        total: directory.total,
        at: 0,
    };
    let config = Config {
        archive_offset: ArchiveOffset::Known(0),
    };
    let archive = match ZipArchive::with_config(config, view) {
        Ok(archive) => archive,
        Err(error) => {
            return refuse(format!(
                "a second reader cannot read the directory: {error}"
            ));
        }
    };
    let differs = |what: &str| refuse(format!("a second reader sees other {what}"));
    if archive.len() != directory.entries.len() {
        return differs("entries");
    }
    for index in 0..archive.len() {
        let Ok(theirs) = archive.by_index_data(index) else {
            return differs("entries");
        };
        let at = directory
            .entries
            .binary_search_by_key(&theirs.header_start(), |ours| ours.offset);
        let Some(ours) = at.ok().and_then(|at| directory.entries.get(at)) else {
            return differs("places");
        };
        if !ours.raw_name().eq(theirs.name_raw().iter().copied()) {
            return differs("names");
        }
        let method = match ours.method {
            Method::Stored => CompressionMethod::Stored,
            Method::Deflate => CompressionMethod::Deflated,
        };
        let same = theirs.size() == ours.size
            && theirs.compressed_size() == ours.compressed
            && theirs.crc32() == ours.crc
            && theirs.compression() == method
            && theirs.is_dir() == (ours.kind == Kind::Dir);
        if !same {
            return differs("sizes or kinds");
        }
    }
    Ok(())
}

/// The archive as far as it is here: its directory and end records, and zeros for all that comes before.
struct View<'a> {
    start: u64,
    parts: [&'a [u8]; 2],
    total: u64,
    at: u64,
}

impl Read for View<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut begins = self.start;
        if self.at < begins {
            let gap = usize::try_from(begins - self.at).unwrap_or(usize::MAX);
            let zeros = into.len().min(gap);
            into.get_mut(..zeros).unwrap_or_default().fill(0);
            self.at += zeros as u64;
            return Ok(zeros);
        }
        for part in self.parts {
            let skip = usize::try_from(self.at - begins).unwrap_or(usize::MAX);
            if let Some(rest) = part.get(skip..).filter(|rest| !rest.is_empty()) {
                let count = rest.len().min(into.len());
                into.get_mut(..count)
                    .unwrap_or_default()
                    .copy_from_slice(rest.get(..count).unwrap_or_default());
                self.at += count as u64;
                return Ok(count);
            }
            begins += part.len() as u64;
            if self.at < begins {
                break;
            }
        }
        Ok(0)
    }
}

impl Seek for View<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.total.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
