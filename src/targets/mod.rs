//! Where releases run. One module per target: observe it, put a revision in place, nothing else.
//! No judgment of which release is good, no GitHub, no probes. Programs are started by [`process`] alone.

pub mod command;
#[cfg(test)]
pub(crate) mod contract;
pub mod directory;
mod error;
pub mod process;
mod settings;
mod time;

pub use error::TargetError;
pub use settings::BadSettings;
pub use time::Time;

use crate::model::ids::{CommitSha, RunId};
use crate::model::payload::{Measured, Verified};
use crate::model::plan::{Hazard, PermittedChange, Plan};
use crate::model::release::Release;
use crate::model::secret::Secret;
use crate::model::state::{Revision, Slot, State, Wanted};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;

/// A place where releases run: a set of slots, each holding one revision.
///
/// The contract every target keeps (`targets::contract` tests it): after observe, plan and apply there is nothing left
/// to plan; applying twice does no harm; a run that failed at any change is finished by running again; a slot that no
/// longer holds what the plan saw is left alone.
#[async_trait]
pub trait Target: Send + Sync + Debug {
    /// The name the config gives it.
    fn name(&self) -> &str;

    /// Its kind, as in [`REGISTRY`].
    fn kind(&self) -> &'static str;

    /// Its slots, in the order of changes.
    fn slots(&self) -> Vec<Slot>;

    /// Path or wildcard inside the artifact of what it needs, `.` for the whole tree. `None`: it needs no payload.
    fn payload(&self) -> Option<String>;

    /// What this release wants in this target's slots: the manifest's revisions where it names our slots, else derived
    /// from the payload or the commit.
    async fn wanted(
        &self,
        release: &ReleaseFacts<'_>,
        payload: Option<&Measured>,
    ) -> Result<Wanted, TargetError>;

    /// What the slots hold now. Changes nothing.
    async fn observe(&self) -> Result<State, TargetError>;

    /// What the plan would do beyond changing revisions.
    async fn hazards(&self, plan: &Plan) -> Result<Vec<Hazard>, TargetError>;

    /// Everything `apply` needs, proven without changing anything.
    async fn preflight(&self, payload: Option<&Verified>) -> Vec<Finding>;

    /// Carries one change out, after comparing that the slot still holds what the plan saw. Again = no harm.
    async fn apply(
        &self,
        change: PermittedChange<'_>,
        payload: Option<&Verified>,
        facts: &ReleaseFacts<'_>,
    ) -> Result<(), TargetError>;

    /// Removes old releases by count, never the current one and none of `keep`. Answers what was removed.
    async fn retire(&self, keep: &[Revision]) -> Result<Vec<String>, TargetError>;

    /// Whether it still has this revision and could put it back without a payload.
    async fn keeps(&self, _revision: &Revision) -> bool {
        false
    }

    /// What a person will want to see of the state before a change: name and text, bounded and masked.
    async fn evidence(&self) -> Vec<(String, String)>;

    /// Where a lease that every runner of this target sees can lie.
    fn lease_path(&self) -> Option<PathBuf>;
}

/// What is known of the release that is to be put in place.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseFacts<'a> {
    pub run: Option<RunId>,
    pub commit: Option<&'a CommitSha>,
    pub manifest: Option<&'a Release>,
    pub environment: &'a str,
}

impl ReleaseFacts<'_> {
    /// The revision that the manifest names for a slot.
    pub fn pinned(&self, slot: &Slot) -> Option<&Revision> {
        Some(&self.manifest?.slots.get(slot)?.revision)
    }
}

/// One precondition of a change, looked at without changing anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in a few words.
    pub check: String,
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// The one next action, when it is not ok.
    pub next: Option<String>,
}

impl Finding {
    pub(crate) fn ok(check: &str, detail: impl Into<String>) -> Self {
        Self {
            check: check.to_owned(),
            ok: true,
            detail: detail.into(),
            next: None,
        }
    }

    pub(crate) fn bad(check: &str, detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            check: check.to_owned(),
            ok: false,
            detail: detail.into(),
            next: Some(next.into()),
        }
    }
}

/// What a target is opened with besides its settings.
#[derive(Debug, Clone, Default)]
pub struct Base {
    /// Relative paths of the settings start here.
    pub dir: PathBuf,
    /// The process environment, read by `cli`. Programs get only what the settings list.
    pub environment: BTreeMap<String, String>,
    /// Masked wherever a program's output is shown.
    pub secrets: Vec<Secret>,
}

/// Opens a target: its name, its settings without `name` and `kind`, and the base.
pub type Open = fn(&str, serde_json::Value, &Base) -> Result<Box<dyn Target>, BadSettings>;

/// One kind of target.
#[derive(Debug)]
pub struct Entry {
    pub kind: &'static str,
    pub open: Open,
    /// JSON Schema of the settings (2020-12).
    pub schema: fn() -> schemars::Schema,
}

impl Entry {
    /// The keys its settings know, in the order of the schema.
    pub fn keys(&self) -> Vec<String> {
        settings::keys(&(self.schema)())
    }
}

/// Every kind of target, one line each. Each has a page `docs/targets/<kind>.md`.
#[rustfmt::skip]
pub const REGISTRY: &[Entry] = &[
    Entry { kind: "directory", open: directory::open, schema: directory::schema },
    Entry { kind: "command", open: command::open, schema: command::schema },
];

/// Opens a target of the given kind.
///
/// # Errors
/// An unknown kind, named with the nearest known one; or settings that do not hold, with their key.
pub fn open(
    kind: &str,
    name: &str,
    settings: serde_json::Value,
    base: &Base,
) -> Result<Box<dyn Target>, BadSettings> {
    match REGISTRY.iter().find(|entry| entry.kind == kind) {
        Some(entry) => (entry.open)(name, settings, base),
        None => Err(settings::unknown_kind(kind)),
    }
}
