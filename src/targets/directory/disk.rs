//! The steps of a change on disk: look, make the release ready, switch. Blocking; the target calls them in order.

use super::content::{self, Payload};
use super::layout::{Current, Layout, STAGING, sync_dir};
use crate::model::payload::Digest;
use crate::model::state::{Phase, Revision, Slot};
use crate::targets::TargetError;
use crate::tree::{self, TreeError};
use anyhow::{Context as _, anyhow};
use std::fs;
use std::path::{Path, PathBuf};

/// A root with its slot.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) layout: Layout,
    pub(super) slot: Slot,
    /// Whether the target has a restart command: without one nothing can be pending.
    pub(super) restarts: bool,
}

/// What lies behind `current`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Digest of the content as it lies there now. `None`: empty.
    pub(super) revision: Option<Revision>,
    /// Where the link ends.
    pub(super) at: Option<PathBuf>,
    pub(super) phase: Phase,
}

/// The way an install goes on after everything was made ready.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Prepared {
    /// The slot holds the revision already.
    InPlace(Seen),
    /// The release of this name is complete and verified.
    Ready(String),
}

/// An install: what the plan saw, what it wants, and from what.
#[derive(Debug, Clone)]
pub(super) struct Install {
    pub(super) from: Option<Revision>,
    pub(super) to: Digest,
    pub(super) payload: Option<Payload>,
    /// Run or commit, for the release's name.
    pub(super) label: String,
}

impl Disk {
    /// Measures what lies behind `current` now.
    pub(super) fn look(&self) -> Result<Seen, TargetError> {
        let root = &self.layout.root;
        if !root.is_dir() {
            return Err(TargetError::Refused {
                what: format!("{} is not a directory", root.display()),
                allow: None,
                next: format!("create it once: mkdir -p {}", quoted(root)),
            });
        }
        let reading = || format!("could not read {}", self.layout.link().display());
        match self.layout.current().with_context(reading)? {
            Current::Missing | Current::Dangling => Ok(Seen {
                revision: None,
                at: None,
                phase: Phase::Stopped,
            }),
            Current::InTheWay(what) => Err(self.in_the_way(what)),
            Current::At(dir) => Ok(Seen {
                revision: Some(revision_of(&dir)?),
                phase: self.phase(&dir)?,
                at: Some(dir),
            }),
        }
    }

    /// Refuses unless the slot still holds what the plan saw.
    pub(super) fn compare(&self, seen: &Seen, from: Option<&Revision>) -> Result<(), TargetError> {
        if seen.revision.as_ref() == from {
            return Ok(());
        }
        let shown = |revision: Option<&Revision>| match revision {
            Some(revision) => revision.to_string(),
            None => "nothing".to_owned(),
        };
        Err(TargetError::Conflict {
            slot: self.slot.clone(),
            found: shown(seen.revision.as_ref()),
            expected: shown(from),
        })
    }

    /// Everything before the switch: clean up, compare, and have the release complete on disk. Nothing of it is visible
    /// to the service.
    pub(super) fn prepare(&self, install: &Install) -> Result<Prepared, TargetError> {
        let seen = self.look()?;
        let sweeping = || format!("could not clean up {}", self.layout.root.display());
        self.layout.sweep().with_context(sweeping)?;
        if seen.revision == Some(revision(install.to)) {
            return Ok(Prepared::InPlace(seen));
        }
        self.compare(&seen, install.from.as_ref())?;
        if let Some(name) = self.find(install.to)? {
            return Ok(Prepared::Ready(name));
        }
        let Some(payload) = &install.payload else {
            return Err(TargetError::BadRelease {
                what: format!(
                    "no release {} is on disk, and no payload was given",
                    install.to
                ),
                next: "name a run whose artifact still exists, or pass the file with --artifact"
                    .to_owned(),
            });
        };
        self.stage(install, payload, seen.at.as_deref())
            .map(Prepared::Ready)
    }

    /// The switch: compares once more, notes that a restart is due, and moves the link.
    pub(super) fn switch(&self, install: &Install, name: &str) -> Result<(), TargetError> {
        self.compare(&self.look()?, install.from.as_ref())?;
        let switching = || {
            format!(
                "could not switch {} to {name}",
                self.layout.link().display()
            )
        };
        if self.restarts {
            self.layout.mark_pending(name).with_context(switching)?;
        } else {
            self.layout.clear_pending().with_context(switching)?;
        }
        Ok(self.layout.switch(name).with_context(switching)?)
    }

