//! Where releases run. One module per target: observe it, put a revision in place, nothing else.
//! No judgment of which release is good, no GitHub, no probes. Programs are started by [`process`] alone.

pub mod canister;
pub mod command;
pub mod compose;
#[cfg(test)]
pub(crate) mod contract;
pub mod directory;
mod error;
mod images_file;
pub mod kubernetes;
mod masking;
pub mod process;
pub mod registry;
mod settings;
mod time;

pub use error::TargetError;
pub use settings::BadSettings;
pub use time::Time;

use crate::model::ids::{CommitSha, RunId};
use crate::model::payload::{Measured, Payloads, Verified};
use crate::model::plan::{Change, Hazard, OnStateConflict, PermittedChange, Plan};
use crate::model::probe::{Ask, Question};
use crate::model::release::{Pin, Release};
use crate::model::secret::Secret;
use crate::model::sighting::Sighting;
use crate::model::state::{Held, Revision, Slot, State, Wanted};
use async_trait::async_trait;
use indexmap::IndexMap;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

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

    /// Its slots, in the order of changes. Of a target that finds its slots: those found so far.
    fn slots(&self) -> Vec<Slot>;

    /// Whether it knows steps that go further than a rollback (`--emergency`).
    fn goes_further(&self) -> bool {
        false
    }

    /// Whether its slots are found by observing it, as with a label selector.
    fn finds_slots(&self) -> bool {
        false
    }

    /// How many changes of one plan may be under way at once, from 1.
    fn parallel(&self) -> usize {
        1
    }

    /// Slots of a lower rank are changed, and verified, before those of a higher one: what serves before what points at it.
    fn rank(&self, _slot: &Slot) -> u8 {
        0
    }

    /// Whether this is the place that the settings name: the first question of every command, before any other.
    ///
    /// # Errors
    /// `Refused` when it is another place, or when it cannot be told.
    async fn guard(&self) -> Result<(), TargetError> {
        Ok(())
    }

    /// Path or wildcard inside the artifact of what it needs, `.` for the whole tree. `None`: it needs no payload.
    fn payload(&self) -> Option<String>;

    /// For a target whose slots each have a payload of their own: the paths or wildcards of which exactly one file of the
    /// artifact must match. Empty: the slot shares [`Target::payload`].
    fn own_payload(&self, _slot: &Slot) -> Vec<String> {
        Vec::new()
    }

    /// Whether this release cannot be put in place without the payload. A target whose payload only stands in for what a
    /// manifest says needs none beside a manifest.
    fn needs_payload(&self, _release: &ReleaseFacts<'_>) -> bool {
        true
    }

    /// What this release wants in this target's slots: the manifest's revisions where it names our slots, else derived
    /// from the payload or the commit.
    async fn wanted(
        &self,
        release: &ReleaseFacts<'_>,
        payloads: &Payloads<Measured>,
    ) -> Result<Wanted, TargetError>;

    /// Slots that the last [`Target::wanted`] left as they are, and why.
    fn left_out(&self) -> Vec<LeftOut> {
        Vec::new()
    }

    /// What the slots hold now. Changes nothing.
    async fn observe(&self) -> Result<State, TargetError>;

    /// What one slot holds now; `None` when there is no such slot. Changes nothing.
    async fn observe_one(&self, slot: &Slot) -> Result<Option<Held>, TargetError> {
        Ok(self.observe().await?.shift_remove(slot))
    }

    /// What `record` writes down of each slot, for a target that is asked what it runs, after it was [guarded](Target::guard).
    /// `None`: the revisions are derived from the artifact, by [`Target::wanted`], and nothing is contacted.
    async fn record(&self) -> Result<Option<IndexMap<Slot, Pin>>, TargetError> {
        Ok(None)
    }

    /// Keeps on the target what only the target has of a release that is being recorded, so that it can be put back later. Answers what
    /// was kept. Again = no harm.
    ///
    /// # Errors
    /// What is about to be recorded could not be kept: it is better not recorded.
    async fn protect(&self, _pins: &IndexMap<Slot, Pin>) -> Result<Vec<String>, TargetError> {
        Ok(Vec::new())
    }

    /// The revision that the target itself keeps under this name or number (`--to-revision`).
    ///
    /// # Errors
    /// `Refused` when there is none; what there is is named.
    async fn numbered(&self, slot: &Slot, number: &str) -> Result<Revision, TargetError> {
        let kind = self.kind();
        Err(TargetError::Refused {
            what: format!("{slot} has no revision {number}: a {kind} target numbers no revisions"),
            allow: None,
            next: "name a release: --run-id or --artifact".to_owned(),
        })
    }

    /// The revisions between, for a change that is made in steps with a verdict after each. Empty: at once.
    fn path(&self, _change: &Change) -> Vec<Revision> {
        Vec::new()
    }

    /// What the plan would do beyond changing revisions; and the last look before it is permitted: what is wanted can be had,
    /// and what will differ is told to `facts.story`.
    async fn hazards(
        &self,
        plan: &Plan,
        facts: &ReleaseFacts<'_>,
    ) -> Result<Vec<Hazard>, TargetError>;

    /// Everything `apply` needs, proven without changing anything.
    async fn preflight(&self, payloads: &Payloads<Verified>) -> Vec<Finding>;

    /// Carries one change out, after comparing that the slot still holds what the plan saw. Again = no harm.
    async fn apply(
        &self,
        change: PermittedChange<'_>,
        payload: Option<&Verified>,
        facts: &ReleaseFacts<'_>,
    ) -> Result<(), TargetError>;

    /// A change was dropped in the middle, since the command has to end: leaves something at work in the slot, within two seconds. What
    /// cannot be done in time is left to the next run.
    ///
    /// # Errors
    /// Whatever kept it from that; it is told, and changes nothing else.
    async fn stand_up(&self) -> Result<(), TargetError> {
        Ok(())
    }

    /// Removes old releases by count, never the current one and none of `keep`. Answers what was removed.
    async fn retire(&self, keep: &[Revision]) -> Result<Vec<String>, TargetError>;

    /// Whether it still has this revision and could put it back without a payload.
    async fn keeps(&self, _revision: &Revision) -> bool {
        false
    }

    /// What a person will want to see of the state before a change: name and text, bounded and masked.
    async fn evidence(&self) -> Vec<(String, String)>;

    /// Whether [`Target::attend`] can tell if what is in place is well: then probes are not needed.
    fn attends(&self) -> bool {
        false
    }

    /// Watches what is in place while it is judged, until its own windows are over or something critical is seen.
    /// `held`: what the slots should keep holding. `None`: it has nothing to say.
    async fn attend(
        &self,
        _held: &Wanted,
        _story: &dyn Story,
    ) -> Result<Option<Attended>, TargetError> {
        Ok(None)
    }

    /// An address of this machine that leads to `to` inside the target (`deployment/web:8001`), for probes. It is there as
    /// long as the target is.
    async fn forward(&self, to: &str) -> Result<SocketAddr, TargetError> {
        let kind = self.kind();
        Err(TargetError::Refused {
            what: format!("cannot reach {to}: a {kind} target forwards no ports"),
            allow: None,
            next: "give the probe an address that this machine can reach, without `via`".to_owned(),
        })
    }

    /// Looks whether this question can be asked of the slot, and makes what asks it. Nothing is changed by asking, now or later.
    ///
    /// # Errors
    /// `Refused` when it cannot be asked as it stands, `Unreachable` when that could not be found out.
    async fn question(&self, slot: &Slot, _question: &Question) -> Result<Ask, TargetError> {
        let kind = self.kind();
        Err(TargetError::Refused {
            what: format!("cannot ask {slot}: a {kind} target answers no queries"),
            allow: None,
            next: "give the probe a `url` in place of `query`".to_owned(),
        })
    }

    /// Where a lease that every runner of this target sees can lie.
    fn lease_path(&self) -> Option<PathBuf>;

    /// Takes or renews a lease that lies in the target itself. `false`: it has none, and [`Target::lease_path`] says where
    /// one lies.
    ///
    /// # Errors
    /// `Held` when another operation holds it.
    async fn lease(&self, _claim: &Claim) -> Result<bool, TargetError> {
        Ok(false)
    }

    /// Gives that lease back. It expires by itself when this fails.
    async fn release(&self, _claim: &Claim) {}
}

