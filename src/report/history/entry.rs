//! One operation of the past, read from its journal.

use super::super::story::Story;
use super::RolledBackFrom;
use crate::model::ids::RunId;
use crate::model::outcome::Outcome;
use crate::model::payload::Digest;
use crate::model::plan::Change;
use crate::model::state::State;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// A past operation. Times of a sort that were not measured are `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub id: String,
    pub at: Timestamp,
    pub verb: String,
    pub environment: String,
    pub repository: Option<String>,
    pub actor: Option<String>,
    pub dry_run: bool,
    pub rollback: Rollback,
    /// Whether a change was begun.
    pub changed: bool,
    /// Whether the release below was rolled back from or found unhealthy: an operation that ended before either says
    /// nothing against it.
    pub proved_bad: bool,
    /// What was rolled back from.
    pub bad: PastRelease,
    /// Attempt of the run that was deployed or rolled back from.
    pub attempt: Option<u32>,
    /// What is in place since.
    pub good: PastRelease,
    pub before: State,
    pub after: State,
    /// One sentence.
    pub why: String,
    /// Milliseconds from the first event to the last one.
    pub took_ms: u64,
    pub time_to_detect_ms: Option<u64>,
    pub time_to_restore_ms: Option<u64>,
    /// `None`: it was stopped before its end.
    pub outcome: Option<Outcome>,
    pub rolled_back_from: Vec<RolledBackFrom>,
    pub journal: PathBuf,
}

/// Whether an operation was, or became, a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollback {
    No,
    /// A person or another system asked for it.
    Asked,
    /// A verdict of lastgood led to it.
    Automatic,
}

/// A release as far as a journal knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PastRelease {
    pub run: Option<RunId>,
    pub commit: Option<String>,
    pub digest: Option<Digest>,
}

impl Entry {
    /// A deploy that was judged healthy: whatever was said of the release before, it works now.
    pub(super) fn proved_good(&self) -> bool {
        self.outcome == Some(Outcome::Healthy) && matches!(self.verb.as_str(), "deploy" | "watch")
    }

    /// Whether a rollback got to its verdict.
    pub(super) const fn carried_out(&self) -> bool {
        match self.outcome {
            Some(
                Outcome::Restored
                | Outcome::AlreadyGood
                | Outcome::RolledBack
                | Outcome::StillUnhealthy
                | Outcome::Inconclusive,
            ) => true,
            // The rest ends before it, or is no ending of a rollback.
            Some(
                Outcome::Healthy
                | Outcome::Planned
                | Outcome::Ready
                | Outcome::Error
                | Outcome::Usage
                | Outcome::Unhealthy
                | Outcome::NoKnownGood
                | Outcome::ArtifactRefused
                | Outcome::Refused
                | Outcome::Incomplete
                | Outcome::Unreachable
                | Outcome::NotReady,
            )
            | None => false,
        }
    }

    /// Killed, or stopped in the middle by a signal or a failed change.
    pub(super) fn was_stopped(&self) -> bool {
        matches!(self.outcome, None | Some(Outcome::Incomplete))
    }

    /// Whether nothing is left to resume of what was stopped before this.
    pub(super) fn settles(&self) -> bool {
        let changes = matches!(self.verb.as_str(), "rollback" | "deploy");
        changes
            && (self.carried_out()
                || matches!(self.outcome, Some(Outcome::Healthy | Outcome::Unhealthy)))
    }

    /// `None` when the events do not begin with `began`.
    pub(super) fn of(journal: &Path, story: Story<'_>) -> Option<Self> {
        let began = story.began()?;
        let at = story.began_at()?;
        let ended = story.ended();
        let took_ms = ended.map_or_else(
            || story.events.last().map_or(0, |event| event.elapsed_ms),
            |ended| ended.took_ms,
        );
        let rolled_back_from = rolled_back_from(&story, &began.id, &began.environment);
        Some(Self {
            id: began.id.clone(),
            at,
            verb: began.verb.clone(),
            environment: began.environment.clone(),
            repository: began.repository.clone(),
            actor: began.actor.clone(),
            dry_run: began.dry_run,
            rollback: match (story.is_rollback(), story.is_automatic()) {
                (false, _) => Rollback::No,
                (true, false) => Rollback::Asked,
                (true, true) => Rollback::Automatic,
            },
            changed: story.changed(),
            proved_bad: (story.is_rollback() && story.changed()) || story.found_unhealthy(),
            bad: bad(&story),
            attempt: began.attempt,
            good: PastRelease {
                run: ended.and_then(|ended| ended.run),
                commit: ended.and_then(|ended| ended.commit.clone()),
                digest: ended.and_then(|ended| ended.digest),
            },
            before: ended.map(|ended| ended.before.clone()).unwrap_or_default(),
            after: ended.map(|ended| ended.after.clone()).unwrap_or_default(),
            why: why(&story),
            took_ms,
            time_to_detect_ms: story.detection().map(|found| found.took_ms),
            time_to_restore_ms: story.time_to_restore_ms(),
            outcome: ended.map(|ended| ended.outcome),
            rolled_back_from,
            journal: journal.to_owned(),
        })
    }
}

/// What the end says; else the release that a deploy or watch found unhealthy, whether it was left in place or the operation
/// was stopped.
fn bad(story: &Story<'_>) -> PastRelease {
    let said = story.ended().map(|ended| PastRelease {
        run: ended.bad_run,
        commit: ended.bad_commit.clone(),
        digest: None,
    });
    let found = || {
        let began = story.began()?;
        let judges_its_own = matches!(began.verb.as_str(), "deploy" | "watch");
        (judges_its_own && story.found_unhealthy()).then(|| PastRelease {
            run: began.run,
            commit: began.commit.clone(),
            digest: None,
        })
    };
    said.filter(|said| *said != PastRelease::default())
        .or_else(found)
        .unwrap_or_default()
}

/// Why it was done: what made it turn back, else what the person said, else how it ended.
fn why(story: &Story<'_>) -> String {
    let turned = story.rolling_back().map(|(_event, why)| why);
    let asked = story.began().and_then(|began| began.reason.as_deref());
    let ended = story.ended().map(|ended| ended.message.as_str());
    turned
        .or(asked)
        .or(ended)
        .unwrap_or("stopped before its end")
        .to_owned()
}

fn rolled_back_from(story: &Story<'_>, id: &str, environment: &str) -> Vec<RolledBackFrom> {
    let automatic = story.is_automatic();
    let outcome = story.outcome();
    let mut out = Vec::new();
    for step in story.steps() {
        let Change::Install {
            slot,
            from: Some(from),
            ..
        } = step.change
        else {
            continue;
        };
        if step.of_rollback {
            out.push(RolledBackFrom {
                operation: id.to_owned(),
                environment: environment.to_owned(),
                target: step.target.to_owned(),
                slot: slot.clone(),
                revision: from.clone(),
                at: step.at,
                automatic,
                outcome,
            });
        }
    }
    out
}
