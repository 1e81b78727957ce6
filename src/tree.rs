//! Directory trees on disk: measured, unpacked, copied. Local files only, no judgment.

use crate::model::payload::{Digest, Measured, Shape};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Component, Path};

/// What an archive may become.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub unpacked_bytes_max: u64,
    pub files_max: u64,
}

/// Measures a file, or a tree by its content manifest.
pub fn measure(path: &Path) -> io::Result<Measured> {
    measure_release(path, &[])
}

/// The same, without the named files at the root of a tree.
pub fn measure_release(path: &Path, skip: &[&str]) -> io::Result<Measured> {
    if !fs::symlink_metadata(path)?.is_dir() {
        let (digest, size_bytes) = hash(path)?;
        return Ok(Measured {
            path: path.to_owned(),
            shape: Shape::File,
            size_bytes,
            digest,
        });
    }
    let mut lines = Vec::new();
    let mut size_bytes = 0;
    walk(path, "", skip, &mut |name, file| {
        let (digest, size) = hash(file)?;
        size_bytes += size;
        lines.push((name.to_owned(), digest));
        Ok(())
    })?;
    lines.sort();
    let mut manifest = Sha256::new();
    for (name, digest) in lines {
        manifest.update(format!("{}  {name}\n", digest.hex()));
    }
    Ok(Measured {
        path: path.to_owned(),
        shape: Shape::Tree,
        size_bytes,
        digest: Digest::from_bytes(manifest.finalize().into()),
    })
}

fn hash(path: &Path) -> io::Result<(Digest, u64)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((Digest::from_bytes(hash.finalize().into()), size));
        }
        size += count as u64;
        hash.update(buffer.get(..count).unwrap_or_default());
    }
}

fn walk(
    dir: &Path,
    prefix: &str,
    skip: &[&str],
    each: &mut dyn FnMut(&str, &Path) -> io::Result<()>,
) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let refused = |what| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{what} {:?}", entry.file_name()),
            )
        };
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_name| refused("name is not UTF-8:"))?;
        if prefix.is_empty() && skip.contains(&name.as_str()) {
            continue;
        }
        let name = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{name}/"), skip, each)?;
        } else if kind.is_file() {
            each(&name, &entry.path())?;
        } else {
            return Err(refused("not a regular file:"));
        }
    }
    Ok(())
}

/// Copies a tree of regular files into a new directory.
pub fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    walk(from, "", &[], &mut |name, file| {
        let to = to.join(name);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(file, to).map(|_bytes| ())
    })
}

/// Unpacks a `.tar` or `.tar.gz` of regular files.
pub fn unpack_tar(path: &Path, into: &Path, limits: &Limits) -> io::Result<()> {
    let mut magic = [0; 2];
    let count = File::open(path)?.read(&mut magic)?;
    let file = File::open(path)?;
    let reader: Box<dyn io::Read> = match magic {
        [0x1f, 0x8b] if count == 2 => Box::new(flate2::read::MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    let mut archive = tar::Archive::new(reader.take(limits.unpacked_bytes_max));
    let mut files = 0;
    fs::create_dir_all(into)?;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        let refused =
            |what| io::Error::new(io::ErrorKind::InvalidData, format!("{what}: {name:?}"));
        files += 1;
        if limits.files_max < files {
            return Err(refused("too many files"));
        }
        if !name
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        {
            return Err(refused("path leaves the directory"));
        }
        match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Directory => {
                entry.unpack_in(into)?;
            }
            tar::EntryType::XGlobalHeader => (),
            _ => return Err(refused("not a regular file")),
        }
    }
    Ok(())
}
