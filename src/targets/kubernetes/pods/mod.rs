//! From what the API answers to what `decide::rollout` judges: workloads as raw JSON, pods, events and nodes.
//! No requests and no judgment. What is absent is nothing: servers differ in what they leave out.

#[cfg(test)]
mod tests;

use crate::decide::rollout::{Condition, Container, Pod, Seen, Workload, WorkloadKind};
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as api;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;
use std::collections::BTreeMap;

/// What marks the pods of one revision of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mark {
    /// Label `controller-revision-hash`, or the name of the `ControllerRevision`: a `StatefulSet` writes its whole name into
    /// the label, a `DaemonSet` only the hash at its end.
    RevisionHash(String),
    /// The uid of the owner, such as the `ReplicaSet`.
    Owner(String),
}

impl Mark {
    /// Whether these are the labels and owners of a pod of this revision.
    pub(super) fn is_on(&self, metadata: &ObjectMeta) -> bool {
        let label = |key: &str| {
            metadata
                .labels
                .as_ref()
                .and_then(|labels| labels.get(key))
                .map(String::as_str)
        };
        match self {
            Self::RevisionHash(name) => label("controller-revision-hash").is_some_and(|found| {
                let ends = |long: &str, short: &str| {
                    !short.is_empty()
                        && long
                            .strip_suffix(short)
                            .is_some_and(|head| head.ends_with('-'))
                };
                found == name || ends(name, found) || ends(found, name)
            }),
            Self::Owner(uid) => metadata
                .owner_references
                .iter()
                .flatten()
                .any(|owner| owner.uid == *uid),
        }
    }
}

/// What was read at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read<'a> {
    pub kind: WorkloadKind,
    /// The object as the server gave it.
    pub workload: &'a Value,
    pub pods: &'a [api::Pod],
    /// `None`: nodes may not be read.
    pub nodes: Option<&'a BTreeMap<String, bool>>,
    pub events: &'a [api::Event],
    /// By the server's clock. Events that were last seen before it are of the release before.
    pub since: Option<Timestamp>,
}

/// Translates what was read. `new` marks the pods of the wanted revision. What depends on our own clock is left false, for
/// the caller to set.
pub(super) fn seen(read: &Read<'_>, new: &Mark) -> Seen {
    let mut workload = workload(read.kind, read.workload);
    if workload.replica_failure.is_none() && read.kind != WorkloadKind::Deployment {
        let uid = text(read.workload, "/metadata/uid");
        workload.replica_failure = not_admitted(read.events, &uid, read.since);
    }
    let pods: Vec<Pod> = read
        .pods
        .iter()
        .map(|one| pod(one, new.is_on(&one.metadata), read.nodes))
        .collect();
    let new_uids: Vec<&str> = read
        .pods
        .iter()
        .filter(|one| new.is_on(&one.metadata))
        .filter_map(|one| one.metadata.uid.as_deref())
        .collect();
    Seen {
        workload,
        pods,
        deadline_passed: false,
        was_done: false,
        controller_gave_up: false,
        probe_failures: probe_failures(read.events, &new_uids, read.since),
    }
}

