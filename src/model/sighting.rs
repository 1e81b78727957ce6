//! What was seen of a workload that does not come up, or does not stay up: one symptom with the found numbers and one
//! next action. Which symptom it is and how bad is decided in `decide::rollout`, `decide::canister`, `decide::compose` and by the targets' checks.

use super::state::Slot;
use super::verdict::Severity;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Characters of [`Sighting::what`], at most: one line of a report, with room for a message of the server.
pub const WHAT_CHARS_MAX: usize = 200;

/// One thing that is wrong with a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    pub slot: Slot,
    /// [`Severity::Monitor`] is told and decides nothing; from [`Severity::Serious`] on the release is not well.
    pub severity: Severity,
    pub symptom: Symptom,
    /// What was found, with its numbers, at most [`WHAT_CHARS_MAX`] characters: "3 of 3 new pods crash (exit code 1)".
    /// May hold text of the cluster or the network: neutralise it before it reaches a terminal or a page.
    pub what: String,
    /// One next action, in words of ours alone.
    pub advice: String,
}

impl Sighting {
    /// Cuts `what` to its limit, with an ellipsis where something is missing, and folds it into one line.
    pub fn new(
        slot: &Slot,
        severity: Severity,
        symptom: Symptom,
        what: &str,
        advice: impl Into<String>,
    ) -> Self {
        let line = what.split_whitespace().collect::<Vec<_>>().join(" ");
        let what = if line.chars().count() <= WHAT_CHARS_MAX {
            line
        } else {
            let head: String = line.chars().take(WHAT_CHARS_MAX - 1).collect();
            format!("{}…", head.trim_end())
        };
        Self {
            slot: slot.clone(),
            severity,
            symptom,
            what,
            advice: advice.into(),
        }
    }
}

/// `deployment/web: 3 of 3 new pods crash (exit code 1)`.
impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.slot, self.what)
    }
}

/// Sorts the worst to the front; among equals the one that explains most (the order of [`Symptom`]), then as they came.
pub fn worst_first(sightings: &mut [Sighting]) {
    sightings.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| a.symptom.cmp(&b.symptom))
    });
}

/// What kind of trouble it is. The order is that of explanation: a cause comes before its consequence, so that a crash is
/// told before "none available".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Symptom {
    /// Pods are refused before they exist: quota, webhook, permissions (`ReplicaFailure`).
    NotAdmitted,
    /// `ErrImagePull`, `ImagePullBackOff`, `InvalidImageName`, `ErrImageNeverPull`.
    ImageMissing,
    /// `CreateContainerConfigError`, `CreateContainerError`, `RunContainerError`; a container that the engine could not start.
    ConfigError,
    /// An initContainer that is no sidecar does not come to its end.
    InitFails,
    /// `OOMKilled`: a pod or a container.
    OutOfMemory,
    /// `CrashLoopBackOff`; a container that ends with a failure and that its restart policy starts again.
    CrashLoop,
    /// A container ended with a failure and is not in the back-off yet.
    ContainerExited,
    /// The image that runs is not the one that was put in place.
    ImageNotReverted,
    /// Somebody else changed the workload again after the rollout.
    DriftedBack,
    /// The scheduler finds no node (`PodScheduled` is `False`, `Unschedulable`).
    Unschedulable,
    /// A pod of a `StatefulSet` that is not of the wanted revision is not ready, and the controller waits for it for ever
    /// (kubernetes/kubernetes#67250).
    HeldByOldPod,
    /// Events `Unhealthy`: a readiness, liveness or startup probe fails; a container that its HEALTHCHECK calls unhealthy.
    ProbeFails,
    /// Restart counts grew after the rollout was done.
    RestartsGrow,
    /// More error lines in the logs than the limit.
    ErrorsLogged,
    /// The controller gave up: `ProgressDeadlineExceeded`; a HEALTHCHECK that comes to no result.
    StuckRollout,
    /// Nothing is available although something should run.
    NoneAvailable,
    /// A Service selects pods and has no ready address.
    NoEndpoints,
    /// One pod is bad, and its node is: no reason to roll back.
    NodeIssue,
    /// A canister has fewer cycles than its freezing limit: it takes no messages.
    Frozen,
    /// A canister is stopped or stopping, and should run; a container that somebody stopped.
    NotRunning,
    /// More traps in the log of a canister than the limit.
    Trapped,
    /// The Wasm memory of a canister is near its limit.
    MemoryFull,
    /// A canister loses cycles much faster than before.
    CyclesFall,
    /// A canister has cycles for fewer days than the limit.
    CyclesLow,
    /// Pods of the release before remain, and nothing but their deletion replaces them (`OnDelete`); containers that a change
    /// set aside and did not remove.
    NotReplaced,
    /// It could not be looked at to the end, so nobody can say that it is well.
    Unseen,
}

