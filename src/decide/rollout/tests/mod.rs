//! What the judgment of rollouts holds to. States of containers are those of a real API server; the watch sequence is the one
//! that a Deployment of three goes through when its image is broken and put back.

mod diagnosis;
mod progress;
mod properties;

use super::*;

pub(super) fn workload(kind: WorkloadKind, wanted: u32) -> Workload {
    Workload {
        kind,
        generation: 2,
        observed_generation: 2,
        wanted,
        total: wanted,
        updated: wanted,
        ready: wanted,
        available: wanted,
        partition: 0,
        revisions_agree: true,
        is_on_delete: false,
        is_paused: false,
        progressing: None,
        replica_failure: None,
    }
}

pub(super) fn condition(status: &str, reason: &str, updated_at: &str) -> Condition {
    Condition {
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: String::new(),
        updated_at: Some(updated_at.to_owned()),
    }
}

pub(super) fn container(name: &str) -> Container {
    Container {
        name: name.to_owned(),
        is_init: false,
        is_sidecar: false,
        restarts: 0,
        waiting: None,
        terminated: None,
        last_terminated: None,
        is_ready: true,
        image_id: None,
    }
}

pub(super) fn pod(name: &str) -> Pod {
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
        containers: vec![container("app")],
    }
}

/// What a container does to its pod.
pub(super) fn ill(name: &str, change: impl FnOnce(&mut Container)) -> Pod {
    let mut pod = pod(name);
    pod.is_ready = false;
    pod.containers[0].is_ready = false;
    change(&mut pod.containers[0]);
    pod
}

pub(super) fn crash(name: &str) -> Pod {
    ill(name, |one| {
        one.restarts = 4;
        one.waiting = Some(("CrashLoopBackOff".to_owned(), "back-off 40s".to_owned()));
        one.last_terminated = Some((1, "Error".to_owned()));
    })
}

pub(super) fn waiting(name: &str, reason: &str, message: &str) -> Pod {
    ill(name, |one| {
        one.waiting = Some((reason.to_owned(), message.to_owned()));
    })
}

/// A Deployment whose pods are all there, with the counts that go with them.
pub(super) fn seen(pods: Vec<Pod>) -> Seen {
    let count = |test: &dyn Fn(&Pod) -> bool| {
        let found = pods.iter().filter(|pod| pod.is_active() && test(pod));
        u32::try_from(found.count()).unwrap()
    };
    let mut workload = workload(WorkloadKind::Deployment, 0);
    workload.total = count(&|_| true);
    workload.updated = count(&|pod| pod.is_new);
    workload.wanted = workload.updated.max(1);
    workload.ready = count(&|pod| pod.is_ready);
    workload.available = workload.ready;
    Seen {
        workload,
        pods,
        deadline_passed: false,
        was_done: false,
        controller_gave_up: false,
        probe_failures: 0,
    }
}
