//! One case per row of the failure table, and the cases that must not be one.

use super::{Pod, Seen, WorkloadKind, condition, container, crash, ill, pod, seen, waiting};
use crate::decide::rollout::diagnose;
use crate::model::sighting::Sighting;
use crate::model::state::Slot;

fn found(seen: &Seen) -> Vec<Sighting> {
    diagnose(&Slot("deployment/web".to_owned()), seen)
}

/// `severity symptom: what`, one line each.
#[track_caller]
fn check(seen: &Seen, expected: &[&str]) {
    let lines: Vec<String> = found(seen)
        .iter()
        .map(|one| {
            let symptom = serde_json::to_value(one.symptom).unwrap();
            format!(
                "{} {}: {}",
                one.severity,
                symptom.as_str().unwrap(),
                one.what
            )
        })
        .collect();
    assert_eq!(lines, expected);
}

fn three(bad: usize, make: impl Fn(&str) -> Pod) -> Seen {
    let names = ["a", "b", "c"].iter().enumerate();
    seen(
        names
            .map(|(index, name)| if index < bad { make(name) } else { pod(name) })
            .collect(),
    )
}

/// Old pods that serve, as most rollouts leave them.
fn beside_old(new: Vec<Pod>) -> Seen {
    let old = ["x", "y", "z"].map(|name| Pod {
        is_new: false,
        ..pod(name)
    });
    let mut seen = seen(new.into_iter().chain(old).collect());
    seen.workload.wanted = 3;
    seen
}

#[test]
fn well_or_on_its_way_is_no_sighting() {
    check(&three(0, crash), &[]);
    let starting = |name: &str| waiting(name, "ContainerCreating", "");
    check(&three(3, starting), &[]);
    check(&three(2, |name| waiting(name, "PodInitializing", "")), &[]);
    // Pods that were restarted long ago and run well since.
    check(
        &three(3, |name| {
            let mut pod = pod(name);
            pod.containers[0].restarts = 7;
            pod.containers[0].last_terminated = Some((1, "Error".to_owned()));
            pod
        }),
        &[],
    );
    // The broken release that is on its way out.
    check(
        &beside_old(vec![
            Pod {
                is_terminating: true,
                ..crash("a")
            },
            pod("b"),
        ]),
        &[],
    );
}

#[test]
fn a_crash_loop_weighs_by_how_many() {
    let none = "critical none-available: 0 of 3 wanted pods are available";
    check(
        &three(3, crash),
        &[
            "critical crash-loop: 3 of 3 new pods crash (exit code 1; container app, 4 restarts)",
            none,
        ],
    );
    check(
        &three(2, crash),
        &["serious crash-loop: 2 of 3 new pods crash (exit code 1; container app, 4 restarts)"],
    );
    check(
        &three(1, crash),
        &["monitor crash-loop: 1 of 3 new pods crashes (exit code 1; container app, 4 restarts)"],
    );
    // The only new one, while the old ones serve.
    check(
        &beside_old(vec![crash("a")]),
        &["critical crash-loop: 1 of 1 new pods crashes (exit code 1; container app, 4 restarts)"],
    );
    // One crashes and another is not up yet: the others are not all ready.
    check(
        &seen(vec![
            crash("a"),
            waiting("b", "ContainerCreating", ""),
            pod("c"),
        ]),
        &["serious crash-loop: 1 of 3 new pods crashes (exit code 1; container app, 4 restarts)"],
    );
}

#[test]
fn the_first_restart_is_not_a_loop_yet() {
    let once = |name: &str| {
        ill(name, |one| {
            one.restarts = 1;
            one.waiting = Some(("CrashLoopBackOff".to_owned(), String::new()));
            one.last_terminated = Some((2, "Error".to_owned()));
        })
    };
    check(
        &beside_old(vec![once("a")]),
        &[
            "monitor container-exited: 1 of 1 new pods had a container end (exit code 2; container app, 1 restart)",
        ],
    );
    let ended = |name: &str| {
        ill(name, |one| {
            one.terminated = Some((0, "Completed".to_owned()));
        })
    };
    check(
        &beside_old(vec![ended("a")]),
        &[
            "monitor container-exited: 1 of 1 new pods had a container end (exit code 0; container app, 0 restarts)",
        ],
    );
}

