//! One table per rule.

use super::*;
use crate::decide::rollout::{Container, Workload, WorkloadKind};

fn slot() -> Slot {
    Slot("deployment/web".to_owned())
}

fn pod(name: &str, restarts: u32) -> Pod {
    Pod {
        name: name.to_owned(),
        node: Some("n1".to_owned()),
        node_ready: Some(true),
        is_new: true,
        is_ready: true,
        is_terminating: false,
        phase: "Running".to_owned(),
        reason: None,
        unschedulable: None,
        containers: vec![Container {
            name: "web".to_owned(),
            is_init: false,
            is_sidecar: false,
            restarts,
            waiting: None,
            terminated: None,
            last_terminated: (0 < restarts).then(|| (1, "Error".to_owned())),
            is_ready: true,
            image_id: None,
        }],
    }
}

#[track_caller]
fn check(found: Option<Sighting>, severity: Option<Severity>, text: &str) {
    assert_eq!(
        found.as_ref().map(|one| one.severity),
        severity,
        "{found:?}"
    );
    if let Some(found) = found {
        assert!(found.what.contains(text), "{:?} lacks {text:?}", found.what);
    }
}

#[test]
fn restarts_count_from_the_start_of_the_window() {
    let before = restarts(&[pod("a", 3), pod("b", 0)]);
    let grew = |pods: &[Pod]| restarts_grew(&slot(), &before, pods);
    check(grew(&[pod("a", 3), pod("b", 0)]), None, "");
    check(
        grew(&[pod("a", 4), pod("b", 2)]),
        Some(Severity::Serious),
        "3 restarts in 2 of 2 pods since the rollout was done (pod a, container web, ended with exit code 1 Error)",
    );
    // One that took the place of another starts from zero.
    check(grew(&[pod("c", 0)]), None, "");
    check(
        grew(&[pod("c", 1)]),
        Some(Severity::Serious),
        "1 restart in 1 of 1",
    );
    let lame = Pod {
        node_ready: Some(false),
        ..pod("a", 4)
    };
    check(
        grew(&[lame, pod("b", 0)]),
        Some(Severity::Monitor),
        "1 restart",
    );
    let old = Pod {
        is_new: false,
        ..pod("a", 9)
    };
    check(grew(&[old]), None, "");
}

#[test]
fn a_service_without_addresses_is_critical_unless_the_node_is_to_blame() {
    let found = |ready: usize, pods: &[Pod]| {
        no_endpoints(&slot(), "web", ready, &pods.iter().collect::<Vec<_>>())
    };
    let unready = Pod {
        is_ready: false,
        ..pod("a", 0)
    };
    check(found(1, std::slice::from_ref(&unready)), None, "");
    check(found(0, &[]), None, "");
    check(
        found(0, &[pod("a", 0)]),
        Some(Severity::Critical),
        "a wrong selector or port",
    );
    check(
        found(0, &[unready]),
        Some(Severity::Critical),
        "0 of 1 pods that it selects are ready",
    );
    let lame = Pod {
        is_ready: false,
        node_ready: Some(false),
        ..pod("a", 0)
    };
    check(
        found(0, &[lame]),
        Some(Severity::Monitor),
        "nodes that are not ready",
    );
    let going = Pod {
        is_terminating: true,
        ..pod("a", 0)
    };
    check(found(0, &[going]), None, "");
}

fn seen(available: u32, pods: Vec<Pod>) -> Seen {
    Seen {
        workload: Workload {
            kind: WorkloadKind::Deployment,
            generation: 2,
            observed_generation: 2,
            wanted: 2,
            total: 2,
            updated: 2,
            ready: available,
            available,
            partition: 0,
            revisions_agree: true,
            is_on_delete: false,
            is_paused: false,
            progressing: None,
            replica_failure: None,
        },
        pods,
        deadline_passed: false,
        was_done: true,
        controller_gave_up: false,
        probe_failures: 0,
    }
}