    /// A release on disk whose content still is what its name says.
    pub(super) fn find(&self, digest: Digest) -> Result<Option<String>, TargetError> {
        for name in self.named(digest)? {
            if revision_of(&self.layout.release(&name))? == revision(digest) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Releases on disk that may have this digest: by their name, or because a person named them.
    fn named(&self, digest: Digest) -> Result<Vec<String>, TargetError> {
        let names = self.layout.names().context("could not list the releases")?;
        let claims = |name: &String| short_of(name).is_none_or(|short| short == digest.short());
        Ok(names.into_iter().filter(claims).collect())
    }

    /// Copies into a hidden directory, verifies the copy, and gives it its name by one rename.
    fn stage(
        &self,
        install: &Install,
        payload: &Payload,
        current: Option<&Path>,
    ) -> Result<String, TargetError> {
        let releases = self.layout.releases();
        let copying = || format!("could not stage the release in {}", releases.display());
        fs::create_dir_all(&releases).with_context(copying)?;
        let staging = tempfile::Builder::new()
            .prefix(STAGING)
            .tempdir_in(&releases)
            .with_context(copying)?;
        let tree = staging.path().join("release");
        content::put(payload, &tree)?;
        let found = tree::measure(&tree).with_context(copying)?.digest;
        if found != install.to {
            return Err(TargetError::BadRelease {
                what: format!("the staged copy is {found}, expected {}", install.to),
                next: "fetch the artifact again; if that does not help, name another run"
                    .to_owned(),
            });
        }
        let name = self.free_name(install, current)?;
        fs::rename(&tree, self.layout.release(&name)).with_context(copying)?;
        sync_dir(&releases).with_context(copying)?;
        staging.close().with_context(copying)?;
        Ok(name)
    }

    /// `<digest>-<label>`. A damaged release of that name is removed, unless the service is running from it: then the
    /// new one gets a number, and the damaged one is left for `retire`.
    fn free_name(&self, install: &Install, current: Option<&Path>) -> Result<String, TargetError> {
        /// One per time a running release was damaged since the last retirement.
        const TRIES_MAX: u32 = 99;
        let base = match install.label.as_str() {
            "" => install.to.short(),
            label => format!("{}-{label}", install.to.short()),
        };
        for number in 1..=TRIES_MAX {
            let name = match number {
                1 => base.clone(),
                number => format!("{base}.{number}"),
            };
            let path = self.layout.release(&name);
            if fs::symlink_metadata(&path).is_err() {
                return Ok(name);
            }
            let in_use = fs::canonicalize(&path).ok().as_deref() == current;
            if !in_use {
                let removing = || format!("could not remove the damaged release {name}");
                self.layout.discard(&name).with_context(removing)?;
                return Ok(name);
            }
        }
        Err(TargetError::Failed(anyhow!(
            "every name from {base} to {base}.{TRIES_MAX} is taken"
        )))
    }

    fn phase(&self, dir: &Path) -> Result<Phase, TargetError> {
        let pending = self
            .layout
            .pending()
            .context("could not read the restart marker")?;
        let name = dir.file_name().unwrap_or_default();
        let waits = pending.iter().any(|noted| name == noted.as_str());
        if self.restarts && waits {
            return Ok(Phase::Stopped);
        }
        Ok(Phase::Running)
    }

    fn in_the_way(&self, what: &str) -> TargetError {
        let link = quoted(&self.layout.link());
        let releases = quoted(&self.layout.releases());
        TargetError::Refused {
            what: format!(
                "{} is {what}, expected a link to a release directory",
                self.layout.link().display()
            ),
            allow: None,
            next: format!(
                "adopt it once: mkdir -p {releases} && mv {link} {releases}/adopted && ln -s releases/adopted {link}"
            ),
        }
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A digest as the revision of a slot.
pub(super) fn revision(digest: Digest) -> Revision {
    Revision(digest.to_string())
}

/// The digest part of a release's name. `None`: a person gave it that name.
pub(super) fn short_of(name: &str) -> Option<&str> {
    /// Of [`Digest::short`].
    const LEN: usize = 12;
    let short = name.split(['-', '.']).next()?;
    let ours = short.len() == LEN && short.bytes().all(|byte| byte.is_ascii_hexdigit());
    ours.then_some(short)
}

/// What a directory holds: its content digest, or in words what keeps it from having one.
pub(super) fn revision_of(dir: &Path) -> Result<Revision, TargetError> {
    let measuring = || format!("could not measure {}", dir.display());
    match tree::files_of(dir) {
        Ok(files) => Ok(revision(tree::tree_digest(&files))),
        // Still a revision like any other: it differs from every release, so the plan is to install.
        Err(TreeError::Refused(what)) => Ok(Revision(format!("irregular: {what}"))),
        Err(TreeError::Io(error)) => Err(anyhow::Error::new(error).context(measuring()).into()),
    }
}
