//! Objects recorded from kube-apiserver 1.20.2 with the real controllers; only the node that reports the pods' states was
//! played. Fields that nobody here reads are cut out of the recordings.

use super::*;
use crate::decide::rollout::{Deadline, Standing, diagnose, standing};
use crate::model::state::Slot;
use serde_json::json;

/// Reads a recording and judges it.
fn recorded(kind: WorkloadKind, text: &str, new: &Mark) -> Seen {
    recorded_on(kind, text, new, None)
}

fn recorded_on(
    kind: WorkloadKind,
    text: &str,
    new: &Mark,
    nodes: Option<&BTreeMap<String, bool>>,
) -> Seen {
    let recording: Value = serde_json::from_str(text).unwrap();
    let pods: Vec<api::Pod> = serde_json::from_value(recording["pods"].clone()).unwrap();
    let read = Read {
        kind,
        workload: &recording["workload"],
        pods: &pods,
        nodes,
        events: &[],
        since: None,
    };
    seen(&read, new)
}

#[track_caller]
fn check(seen: &Seen, expected: &[&str]) {
    let lines: Vec<String> = diagnose(&Slot("deployment/web".to_owned()), seen)
        .iter()
        .map(|one| format!("{} {}", one.severity, one.what))
        .collect();
    assert_eq!(lines, expected);
}

/// The ReplicaSet with this hash in any of the recordings; one that nothing belongs to when there is none.
fn of_hash(hash: &str) -> Mark {
    let recordings = [
        include_str!("cordoned.json"),
        include_str!("crash-deadline.json"),
        include_str!("good.json"),
        include_str!("missing.json"),
        include_str!("not-admitted.json"),
        include_str!("oom.json"),
    ];
    let name = format!("-{hash}\",\"uid\":\"");
    let uid = recordings
        .iter()
        .find_map(|text| text.split_once(&name)?.1.split('"').next());
    Mark::Owner(uid.unwrap_or_default().to_owned())
}

const DEPLOYMENT: WorkloadKind = WorkloadKind::Deployment;

#[test]
fn a_good_deployment() {
    let seen = recorded(
        DEPLOYMENT,
        include_str!("good.json"),
        &of_hash("86d45fbdb7"),
    );
    assert_eq!(standing(&seen.workload), Standing::Done);
    check(&seen, &[]);
    let pod = &seen.pods[0];
    assert!(seen.pods.iter().all(|pod| pod.is_new && pod.is_ready));
    assert!(
        pod.containers[0]
            .image_id
            .as_ref()
            .unwrap()
            .contains("@sha256:")
    );
}

#[test]
fn a_crash_beside_old_pods_that_serve() {
    let recording = include_str!("crash-deadline.json");
    let mut seen = recorded(DEPLOYMENT, recording, &of_hash("78b6849787"));
    seen.controller_gave_up = true;
    let expected = [
        "critical 1 of 1 new pods crashes (exit code 1; container c, 4 restarts)",
        "serious the controller gave up (ProgressDeadlineExceeded): 1 of 3 updated, 3 old still there, 3 available",
    ];
    check(&seen, &expected);
    // The same by the owner of the pods.
    let owner = Mark::Owner("7db02041-98ab-461b-af76-3c83fadcc25d".to_owned());
    let mut seen = recorded(DEPLOYMENT, recording, &owner);
    seen.controller_gave_up = true;
    check(&seen, &expected);
    // On a node that is not ready it is the node's; on one that is gone too.
    let bad = BTreeMap::from([("n1".to_owned(), false)]);
    for nodes in [&bad, &BTreeMap::new()] {
        let seen = recorded_on(DEPLOYMENT, recording, &of_hash("78b6849787"), Some(nodes));
        let found = diagnose(&Slot("deployment/web".to_owned()), &seen);
        assert_eq!(found[0].severity.to_string(), "monitor");
    }
}

#[test]
fn a_missing_image_and_a_container_out_of_memory() {
    check(
        &recorded(
            DEPLOYMENT,
            include_str!("missing.json"),
            &of_hash("7cfd8d5f94"),
        ),
        &[
            "serious 1 of 1 new pods does not get its image (container c, ImagePullBackOff: Back-off pulling image \"web:missing\")",
        ],
    );
    check(
        &recorded(DEPLOYMENT, include_str!("oom.json"), &of_hash("ddf46cb8c")),
        &[
            "critical 3 of 3 new pods ran out of memory (exit code 137; container c, 2 restarts)",
            "critical 0 of 3 wanted pods are available",
        ],
    );
}

