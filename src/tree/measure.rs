//! What a file or a tree on disk holds. The definition of a tree's digest is [`Shape::Tree`]'s.

use super::{FileFact, TreeError};
use crate::model::payload::{Digest, Measured, Shape};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

const BLOCK_BYTES: usize = 128 << 10;

/// Measures a file, or a tree with all its files. A symbolic link is followed when it is `path` itself, as `current` is.
///
/// # Errors
/// Inside a tree there is a symbolic link, something that is neither file nor directory, or a name that is not UTF-8.
pub fn measure(path: &Path) -> io::Result<Measured> {
    measure_release(path, &[])
}

/// As [`measure`], leaving out the files named in `skip` at the root of a tree (such as `lastgood.json`).
pub fn measure_release(path: &Path, skip: &[&str]) -> io::Result<Measured> {
    if !fs::metadata(path)?.is_dir() {
        return measure_file(path);
    }
    let mut files = files_of(path).map_err(|error| match error {
        TreeError::Refused(what) => io::Error::new(io::ErrorKind::InvalidData, what),
        TreeError::Io(error) => error,
    })?;
    files.retain(|file| !skip.contains(&file.path.as_str()));
    Ok(Measured {
        path: path.to_owned(),
        shape: Shape::Tree,
        size_bytes: files.iter().map(|file| file.size_bytes).sum(),
        digest: tree_digest(&files),
    })
}

/// Measures a regular file.
pub fn measure_file(path: &Path) -> io::Result<Measured> {
    let (size_bytes, digest) = hash_file(path)?;
    Ok(Measured {
        path: path.to_owned(),
        shape: Shape::File,
        size_bytes,
        digest,
    })
}

/// Every regular file below `root`, sorted by path bytes.
///
/// # Errors
/// As [`measure`].
pub fn files_of(root: &Path) -> Result<Vec<FileFact>, TreeError> {
    let mut files = Vec::new();
    let mut open = vec![String::new()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(root.join(&dir))? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                let shown = name.to_string_lossy();
                return Err(TreeError::refused(format!(
                    "the name \"{shown}\" is not UTF-8"
                )));
            };
            let path = match dir.as_str() {
                "" => name.to_owned(),
                dir => format!("{dir}/{name}"),
            };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                let (size_bytes, sha256) = hash_file(&entry.path())?;
                files.push(FileFact {
                    path,
                    size_bytes,
                    sha256,
                });
            } else {
                let what = if kind.is_symlink() {
                    "a symbolic link"
                } else {
                    "a special file"
                };
                return Err(TreeError::refused(format!(
                    "\"{path}\" is {what}, expected files and directories only"
                )));
            }
        }
    }
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The digest of a tree that holds these files; their order does not matter.
pub fn tree_digest<'a>(files: impl IntoIterator<Item = &'a FileFact>) -> Digest {
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let mut manifest = Sha256::new();
    for file in files {
        manifest.update(manifest_line(&file.path, file.sha256));
    }
    Digest::from_bytes(manifest.finalize().into())
}

/// The line that `sha256sum` prints: names with a backslash or line break are escaped, and the line says so.
fn manifest_line(path: &str, digest: Digest) -> String {
    if path.contains(['\\', '\n', '\r']) {
        let path = path
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('\r', "\\r");
        return format!("\\{}  {path}\n", digest.hex());
    }
    format!("{}  {path}\n", digest.hex())
}

fn hash_file(path: &Path) -> io::Result<(u64, Digest)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK_BYTES];
    let mut size_bytes = 0;
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok((size_bytes, Digest::from_bytes(hash.finalize().into())));
        }
        hash.update(block.get(..read).unwrap_or_default());
        size_bytes += u64::try_from(read).unwrap_or(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_tree_is_what_sha256sum_prints_of_it() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("b", "2"),
            ("a/z", "1"),
            ("a-b", ""),
            ("lastgood.json", "{}"),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        // find * -type f | grep -v lastgood | LC_ALL=C sort | xargs sha256sum | sha256sum
        let lines = "\
            e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a-b\n\
            6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b  a/z\n\
            d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35  b\n";
        let tree = measure_release(dir.path(), &["lastgood.json"]).unwrap();
        assert_eq!(
            tree.digest,
            Digest::from_bytes(Sha256::digest(lines).into())
        );
        assert_eq!((tree.shape, tree.size_bytes), (Shape::Tree, 2));
        assert_ne!(measure(dir.path()).unwrap().digest, tree.digest);
        let file = measure(&dir.path().join("b")).unwrap();
        assert_eq!((file.shape, file.size_bytes), (Shape::File, 1));
        assert!(file.digest.hex().starts_with("d4735e3a"));
    }

    #[test]
    fn odd_names_are_written_as_sha256sum_does() {
        let digest = Digest::from_bytes([0; 32]);
        let zeros = "0".repeat(64);
        assert_eq!(
            manifest_line("a\\b\nc", digest),
            format!("\\{zeros}  a\\\\b\\nc\n")
        );
    }

    #[test]
    fn links_are_followed_at_the_top_only() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("r1")).unwrap();
        fs::write(dir.path().join("r1/a"), "1").unwrap();
        symlink("r1", dir.path().join("current")).unwrap();
        let current = measure(&dir.path().join("current")).unwrap();
        assert_eq!(
            current.digest,
            measure(&dir.path().join("r1")).unwrap().digest
        );
        let error = measure(dir.path()).unwrap_err();
        assert!(
            error.to_string().contains("\"current\" is a symbolic link"),
            "{error}"
        );
    }
}
