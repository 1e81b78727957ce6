//! The one next action for each symptom.

use crate::model::sighting::Symptom;

/// What to do about it, in a clause.
pub const fn advice(symptom: Symptom) -> &'static str {
    match symptom {
        Symptom::NotAdmitted => {
            "read the message: a quota, an admission webhook or a missing permission refuses the pods"
        }
        Symptom::ImageMissing => {
            "check that the image was pushed and that the pull secret is valid, or roll back"
        }
        Symptom::ConfigError => {
            "add what the message names (a ConfigMap, a Secret or a key of one), or roll back"
        }
        Symptom::InitFails => {
            "read the logs of the init container; if it is a migration, look at the database before anything runs again"
        }
        Symptom::OutOfMemory => "raise the memory limit of the container, or roll back",
        Symptom::CrashLoop => {
            "roll back, and read the logs of the container's previous run for the cause"
        }
        Symptom::ContainerExited | Symptom::RestartsGrow => {
            "read the logs of the container's previous run"
        }
        Symptom::ImageNotReverted => {
            "look for a GitOps controller that puts it back or a tag that moved, and deploy by digest"
        }
        Symptom::DriftedBack => {
            "somebody else manages this workload: revert in its Git repository, or suspend the GitOps controller"
        }
        Symptom::Unschedulable => {
            "add capacity or lower the requests: it is not the code, and a rollback may not help"
        }
        Symptom::HeldByOldPod => "delete the pod, so that the controller replaces it",
        Symptom::ProbeFails => {
            "read the logs of the pods, and compare path, port and timeout of the probe with the application"
        }
        Symptom::ErrorsLogged => "read the lines in the evidence",
        Symptom::StuckRollout => "roll back",
        Symptom::NoneAvailable => "roll back now",
        Symptom::NoEndpoints => {
            "roll back; if the pods are ready, compare selector and ports of the Service with them"
        }
        Symptom::NodeIssue => "do not roll back: look at the node, and move the pod off it",
        Symptom::NotReplaced => "delete the old pods: with OnDelete nothing else replaces them",
        // Of canisters: no rollout shows them.
        Symptom::Frozen | Symptom::CyclesFall | Symptom::CyclesLow => "top it up with cycles",
        Symptom::NotRunning => "start it, or roll back",
        Symptom::Trapped | Symptom::MemoryFull => "read the lines of its log, or roll back",
        Symptom::Unseen => {
            "mend the way to the cluster (credentials, permissions, API server), and watch again"
        }
    }
}

/// For a rollout that stands still because somebody paused it.
pub(super) const RESUME: &str =
    "resume it (kubectl rollout resume): a paused Deployment is not rolled out";
