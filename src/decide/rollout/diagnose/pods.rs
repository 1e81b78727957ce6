//! The rows about pods: how many of the new ones share a fault, and what follows from how many.

use super::crowd::Crowd;
use super::{Row, fault};
use crate::decide::rollout::seen::{Container, Pod, Seen};
use crate::model::sighting::Symptom;
use crate::model::verdict::Severity;
use std::collections::BTreeSet;

/// A row that is read off the containers.
struct Fault {
    symptom: Symptom,
    /// What one pod does, and what several do.
    verbs: (&'static str, &'static str),
    /// Otherwise it is serious.
    critical: Critical,
}

#[derive(Clone, Copy)]
enum Critical {
    Never,
    /// All new pods have it.
    All,
    /// All new pods have it, and no old one serves in their place.
    AllAndNoneAvailable,
    Always,
}

/// In the order of explanation.
const FAULTS: &[Fault] = &[
    Fault {
        symptom: Symptom::ImageMissing,
        verbs: ("does not get its image", "do not get their image"),
        critical: Critical::AllAndNoneAvailable,
    },
    Fault {
        symptom: Symptom::ConfigError,
        verbs: ("cannot start a container", "cannot start a container"),
        critical: Critical::Never,
    },
    Fault {
        symptom: Symptom::InitFails,
        verbs: (
            "is held by an init container",
            "are held by an init container",
        ),
        critical: Critical::Never,
    },
    Fault {
        symptom: Symptom::OutOfMemory,
        verbs: ("ran out of memory", "ran out of memory"),
        critical: Critical::Always,
    },
    Fault {
        symptom: Symptom::CrashLoop,
        verbs: ("crashes", "crash"),
        critical: Critical::All,
    },
    Fault {
        symptom: Symptom::ContainerExited,
        verbs: ("had a container end", "had a container end"),
        critical: Critical::Never,
    },
];

pub(super) fn rows(seen: &Seen, crowd: &Crowd<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> = FAULTS
        .iter()
        .filter_map(|fault| fault_row(fault, seen, crowd))
        .collect();
    rows.extend(unschedulable(seen, crowd));
    rows.extend(node_issue(crowd));
    rows
}

fn fault_row(fault: &Fault, seen: &Seen, crowd: &Crowd<'_>) -> Option<Row> {
    let mut cases: Vec<(&Container, bool)> = crowd
        .new
        .iter()
        .filter_map(|pod| worst(pod, fault.symptom))
        .collect();
    // Those that last come first: they are the ones to quote.
    cases.sort_by_key(|(_, lasts)| !lasts);
    let lasting = cases.iter().filter(|(_, lasts)| *lasts).count();
    let containers: Vec<&Container> = cases.iter().map(|(container, _)| *container).collect();
    let first = containers.first()?;
    let all = lasting == crowd.size;
    let is_critical = match fault.critical {
        Critical::Never => false,
        Critical::All => all,
        Critical::AllAndNoneAvailable => all && seen.workload.available == 0,
        Critical::Always => true,
    };
    let severity = if lasting == 0 || crowd.is_single() {
        Severity::Monitor
    } else if is_critical {
        Severity::Critical
    } else {
        Severity::Serious
    };
    let (one, many) = fault.verbs;
    let verb = if containers.len() == 1 { one } else { many };
    let detail = match &first.waiting {
        Some((reason, message)) if fault::waits_for_cause(reason) => {
            format!("container {}, {}", first.name, reason_text(reason, message))
        }
        Some(_) | None => ends(&containers),
    };
    let what = format!("{} {verb} ({detail})", share(containers.len(), crowd));
    Some(Row::new(severity, fault.symptom, what))
}

/// The container of a pod that has this fault, and whether it lasts; one that lasts before others.
fn worst(pod: &Pod, symptom: Symptom) -> Option<(&Container, bool)> {
    let faults = pod.containers.iter().filter_map(|container| {
        let fault = fault::of(container)?;
        (fault.symptom == symptom).then_some((container, fault.lasts))
    });
    faults.min_by_key(|(_, lasts)| !lasts)
}

/// `exit code 1; container web, 4 restarts`.
fn ends(containers: &[&Container]) -> String {
    let codes: BTreeSet<i32> = containers
        .iter()
        .filter_map(|container| container.last_end())
        .map(|(code, _)| *code)
        .collect();
    let names: BTreeSet<&str> = containers
        .iter()
        .map(|container| container.name.as_str())
        .collect();
    let restarts = containers
        .iter()
        .map(|container| container.restarts)
        .max()
        .unwrap_or(0);
    let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
    let ended = if codes.is_empty() {
        String::new()
    } else {
        format!("exit code {}; ", codes.join(" or "))
    };
    let names = names.into_iter().collect::<Vec<_>>().join(" and ");
    let plural = if restarts == 1 { "" } else { "s" };
    format!("{ended}container {names}, {restarts} restart{plural}")
}

/// Without capacity no release comes up, so it is not held against this one before its time is over.
fn unschedulable(seen: &Seen, crowd: &Crowd<'_>) -> Option<Row> {
    let messages: Vec<&str> = crowd
        .new
        .iter()
        .filter_map(|pod| pod.unschedulable.as_deref())
        .collect();
    let first = messages.first()?;
    let severity = if seen.deadline_passed {
        Severity::Serious
    } else {
        Severity::Monitor
    };
    let verb = if messages.len() == 1 { "finds" } else { "find" };
    let what = format!("{} {verb} no node ({first})", share(messages.len(), crowd));
    Some(Row::new(severity, Symptom::Unschedulable, what))
}

fn node_issue(crowd: &Crowd<'_>) -> Option<Row> {
    let first = crowd.on_bad_nodes.first()?;
    let why = match (&first.reason, &first.node) {
        (Some(reason), Some(node)) => format!("{reason}, node {node}"),
        (Some(reason), None) => reason.clone(),
        (None, Some(node)) => format!("node {node} is not ready"),
        (None, None) => "its node is not ready".to_owned(),
    };
    let what = match crowd.on_bad_nodes.len() {
        1 => format!("pod {} is held up by its node ({why})", first.name),
        many => format!(
            "{many} pods are held up by their nodes (pod {}: {why})",
            first.name
        ),
    };
    Some(Row::new(Severity::Monitor, Symptom::NodeIssue, what))
}

/// `2 of 3 new pods`.
fn share(count: usize, crowd: &Crowd<'_>) -> String {
    format!("{count} of {} new pods", crowd.size)
}

/// `ErrImagePull: not found`, or the reason alone.
pub(super) fn reason_text(reason: &str, message: &str) -> String {
    if message.is_empty() {
        reason.to_owned()
    } else {
        format!("{reason}: {message}")
    }
}
