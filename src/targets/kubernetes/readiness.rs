//! Which pods are Ready. What that says of a release is not decided here.

use k8s_openapi::api::core::v1::Pod;

/// By its condition, as the endpoint controllers and rollouts count.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_deref());
    conditions
        .unwrap_or_default()
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Whether it is about to end.
pub(super) fn is_ending(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}