#[test]
fn a_count_that_is_no_longer_complete_is_serious_unless_there_is_no_room() {
    let before = Before::of(&seen(2, vec![pod("a", 0), pod("b", 0)]));
    let found = |seen: &Seen| incomplete(&slot(), &before, seen);
    check(found(&seen(2, vec![])), None, "");
    let unready = Pod {
        is_ready: false,
        ..pod("a", 0)
    };
    check(
        found(&seen(1, vec![unready.clone(), pod("b", 0)])),
        Some(Severity::Serious),
        "was complete and is no longer: 2 of 2 updated, 1 available",
    );
    let lame = Pod {
        node_ready: Some(false),
        ..unready.clone()
    };
    check(
        found(&seen(1, vec![lame, pod("b", 0)])),
        Some(Severity::Monitor),
        "",
    );
    // One that came later and is starting, and one that is wanted beyond what there was.
    let starting = Pod {
        name: "c".to_owned(),
        ..unready.clone()
    };
    check(
        found(&seen(1, vec![starting.clone(), pod("b", 0)])),
        Some(Severity::Monitor),
        "",
    );
    let mut grown = seen(2, vec![pod("a", 0), pod("b", 0), starting.clone()]);
    (
        grown.workload.wanted,
        grown.workload.total,
        grown.workload.updated,
    ) = (3, 3, 3);
    check(found(&grown), Some(Severity::Monitor), "2 available");
    // Unless it never will.
    let mut crashing = starting;
    crashing.containers[0].restarts = 3;
    crashing.containers[0].waiting = Some(("CrashLoopBackOff".to_owned(), String::new()));
    grown.pods[2] = crashing;
    check(found(&grown), Some(Severity::Serious), "2 available");
    let waiting = Pod {
        unschedulable: Some("0/1 nodes".to_owned()),
        ..unready
    };
    check(
        found(&seen(1, vec![waiting, pod("b", 0)])),
        Some(Severity::Monitor),
        "",
    );
}

#[test]
fn pods_that_only_their_deletion_replaces_are_counted() {
    let old = Pod {
        is_new: false,
        ..pod("a", 0)
    };
    let mut partial = seen(2, vec![old, pod("b", 0)]);
    check(not_replaced(&slot(), &partial), None, "");
    partial.workload.is_on_delete = true;
    check(
        not_replaced(&slot(), &partial),
        Some(Severity::Monitor),
        "1 of 2 pods still run the release before",
    );
    partial.pods[0].is_new = true;
    check(not_replaced(&slot(), &partial), None, "");
}

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbb";

fn running(pod: &str, asked: &str, runs: &str, architecture: Option<&str>) -> Running {
    Running {
        pod: pod.to_owned(),
        container: "web".to_owned(),
        asked: asked.to_owned(),
        image_id: (!runs.is_empty()).then(|| format!("docker-pullable://shop/web@{runs}")),
        architecture: architecture.map(str::to_owned),
    }
}

#[test]
fn what_runs_is_what_the_template_asks_for() {
    let found = |wanted: &str, running: &[Running]| {
        let wanted = BTreeMap::from([("web".to_owned(), wanted.to_owned())]);
        other_images(&slot(), &wanted, running)
    };
    let pinned = format!("shop/web@{A}");
    check(found(&pinned, &[running("a", &pinned, A, None)]), None, "");
    check(found(&pinned, &[running("a", &pinned, "", None)]), None, "");
    // The index was asked for, the node names its platform.
    check(found(&pinned, &[running("a", &pinned, B, None)]), None, "");
    // A mirror with the same content.
    check(
        found(&pinned, &[running("a", "mirror/web:1", A, None)]),
        None,
        "",
    );
    check(
        found(&pinned, &[running("a", "shop/web:1", B, None)]),
        Some(Severity::Critical),
        "pod a runs sha256:bbbbbbbbbbbb in container web, but sha256:aaaaaaaaaaaa was put in place",
    );
    let tag = "shop/web:1";
    let two = |architecture| {
        [
            running("a", tag, A, Some("amd64")),
            running("b", tag, B, architecture),
        ]
    };
    check(
        found(tag, &two(Some("amd64"))),
        Some(Severity::Critical),
        "the tag shop/web:1 moved",
    );
    check(
        found(tag, &two(Some("arm64"))),
        Some(Severity::Monitor),
        "moved",
    );
    check(
        found(
            tag,
            &[running("a", tag, A, None), running("b", tag, A, None)],
        ),
        None,
        "",
    );
}

#[test]
fn error_lines_count_beyond_the_limit() {
    check(errors_logged(&slot(), 10, 10, 1, "x"), None, "");
    check(
        errors_logged(&slot(), 11, 10, 1, "error: no database"),
        Some(Severity::Serious),
        "11 error lines within 2 minutes in 1 pod (at most 10), such as: error: no database",
    );
}

#[test]
fn drift_names_who_did_it() {
    let one = drifted(
        &slot(),
        "the pod template was changed again",
        Some("manager argocd"),
    );
    assert_eq!(
        one.what,
        "the pod template was changed again, by manager argocd"
    );
    assert!(one.advice.contains("GitOps"));
}
