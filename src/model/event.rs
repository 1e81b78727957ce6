//! What happened, in order: the one stream that the terminal, the annotations, the journal, the summary and the
//! incident report are all made of.

use super::candidate::{KnownGood, PassedOver};
use super::ids::RunId;
use super::outcome::Outcome;
use super::payload::{Digest, Promise};
use super::plan::{Change, Plan};
use super::probe::Stage;
use super::sighting::Sighting;
use super::state::{Revision, Slot, State};
use super::verdict::Verdict;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The journal's version: a reader refuses another one.
pub const JOURNAL_SCHEMA: u32 = 1;

/// One event with its time: `at` is the wall clock at the start plus the monotonic time since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub at: Timestamp,
    /// Milliseconds since the command began.
    pub elapsed_ms: u64,
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened. Texts from outside (titles, outputs) are raw here: each reader neutralises them for its own medium.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// First line of a journal.
    Began(Box<Began>),
    /// The search for the last good release is over.
    Located {
        chosen: Option<Box<KnownGood>>,
        passed_over: Vec<PassedOver>,
        requests: u32,
    },
    /// The artifact is here and holds what was promised.
    Fetched {
        name: String,
        size_bytes: u64,
        digest: Digest,
        took_ms: u64,
        /// `None`: nobody promised these bytes.
        promised_by: Option<Promise>,
    },
    Observed {
        target: String,
        state: State,
    },
    Planned {
        target: String,
        plan: Plan,
    },
    /// Flushed before the change begins.
    Intent {
        op: String,
        target: String,
        change: Change,
    },
    Applied {
        op: String,
        target: String,
        slot: Slot,
        took_ms: u64,
    },
    /// Observed after the change: the slot holds what was wanted.
    Verified {
        op: String,
        target: String,
        slot: Slot,
        revision: Revision,
    },
    ApplyFailed {
        op: String,
        target: String,
        slot: Slot,
        why: String,
    },
    /// How a change that takes its time goes: one line, told when it says something new.
    Progress {
        target: String,
        slot: Slot,
        text: String,
    },
    /// The target saw that something is not well with what is in place, or could become so.
    Sighted {
        target: String,
        sighting: Sighting,
    },
    /// A watch began (probes follow in the probe log).
    Watching {
        stage: Stage,
        signals: Vec<String>,
        rate: u32,
        cap_s: u64,
    },
    Judged {
        stage: Stage,
        verdict: Verdict,
    },
    /// The new release is unhealthy and policy says to roll back.
    RollingBack {
        why: String,
    },
    /// `ready`: one precondition, and whether it holds.
    Checked {
        target: String,
        check: String,
        ok: bool,
        detail: String,
        next: Option<String>,
    },
    /// Something a person should know.
    Note {
        text: String,
    },
    Warned {
        text: String,
    },
    /// Files left for people: what it is, and its path.
    Left {
        what: String,
        path: String,
    },
    /// A signal asked us to stop.
    Interrupted {
        signal: String,
    },
    /// Last event of every command: REPORTED.
    Ended(Box<Ended>),
}

/// The first event: who asked for what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Began {
    pub schema: u32,
    pub tool: String,
    /// Unique name of this operation; names its directory in the state directory.
    pub id: String,
    pub verb: String,
    pub environment: String,
    pub repository: Option<String>,
    /// The run that asked (GitHub's run id and attempt), when there is one.
    pub run: Option<RunId>,
    pub attempt: Option<u32>,
    pub run_url: Option<String>,
    /// The commit being deployed or rolled back from.
    pub commit: Option<String>,
    pub actor: Option<String>,
    pub reason: Option<String>,
    pub dry_run: bool,
}

/// The last event: how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    pub outcome: Outcome,
    /// One sentence.
    pub message: String,
    pub hints: Vec<String>,
    pub took_ms: u64,
    /// The release now in place, when known: run, commit, slots.
    pub run: Option<RunId>,
    pub commit: Option<String>,
    pub digest: Option<Digest>,
    /// What was there before and what is there now, by slot.
    pub before: State,
    pub after: State,
    /// The run whose release was rolled back from: never a candidate again.
    pub bad_run: Option<RunId>,
    pub bad_commit: Option<String>,
}
