//! Workflow runs as candidates for the last good release, and why each one was passed over.
//! The fields are what the judgment needs of GitHub's objects; `github` fills them, odd or missing values included.

use super::ids::{CommitSha, RunId};
use super::payload::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A workflow run. Whatever GitHub may leave out or null is an `Option`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    /// 1 for the first attempt; GitHub may leave it out.
    pub attempt: Option<u32>,
    pub number: u64,
    pub title: Option<String>,
    pub event: String,
    pub status: Option<String>,
    pub conclusion: Option<String>,
    pub branch: Option<String>,
    pub sha: CommitSha,
    /// Workflow file; may carry `@ref`.
    pub path: String,
    /// Start of the latest attempt.
    pub started_at: Option<Timestamp>,
    pub created_at: Option<Timestamp>,
    pub repository_id: Option<u64>,
    /// `None` when the fork is gone.
    pub head_repository_id: Option<u64>,
    pub url: String,
}

/// A job of the latest attempt of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub name: String,
    pub status: Option<String>,
    pub conclusion: Option<String>,
}

/// An artifact of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    pub id: u64,
    pub name: String,
    pub size_bytes: u64,
    pub expired: bool,
    pub created_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    /// Digest of the uploaded blob (the zip, or the raw file), not of the file inside. `None` before
    /// upload-artifact v4 and on GHES.
    pub digest: Option<Digest>,
}

/// How the runs were listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// Unfiltered pages, filtered here.
    RunList,
    /// GitHub's filtered query: its index may be stale (cli/cli#5440, dawidd6/action-download-artifact#147).
    SearchIndex,
    /// The operator named the run.
    RunId,
    /// The operator named a file; GitHub was not asked.
    File,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RunList => "run list",
            Self::SearchIndex => "search index (may be stale)",
            Self::RunId => "run id given",
            Self::File => "file given",
        })
    }
}

/// Why a run is not the last good release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Rejection {
    OwnRun,
    NotCompleted {
        status: String,
    },
    NotSuccessful {
        conclusion: String,
    },
    OtherBranch {
        found: String,
    },
    /// Its title (`run-name:`) does not name the environment.
    OtherTitle {
        found: String,
    },
    EventNotAllowed {
        event: String,
    },
    Fork,
    OtherWorkflow {
        path: String,
    },
    FailingCommit,
    /// Excluded by id (`--exclude-run`).
    Excluded,
    /// Our own history says this release was rolled back from.
    MarkedBad {
        why: String,
    },
    /// A rollback run of ours: green, but its commit is the bad one.
    OwnRollback,
    DeployJobMissing {
        wanted: String,
        found: Vec<String>,
    },
    DeployJobNotSuccessful {
        job: String,
        conclusion: String,
    },
    NoArtifact {
        wanted: String,
        found: Vec<String>,
    },
    SeveralArtifacts {
        names: Vec<String>,
    },
    ArtifactExpired {
        name: String,
        at: Option<Timestamp>,
    },
    ArtifactTooLarge {
        size_bytes: u64,
        limit_bytes: u64,
    },
    NoDigest {
        name: String,
    },
    NotAnAncestor {
        status: String,
    },
    /// Good, but a newer one was chosen.
    Older,
}

impl Rejection {
    /// A word for counting: the same for every run passed over for this reason.
    pub fn word(&self) -> &'static str {
        match self {
            Self::OwnRun => "own run",
            Self::NotCompleted { status: _ } => "not completed",
            Self::NotSuccessful { conclusion: _ } => "not successful",
            Self::OtherBranch { found: _ } => "other branch",
            Self::OtherTitle { found: _ } => "other title",
            Self::EventNotAllowed { event: _ } => "event not allowed",
            Self::Fork => "fork",
            Self::OtherWorkflow { path: _ } => "other workflow",
            Self::FailingCommit => "failing commit",
            Self::Excluded => "excluded",
            Self::MarkedBad { why: _ } => "marked bad",
            Self::OwnRollback => "own rollback",
            Self::DeployJobMissing {
                wanted: _,
                found: _,
            } => "no deploy job",
            Self::DeployJobNotSuccessful {
                job: _,
                conclusion: _,
            } => "deploy job not successful",
            Self::NoArtifact {
                wanted: _,
                found: _,
            } => "no artifact",
            Self::SeveralArtifacts { names: _ } => "several artifacts",
            Self::ArtifactExpired { name: _, at: _ } => "artifact expired",
            Self::ArtifactTooLarge {
                size_bytes: _,
                limit_bytes: _,
            } => "artifact too large",
            Self::NoDigest { name: _ } => "no digest",
            Self::NotAnAncestor { status: _ } => "not an ancestor",
            Self::Older => "older",
        }
    }
}

impl fmt::Display for Rejection {
    /// One sentence fragment with what was found.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnRun => f.write_str("this very run"),
            Self::NotCompleted { status } => write!(f, "not completed ({status})"),
            Self::NotSuccessful { conclusion } => write!(f, "concluded {conclusion}"),
            Self::OtherBranch { found } => write!(f, "on branch {found}"),
            Self::OtherTitle { found } => write!(f, "titled \"{found}\""),
            Self::EventNotAllowed { event } => write!(f, "event {event} is not allowed"),
            Self::Fork => f.write_str("comes from a fork"),
            Self::OtherWorkflow { path } => write!(f, "of another workflow ({path})"),
            Self::FailingCommit => f.write_str("deployed the commit that is failing"),
            Self::Excluded => f.write_str("excluded by id"),
            Self::MarkedBad { why } => write!(f, "marked bad: {why}"),
            Self::OwnRollback => f.write_str("a rollback run: its commit is not what it deployed"),
            Self::DeployJobMissing { wanted, found } => {
                write!(f, "has no job {wanted} (jobs: {})", listed(found))
            }
            Self::DeployJobNotSuccessful { job, conclusion } => {
                write!(f, "job {job} was {conclusion}: nothing was deployed")
            }
            Self::NoArtifact { wanted, found } => {
                write!(f, "has no artifact {wanted} (artifacts: {})", listed(found))
            }
            Self::SeveralArtifacts { names } => {
                write!(f, "several artifacts match: {}", listed(names))
            }
            Self::ArtifactExpired { name, at: Some(at) } => {
                write!(f, "artifact {name} expired at {at}")
            }
            Self::ArtifactExpired { name, at: None } => write!(f, "artifact {name} expired"),
            Self::ArtifactTooLarge {
                size_bytes,
                limit_bytes,
            } => {
                write!(
                    f,
                    "artifact has {size_bytes} bytes, the limit is {limit_bytes}"
                )
            }
            Self::NoDigest { name } => write!(f, "artifact {name} has no digest"),
            Self::NotAnAncestor { status } => write!(f, "its commit is not an ancestor ({status})"),
            Self::Older => f.write_str("good, but older than the chosen one"),
        }
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

/// A run that was passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    pub run: RunId,
    pub sha: CommitSha,
    pub started_at: Option<Timestamp>,
    pub url: String,
    #[serde(flatten)]
    pub why: Rejection,
}

/// The last good release that was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownGood {
    pub run: Run,
    pub artifact: Artifact,
    pub via: Via,
    /// The deploy job that succeeded, when one was asked for.
    pub deploy_job: Option<String>,
    /// What the operator should know although the candidate passed.
    pub warnings: Vec<String>,
}

/// Everything `list` answers: the chosen run, and every other one with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    pub chosen: Option<KnownGood>,
    pub passed_over: Vec<PassedOver>,
    /// API requests it took.
    pub requests: u32,
}
