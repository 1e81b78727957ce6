//! When a workload counts as moving, stopped or running.

use super::*;
use serde_json::json;

#[track_caller]
fn check(kind: &str, spec: &Value, status: &Value, expected: Phase) {
    let place = Place::parse(&format!("{kind}/web"), "shop").unwrap();
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": place.kind.name(),
        "metadata": {"name": "web", "generation": 5, "annotations": {"lastgood.dev/replicas": "3"}},
        "spec": spec, "status": status
    }))
    .unwrap();
    assert_eq!(phase(&rollout(&object, &place), &object), expected);
}

#[test]
fn the_phase_of_a_deployment_follows_its_counts() {
    let three = || json!({"replicas": 3});
    let all = json!({"observedGeneration": 5, "replicas": 3, "updatedReplicas": 3});
    check("deployment", &three(), &all, Phase::Running);
    let late = json!({"observedGeneration": 4, "replicas": 3, "updatedReplicas": 3});
    check("deployment", &three(), &late, Phase::Moving);
    // The controller saw the change and has made nothing yet.
    let none = json!({"observedGeneration": 5, "replicas": 3});
    check("deployment", &three(), &none, Phase::Moving);
    let zero = json!({"observedGeneration": 5});
    check("deployment", &json!({"replicas": 0}), &zero, Phase::Stopped);
}

#[test]
fn the_phase_of_the_others_follows_theirs() {
    let status = |updated: u32, now: &str, update: &str| {
        json!({"observedGeneration": 5, "replicas": 3, "updatedReplicas": updated,
            "currentRevision": now, "updateRevision": update})
    };
    let three = || json!({"replicas": 3});
    check(
        "statefulset",
        &three(),
        &status(3, "b", "b"),
        Phase::Running,
    );
    check("statefulset", &three(), &status(1, "a", "b"), Phase::Moving);
    // One pod hangs on the bad revision after the way back (kubernetes/kubernetes#67250).
    check("statefulset", &three(), &status(2, "a", "a"), Phase::Moving);
    let parted = json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}});
    check("statefulset", &parted, &status(1, "a", "b"), Phase::Running);
    let nodes = |updated: u32| {
        json!({"observedGeneration": 5, "desiredNumberScheduled": 2, "currentNumberScheduled": 2,
            "updatedNumberScheduled": updated})
    };
    check("daemonset", &json!({}), &nodes(2), Phase::Running);
    check("daemonset", &json!({}), &nodes(1), Phase::Moving);
}