/// The counts and conditions of a workload.
pub(super) fn workload(kind: WorkloadKind, raw: &Value) -> Workload {
    let status = |name: &str| count(raw, &format!("/status/{name}"));
    let strategy = text(raw, "/spec/updateStrategy/type");
    let generation = integer(raw, "/metadata/generation");
    let mut workload = Workload {
        kind,
        generation,
        observed_generation: integer(raw, "/status/observedGeneration"),
        // The server fills in 1 where it is not written.
        wanted: raw
            .pointer("/spec/replicas")
            .map_or(1, |_| count(raw, "/spec/replicas")),
        total: status("replicas"),
        updated: status("updatedReplicas"),
        ready: status("readyReplicas"),
        available: status("availableReplicas"),
        partition: count(raw, "/spec/updateStrategy/rollingUpdate/partition"),
        revisions_agree: true,
        is_on_delete: strategy == "OnDelete",
        is_paused: raw.pointer("/spec/paused") == Some(&Value::Bool(true)),
        progressing: condition(raw, "Progressing"),
        replica_failure: condition(raw, "ReplicaFailure"),
    };
    match kind {
        WorkloadKind::Deployment => (),
        WorkloadKind::StatefulSet => {
            let update = text(raw, "/status/updateRevision");
            workload.revisions_agree =
                !update.is_empty() && update == text(raw, "/status/currentRevision");
            // Servers before 1.22 do not count them.
            if raw.pointer("/status/availableReplicas").is_none() {
                workload.available = workload.ready;
            }
        }
        WorkloadKind::DaemonSet => {
            workload.wanted = status("desiredNumberScheduled");
            workload.total = status("currentNumberScheduled");
            workload.updated = status("updatedNumberScheduled");
            workload.ready = status("numberReady");
            workload.available = status("numberAvailable");
        }
    }
    workload
}

fn condition(raw: &Value, kind: &str) -> Option<Condition> {
    let conditions = raw.pointer("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|condition| text(condition, "/type") == kind)?;
    Some(Condition {
        status: text(found, "/status"),
        reason: text(found, "/reason"),
        message: text(found, "/message"),
        updated_at: found
            .pointer("/lastUpdateTime")
            .and_then(Value::as_str)
            .map(str::to_owned),
    })
}

/// A pod, with its init containers and sidecars. `nodes`: which are ready, by name; a node that is not among them is gone.
pub(super) fn pod(pod: &api::Pod, is_new: bool, nodes: Option<&BTreeMap<String, bool>>) -> Pod {
    let spec = pod.spec.as_ref();
    let status = pod.status.as_ref();
    let node = spec.and_then(|spec| spec.node_name.clone());
    let condition = |kind: &str| {
        status
            .and_then(|status| status.conditions.as_ref())
            .and_then(|conditions| conditions.iter().find(|one| one.type_ == kind))
    };
    let unschedulable = condition("PodScheduled")
        .filter(|one| one.status == "False" && one.reason.as_deref() == Some("Unschedulable"))
        .map(|one| one.message.clone().unwrap_or_default());
    let sidecars: Vec<&str> = spec
        .and_then(|spec| spec.init_containers.as_ref())
        .into_iter()
        .flatten()
        .filter(|one| one.restart_policy.as_deref() == Some("Always"))
        .map(|one| one.name.as_str())
        .collect();
    let init = status.and_then(|status| status.init_container_statuses.as_ref());
    let main = status.and_then(|status| status.container_statuses.as_ref());
    let containers = init
        .into_iter()
        .flatten()
        .map(|one| container(one, true, sidecars.contains(&one.name.as_str())))
        .chain(
            main.into_iter()
                .flatten()
                .map(|one| container(one, false, false)),
        )
        .collect();
    Pod {
        name: pod.metadata.name.clone().unwrap_or_default(),
        node_ready: match (&node, nodes) {
            (Some(node), Some(nodes)) => Some(nodes.get(node).copied().unwrap_or(false)),
            (Some(_), None) | (None, _) => None,
        },
        node,
        is_new,
        is_ready: condition("Ready").is_some_and(|one| one.status == "True"),
        is_terminating: pod.metadata.deletion_timestamp.is_some(),
        phase: status
            .and_then(|status| status.phase.clone())
            .unwrap_or_default(),
        reason: status.and_then(|status| status.reason.clone()),
        unschedulable,
        containers,
    }
}

fn container(status: &api::ContainerStatus, is_init: bool, is_sidecar: bool) -> Container {
    let state = status.state.as_ref();
    let ended = |state: Option<&api::ContainerState>| {
        let end = state?.terminated.as_ref()?;
        Some((end.exit_code, end.reason.clone().unwrap_or_default()))
    };
    Container {
        name: status.name.clone(),
        is_init,
        is_sidecar,
        restarts: u32::try_from(status.restart_count).unwrap_or(0),
        waiting: state
            .and_then(|state| state.waiting.as_ref())
            .map(|waiting| {
                (
                    waiting.reason.clone().unwrap_or_default(),
                    waiting.message.clone().unwrap_or_default(),
                )
            }),
        terminated: ended(state),
        last_terminated: ended(status.last_state.as_ref()),
        is_ready: status.ready,
        // Empty until the image is there.
        image_id: Some(status.image_id.clone()).filter(|id| !id.is_empty()),
    }
}

/// Which nodes are ready, by name. A condition `Unknown` is a node that stopped reporting.
pub(super) fn readiness<'a>(
    nodes: impl IntoIterator<Item = &'a api::Node>,
) -> BTreeMap<String, bool> {
    let is_ready = |node: &api::Node| {
        node.status
            .as_ref()
            .and_then(|status| status.conditions.as_ref())
            .and_then(|conditions| conditions.iter().find(|one| one.type_ == "Ready"))
            .is_some_and(|one| one.status == "True")
    };
    nodes
        .into_iter()
        .filter_map(|node| Some((node.metadata.name.clone()?, is_ready(node))))
        .collect()
}

