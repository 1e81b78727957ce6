//! Tar archives, plain or gzipped, unpacked under the same rules as zips: all of it or nothing, names as they are, files
//! and directories only. The caller gives a staged directory and drops it on an error.

use super::{Budget, FileFact, Limits, TreeError, TreeWriter, clash, entry_name};
use crate::model::payload::Digest;
use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, Write as _};
use std::path::Path;
use tar::{Archive, Entry, EntryType};

const BLOCK_BYTES: usize = 128 << 10;

/// Unpacks the `.tar` or `.tar.gz` (told by content) at `archive` into the empty directory `into`. Of the modes only the
/// right to execute is kept.
///
/// # Errors
/// On a refusal or a cut archive `into` holds a part: drop it.
pub fn unpack_tar(archive: &Path, into: &Path, limits: Limits) -> Result<Vec<FileFact>, TreeError> {
    let mut file = File::open(archive)?;
    let budget = Budget::new(limits, file.metadata()?.len());
    let mut magic = [0; 2];
    file.read_exact(&mut magic).map_err(cut)?;
    file.rewind()?;
    let mut file = BufReader::with_capacity(BLOCK_BYTES, file);
    if magic != [0x1f, 0x8b] {
        return unpack(&mut file, into, budget);
    }
    let mut gzip = GzDecoder::new(&mut file);
    let files = unpack(&mut gzip, into, budget)?;
    if !file.fill_buf()?.is_empty() {
        return Err(TreeError::refused(
            "there are bytes after the end of the gzip stream",
        ));
    }
    Ok(files)
}

fn unpack(
    input: &mut dyn Read,
    into: &Path,
    mut budget: Budget,
) -> Result<Vec<FileFact>, TreeError> {
    let mut tree = TreeWriter::new(into)?;
    let mut names: Vec<(String, bool)> = Vec::new();
    let mut files = Vec::new();
    let mut block = vec![0; BLOCK_BYTES];
    let mut archive = Archive::new(input);
    for entry in archive.entries()? {
        let mut entry = entry.map_err(cut)?;
        let is_dir = match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => false,
            EntryType::Directory => true,
            // Says something of the archive, not of a file (git archive writes the commit there).
            EntryType::XGlobalHeader => continue,
            other => return Err(TreeError::refused(special(&entry, other))),
        };
        budget.entry()?;
        let raw = entry.path_bytes().into_owned();
        // `tar c .` writes the directory itself, and ./ before every name.
        let raw = raw.strip_prefix(b"./").unwrap_or(&raw);
        if is_dir && (raw.is_empty() || raw == b".") {
            continue;
        }
        let name = entry_name(raw)?;
        names.push((name.path.clone(), is_dir));
        if is_dir {
            tree.dir(&name.path)?;
            continue;
        }
        if name.is_dir {
            return Err(TreeError::refused(format!(
                "the file \"{}/\" is named as a directory",
                name.path
            )));
        }
        let executable = entry.header().mode().unwrap_or(0) & 0o111 != 0;
        // Names that clash must not meet on disk before they are told apart below.
        let mut file = tree
            .file(&name.path, executable)
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                    TreeError::refused(format!("the name \"{}\" appears twice", name.path))
                }
                _ => error.into(),
            })?;
        let mut hash = Sha256::new();
        let mut size_bytes = 0;
        loop {
            let read = entry.read(&mut block).map_err(cut)?;
            let piece = block.get(..read).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            size_bytes += u64::try_from(read).unwrap_or(u64::MAX);
            budget.bytes(u64::try_from(read).unwrap_or(u64::MAX))?;
            hash.update(piece);
            file.write_all(piece)?;
        }
        files.push(FileFact {
            path: name.path,
            size_bytes,
            sha256: Digest::from_bytes(hash.finalize().into()),
        });
    }
    // A directory may be listed again, as `tar r` does; a file may not.
    names.sort();
    names.dedup_by(|a, b| a == b && a.1);
    clash(names.iter().map(|(path, is_dir)| (path.as_str(), *is_dir)))?;
    only_padding(archive.into_inner(), &mut block, &mut budget)?;
    Ok(files)
}

/// After the end of a tar there is padding, and nothing else.
fn only_padding(
    rest: &mut dyn Read,
    block: &mut [u8],
    budget: &mut Budget,
) -> Result<(), TreeError> {
    loop {
        let read = rest.read(block).map_err(cut)?;
        let piece = block.get(..read).unwrap_or_default();
        if piece.is_empty() {
            return Ok(());
        }
        if piece.iter().any(|byte| *byte != 0) {
            return Err(TreeError::refused(
                "there are bytes after the end of the tar archive",
            ));
        }
        budget.bytes(u64::try_from(read).unwrap_or(u64::MAX))?;
    }
}

fn special(entry: &Entry<'_, impl Read>, kind: EntryType) -> String {
    let name = entry.path_bytes().escape_ascii().to_string();
    let kind = match kind {
        EntryType::Symlink => "a symbolic link",
        EntryType::Link => "a hard link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        EntryType::GNUSparse => "a sparse file",
        _ => "something else",
    };
    let name: String = name.chars().take(120).collect();
    format!("\"{name}\" is {kind}, expected files and directories only")
}

/// What the decoders say of a bad archive is a refusal; what the disk says is not.
fn cut(error: io::Error) -> TreeError {
    match error.raw_os_error() {
        Some(_) => error.into(),
        None => TreeError::refused(format!("the archive cannot be read to its end: {error}")),
    }
}

#[cfg(test)]
#[path = "tar_tests.rs"]
mod tests;