/// Which way a change goes: it decides what may be derived when a release does not say everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A new release is put in place.
    Forward,
    /// An earlier release is put back.
    Back,
}

/// Who is told how a change that takes its time goes.
pub trait Story: Debug + Send + Sync {
    /// One line; the same text again is not told twice by the caller.
    fn progress(&self, slot: &Slot, text: &str);

    /// One line that a person must find again in the report: something is lost.
    fn warn(&self, slot: &Slot, text: &str) {
        self.progress(slot, text);
    }
}

/// A slot that a plan leaves as it is, though the release or the operator could expect otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Which.
    pub slot: Slot,
    /// Why, in words.
    pub why: String,
    /// Whether the release is not whole without it.
    pub is_missed: bool,
}

/// What was seen of what is in place while it was watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attended {
    /// Worst first.
    pub sightings: Vec<Sighting>,
    /// How long it was watched.
    pub watched: Duration,
}

/// Who asks for a lease, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Unique per command.
    pub operation: String,
    /// In words, for whoever finds the lease held.
    pub holder: String,
    pub now: Timestamp,
    pub length: Duration,
    /// Operations that are known to be over, although they gave nothing back: their lease may be taken.
    pub dead: Vec<String>,
}

/// What is known of the release that is to be put in place.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseFacts<'a> {
    pub run: Option<RunId>,
    pub commit: Option<&'a CommitSha>,
    pub manifest: Option<&'a Release>,
    pub environment: &'a str,
    pub way: Way,
    /// `--emergency`: the target may go further than a rollout would, step by step.
    pub emergency: bool,
    /// What is done when the state of a slot does not fit what is put back.
    pub on_state_conflict: OnStateConflict,
    /// Hazards that the operator allows whether or not the plan has them: `no-snapshot`, `no-snapshot:api`.
    pub allowed: &'a [String],
    /// Who is told how a change goes.
    pub story: Option<&'a dyn Story>,
}

