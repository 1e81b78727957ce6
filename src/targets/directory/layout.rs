//! The directory on disk: where things lie, what `current` is, and the one atomic switch. Blocking.
//!
//! ```text
//! <root>/current -> releases/<digest>-<run>     the link that the service follows
//! <root>/releases/<digest>-<run>/               one release each
//! <root>/releases/.staging-*                    a copy under way
//! <root>/releases/.trash-*                      a removal under way
//! <root>/.current-*                             the new link, before it becomes `current`
//! <root>/.restart-pending                       releases put in place whose restart has not succeeded yet
//! ```

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const RELEASES: &str = "releases";
const CURRENT: &str = "current";
const MARKER: &str = ".restart-pending";
pub(super) const STAGING: &str = ".staging-";
pub(super) const TRASH: &str = ".trash-";
const NEW_LINK: &str = ".current-";

/// More leftovers than killed runs could ever leave; what is beyond is left for the next run.
const SWEEP_MAX: usize = 1000;

/// Names under one root.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
}

/// What lies where the link should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Current {
    Missing,
    /// A link whose end does not exist.
    Dangling,
    /// A link to a directory.
    At(PathBuf),
    /// Something that is not a link to a directory, in words.
    InTheWay(&'static str),
}

impl Layout {
    pub(super) fn releases(&self) -> PathBuf {
        self.root.join(RELEASES)
    }

    pub(super) fn release(&self, name: &str) -> PathBuf {
        self.releases().join(name)
    }

    pub(super) fn link(&self) -> PathBuf {
        self.root.join(CURRENT)
    }

    /// Follows `current`.
    pub(super) fn current(&self) -> io::Result<Current> {
        let link = self.link();
        let meta = match fs::symlink_metadata(&link) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Current::Missing),
            Err(error) => return Err(error),
        };
        if !meta.is_symlink() {
            let what = if meta.is_dir() {
                "a directory"
            } else {
                "a file"
            };
            return Ok(Current::InTheWay(what));
        }
        match fs::canonicalize(&link) {
            Ok(end) if end.is_dir() => Ok(Current::At(end)),
            Ok(_end) => Ok(Current::InTheWay("a link to a file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Current::Dangling),
            Err(error) => Err(error),
        }
    }

    /// The releases on disk by name, without what is hidden. Missing directory: none.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for (name, path) in entries(&self.releases())? {
            if !name.starts_with('.') && fs::symlink_metadata(&path)?.is_dir() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Makes `current` point to a release: a new link, then one rename over the old one. The release's time becomes
    /// the time it was put in place.
    pub(super) fn switch(&self, name: &str) -> io::Result<()> {
        touch(&self.release(name))?;
        // Relative, so that the root can be moved or mounted elsewhere.
        let end = Path::new(RELEASES).join(name);
        tempfile::Builder::new()
            .prefix(NEW_LINK)
            .make_in(&self.root, |path| symlink(&end, path))?
            .into_temp_path()
            .persist(self.link())?;
        sync_dir(&self.root)
    }

    /// The releases that wait for their restart.
    pub(super) fn pending(&self) -> io::Result<Vec<String>> {
        match fs::read_to_string(self.root.join(MARKER)) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Notes, durably, that a release will need a restart. Earlier notes stay: none of those releases was restarted.
    pub(super) fn mark_pending(&self, name: &str) -> io::Result<()> {
        let mut names = self.pending()?;
        names.retain(|noted| noted != name && self.release(noted).is_dir());
        names.push(name.to_owned());
        let mut file = tempfile::Builder::new()
            .prefix(NEW_LINK)
            .tempfile_in(&self.root)?;
        file.write_all((names.join("\n") + "\n").as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(self.root.join(MARKER))?;
        sync_dir(&self.root)
    }

    pub(super) fn clear_pending(&self) -> io::Result<()> {
        match fs::remove_file(self.root.join(MARKER)) {
            Ok(()) => sync_dir(&self.root),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes what killed runs left behind. Nothing here was ever visible behind `current`.
    pub(super) fn sweep(&self) -> io::Result<()> {
        let left = |name: &str| name.starts_with(STAGING) || name.starts_with(TRASH);
        for (name, path) in entries(&self.releases())?.into_iter().take(SWEEP_MAX) {
            if left(&name) {
                fs::remove_dir_all(&path)?;
                tracing::info!(name, "removed what an interrupted run left behind");
            }
        }
        for (name, path) in entries(&self.root)?.into_iter().take(SWEEP_MAX) {
            if name.starts_with(NEW_LINK) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Removes a release: out of sight by one rename first, so that half a release never has its name.
    pub(super) fn discard(&self, name: &str) -> io::Result<()> {
        let trash = tempfile::Builder::new()
            .prefix(TRASH)
            .tempdir_in(self.releases())?;
        fs::rename(self.release(name), trash.path().join(name))?;
        trash.close()
    }
}

/// Entries of a directory as name and path; names that are not UTF-8 are none of ours. Missing: none.
fn entries(dir: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut entries = Vec::new();
    for entry in listing {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string() {
            entries.push((name, entry.path()));
        }
    }
    Ok(entries)
}

/// Makes a rename in a directory survive a power cut.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes everything written below a directory survive a power cut, with one call instead of one per file.
pub(super) fn sync_below(dir: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(File::open(dir)?)?;
    #[cfg(not(target_os = "linux"))]
    sync_dir(dir)?;
    Ok(())
}

fn touch(dir: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};
    let at = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let times = Timestamps {
        last_access: at(UTIME_OMIT),
        last_modification: at(UTIME_NOW),
    };
    Ok(utimensat(CWD, dir, &times, AtFlags::empty())?)
}