#[test]
fn a_sidecar_counts_like_any_container() {
    let mut pod = crash("a");
    pod.containers.push(container("app-2"));
    (pod.containers[0].is_init, pod.containers[0].is_sidecar) = (true, true);
    pod.containers[0].name = "proxy".to_owned();
    check(
        &beside_old(vec![pod]),
        &[
            "critical crash-loop: 1 of 1 new pods crashes (exit code 1; container proxy, 4 restarts)",
        ],
    );
}

#[test]
fn out_of_memory_is_critical_when_it_repeats() {
    let oom = |restarts: u32| {
        move |name: &str| {
            let mut pod = crash(name);
            pod.containers[0].restarts = restarts;
            pod.containers[0].last_terminated = Some((137, "OOMKilled".to_owned()));
            pod
        }
    };
    check(
        &three(2, oom(2)),
        &[
            "critical out-of-memory: 2 of 3 new pods ran out of memory (exit code 137; container app, 2 restarts)",
        ],
    );
    check(
        &beside_old(vec![oom(1)("a")]),
        &[
            "monitor out-of-memory: 1 of 1 new pods ran out of memory (exit code 137; container app, 1 restart)",
        ],
    );
}

#[test]
fn a_missing_image_is_critical_when_nothing_serves() {
    let missing = |name: &str| waiting(name, "ErrImagePull", "not found");
    check(
        &beside_old(vec![missing("a")]),
        &[
            "serious image-missing: 1 of 1 new pods does not get its image (container app, ErrImagePull: not found)",
        ],
    );
    check(
        &three(3, missing),
        &[
            "critical image-missing: 3 of 3 new pods do not get their image (container app, ErrImagePull: not found)",
            "critical none-available: 0 of 3 wanted pods are available",
        ],
    );
    for reason in ["ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"] {
        let seen = beside_old(vec![waiting("a", reason, "")]);
        assert_eq!(found(&seen).len(), 1, "{reason}");
    }
}

#[test]
fn a_configuration_error_names_what_is_missing() {
    for reason in [
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    ] {
        let seen = beside_old(vec![waiting("a", reason, "secret \"db\" not found")]);
        let line = format!(
            "serious config-error: 1 of 1 new pods cannot start a container (container app, {reason}: secret \"db\" not found)"
        );
        check(&seen, &[&line]);
    }
}

#[test]
fn an_init_container_may_fail_once() {
    let failing = |restarts: u32| {
        let mut pod = ill("a", |one| {
            one.is_init = true;
            one.name = "migrate".to_owned();
            one.restarts = restarts;
            one.terminated = Some((3, "Error".to_owned()));
        });
        pod.containers.push(container("app"));
        pod.containers[1].waiting = Some(("PodInitializing".to_owned(), String::new()));
        beside_old(vec![pod])
    };
    check(
        &failing(1),
        &[
            "serious init-fails: 1 of 1 new pods is held by an init container (exit code 3; container migrate, 1 restart)",
        ],
    );
    check(
        &failing(0),
        &[
            "monitor init-fails: 1 of 1 new pods is held by an init container (exit code 3; container migrate, 0 restarts)",
        ],
    );
}

#[test]
fn a_stuck_rollout_needs_a_deadline() {
    let mut seen = three(3, |name| waiting(name, "ContainerCreating", ""));
    seen.workload.available = 1;
    check(&seen, &[]);
    seen.deadline_passed = true;
    check(
        &seen,
        &["serious stuck-rollout: not done within the deadline: 3 of 3 updated, 1 available"],
    );
    seen.controller_gave_up = true;
    check(
        &seen,
        &[
            "serious stuck-rollout: the controller gave up (ProgressDeadlineExceeded): 3 of 3 updated, 1 available",
        ],
    );
    // Done by its counts: the condition is a lie.
    let mut done = three(0, crash);
    (done.controller_gave_up, done.deadline_passed) = (true, true);
    check(&done, &[]);
    // Done before, and something is missing now: that is not a rollout that hangs.
    (seen.was_done, seen.controller_gave_up) = (true, false);
    check(&seen, &[]);
}

