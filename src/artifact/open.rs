//! `--artifact FILE`: the same checks for a zip, tar, plain file or directory that is already here. GitHub is not asked.

use super::fetched::{Blob, Fetched};
use super::kind::{Kind, MAGIC_BYTES, kind};
use super::zip::{self, Directory, Input, TAIL_BYTES};
use super::{FetchError, Limits};
use crate::tree::{
    FileFact, Stage, copy_tree, entry_name, files_of, measure_file, tree_digest, unpack_tar,
};
use flate2::read::GzDecoder;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// Opens a local artifact: a zip, tar or tar.gz is unpacked, a plain file is copied, a directory is copied. Which one is
/// told by content.
///
/// # Errors
/// As for a fetched one; `File` when it cannot be read.
pub async fn open_file(path: &Path, into: &Path, limits: &Limits) -> Result<Fetched, FetchError> {
    let (path, into, limits) = (path.to_owned(), into.to_owned(), *limits);
    let opened = tokio::task::spawn_blocking(move || open_blocking(&path, &into, &limits));
    opened
        .await
        .unwrap_or_else(|died| std::panic::resume_unwind(died.into_panic()))
}

fn open_blocking(path: &Path, into: &Path, limits: &Limits) -> Result<Fetched, FetchError> {
    let unreadable = |cause: io::Error| FetchError::File {
        path: path.display().to_string(),
        cause,
    };
    let stage = Stage::new(into).map_err(FetchError::Disk)?;
    let meta = fs::metadata(path).map_err(unreadable)?;
    let name = own_name(path);
    if meta.is_dir() {
        let files = directory(path, &stage, limits)?;
        let blob = Blob {
            size_bytes: files.iter().map(|file| file.size_bytes).sum(),
            digest: tree_digest(&files),
        };
        return Fetched::publish(&stage, files, blob, None, Some(name));
    }
    if !meta.is_file() {
        return Err(unreadable(io::Error::other(
            "it is neither a file nor a directory",
        )));
    }
    if limits.blob_bytes_max < meta.len() {
        return Err(FetchError::TooLarge {
            found_bytes: meta.len(),
            limit_bytes: limits.blob_bytes_max,
        });
    }
    let measured = measure_file(path).map_err(unreadable)?;
    let blob = Blob {
        size_bytes: measured.size_bytes,
        digest: measured.digest,
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut start = [0; MAGIC_BYTES];
    let read = file.read(&mut start).map_err(unreadable)?;
    let start = start.get(..read).unwrap_or_default();
    let files = if kind(start, None) == Kind::Zip {
        unpack_zip(file, blob.size_bytes, &stage.tree(), limits)?
    } else if is_tar(&mut file, start).map_err(unreadable)? {
        unpack_tar(path, &stage.tree(), limits.of_tree())?
    } else {
        fs::copy(path, stage.tree().join(&name)).map_err(FetchError::Disk)?;
        vec![FileFact {
            path: name.clone(),
            size_bytes: blob.size_bytes,
            sha256: blob.digest,
        }]
    };
    Fetched::publish(&stage, files, blob, None, Some(name))
}

/// Unpacks the zip in `file`, which has `total` bytes, below `root`.
pub(super) fn unpack_zip(
    mut file: File,
    total: u64,
    root: &Path,
    limits: &Limits,
) -> Result<Vec<FileFact>, FetchError> {
    let at = |file: &mut File, start: u64, count: u64| -> Result<Vec<u8>, FetchError> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start))
            .map_err(FetchError::Disk)?;
        file.take(count)
            .read_to_end(&mut bytes)
            .map_err(FetchError::Disk)?;
        Ok(bytes)
    };
    let tail_start = total.saturating_sub(TAIL_BYTES as u64);
    let tail = at(&mut file, tail_start, TAIL_BYTES as u64)?;
    let end = zip::find_end(&tail, total)?;
    let rest = at(&mut file, end.directory_start, total - end.directory_start)?;
    let split = usize::try_from(end.directory_bytes).unwrap_or(usize::MAX);
    let (bytes, after) = rest.split_at(split.min(rest.len()));
    let directory = Directory::read(bytes, after, end, total, limits.of_tree())?;
    drop(rest);
    file.rewind().map_err(FetchError::Disk)?;
    Ok(zip::extract(
        &mut Input::file(file),
        &directory,
        root,
        limits.of_tree(),
    )?)
}

fn directory(path: &Path, stage: &Stage, limits: &Limits) -> Result<Vec<FileFact>, FetchError> {
    copy_tree(path, &stage.tree()).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => FetchError::Refused {
            what: error.to_string(),
        },
        _ => FetchError::Disk(error),
    })?;
    let files = files_of(&stage.tree())?;
    if files.is_empty() {
        let what = "the directory holds no file".to_owned();
        return Err(FetchError::Refused { what });
    }
    let bytes = files.iter().map(|file| file.size_bytes).sum();
    if limits.unpacked_bytes_max < bytes {
        return Err(FetchError::TooLarge {
            found_bytes: bytes,
            limit_bytes: limits.unpacked_bytes_max,
        });
    }
    Ok(files)
}

/// Whether `ustar` stands where a tar has it, in the file or in what it gunzips to.
fn is_tar(file: &mut File, start: &[u8]) -> io::Result<bool> {
    const USTAR_AT: usize = 257;
    const HEADER_BYTES: u64 = 512;
    let mut header = Vec::new();
    file.rewind()?;
    if start.starts_with(&[0x1f, 0x8b]) {
        // What is no gzip is no tar: its bytes are its own affair.
        if GzDecoder::new(&mut *file)
            .take(HEADER_BYTES)
            .read_to_end(&mut header)
            .is_err()
        {
            return Ok(false);
        }
    } else {
        file.take(HEADER_BYTES).read_to_end(&mut header)?;
    }
    Ok(header
        .get(USTAR_AT..)
        .is_some_and(|rest| rest.starts_with(b"ustar")))
}

/// The name a single file gets in the tree: its own, when that may be a name.
fn own_name(path: &Path) -> String {
    let path: PathBuf = path.components().collect();
    safe_name(&path.file_name().unwrap_or_default().to_string_lossy())
}

/// `name` when it may be the name of a file, else `artifact`.
pub(super) fn safe_name(name: &str) -> String {
    match entry_name(name.as_bytes()) {
        Ok(entry) if !entry.is_dir && !entry.path.contains('/') => entry.path,
        Ok(_) | Err(_) => "artifact".to_owned(),
    }
}
