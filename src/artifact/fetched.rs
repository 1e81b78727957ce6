//! A verified artifact on disk, and the payloads in it.

use super::FetchError;
use super::manifest::{self, file_measured, tree_measured};
use crate::model::payload::{Digest, Measured, Promise};
use crate::model::release::{MANIFEST_NAME, Release};
use crate::tree::{self, FileFact, Stage, tree_digest};
use std::path::{Path, PathBuf};
use wildmatch::WildMatch;

/// Names listed in a message.
const LISTED_MAX: usize = 12;

/// The bytes that were fetched or opened, before unpacking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob {
    pub size_bytes: u64,
    /// Of a directory: the digest of its content manifest.
    pub digest: Digest,
}

/// An artifact that is what was promised.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Holds the files; a raw file is the only one in it.
    pub dir: PathBuf,
    pub blob: Blob,
    pub manifest: Option<Release>,
    /// The strongest word that was given for these bytes, and kept. `None`: nobody gave one.
    pub promised_by: Option<Promise>,
    /// Every file, sorted by path.
    pub files: Vec<FileFact>,
    /// The content manifest of all files, `lastgood.json` included.
    pub tree: Digest,
    /// The name of the tar archive that was opened, or of the file: it stands for all of it.
    pub(super) opened: Option<String>,
}

impl Fetched {
    /// Checks the manifest in the stage, and makes the tree visible.
    pub(super) fn publish(
        stage: &Stage,
        mut files: Vec<FileFact>,
        blob: Blob,
        promised_by: Option<Promise>,
        opened: Option<String>,
    ) -> Result<Self, FetchError> {
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let manifest = manifest::read(&stage.tree(), &files)?;
        let promises_bytes =
            |release: &Release| release.slots.values().any(|pin| pin.payload.is_some());
        let by_manifest = manifest.as_ref().filter(|release| promises_bytes(release));
        let dir = stage
            .publish(&blob.digest.short())
            .map_err(FetchError::Disk)?;
        Ok(Self {
            dir,
            blob,
            promised_by: promised_by.max(by_manifest.map(|_| Promise::Manifest)),
            manifest,
            tree: tree_digest(&files),
            files,
            opened,
        })
    }

    /// A directory as it will be uploaded: looked at where it lies, nothing is copied. Blocks while it hashes.
    ///
    /// # Errors
    /// It cannot be read, or holds what no artifact may hold (a symbolic link, a special file).
    pub fn in_place(dir: &Path) -> Result<Self, FetchError> {
        let mut files = tree::files_of(dir)?;
        files.retain(|file| file.path != MANIFEST_NAME);
        let tree = tree_digest(&files);
        Ok(Self {
            dir: dir.to_owned(),
            blob: Blob {
                size_bytes: files.iter().map(|file| file.size_bytes).sum(),
                digest: tree,
            },
            manifest: None,
            promised_by: None,
            files,
            tree,
            opened: None,
        })
    }

    /// The payload at `path`: `.` for the whole tree without `lastgood.json`, the path of a file or directory, or a name
    /// or wildcard that one file matches, with its folder or without.
    ///
    /// # Errors
    /// Nothing matches, or several files do.
    pub fn payload(&self, path: &str) -> Result<Measured, FetchError> {
        if let Some(file) = self.files.iter().find(|file| file.path == path) {
            return Ok(file_measured(&self.dir, file));
        }
        if let Some(tree) = tree_measured(&self.dir, path, &self.files) {
            return Ok(tree);
        }
        let pattern = WildMatch::new(path);
        let base = |file: &FileFact| file.path.rsplit('/').next().unwrap_or_default().to_owned();
        let matching: Vec<_> = self
            .files
            .iter()
            .filter(|file| pattern.matches(&file.path) || pattern.matches(&base(file)))
            .collect();
        match matching.as_slice() {
            [file] => Ok(file_measured(&self.dir, file)),
            [] => {
                let whole = self
                    .opened
                    .as_ref()
                    .is_some_and(|name| pattern.matches(name));
                let whole = whole.then(|| tree_measured(&self.dir, ".", &self.files));
                whole.flatten().ok_or_else(|| FetchError::NoPayload {
                    wanted: path.to_owned(),
                    found: listed(self.files.iter()),
                })
            }
            several => Err(FetchError::SeveralPayloads {
                wanted: path.to_owned(),
                found: listed(several.iter().copied()),
            }),
        }
    }
}

impl Fetched {
    /// The one payload that any of these paths or wildcards names.
    ///
    /// # Errors
    /// None does, or more than one file fits.
    pub fn one_payload(&self, paths: &[String]) -> Result<Measured, FetchError> {
        let mut found: Vec<Measured> = Vec::new();
        for path in paths {
            match self.payload(path) {
                Ok(payload) if found.contains(&payload) => (),
                Ok(payload) => found.push(payload),
                Err(FetchError::NoPayload { .. }) => (),
                Err(error) => return Err(error),
            }
        }
        let wanted = paths.join(" or ");
        match <[Measured; 1]>::try_from(found) {
            Ok([payload]) => Ok(payload),
            Err(found) if found.is_empty() => Err(FetchError::NoPayload {
                wanted,
                found: listed(self.files.iter()),
            }),
            Err(found) => {
                let names = found.iter().filter_map(|payload| payload.path.file_name());
                let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
                Err(FetchError::SeveralPayloads {
                    wanted,
                    found: names.join(", "),
                })
            }
        }
    }

    /// The only file, when there is but one.
    pub fn only_file(&self) -> Option<Measured> {
        match self.files.as_slice() {
            [file] => Some(file_measured(&self.dir, file)),
            [] | [_, ..] => None,
        }
    }
}

fn listed<'a>(files: impl ExactSizeIterator<Item = &'a FileFact>) -> String {
    let more = files.len().saturating_sub(LISTED_MAX);
    let names: Vec<_> = files
        .take(LISTED_MAX)
        .map(|file| file.path.as_str())
        .collect();
    match more {
        0 => names.join(", "),
        more => format!("{}, and {more} more", names.join(", ")),
    }
}
