//! What was asked for, resolved: the arguments, the config file and the environment as one plain value. Nothing that a
//! command needs is optional here, nothing was contacted to make it, and nothing in it is read again from outside.
//! Values only; `config::resolve` makes them.

mod place;
mod probe;

pub use crate::decide::mitigate::{OnInconclusive, OnUnhealthy};
pub use crate::model::plan::OnStateConflict;
pub use place::{Origin, TargetSettings};
pub use probe::{Means, Page, Probe, Query};

use crate::model::ids::{RepoName, RunId};
use crate::model::payload::Digest;
use crate::model::secret::Secret;
use crate::model::state::{Revision, Slot};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// One command, ready to be carried out.
#[derive(Debug, Clone)]
pub struct Request {
    pub verb: Verb,
    pub environment: Environment,
    pub github: GitHubAccess,
    pub context: RunContext,
    pub output: Output,
    pub process: Process,
    /// Absolute. Need not exist yet.
    pub state_dir: PathBuf,
    /// No change and no mutating request.
    pub dry_run: bool,
    /// Why, in the operator's words: for the journal and the report.
    pub reason: Option<String>,
    /// Every secret of this request, to be masked.
    pub secrets: Vec<Secret>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    Rollback {
        from: Choice,
        expected_sha256: Option<Digest>,
        slots: Vec<Slot>,
        /// The target may go further than a rollout would, step by step.
        emergency: bool,
    },
    Deploy {
        release: Deployed,
        expected_sha256: Option<Digest>,
        slots: Vec<Slot>,
    },
    Watch {
        slots: Vec<Slot>,
    },
    /// Judges a saved probe log again. Needs nothing but the file.
    Replay {
        probes: PathBuf,
    },
    List,
    Ready {
        from: Choice,
        expected_sha256: Option<Digest>,
    },
    Record {
        /// The folder that becomes the artifact: `lastgood.json` is written into it.
        dir: PathBuf,
        /// Revisions told by the operator, for slots that cannot be measured.
        revisions: Vec<(Slot, Revision)>,
    },
    History {
        /// At most this many entries are shown, newest first; the figures are over all.
        limit: usize,
    },
    Report {
        /// `None`: the newest journal of the state directory.
        journal: Option<PathBuf>,
    },
}

impl Verb {
    /// Only these slots are changed; empty: all.
    pub fn slots(&self) -> &[Slot] {
        match self {
            Self::Rollback { slots, .. } | Self::Deploy { slots, .. } | Self::Watch { slots } => {
                slots
            }
            Self::Replay { .. }
            | Self::List
            | Self::Ready { .. }
            | Self::Record { .. }
            | Self::History { .. }
            | Self::Report { .. } => &[],
        }
    }

    /// Whether the target may go further than a rollout would.
    pub const fn is_emergency(&self) -> bool {
        match self {
            Self::Rollback { emergency, .. } => *emergency,
            Self::Deploy { .. }
            | Self::Watch { .. }
            | Self::Replay { .. }
            | Self::List
            | Self::Ready { .. }
            | Self::Record { .. }
            | Self::History { .. }
            | Self::Report { .. } => false,
        }
    }

    /// What the operator says the payload is.
    pub const fn expected_sha256(&self) -> Option<Digest> {
        match self {
            Self::Rollback {
                expected_sha256, ..
            }
            | Self::Deploy {
                expected_sha256, ..
            }
            | Self::Ready {
                expected_sha256, ..
            } => *expected_sha256,
            Self::Watch { .. }
            | Self::Replay { .. }
            | Self::List
            | Self::Record { .. }
            | Self::History { .. }
            | Self::Report { .. } => None,
        }
    }

    /// As it is typed.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Rollback { .. } => "rollback",
            Self::Deploy { .. } => "deploy",
            Self::Watch { .. } | Self::Replay { .. } => "watch",
            Self::List => "list",
            Self::Ready { .. } => "ready",
            Self::Record { .. } => "record",
            Self::History { .. } => "history",
            Self::Report { .. } => "report",
        }
    }
}

/// Which release is rolled back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The newest one that was proven good.
    Newest,
    /// The one of this run, under the same checks.
    Run(RunId),
    /// A local file or directory; GitHub is not asked.
    File(PathBuf),
    /// What the targets keep themselves, by number; GitHub is not asked. Never empty.
    Numbered(Vec<Numbered>),
}

/// A revision that a target keeps under a number of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// `None`: the only slot.
    pub slot: Option<Slot>,
    pub number: String,
}

/// Where the release that is deployed comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deployed {
    /// The artifact of this run.
    Run(RunId),
    /// A local file or directory.
    Path(PathBuf),
}

/// One place that releases are deployed to.
#[derive(Debug, Clone)]
pub struct Environment {
    pub name: String,
    pub source: Source,
    /// By group, then in the order of the file. Empty for verbs that touch no target.
    pub targets: Vec<TargetSettings>,
    pub health: Health,
    pub policy: Policy,
    pub guard: Guard,
}

