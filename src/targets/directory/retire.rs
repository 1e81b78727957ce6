//! Old releases: listed for people, removed by count. Blocking.

use super::disk::{Disk, Seen, revision_of, short_of};
use super::layout::Current;
use crate::model::state::Revision;
use crate::targets::TargetError;
use anyhow::Context as _;
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::PathBuf;

/// More lines than anybody reads.
const LISTED_MAX: usize = 100;

/// A release on disk.
struct Old {
    name: String,
    /// When it was last put in place.
    placed_at: Timestamp,
    is_current: bool,
}

/// Removes the releases that were put in place longest ago, beyond `count`. The current one and those named in `keep`
/// are never removed and not counted.
pub(super) fn retire(
    disk: &Disk,
    keep: &[Revision],
    count: usize,
) -> Result<Vec<String>, TargetError> {
    let mut removed = Vec::new();
    let mut counted = 0;
    for old in releases(disk)? {
        if old.is_current || is_kept(disk, &old.name, keep)? {
            continue;
        }
        counted += 1;
        if count < counted {
            disk.layout
                .discard(&old.name)
                .with_context(|| format!("could not remove the old release {}", old.name))?;
            removed.push(old.name);
        }
    }
    Ok(removed)
}

/// By the digest in the name: damaged or not, what claims to be a kept release is left alone. A release that a person
/// named is measured.
fn is_kept(disk: &Disk, name: &str, keep: &[Revision]) -> Result<bool, TargetError> {
    match short_of(name) {
        Some(short) => Ok(keep.iter().any(|revision| revision.short() == short)),
        None => Ok(keep.contains(&revision_of(&disk.layout.release(name))?)),
    }
}

/// One line for each release, the current one marked.
pub(super) fn listing(disk: &Disk) -> Result<String, TargetError> {
    let mut text = match disk.look()? {
        Seen {
            revision: Some(revision),
            at: Some(at),
            ..
        } => format!("current -> {}\nrevision {revision}\n", at.display()),
        _ => "current: nothing\n".to_owned(),
    };
    for old in releases(disk)?.into_iter().take(LISTED_MAX) {
        let mark = if old.is_current { '*' } else { ' ' };
        writeln!(text, "{mark} {} placed {:.0}", old.name, old.placed_at)
            .expect("writing to a string cannot fail");
    }
    Ok(text)
}

/// Newest first.
fn releases(disk: &Disk) -> Result<Vec<Old>, TargetError> {
    let layout = &disk.layout;
    let listing = || format!("could not list {}", layout.releases().display());
    let current: Option<PathBuf> = match layout.current().with_context(listing)? {
        Current::At(dir) => Some(dir),
        Current::Missing | Current::Dangling | Current::InTheWay(_) => None,
    };
    let mut all = Vec::new();
    for name in layout.names().with_context(listing)? {
        let path = layout.release(&name);
        let modified = path.metadata().and_then(|meta| meta.modified());
        let placed_at = Timestamp::try_from(modified.with_context(listing)?);
        all.push(Old {
            name,
            placed_at: placed_at.unwrap_or(Timestamp::UNIX_EPOCH),
            is_current: path.canonicalize().ok() == current && current.is_some(),
        });
    }
    all.sort_by(|a, b| {
        b.placed_at
            .cmp(&a.placed_at)
            .then_with(|| a.name.cmp(&b.name))
    });
    Ok(all)
}