#[test]
fn a_paused_deployment_is_to_be_resumed() {
    let mut seen = beside_old(vec![]);
    (seen.workload.is_paused, seen.deadline_passed) = (true, true);
    assert!(found(&seen)[0].advice.contains("kubectl rollout resume"));
}

#[test]
fn pods_that_are_not_admitted() {
    let mut seen = beside_old(vec![]);
    let mut failure = condition("True", "FailedCreate", "2026-11-21T09:00:00Z");
    failure.message = "exceeded quota".to_owned();
    seen.workload.replica_failure = Some(failure);
    check(
        &seen,
        &["serious not-admitted: pods are not admitted (FailedCreate: exceeded quota)"],
    );
    // A tight quota lets them through one by one.
    seen.pods.push(pod("a"));
    assert_eq!(found(&seen)[0].severity.to_string(), "monitor");
    // Of the change before.
    seen.workload.observed_generation = 1;
    check(&seen, &[]);
}

#[test]
fn without_capacity_it_is_serious_only_after_our_deadline() {
    let mut seen = beside_old(vec![Pod {
        node: None,
        node_ready: None,
        is_ready: false,
        phase: "Pending".to_owned(),
        unschedulable: Some("0/1 nodes are available".to_owned()),
        containers: vec![],
        ..pod("a")
    }]);
    let line = "unschedulable: 1 of 1 new pods finds no node (0/1 nodes are available)";
    check(&seen, &[&format!("monitor {line}")]);
    seen.deadline_passed = true;
    check(
        &seen,
        &[
            &format!("serious {line}"),
            "serious stuck-rollout: not done within the deadline: 1 of 3 updated, 3 old still there, 3 available",
        ],
    );
}

#[test]
fn one_bad_pod_on_a_bad_node_is_never_a_rollback() {
    let lame = |name: &str| Pod {
        node_ready: Some(false),
        ..crash(name)
    };
    let mut seen = three(1, lame);
    seen.deadline_passed = true;
    check(
        &seen,
        &[
            "monitor stuck-rollout: not done within the deadline: 3 of 3 updated, 2 available",
            "monitor node-issue: pod a is held up by its node (node n1 is not ready)",
        ],
    );
    // Even when it is the only one there is.
    let mut only = super::seen(vec![lame("a")]);
    only.deadline_passed = true;
    let severities: Vec<String> = found(&only)
        .iter()
        .map(|one| one.severity.to_string())
        .collect();
    assert_eq!(severities, ["monitor", "monitor", "monitor"]);
    // A bad pod elsewhere: no exception. Nor when there is no pod at all that is well.
    let elsewhere = super::seen(vec![lame("a"), crash("b"), pod("c")]);
    assert_eq!(found(&elsewhere)[0].severity.to_string(), "serious");
    assert_eq!(found(&three(3, lame))[0].severity.to_string(), "critical");
    // Nodes that may not be read are no excuse.
    let unknown = super::seen(vec![Pod {
        node_ready: None,
        ..crash("a")
    }]);
    assert_eq!(found(&unknown)[0].severity.to_string(), "critical");
}

