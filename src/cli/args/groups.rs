//! Groups of options that several verbs share. The help text of each is its documentation.

use super::probe::ProbeArg;
use super::values::{Color, TargetArg};
use crate::config::file::{OnInconclusive, OnStateConflict, OnUnhealthy};
use crate::config::units::Time;
use crate::model::ids::{RepoName, RunId};
use crate::model::payload::Digest;
use clap::{ArgAction, Args};
use std::path::PathBuf;
use url::Url;

use super::values;

/// Options of every verb.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Common")]
pub struct Common {
    /// Environment of the config file; may be left out when there is only one
    #[arg(short, long, global = true, value_name = "NAME")]
    pub environment: Option<String>,
    /// Config file [default: .github/lastgood.yml, when it exists]
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub config: Option<PathBuf>,
    /// Where journals, probe logs and the lease lie [default: .lastgood]
    #[arg(long, global = true, value_name = "DIR", hide_short_help = true)]
    pub state_dir: Option<PathBuf>,
    /// Give the answer on stdout as one JSON document
    #[arg(long, global = true)]
    pub json: bool,
    /// Whether the story on stderr is coloured
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_short_help = true,
        hide_default_value = true
    )]
    pub color: Color,
    /// Tell more; twice: everything
    #[arg(short, long, global = true, action = ArgAction::Count, hide_short_help = true)]
    pub verbose: u8,
    /// Tell only warnings and the end
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        hide_short_help = true
    )]
    pub quiet: bool,
}

/// How GitHub is reached.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "GitHub")]
pub struct GitHubArgs {
    /// Where the runs are looked up [default: where this runs]
    #[arg(long, value_name = "OWNER/NAME", hide_short_help = true)]
    pub repository: Option<RepoName>,
    /// PEM file of further trusted certificates, also `SSL_CERT_FILE`
    #[arg(
        long,
        value_name = "FILE",
        hide_short_help = true,
        help = "PEM file of further trusted certificates [default: SSL_CERT_FILE]"
    )]
    pub ca_file: Option<PathBuf>,
    /// How long a used-up rate limit is waited for [default: 2m]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pub rate_limit_wait: Option<Time>,
    /// How long GitHub is asked in all before giving up [default: 10m]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pub deadline: Option<Time>,
}

/// Where good releases come from.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Source of good releases")]
pub struct SourceArgs {
    /// Deploy workflow, such as deploy.yml [default: the one that runs this]
    #[arg(long, value_name = "FILE")]
    pub workflow: Option<String>,
    /// Only runs of this branch [default: the branch this runs on]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub branch: Option<String>,
    /// Only runs started by this event; repeatable
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub event: Vec<String>,
    /// Artifact with the release; * matches [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub artifact_name: Option<String>,
    /// Job that must have succeeded, as GitHub names it; * matches
    #[arg(long, value_name = "NAME")]
    pub deploy_job: Option<String>,
    /// Only runs whose title matches; * matches
    #[arg(long, value_name = "PATTERN", hide_short_help = true)]
    pub title: Option<String>,
    /// Never this run; repeatable
    #[arg(long, value_name = "RUN_ID", value_parser = values::run_id, hide_short_help = true)]
    pub exclude_run: Vec<RunId>,
    /// Never a release of this commit [default: the commit this runs for]
    #[arg(long, value_name = "SHA", value_parser = values::commit, hide_short_help = true)]
    pub failing_commit: Option<String>,
    /// Refuse artifacts whose digest GitHub does not know [default: true]
    #[arg(long, value_name = "BOOL", hide_short_help = true, value_parser = values::boolean)]
    pub require_digest: Option<bool>,
    /// The commit must be an ancestor of the branch [default: false]
    #[arg(long, value_name = "BOOL", hide_short_help = true, value_parser = values::boolean)]
    pub require_ancestor: Option<bool>,
}

/// Which release.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Release")]
pub struct ChoiceArgs {
    /// The release of this run, under the same checks
    #[arg(long, value_name = "RUN_ID", value_parser = values::run_id, conflicts_with = "artifact")]
    pub run_id: Option<RunId>,
    /// A release on disk (zip, tar, file, directory); GitHub is not asked
    #[arg(long, value_name = "PATH")]
    pub artifact: Option<PathBuf>,
    /// Digest that the payload must have
    #[arg(long, value_name = "SHA256", value_parser = values::digest)]
    pub expected_sha256: Option<Digest>,
}

/// What holds the release.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Targets")]
pub struct TargetArgs {
    /// Targets without a config file
    #[arg(
        long,
        value_name = "TARGET",
        help = "Without config: directory:/srv/web, compose:HOST@PROJECT, kubernetes:CONTEXT@NS/KIND/NAME, canister:ic@NAME"
    )]
    pub target: Vec<TargetArg>,
}

/// How it is judged whether the service is well.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Health")]
pub struct HealthArgs {
    /// Probes without a config file
    #[arg(
        long,
        value_name = "PROBE",
        help = "Without config: https://example.com/up or query:SLOT.METHOD(); repeatable"
    )]
    pub probe: Vec<ProbeArg>,
    /// Address elsewhere that is up whenever the network here is
    #[arg(long, value_name = "URL", value_parser = values::http_url, hide_short_help = true)]
    pub control_url: Option<Url>,
    /// How long failures are ignored until the first success [default: 60s]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pub warm_up: Option<Time>,
    /// Time without a verdict after which it is inconclusive [default: 180s]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pub cap: Option<Time>,
    /// How long to watch further after a healthy verdict [default: 0s]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pub bake: Option<Time>,
}

/// Options of verbs that change something.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Changes")]
pub struct ChangeArgs {
    /// Make the plan and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Only this slot; repeatable
    #[arg(long, value_name = "NAME")]
    pub slot: Vec<String>,
    /// Accept this hazard, or this hazard of one slot; repeatable
    #[arg(long, value_name = "HAZARD[:SLOT]")]
    pub allow: Vec<String>,
    /// Why, for the journal and the report
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// What a verdict leads to.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Policy")]
pub struct PolicyArgs {
    /// What an unhealthy release leads to [default: rollback]
    #[arg(long, value_name = "WHAT")]
    pub on_unhealthy: Option<OnUnhealthy>,
    /// What a lack of evidence leads to [default: fail]
    #[arg(long, value_name = "WHAT")]
    pub on_inconclusive: Option<OnInconclusive>,
    /// Canisters whose state does not fit what is put back [default: stop]
    #[arg(long, value_name = "WHAT", hide_short_help = true)]
    pub on_state_conflict: Option<OnStateConflict>,
}
