//! What can go wrong with a target, told apart where a caller acts differently.

use crate::model::outcome::{Failure, Outcome};
use crate::model::state::Slot;

/// Why a target did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The slot no longer holds what the plan saw. Nothing was changed.
    #[error("{slot} holds {found}, but the plan saw {expected}; somebody else changed it")]
    Conflict {
        slot: Slot,
        found: String,
        expected: String,
    },
    /// We would not. Nothing was changed.
    #[error("{what}")]
    Refused {
        what: String,
        /// The name in `policy.allow` that would permit it, when there is one.
        allow: Option<String>,
        /// The one next action.
        next: String,
    },
    /// What was given to reach it is wrong: a setting, an input, or a file or variable that one of them names. Nothing was changed.
    #[error("{what}")]
    Usage {
        what: String,
        /// The one next action.
        next: String,
    },
    /// Another operation holds the target's lease, or did when it died: it expires unless it is renewed. Nothing was changed.
    #[error("{what}")]
    Held { what: String },
    /// The target did not answer, or asked to be tried again.
    #[error("{what}")]
    Unreachable { what: String },
    /// A change was submitted and nobody knows whether it took: observe before anything else.
    #[error("{what}")]
    OutcomeUnknown { what: String },
    /// The change was made, and what is in place does not come up.
    #[error("{what}")]
    Unhealthy {
        what: String,
        /// The one next action.
        advice: String,
    },
    /// The release itself does not fit this target, or is not what was promised. Nothing was changed.
    #[error("{what}")]
    BadRelease {
        what: String,
        /// The one next action.
        next: String,
    },
    /// We could not.
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

impl TargetError {
    /// The failure to report when this error ends the command, with one next action.
    /// `Failed` becomes `error`; a caller that was in the middle of changes says `incomplete` instead.
    pub fn failure(self, target: &str) -> Failure {
        let text = format!("target {target}: {self}");
        match self {
            Self::Conflict { .. } => Failure::msg(Outcome::Refused, text)
                .hint("run the same command again: it plans from what the slot holds now"),
            Self::Refused { allow, next, .. } => {
                let failure = Failure::msg(Outcome::Refused, text).hint(next);
                match allow {
                    Some(name) => failure.hint(format!("to permit it, add {name} to policy.allow")),
                    None => failure,
                }
            }
            Self::Usage { next, .. } => Failure::msg(Outcome::Usage, text).hint(next),
            Self::Held { .. } => Failure::msg(Outcome::Refused, text)
                .hint("wait for that operation to end, then run the same command again"),
            Self::Unreachable { .. } => Failure::msg(Outcome::Unreachable, text)
                .hint("check its address, and run the same command again when it answers"),
            Self::OutcomeUnknown { .. } => Failure::msg(Outcome::Incomplete, text)
                .hint("run the same command again: it observes first and resumes"),
            Self::Unhealthy { advice, .. } => Failure::msg(Outcome::Unhealthy, text).hint(advice),
            Self::BadRelease { next, .. } => {
                Failure::msg(Outcome::ArtifactRefused, text).hint(next)
            }
            Self::Failed(cause) => Failure::new(
                Outcome::Error,
                cause.context(format!("target {target} failed")),
            )
            .hint("mend the cause, then run the same command again: it observes first"),
        }
    }
}

impl From<anyhow::Error> for TargetError {
    fn from(cause: anyhow::Error) -> Self {
        Self::Failed(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: TargetError, outcome: Outcome, text: &str, hints: &[&str]) {
        let failure = error.failure("web");
        assert_eq!(failure.kind, outcome);
        assert_eq!(failure.to_string(), text);
        assert_eq!(failure.hints, hints);
    }

    #[test]
    fn each_error_has_its_outcome_and_next_action() {
        check(
            TargetError::Conflict {
                slot: Slot("web".to_owned()),
                found: "b".to_owned(),
                expected: "a".to_owned(),
            },
            Outcome::Refused,
            "target web: web holds b, but the plan saw a; somebody else changed it",
            &["run the same command again: it plans from what the slot holds now"],
        );
        check(
            TargetError::Refused {
                what: "it would wipe state".to_owned(),
                allow: Some("reinstall".to_owned()),
                next: "take a backup".to_owned(),
            },
            Outcome::Refused,
            "target web: it would wipe state",
            &[
                "take a backup",
                "to permit it, add reinstall to policy.allow",
            ],
        );
        check(
            TargetError::Usage {
                what: "no such file".to_owned(),
                next: "give another".to_owned(),
            },
            Outcome::Usage,
            "target web: no such file",
            &["give another"],
        );
        check(
            TargetError::Failed(anyhow::anyhow!("disk full").context("could not copy")),
            Outcome::Error,
            "target web failed: could not copy: disk full",
            &["mend the cause, then run the same command again: it observes first"],
        );
    }
}
