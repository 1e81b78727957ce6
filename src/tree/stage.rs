//! A hidden directory in which a tree is prepared, and from which it becomes visible by one rename. Whatever happens
//! before that leaves nothing: the directory goes with its owner, or, after a kill, with the next one made beside it.

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, RenameFlags, flock, open, renameat_with};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PREFIX: &str = ".lastgood-stage-";

/// A directory that nobody sees yet.
#[derive(Debug)]
pub struct Stage {
    dir: TempDir,
    into: PathBuf,
    /// Held as long as this is in use: what nobody holds was left by a process that was killed.
    _lock: OwnedFd,
}

impl Stage {
    /// Makes a stage inside `into`, which is made too when it is missing, and removes stages that no process uses.
    pub fn new(into: &Path) -> io::Result<Self> {
        fs::create_dir_all(into)?;
        // Between its making and its locking a new stage looks abandoned: one at a time. Where there are no locks (some
        // network file systems) nothing is swept.
        let door = directory(into)?;
        if flock(&door, FlockOperation::LockExclusive).is_ok() {
            sweep(into)?;
        }
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(into)?;
        let lock = directory(dir.path())?;
        if let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            // Then nobody sweeps either.
            tracing::debug!(%error, "no locks on this file system");
        }
        fs::create_dir(dir.path().join("tree"))?;
        Ok(Self {
            dir,
            into: into.to_owned(),
            _lock: lock,
        })
    }

    /// Where the tree is prepared. Exists and is empty at first.
    pub fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    /// A place beside the tree for a file that never becomes visible.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes the tree visible as `name` beside the stage. A tree of that name is replaced in the same step.
    ///
    /// Nothing is synced to the disk: the tree is checked anew in every run, so what a power cut leaves is never used.
    /// Who makes it permanent syncs it.
    pub fn publish(&self, name: &str) -> io::Result<PathBuf> {
        let (tree, to) = (self.tree(), self.into.join(name));
        if renameat_with(CWD, &tree, CWD, &to, RenameFlags::NOREPLACE).is_ok() {
            return Ok(to);
        }
        // The old tree changes places with the new one, and goes with the stage.
        if renameat_with(CWD, &tree, CWD, &to, RenameFlags::EXCHANGE).is_ok() {
            return Ok(to);
        }
        // Some file systems (NFS) know neither.
        if fs::symlink_metadata(&to).is_ok() {
            fs::rename(&to, self.scratch("replaced"))?;
        }
        fs::rename(&tree, &to)?;
        Ok(to)
    }
}

/// Removes stages that no process holds.
fn sweep(into: &Path) -> io::Result<()> {
    for entry in fs::read_dir(into)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // Whoever holds it may be removing it right now.
        let Ok(left) = directory(&entry.path()) else {
            continue;
        };
        if flock(&left, FlockOperation::NonBlockingLockExclusive).is_ok()
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(%error, "could not remove what a killed process left");
        }
    }
    Ok(())
}

fn directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_tree_appears_at_once_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let into = dir.path().join("new/place");
        let stage = Stage::new(&into).unwrap();
        fs::write(stage.tree().join("a"), "1").unwrap();
        drop(stage);
        assert_eq!(names(&into), [""; 0]);
        for text in ["1", "2"] {
            let stage = Stage::new(&into).unwrap();
            fs::write(stage.tree().join("a"), text).unwrap();
            let published = stage.publish("tree-1").unwrap();
            drop(stage);
            assert_eq!(names(&into), ["tree-1"]);
            assert_eq!(fs::read_to_string(published.join("a")).unwrap(), text);
        }
    }

    #[test]
    fn stages_of_the_killed_are_removed_and_those_in_use_are_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(format!("{PREFIX}left/tree/x"))).unwrap();
        let used = Stage::new(dir.path()).unwrap();
        let other = Stage::new(dir.path()).unwrap();
        assert_eq!(names(dir.path()).len(), 2);
        assert!(used.tree().is_dir() && other.tree().is_dir());
    }
}