/// How often a readiness, liveness or startup probe of these pods failed, by the events `Unhealthy`.
fn probe_failures(events: &[api::Event], pods: &[&str], since: Option<Timestamp>) -> u32 {
    events
        .iter()
        .filter(|event| event.reason.as_deref() == Some("Unhealthy") && is_since(event, since))
        .filter(|event| {
            event
                .involved_object
                .uid
                .as_deref()
                .is_some_and(|uid| pods.contains(&uid))
        })
        .map(times)
        .fold(0, u32::saturating_add)
}

/// `StatefulSet` and `DaemonSet` have no condition for pods that are refused; there are events of the workload instead.
fn not_admitted(events: &[api::Event], uid: &str, since: Option<Timestamp>) -> Option<Condition> {
    let newest = events
        .iter()
        .filter(|event| event.reason.as_deref() == Some("FailedCreate") && is_since(event, since))
        .filter(|event| !uid.is_empty() && event.involved_object.uid.as_deref() == Some(uid))
        .max_by_key(|event| last_seen(event))?;
    Some(Condition {
        status: "True".to_owned(),
        reason: "FailedCreate".to_owned(),
        message: newest.message.clone().unwrap_or_default(),
        updated_at: last_seen(newest).map(|at| at.to_string()),
    })
}

/// An event is written once and counted up after that, in one of two ways.
fn times(event: &api::Event) -> u32 {
    let series = event.series.as_ref().and_then(|series| series.count);
    let count = series.or(event.count).unwrap_or(1);
    u32::try_from(count).unwrap_or(1).max(1)
}

fn last_seen(event: &api::Event) -> Option<Timestamp> {
    let series = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time.as_ref());
    series
        .map(|at| at.0)
        .or(event.last_timestamp.as_ref().map(|at| at.0))
        .or(event.event_time.as_ref().map(|at| at.0))
        .or(event.first_timestamp.as_ref().map(|at| at.0))
}

/// Stamps have a resolution of one second, so the second of `since` itself counts.
fn is_since(event: &api::Event, since: Option<Timestamp>) -> bool {
    match (last_seen(event), since) {
        (Some(at), Some(since)) => since.as_second() <= at.as_second(),
        (None, _) | (_, None) => true,
    }
}

fn text(raw: &Value, pointer: &str) -> String {
    raw.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn integer(raw: &Value, pointer: &str) -> i64 {
    raw.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn count(raw: &Value, pointer: &str) -> u32 {
    u32::try_from(integer(raw, pointer)).unwrap_or(0)
}
