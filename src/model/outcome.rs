//! How a command ended: one word and one exit code each, and the failure that explains it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The outcomes of a command. The words and codes are an interface: they never change meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Healthy,
    Restored,
    AlreadyGood,
    Planned,
    Ready,
    Error,
    Usage,
    RolledBack,
    Unhealthy,
    StillUnhealthy,
    NoKnownGood,
    ArtifactRefused,
    Refused,
    Inconclusive,
    Incomplete,
    Unreachable,
    NotReady,
}

impl Outcome {
    /// Every outcome, in the order of the documentation.
    pub const ALL: [Self; 17] = [
        Self::Healthy,
        Self::Restored,
        Self::AlreadyGood,
        Self::Planned,
        Self::Ready,
        Self::Error,
        Self::Usage,
        Self::RolledBack,
        Self::Unhealthy,
        Self::StillUnhealthy,
        Self::NoKnownGood,
        Self::ArtifactRefused,
        Self::Refused,
        Self::Inconclusive,
        Self::Incomplete,
        Self::Unreachable,
        Self::NotReady,
    ];

    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Healthy | Self::Restored | Self::AlreadyGood | Self::Planned | Self::Ready => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::RolledBack => 10,
            Self::Unhealthy => 11,
            Self::StillUnhealthy => 12,
            Self::NoKnownGood => 13,
            Self::ArtifactRefused => 14,
            Self::Refused => 15,
            Self::Inconclusive => 16,
            Self::Incomplete => 17,
            Self::Unreachable => 18,
            Self::NotReady => 19,
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Restored => "restored",
            Self::AlreadyGood => "already-good",
            Self::Planned => "planned",
            Self::Ready => "ready",
            Self::Error => "error",
            Self::Usage => "usage",
            Self::RolledBack => "rolled-back",
            Self::Unhealthy => "unhealthy",
            Self::StillUnhealthy => "still-unhealthy",
            Self::NoKnownGood => "no-known-good",
            Self::ArtifactRefused => "artifact-refused",
            Self::Refused => "refused",
            Self::Inconclusive => "inconclusive",
            Self::Incomplete => "incomplete",
            Self::Unreachable => "unreachable",
            Self::NotReady => "not-ready",
        }
    }

    /// One sentence for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Healthy => "the release is in place and was judged healthy",
            Self::Restored => "the last good release is back and was judged healthy",
            Self::AlreadyGood => {
                "the target already holds the last good release; nothing was changed"
            }
            Self::Planned => "it was found out what would be done; nothing was changed",
            Self::Ready => "a rollback could be done now",
            Self::Error => "something failed that should not have",
            Self::Usage => "an argument, input or config value is wrong; nothing was changed",
            Self::RolledBack => {
                "the new release was unhealthy; the last good one is back and was judged healthy"
            }
            Self::Unhealthy => "the release is unhealthy and was left in place",
            Self::StillUnhealthy => "the rollback did not make the service well: escalate",
            Self::NoKnownGood => "there is no release that was proven good to go back to",
            Self::ArtifactRefused => {
                "the artifact is not what was promised, or does not fit the target; nothing was applied"
            }
            Self::Refused => {
                "a guard, hazard, lease, policy or missing right forbids it; nothing was applied"
            }
            Self::Inconclusive => "there was not enough evidence for a verdict",
            Self::Incomplete => "stopped in the middle; running the same command again resumes",
            Self::Unreachable => "GitHub or the target could not be reached within the deadline",
            Self::NotReady => "a rollback could not be done now",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Why a command did not do what was asked. The one error type at the top.
#[derive(Debug)]
pub struct Failure {
    pub kind: Outcome,
    pub cause: anyhow::Error,
    /// Each one next action.
    pub hints: Vec<String>,
}

impl Failure {
    pub fn new(kind: Outcome, cause: impl Into<anyhow::Error>) -> Self {
        Self {
            kind,
            cause: cause.into(),
            hints: Vec::new(),
        }
    }

    pub fn msg(kind: Outcome, cause: impl fmt::Display) -> Self {
        Self::new(kind, anyhow::anyhow!("{cause}"))
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    /// The chain of causes on one line, outermost first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.cause)
    }
}

/// An unexpected failure, unless the chain of causes holds a [`Failure`] of its own.
impl From<anyhow::Error> for Failure {
    fn from(cause: anyhow::Error) -> Self {
        Self {
            kind: Outcome::Error,
            cause,
            hints: Vec::new(),
        }
    }
}