/// In the operator's words, for a table or a heading.
impl fmt::Display for Symptom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotAdmitted => "pods not admitted",
            Self::ImageMissing => "image missing",
            Self::ConfigError => "configuration error",
            Self::InitFails => "init container fails",
            Self::OutOfMemory => "out of memory",
            Self::CrashLoop => "crash loop",
            Self::ContainerExited => "container exited",
            Self::ImageNotReverted => "image not reverted",
            Self::DriftedBack => "drifted back",
            Self::Unschedulable => "unschedulable",
            Self::HeldByOldPod => "held by an old pod",
            Self::ProbeFails => "probe fails",
            Self::RestartsGrow => "restarts grow",
            Self::ErrorsLogged => "errors logged",
            Self::StuckRollout => "stuck rollout",
            Self::NoneAvailable => "none available",
            Self::NoEndpoints => "no endpoints",
            Self::NodeIssue => "node issue",
            Self::Frozen => "frozen",
            Self::NotRunning => "not running",
            Self::Trapped => "trapped",
            Self::MemoryFull => "memory full",
            Self::CyclesFall => "cycles fall",
            Self::CyclesLow => "cycles low",
            Self::NotReplaced => "not replaced",
            Self::Unseen => "unseen",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(severity: Severity, symptom: Symptom, what: &str) -> Sighting {
        let slot = Slot("deployment/web".to_owned());
        Sighting::new(&slot, severity, symptom, what, "roll back")
    }

    #[test]
    fn is_written_and_read_in_kebab_case() {
        let one = sighting(
            Severity::Critical,
            Symptom::CrashLoop,
            "3 of 3 new pods crash",
        );
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(
            text,
            r#"{"slot":"deployment/web","severity":"critical","symptom":"crash-loop","what":"3 of 3 new pods crash","advice":"roll back"}"#
        );
        assert_eq!(serde_json::from_str::<Sighting>(&text).unwrap(), one);
        assert_eq!(one.to_string(), "deployment/web: 3 of 3 new pods crash");
    }

    #[test]
    fn what_is_one_line_of_bounded_length() {
        let long = format!("message:\n  {}", "é".repeat(500));
        let one = sighting(Severity::Monitor, Symptom::ConfigError, &long);
        assert_eq!(one.what.chars().count(), WHAT_CHARS_MAX);
        assert!(one.what.starts_with("message: é") && one.what.ends_with('…'));
    }

    #[test]
    fn the_worst_comes_first_and_the_cause_before_its_consequence() {
        let mut all = [
            sighting(Severity::Monitor, Symptom::NodeIssue, "a"),
            sighting(Severity::Critical, Symptom::NoneAvailable, "b"),
            sighting(Severity::Serious, Symptom::StuckRollout, "c"),
            sighting(Severity::Critical, Symptom::CrashLoop, "d"),
            sighting(Severity::Critical, Symptom::CrashLoop, "e"),
        ];
        worst_first(&mut all);
        let order: String = all.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(order, "debca");
    }
}