#[test]
fn a_cordoned_node() {
    let mut seen = recorded(
        DEPLOYMENT,
        include_str!("cordoned.json"),
        &of_hash("659bcb5445"),
    );
    let line =
        "2 of 2 new pods find no node (0/1 nodes are available: 1 node(s) were unschedulable.)";
    check(&seen, &[&format!("monitor {line}")]);
    seen.deadline_passed = true;
    check(
        &seen,
        &[
            "critical 0 of 2 wanted pods are available",
            &format!("serious {line}"),
            "serious not done within the deadline: 2 of 2 updated, 0 available",
        ],
    );
}

#[test]
fn pods_that_a_webhook_refuses() {
    let seen = recorded(
        DEPLOYMENT,
        include_str!("not-admitted.json"),
        &of_hash("74dbc6f4d"),
    );
    assert_eq!(
        standing(&seen.workload),
        Standing::Going {
            text: "0 of 3 updated, 3 old still there, 3 available".to_owned()
        }
    );
    let found = diagnose(&Slot("deployment/web".to_owned()), &seen);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].severity.to_string(), "serious");
    assert!(found[0].what.starts_with(
        "pods are not admitted (FailedCreate: Internal error occurred: failed calling webhook"
    ));
}

#[test]
fn a_stateful_set_that_crashes_and_one_that_is_held_by_its_old_pod() {
    let kind = WorkloadKind::StatefulSet;
    let of = |name: &str| Mark::RevisionHash(name.to_owned());
    let crash = recorded(
        kind,
        include_str!("stateful-crash.json"),
        &of("db-5c8b49b486"),
    );
    check(
        &crash,
        &["critical 1 of 1 new pods crashes (exit code 1; container c, 4 restarts)"],
    );
    let stuck = recorded(
        kind,
        include_str!("stateful-stuck.json"),
        &of("db-cb768874b"),
    );
    assert!(stuck.workload.revisions_agree);
    assert_eq!(
        standing(&stuck.workload),
        Standing::Going {
            text: "2 of 3 updated, 1 old still there, 2 available".to_owned()
        }
    );
    check(
        &stuck,
        &[
            "monitor pod db-2 is of another revision and not ready (CrashLoopBackOff), and the controller waits for it",
        ],
    );
}

#[test]
fn a_daemon_set_whose_pods_are_replaced_by_hand() {
    let of = |name: &str| Mark::RevisionHash(name.to_owned());
    let kind = WorkloadKind::DaemonSet;
    let text = include_str!("on-delete.json");
    let seen = recorded(kind, text, &of("agent-66d4c8bbd6"));
    assert!(seen.workload.is_on_delete && seen.workload.updated == 0);
    assert_eq!(standing(&seen.workload), Standing::Done);
    assert!(!seen.pods[0].is_new);
    check(&seen, &[]);
    // A DaemonSet's label is the end of the revision's name.
    assert!(recorded(kind, text, &of("agent-7664dc68fc")).pods[0].is_new);
    assert!(recorded(kind, text, &of("7664dc68fc")).pods[0].is_new);
    assert!(!recorded(kind, text, &of("7664")).pods[0].is_new);
}

#[test]
fn a_recorded_watch_is_done_at_its_last_row_only() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("watch.json")).unwrap();
    let rows: Vec<Workload> = rows.iter().map(|row| workload(DEPLOYMENT, row)).collect();
    // The first is what was there before, and every change raises the generation.
    let mut done = Vec::new();
    let mut gave_up = Vec::new();
    let mut deadline = Deadline::new(None);
    let mut before: Option<&Workload> = None;
    for (index, row) in rows.iter().enumerate() {
        if let Some(before) = before
            && before.generation < row.generation
        {
            deadline = Deadline::new(before.progressing.clone());
        }
        let suspected = !deadline.seen(row) && deadline.is_suspected();
        if suspected && deadline.seen(row) {
            gave_up.push(index);
        }
        if standing(row) == Standing::Done {
            done.push(index);
        }
        before = Some(row);
    }
    assert_eq!(done, [0, rows.len() - 1]);
    assert_eq!(
        gave_up,
        [5],
        "the row of the deadline, not the ones after the way back"
    );
}

