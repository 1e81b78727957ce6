//! What ails one container, from its states alone.

use crate::decide::rollout::seen::Container;
use crate::model::sighting::Symptom;

/// Restarts from which a container that goes down again is in a crash loop: the first may be a dependency that was late.
pub const RESTARTS_SERIOUS: u32 = 2;

/// Reasons of the kubelet (`pkg/kubelet/images`).
const IMAGE: &[&str] = &[
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];

/// Reasons of the kubelet (`pkg/kubelet/kuberuntime`, `pkg/kubelet/container`).
const CONFIG: &[&str] = &[
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "PreCreateHookError",
    "PreStartHookError",
    "PostStartHookError",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) symptom: Symptom,
    /// It will not pass by itself, as far as one look can say. Otherwise it is told and decides nothing.
    pub(super) lasts: bool,
}

/// This reason of a waiting container comes with a message that names the cause.
pub(super) fn waits_for_cause(reason: &str) -> bool {
    IMAGE.contains(&reason) || CONFIG.contains(&reason)
}

/// The fault that explains most, if it has one.
pub(super) fn of(container: &Container) -> Option<Fault> {
    let waits_for = container
        .waiting
        .as_ref()
        .map_or("", |(reason, _)| reason.as_str());
    let fault = |symptom, lasts| Some(Fault { symptom, lasts });
    if IMAGE.contains(&waits_for) {
        return fault(Symptom::ImageMissing, true);
    }
    if CONFIG.contains(&waits_for) {
        return fault(Symptom::ConfigError, true);
    }
    let backs_off = waits_for == "CrashLoopBackOff";
    let restarts = container.restarts;
    if container.must_end() {
        let failed = backs_off || matches!(container.terminated, Some((code, _)) if code != 0);
        // Its first failure is tried again at once, and may have been a dependency that was late.
        return failed
            .then_some(())
            .and(fault(Symptom::InitFails, 1 <= restarts));
    }
    let is_down = backs_off || container.terminated.is_some();
    // Up at this moment, but it was down and is not ready again.
    let came_back = !container.is_ready && 1 <= restarts && container.last_terminated.is_some();
    let was_killed = matches!(container.last_end(), Some((_, reason)) if reason == "OOMKilled");
    if was_killed {
        let repeats = RESTARTS_SERIOUS <= restarts && !container.is_ready;
        return fault(Symptom::OutOfMemory, repeats);
    }
    if is_down && RESTARTS_SERIOUS <= restarts {
        return fault(Symptom::CrashLoop, true);
    }
    (is_down || came_back)
        .then_some(())
        .and(fault(Symptom::ContainerExited, false))
}
