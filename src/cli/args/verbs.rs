//! The verbs and the groups that each one has.

use super::groups::{
    ChangeArgs, ChoiceArgs, GitHubArgs, HealthArgs, PolicyArgs, SourceArgs, TargetArgs,
};
use super::values::{self, NumberedArg, RevisionArg};
use super::{Parts, help};
use crate::config::file::{OnInconclusive, OnStateConflict};
use clap::{Args, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

/// What is to be done.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Find the last good release, verify it, put it back and watch it
    #[command(after_help = help::ROLLBACK)]
    Rollback(Rollback),
    /// Put this run's release in place, judge it, and roll back when it is unhealthy
    #[command(after_help = help::DEPLOY)]
    Deploy(Deploy),
    /// Judge a release that something else deployed
    #[command(after_help = help::WATCH)]
    Watch(Watch),
    /// Could we roll back now? Prove it without changing anything
    #[command(after_help = help::READY)]
    Ready(Ready),
    /// Show the candidates, the chosen one, and why each other one was passed over
    #[command(after_help = help::LIST)]
    List(List),
    /// Write the release manifest lastgood.json into the folder that becomes the artifact
    #[command(after_help = help::RECORD)]
    Record(Record),
    /// Show past rollbacks: when, from, to, why, how long, outcome
    #[command(after_help = help::HISTORY)]
    History(History),
    /// Render the incident report again from a journal
    #[command(after_help = help::REPORT)]
    Report(Report),
    /// Print the completions of a shell
    #[command(hide = true, after_help = help::COMPLETIONS)]
    Completions(Completions),
    /// Print the JSON Schema of the config file
    #[command(hide = true, after_help = help::SCHEMA)]
    Schema,
}

/// `rollback`
#[derive(Debug, Clone, Args)]
pub struct Rollback {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// What the target itself keeps under this number, as `kubectl rollout history` shows it; repeatable. GitHub is not asked
    #[arg(
        long,
        value_name = "[SLOT=]N",
        help_heading = "Release",
        conflicts_with_all = ["run_id", "artifact", "expected_sha256"],
        help = "What the target itself kept under this number; repeatable"
    )]
    pub to_revision: Vec<NumberedArg>,
    #[command(flatten)]
    pub changes: ChangeArgs,
    /// Go further than a rollout where one does not come up: replace pods that are not ready, then scale to 0 and back
    #[arg(
        long,
        help_heading = "Changes",
        help = "Where a rollout hangs: replace pods, then scale to 0 and back"
    )]
    pub emergency: bool,
    /// What a lack of evidence afterwards leads to: fail (default) or pass
    #[arg(long, value_name = "WHAT", help_heading = "Policy")]
    pub on_inconclusive: Option<OnInconclusive>,
    /// Canisters whose state does not fit what is put back [default: stop]
    #[arg(
        long,
        value_name = "WHAT",
        help_heading = "Policy",
        hide_short_help = true
    )]
    pub on_state_conflict: Option<OnStateConflict>,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub targets: TargetArgs,
    #[command(flatten)]
    pub health: HealthArgs,
    #[command(flatten)]
    pub github: GitHubArgs,
}

/// `deploy`
#[derive(Debug, Clone, Args)]
pub struct Deploy {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    #[command(flatten)]
    pub changes: ChangeArgs,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub targets: TargetArgs,
    #[command(flatten)]
    pub health: HealthArgs,
    #[command(flatten)]
    pub github: GitHubArgs,
}

/// `watch`
#[derive(Debug, Clone, Args)]
pub struct Watch {
    /// Judge this saved probe log again: the same log gives the same verdict
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Release",
        conflicts_with_all = ["on_unhealthy", "on_inconclusive", "on_state_conflict", "dry_run", "slot", "probe", "target"]
    )]
    pub replay: Option<PathBuf>,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub changes: ChangeArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub targets: TargetArgs,
    #[command(flatten)]
    pub health: HealthArgs,
    #[command(flatten)]
    pub github: GitHubArgs,
}

/// `ready`
#[derive(Debug, Clone, Args)]
pub struct Ready {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub targets: TargetArgs,
    #[command(flatten)]
    pub health: HealthArgs,
    #[command(flatten)]
    pub github: GitHubArgs,
}

/// `list`
#[derive(Debug, Clone, Args)]
pub struct List {
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub github: GitHubArgs,
}

/// `record`
#[derive(Debug, Clone, Args)]
pub struct Record {
    /// Folder that is uploaded as the artifact
    #[arg(long, value_name = "DIR", help_heading = "Release")]
    pub path: PathBuf,
    /// Revision of a slot that is not measured from the folder; repeatable
    #[arg(long, value_name = "SLOT=REVISION", help_heading = "Release")]
    pub revision: Vec<RevisionArg>,
    #[command(flatten)]
    pub targets: TargetArgs,
}

/// `history`
#[derive(Debug, Clone, Args)]
pub struct History {
    /// How many are shown, newest first; the figures are over all
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20,
        value_parser = values::limit,
        help_heading = "History"
    )]
    pub limit: usize,
}

/// `report`
#[derive(Debug, Clone, Args)]
pub struct Report {
    /// Journal to render [default: the newest one of the state directory]
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub journal: Option<PathBuf>,
}

/// `completions`
#[derive(Debug, Clone, Args)]
pub struct Completions {
    pub shell: Shell,
}

impl Verb {
    /// The shared groups of this verb.
    pub fn parts(&self) -> Parts {
        match self.clone() {
            Self::Rollback(verb) => Parts {
                github: verb.github,
                source: verb.source,
                choice: verb.choice,
                targets: verb.targets,
                health: verb.health,
                changes: verb.changes,
                policy: PolicyArgs {
                    on_inconclusive: verb.on_inconclusive,
                    on_state_conflict: verb.on_state_conflict,
                    ..PolicyArgs::default()
                },
            },
            Self::Deploy(verb) => Parts {
                github: verb.github,
                source: verb.source,
                choice: verb.choice,
                targets: verb.targets,
                health: verb.health,
                changes: verb.changes,
                policy: verb.policy,
            },
            Self::Watch(verb) => Parts {
                github: verb.github,
                source: verb.source,
                targets: verb.targets,
                health: verb.health,
                changes: verb.changes,
                policy: verb.policy,
                ..Parts::default()
            },
            Self::Ready(verb) => Parts {
                github: verb.github,
                source: verb.source,
                choice: verb.choice,
                targets: verb.targets,
                health: verb.health,
                ..Parts::default()
            },
            Self::List(verb) => Parts {
                github: verb.github,
                source: verb.source,
                ..Parts::default()
            },
            Self::Record(verb) => Parts {
                targets: verb.targets,
                ..Parts::default()
            },
            Self::History(_) | Self::Report(_) | Self::Completions(_) | Self::Schema => {
                Parts::default()
            }
        }
    }
}
