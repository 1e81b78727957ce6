//! The rows about the workload as a whole: what its controller says, and what its counts say.

use super::advice::RESUME;
use super::crowd::Crowd;
use super::pods::reason_text;
use super::{Row, has_lasting_fault};
use crate::decide::rollout::seen::{Pod, Seen, WorkloadKind};
use crate::decide::rollout::standing::{Standing, standing};
use crate::model::sighting::Symptom;
use crate::model::verdict::Severity;

/// Failed probes from which pods that are still not ready when their time is over are held against the release.
pub const PROBE_FAILURES_SERIOUS: u32 = 10;

pub(super) fn rows(seen: &Seen, crowd: &Crowd<'_>) -> Vec<Row> {
    let standing = standing(&seen.workload);
    let found = [
        not_admitted(seen, &standing),
        held_by_old_pod(seen, &standing, crowd),
        probe_fails(seen, crowd),
        stuck(seen, &standing, crowd),
        none_available(seen, crowd),
    ];
    found.into_iter().flatten().collect()
}

/// What one bad pod on a bad node brings about is no worse than the pod.
const fn at_most(severity: Severity, crowd: &Crowd<'_>) -> Severity {
    if crowd.lame.is_empty() {
        severity
    } else {
        Severity::Monitor
    }
}

fn not_admitted(seen: &Seen, standing: &Standing) -> Option<Row> {
    let failure = seen.workload.replica_failure.as_ref()?;
    // Of a ReplicaSet of the past, when the counts are fine or the change is not seen yet.
    if failure.status != "True" || *standing == Standing::Done || !seen.workload.is_observed() {
        return None;
    }
    // A quota that is tight by one pod lets a rollout through step by step.
    let gets_on = seen
        .pods
        .iter()
        .any(|pod| pod.is_new && pod.is_active() && pod.is_ready);
    let severity = if gets_on && !seen.is_over() {
        Severity::Monitor
    } else {
        Severity::Serious
    };
    let what = format!(
        "pods are not admitted ({})",
        reason_text(&failure.reason, &failure.message)
    );
    Some(Row::new(severity, Symptom::NotAdmitted, what))
}

/// An ordered `StatefulSet` waits for a broken pod of the release before, also when that is what the change would cure.
fn held_by_old_pod(seen: &Seen, standing: &Standing, crowd: &Crowd<'_>) -> Option<Row> {
    if seen.workload.kind != WorkloadKind::StatefulSet || *standing == Standing::Done {
        return None;
    }
    let holds = |pod: &&Pod| !pod.is_new && pod.is_active() && !pod.is_ready;
    let pod = seen.pods.iter().find(holds)?;
    let severity = if seen.deadline_passed {
        at_most(Severity::Serious, crowd)
    } else {
        Severity::Monitor
    };
    let waits = pod
        .containers
        .iter()
        .find_map(|container| container.waiting.as_ref())
        .map_or(String::new(), |(reason, _)| format!(" ({reason})"));
    let what = format!(
        "pod {} is of another revision and not ready{waits}, and the controller waits for it",
        pod.name
    );
    Some(Row::new(severity, Symptom::HeldByOldPod, what))
}

/// A pod that starts may fail its probes: that is what they are for. So they say something when the time for it is over.
fn probe_fails(seen: &Seen, crowd: &Crowd<'_>) -> Option<Row> {
    let failures = seen.probe_failures;
    let is_much = PROBE_FAILURES_SERIOUS <= failures;
    let unready = crowd.new.iter().filter(|pod| !pod.is_ready).count();
    if failures == 0 || (unready == 0 && !is_much) {
        return None;
    }
    let severity = if is_much && 0 < unready && seen.is_over() && !crowd.is_single() {
        at_most(Severity::Serious, crowd)
    } else {
        Severity::Monitor
    };
    let what = format!(
        "probes failed {failures} time{}, {unready} of {} new pods {} not ready",
        if failures == 1 { "" } else { "s" },
        crowd.size,
        if unready == 1 { "is" } else { "are" }
    );
    Some(Row::new(severity, Symptom::ProbeFails, what))
}

fn stuck(seen: &Seen, standing: &Standing, crowd: &Crowd<'_>) -> Option<Row> {
    let Standing::Going { text } = standing else {
        return None;
    };
    if seen.was_done || !(seen.deadline_passed || seen.controller_gave_up) {
        return None;
    }
    let what = if seen.controller_gave_up {
        format!("the controller gave up (ProgressDeadlineExceeded): {text}")
    } else {
        format!("not done within the deadline: {text}")
    };
    let mut row = Row::new(
        at_most(Severity::Serious, crowd),
        Symptom::StuckRollout,
        what,
    );
    if seen.workload.is_paused {
        row.advice = RESUME;
    } else if !crowd.lame.is_empty() {
        row.advice = super::advice(Symptom::NodeIssue);
    }
    Some(row)
}

/// Nothing serves. Right after a change that is how some strategies work (`Recreate`, one replica that is replaced in place),
/// so until the time is over it counts only when every new pod has a fault that lasts.
fn none_available(seen: &Seen, crowd: &Crowd<'_>) -> Option<Row> {
    let workload = &seen.workload;
    if workload.wanted == 0 || 0 < workload.available {
        return None;
    }
    let none_can_come = !crowd.new.is_empty() && crowd.new.iter().all(|pod| has_lasting_fault(pod));
    let counts = seen.is_over() || (none_can_come && workload.is_observed());
    if !counts {
        return None;
    }
    let what = format!("0 of {} wanted pods are available", workload.wanted);
    let mut row = Row::new(
        at_most(Severity::Critical, crowd),
        Symptom::NoneAvailable,
        what,
    );
    if !crowd.lame.is_empty() {
        row.advice = super::advice(Symptom::NodeIssue);
    }
    Some(row)
}
