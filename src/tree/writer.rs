//! Writes files into a fresh directory by names that were checked. Every step is relative to an open directory and follows
//! no symbolic link, so a name cannot lead out even if something else is changing the tree.

use rustix::fs::{Mode, OFlags, mkdirat, open, openat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// A tree that is being written. Names must come from [`super::entry_name`].
#[derive(Debug)]
pub struct TreeWriter {
    root: OwnedFd,
    /// The directory of the file before, kept open: neighbours come one after the other.
    last: Option<(String, OwnedFd)>,
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl TreeWriter {
    /// Writes below `root`, which exists.
    pub fn new(root: &Path) -> io::Result<Self> {
        Ok(Self {
            root: open(root, DIRECTORY, Mode::empty())?,
            last: None,
        })
    }

    /// Makes a directory and those above it.
    pub fn dir(&mut self, path: &str) -> io::Result<()> {
        self.open_dir(path).map(|_fd| ())
    }

    /// Makes an empty file, and the directories above it. Of a mode only the right to execute is kept.
    ///
    /// # Errors
    /// Also when the file exists.
    pub fn file(&mut self, path: &str, executable: bool) -> io::Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(if executable { 0o755 } else { 0o644 });
        let (parent, name) = match path.rsplit_once('/') {
            None => (&self.root, path),
            Some((parent, name)) => (self.open_dir(parent)?, name),
        };
        Ok(openat(parent, name, flags, mode)?.into())
    }

    fn open_dir(&mut self, path: &str) -> io::Result<&OwnedFd> {
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            let mut at: Option<OwnedFd> = None;
            for component in path.split('/') {
                let above = at.as_ref().unwrap_or(&self.root);
                match mkdirat(above, component, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => (),
                    Err(error) => return Err(error.into()),
                }
                at = Some(openat(above, component, DIRECTORY, Mode::empty())?);
            }
            self.last = at.map(|fd| (path.to_owned(), fd));
        }
        let (_path, fd) = self.last.as_ref().expect("a path has a component");
        Ok(fd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn files_appear_where_they_belong_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut tree = TreeWriter::new(dir.path()).unwrap();
        for path in ["a", "x/y/b", "x/y/c", "x/d"] {
            tree.file(path, path == "a")
                .unwrap()
                .write_all(path.as_bytes())
                .unwrap();
            assert_eq!(
                std::fs::read_to_string(dir.path().join(path)).unwrap(),
                path
            );
        }
        tree.dir("x/empty").unwrap();
        assert!(dir.path().join("x/empty").is_dir());
        let mode = |name: &str| {
            std::fs::metadata(dir.path().join(name))
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!((mode("a") & 0o100, mode("x/d") & 0o111), (0o100, 0));
        tree.file("a", false).unwrap_err();
        tree.file("a/b", false).unwrap_err();
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(outside.path(), dir.path().join("out")).unwrap();
        symlink(outside.path().join("new"), dir.path().join("file")).unwrap();
        let mut tree = TreeWriter::new(dir.path()).unwrap();
        tree.file("out/x", false).unwrap_err();
        tree.file("file", false).unwrap_err();
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