/// Where good releases come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// File name or path of the deploy workflow. Empty only for verbs and choices that look up no run.
    pub workflow: String,
    pub branch: Option<String>,
    pub events: Vec<String>,
    /// Exact or wildcard.
    pub artifact: String,
    /// Exact or wildcard.
    pub deploy_job: Option<String>,
    /// Wildcard on the run's title.
    pub title: Option<String>,
    pub require_digest: bool,
    pub require_ancestor: bool,
    pub rollback_workflows: Vec<String>,
    /// From 1 to 100.
    pub max_candidates: u32,
    /// Pages of 100 runs, from 1 to 10.
    pub max_pages: u32,
    pub size_limit_bytes: u64,
    pub exclude_runs: Vec<RunId>,
    /// Releases of this commit are not candidates: it is the one that fails.
    pub failing_commit: Option<String>,
}

/// How it is judged whether the service is well.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    pub probes: Vec<Probe>,
    pub control_url: Option<Url>,
    /// Requests per second and probe, from 1 to 50.
    pub rate: u32,
    /// From 0 to 1.
    pub healthy_error_rate: f64,
    /// From 0 to 1, above `healthy_error_rate`.
    pub unhealthy_error_rate: f64,
    /// At most 10 minutes.
    pub warm_up: Duration,
    pub cap: Duration,
    /// Zero: no bake.
    pub bake: Duration,
    /// From 1 to 50.
    pub bake_rate: u32,
    /// Zero: no baseline.
    pub baseline: Duration,
    pub latency: Latency,
}

/// What slow answers lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    Warn,
    Gate,
    Off,
}

/// What is done about a verdict, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub on_unhealthy: OnUnhealthy,
    pub on_inconclusive: OnInconclusive,
    /// What is done when the state of a slot does not fit what is put back.
    pub on_state_conflict: OnStateConflict,
    /// Hazard names, optionally `name:slot`.
    pub allow: Vec<String>,
}

/// What must be so before anything happens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    pub hostname: Option<String>,
    pub repository: Option<RepoName>,
}

/// How GitHub and the network are reached.
#[derive(Debug, Clone)]
pub struct GitHubAccess {
    /// Without a slash at the end: `https://api.github.com`.
    pub api_url: String,
    /// Without a slash at the end: `https://github.com`.
    pub server_url: String,
    /// The repository whose runs are looked up. `None` only for verbs and choices that look up no run.
    pub repository: Option<RepoName>,
    pub token: Option<Secret>,
    /// For one request.
    pub request_deadline: Duration,
    /// For all requests of a command together.
    pub deadline: Duration,
    /// How long a used-up rate limit is waited for, at most.
    pub rate_limit_wait: Duration,
    /// Certificates trusted besides the bundled ones.
    pub ca_pem: Option<Vec<u8>>,
    pub proxy: Option<String>,
    pub no_proxy: Option<String>,
}

/// What is known of the run, and of the machine, that asks.
#[derive(Debug, Clone)]
pub struct RunContext {
    pub run_id: Option<RunId>,
    pub attempt: Option<u32>,
    pub sha: Option<String>,
    /// Branch or tag.
    pub ref_name: Option<String>,
    /// `owner/repo/.github/workflows/x.yml@ref`.
    pub workflow_ref: Option<String>,
    pub event: Option<String>,
    pub actor: Option<String>,
    /// The page of the run.
    pub run_url: Option<String>,
    /// The repository that this runs for; the source may be another one.
    pub repository: Option<RepoName>,
    pub hostname: Option<String>,
    /// The wall clock when the command began.
    pub now: Timestamp,
}

/// How the answer and the story are given.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Output {
    /// The answer on stdout is one JSON document.
    pub json: bool,
    pub color: bool,
    pub stdout_tty: bool,
    pub stderr_tty: bool,
    pub in_actions: bool,
    /// -1 quiet, 0 normal, 1 more, 2 everything.
    pub verbosity: i8,
    /// `GITHUB_OUTPUT`.
    pub github_output: Option<PathBuf>,
    /// `GITHUB_STEP_SUMMARY`.
    pub step_summary: Option<PathBuf>,
}

/// Where this process runs, for the targets that start programs.
#[derive(Clone)]
pub struct Process {
    /// Absolute; relative paths of the config start here.
    pub dir: PathBuf,
    /// Holds secrets: only an allow-list of it reaches a child.
    pub variables: BTreeMap<String, String>,
    /// For scratch files: `RUNNER_TEMP`, `TMPDIR` or `/tmp`.
    pub temp_dir: PathBuf,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("dir", &self.dir)
            .field("variables", &format_args!("{} names", self.variables.len()))
            .field("temp_dir", &self.temp_dir)
            .finish()
    }
}
