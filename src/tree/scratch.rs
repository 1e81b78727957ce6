//! A hidden directory for what is needed while one command runs. It goes with its owner; what a killed one left behind
//! goes when the next one is made in the same place. What is kept is not made in here: that is [`super::stage`].

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, open, stat};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PREFIX: &str = ".lastgood-scratch-";

/// How often a directory is made anew when another process takes it for an abandoned one: that takes a moment each.
const TRIES_MAX: u32 = 100;

/// A directory that is removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    /// Whoever uses it may lock this one for purposes of its own.
    inside: PathBuf,
    _dir: TempDir,
    /// Held as long as this is in use: the kernel gives it back when the process is killed.
    _lock: OwnedFd,
}

impl Scratch {
    /// Makes a directory in `parent`, which exists, and removes those that no process uses any more.
    ///
    /// # Errors
    /// When the directory cannot be made. What cannot be removed is left.
    pub fn new(parent: &Path) -> io::Result<Self> {
        sweep(parent);
        for _try in 0..TRIES_MAX {
            let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            if let Some(lock) = lock(dir.path()) {
                let inside = dir.path().join("in");
                fs::create_dir(&inside)?;
                return Ok(Self {
                    inside,
                    _dir: dir,
                    _lock: lock,
                });
            }
        }
        Err(io::Error::other(
            "other processes remove the directory as soon as it is made",
        ))
    }

    pub fn path(&self) -> &Path {
        &self.inside
    }
}

/// Removes what killed processes left. Other users' directories cannot be opened, and nobody's links are followed.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && let Some(_lock) = lock(&entry.path())
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::debug!(%error, "an abandoned scratch directory stays");
        }
    }
}

/// The lock of a directory that is still there; `None` when another process has it.
fn lock(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = open(path, flags, Mode::empty()).ok()?;
    flock(&dir, FlockOperation::NonBlockingLockExclusive).ok()?;
    // Between the making and the locking of it somebody may have swept it.
    let (held, named) = (fstat(&dir).ok()?, stat(path).ok()?);
    ((held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)).then_some(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn what_nobody_uses_is_removed_and_what_somebody_uses_stays() {
        let parent = tempfile::tempdir().unwrap();
        let abandoned = parent.path().join(format!("{PREFIX}abandoned"));
        fs::create_dir_all(abandoned.join("deep")).unwrap();
        fs::write(abandoned.join("deep/file"), "x").unwrap();
        fs::create_dir(parent.path().join("lastgood-of-a-person")).unwrap();

        let used = Scratch::new(parent.path()).unwrap();
        assert!(!abandoned.exists());
        let second = Scratch::new(parent.path()).unwrap();
        assert!(used.path().is_dir());
        assert_eq!(names(parent.path()), 3);
        drop((used, second));
        assert_eq!(names(parent.path()), 1);
    }

    #[test]
    fn links_are_not_followed() {
        let (parent, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("file"), "x").unwrap();
        let link = parent.path().join(format!("{PREFIX}link"));
        std::os::unix::fs::symlink(outside.path(), link).unwrap();
        Scratch::new(parent.path()).unwrap();
        assert_eq!(names(outside.path()), 1);
    }

    #[test]
    fn many_at_once_do_not_take_each_others() {
        let parent = tempfile::tempdir().unwrap();
        let make = || {
            for _round in 0..50 {
                let scratch = Scratch::new(parent.path()).unwrap();
                fs::write(scratch.path().join("file"), "x").unwrap();
            }
        };
        std::thread::scope(|scope| {
            for _thread in 0..4 {
                scope.spawn(make);
            }
        });
        assert_eq!(names(parent.path()), 0);
    }
}