impl ReleaseFacts<'_> {
    /// The revision that the manifest names for a slot.
    pub fn pinned(&self, slot: &Slot) -> Option<&Revision> {
        Some(&self.pin(slot)?.revision)
    }

    /// What the manifest says of a slot.
    pub fn pin(&self, slot: &Slot) -> Option<&Pin> {
        self.manifest?.slots.get(slot)
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

    /// What could not be looked at, or stands against a change. `who`: of whom an answer is waited for, "engine".
    pub(crate) fn of(check: &str, error: TargetError, who: &str) -> Self {
        let what = error.to_string();
        let next = match error {
            TargetError::Refused { next, .. }
            | TargetError::Usage { next, .. }
            | TargetError::BadRelease { next, .. }
            | TargetError::Unhealthy { advice: next, .. } => next,
            TargetError::Unreachable { .. } | TargetError::OutcomeUnknown { .. } => {
                format!("run the same command again when the {who} answers")
            }
            TargetError::Held { .. } | TargetError::Conflict { .. } | TargetError::Failed(_) => {
                "mend the cause, then run the same command again".to_owned()
            }
        };
        Self::bad(check, what, next)
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
    /// How connections are made.
    pub net: crate::net::Settings,
    /// Where a target may keep what it must know in a later run. Absolute; need not exist yet.
    pub state_dir: PathBuf,
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
    /// Whether targets of this kind can tell by themselves if what is in place is well.
    pub attends: bool,
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
    Entry { kind: "directory", open: directory::open, schema: directory::schema, attends: false },
    Entry { kind: "command", open: command::open, schema: command::schema, attends: false },
    Entry { kind: "canister", open: canister::open, schema: canister::schema, attends: true },
    Entry { kind: "compose", open: compose::open, schema: compose::schema, attends: true },
    Entry { kind: "kubernetes", open: kubernetes::open, schema: kubernetes::schema, attends: true },
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