#[test]
fn init_containers_and_sidecars() {
    let raw = json!({
        "metadata": {"name": "a", "deletionTimestamp": "2026-11-21T09:00:00Z"},
        "spec": {
            "containers": [{"name": "app"}],
            "initContainers": [{"name": "migrate"}, {"name": "proxy", "restartPolicy": "Always"}],
        },
        "status": {
            "phase": "Pending", "reason": "Evicted",
            "initContainerStatuses": [
                {"name": "migrate", "image": "", "imageID": "", "ready": false, "restartCount": 1,
                 "state": {"terminated": {"exitCode": 3, "reason": "Error"}}},
                {"name": "proxy", "image": "", "imageID": "x@sha256:1", "ready": true, "restartCount": -1,
                 "state": {"running": {}}},
            ],
        },
    });
    let pod = pod(&serde_json::from_value(raw).unwrap(), true, None);
    let [migrate, proxy] = pod.containers.as_slice() else {
        panic!("{pod:?}");
    };
    assert!(migrate.must_end() && migrate.image_id.is_none());
    assert_eq!(migrate.last_end(), Some(&(3, "Error".to_owned())));
    assert!(proxy.is_init && proxy.is_sidecar && !proxy.must_end() && proxy.restarts == 0);
    assert!(pod.is_terminating && !pod.is_ready && pod.node_ready.is_none());
    assert_eq!(pod.reason.as_deref(), Some("Evicted"));
}

#[test]
fn nodes_that_stopped_reporting_are_not_ready() {
    let node = |name: &str, status: &str| -> api::Node {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "status": {"conditions": [{"type": "Ready", "status": status}]},
        }))
        .unwrap()
    };
    let nodes = [node("a", "True"), node("b", "Unknown"), node("c", "False")];
    let found: Vec<bool> = readiness(&nodes).into_values().collect();
    assert_eq!(found, [true, false, false]);
}

fn event(of: &str, reason: &str, rest: &Value) -> api::Event {
    let mut raw =
        json!({"metadata": {"name": "e"}, "reason": reason, "involvedObject": {"uid": of}});
    for (key, value) in rest.as_object().unwrap() {
        raw[key] = value.clone();
    }
    serde_json::from_value(raw).unwrap()
}

#[test]
fn probe_failures_are_those_of_the_new_pods_since_the_change() {
    let since: Timestamp = "2026-11-21T09:00:00.9Z".parse().unwrap();
    let at = |second: &str| format!("2026-11-21T{second}Z");
    let events = [
        event(
            "a",
            "Unhealthy",
            &json!({"count": 3, "lastTimestamp": at("09:00:00")}),
        ),
        event(
            "a",
            "Unhealthy",
            &json!({"eventTime": at("09:00:05.000000")}),
        ),
        event(
            "a",
            "Unhealthy",
            &json!({"series": {"count": 4, "lastObservedTime": at("09:00:09.000000")}}),
        ),
        event(
            "a",
            "Unhealthy",
            &json!({"count": 50, "lastTimestamp": at("08:59:59")}),
        ),
        event(
            "old",
            "Unhealthy",
            &json!({"count": 70, "lastTimestamp": at("09:00:05")}),
        ),
        event(
            "a",
            "BackOff",
            &json!({"count": 90, "lastTimestamp": at("09:00:05")}),
        ),
    ];
    assert_eq!(probe_failures(&events, &["a"], Some(since)), 8);
    assert_eq!(probe_failures(&events, &["a"], None), 58);
}

#[test]
fn a_stateful_set_that_is_refused_says_so_in_events() {
    let recording: Value = serde_json::from_str(include_str!("stateful-stuck.json")).unwrap();
    let uid = recording["workload"]["metadata"]["uid"].as_str().unwrap();
    let events = [
        event(
            uid,
            "FailedCreate",
            &json!({"message": "exceeded quota", "lastTimestamp": "2026-11-21T09:00:05Z"}),
        ),
        event(
            "other",
            "FailedCreate",
            &json!({"message": "no", "lastTimestamp": "2026-11-21T09:00:07Z"}),
        ),
    ];
    let read = Read {
        kind: WorkloadKind::StatefulSet,
        workload: &recording["workload"],
        pods: &[],
        nodes: None,
        events: &events,
        since: None,
    };
    let failure = seen(&read, &of_hash("x")).workload.replica_failure.unwrap();
    assert_eq!(failure.message, "exceeded quota");
}

#[test]
fn what_is_absent_is_nothing() {
    let empty = workload(DEPLOYMENT, &json!({}));
    assert_eq!((empty.wanted, empty.updated, empty.generation), (1, 0, 0));
    let scaled = workload(
        DEPLOYMENT,
        &json!({"spec": {"replicas": 0, "paused": true}}),
    );
    assert!(scaled.wanted == 0 && scaled.is_paused);
    let no_revision = workload(WorkloadKind::StatefulSet, &json!({"status": {}}));
    assert!(!no_revision.revisions_agree);
}