#[test]
fn dead_nodes_are_no_fault_of_the_release() {
    use crate::model::verdict::Severity;
    let dead = |name: &str, is_new: bool| Pod {
        node_ready: Some(false),
        is_new,
        ..ill(name, |_| ())
    };
    let old = |name: &str| Pod {
        is_new: false,
        ..pod(name)
    };
    let ending = |name: &str| Pod {
        is_terminating: true,
        ..dead(name, false)
    };
    let (deployment, daemon_set) = (WorkloadKind::Deployment, WorkloadKind::DaemonSet);
    // Kind, wanted, pods, worst.
    let cases = [
        (
            deployment,
            3,
            vec![dead("a", true), dead("b", true), pod("c")],
            Severity::Monitor,
        ),
        (
            daemon_set,
            3,
            vec![dead("a", false), pod("b"), pod("c")],
            Severity::Monitor,
        ),
        (
            daemon_set,
            4,
            vec![dead("a", false), dead("b", true), pod("c"), pod("d")],
            Severity::Monitor,
        ),
        // The pods on dead nodes cannot go, and the others are not replaced before.
        (
            daemon_set,
            4,
            vec![ending("a"), ending("b"), old("c"), old("d")],
            Severity::Monitor,
        ),
        // One is missing that no node explains.
        (
            daemon_set,
            3,
            vec![dead("a", false), pod("b")],
            Severity::Serious,
        ),
        (
            daemon_set,
            3,
            vec![dead("a", false), ill("b", |_| ()), pod("c")],
            Severity::Serious,
        ),
        (
            daemon_set,
            2,
            vec![dead("a", true), dead("b", true)],
            Severity::Critical,
        ),
    ];
    for (kind, wanted, pods, expected) in cases {
        let mut seen = seen(pods);
        (seen.workload.kind, seen.workload.wanted) = (kind, wanted);
        seen.deadline_passed = true;
        let found = found(&seen);
        assert_eq!(found[0].severity, expected, "{found:#?}");
    }
}

#[test]
fn an_evicted_pod_that_was_replaced_is_only_told() {
    let mut seen = three(0, crash);
    seen.pods.push(Pod {
        phase: "Failed".to_owned(),
        reason: Some("Evicted".to_owned()),
        is_ready: false,
        containers: vec![],
        ..pod("d")
    });
    check(
        &seen,
        &["monitor node-issue: pod d is held up by its node (Evicted, node n1)"],
    );
}

#[test]
fn none_available_waits_for_pods_that_may_still_come() {
    // `Recreate`, right after the change: the old ones are gone, the new ones are not there.
    let mut seen = three(3, |name| waiting(name, "ContainerCreating", ""));
    check(&seen, &[]);
    seen.was_done = true;
    check(
        &seen,
        &["critical none-available: 0 of 3 wanted pods are available"],
    );
    // Nothing is wanted.
    let mut none = super::seen(vec![]);
    (none.workload.wanted, none.was_done) = (0, true);
    check(&none, &[]);
}

#[test]
fn probes_that_fail_are_held_against_it_when_its_time_is_over() {
    let unready = |name: &str| ill(name, |_| ());
    let mut seen = three(2, unready);
    seen.probe_failures = 9;
    let line =
        |count| format!("probe-fails: probes failed {count} times, 2 of 3 new pods are not ready");
    check(&seen, &[&format!("monitor {}", line(9))]);
    seen.probe_failures = 40;
    check(&seen, &[&format!("monitor {}", line(40))]);
    seen.was_done = true;
    check(&seen, &[&format!("serious {}", line(40))]);
    seen.probe_failures = 9;
    check(&seen, &[&format!("monitor {}", line(9))]);
}

#[test]
fn an_old_pod_holds_a_stateful_set() {
    let mut seen = seen(vec![
        pod("db-0"),
        pod("db-1"),
        Pod {
            is_new: false,
            ..crash("db-2")
        },
    ]);
    seen.workload.kind = WorkloadKind::StatefulSet;
    seen.workload.wanted = 3;
    let line = "held-by-old-pod: pod db-2 is of another revision and not ready (CrashLoopBackOff), and the controller waits for it";
    check(&seen, &[&format!("monitor {line}")]);
    seen.deadline_passed = true;
    check(
        &seen,
        &[
            &format!("serious {line}"),
            "serious stuck-rollout: not done within the deadline: 2 of 3 updated, 1 old still there, 2 available",
        ],
    );
    seen.workload.is_on_delete = true;
    check(&seen, &[]);
}

#[test]
fn every_symptom_has_its_advice_in_one_clause() {
    use crate::model::sighting::Symptom;
    for symptom in [
        Symptom::NodeIssue,
        Symptom::NoEndpoints,
        Symptom::DriftedBack,
    ] {
        let advice = crate::decide::rollout::advice(symptom);
        assert!(!advice.is_empty() && !advice.ends_with('.') && advice.len() < 120);
    }
}
