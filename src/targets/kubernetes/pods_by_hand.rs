//! Pods that are deleted by hand: those a StatefulSet waits for in vain (kubernetes/kubernetes#67250), and those of workloads that
//! replace none themselves (`OnDelete`). Always one at a time, and only the very pod that was looked at.

use super::cluster::{Cluster, failed};
use super::owned::{Owned, is_observed, uid};
use super::pods::{self, Mark};
use super::rollout::Told;
use super::slots::{Kind, Place};
use super::workload::rollout;
use crate::targets::TargetError;
use k8s_openapi::api::core::v1::Pod;
use kube::Error;
use kube::api::{Api, DeleteParams, DynamicObject, Preconditions};
use serde_json::Value;

/// Deletes the pod that keeps a StatefulSet from going on, if there is one.
pub(super) async fn unstick(
    cluster: &Cluster,
    place: &Place,
    object: &DynamicObject,
    told: &Told<'_>,
) -> Result<(), TargetError> {
    if !waits_in_order(place, object) {
        return Ok(());
    }
    let owned = Owned::of(cluster, object, place).await?;
    unstick_owned(cluster, place, object, &owned, told).await
}

/// The same, of pods that are in hand.
pub(super) async fn unstick_owned(
    cluster: &Cluster,
    place: &Place,
    object: &DynamicObject,
    owned: &Owned,
    told: &Told<'_>,
) -> Result<(), TargetError> {
    let Some(mark) = owned.mark(object, place) else {
        return Ok(());
    };
    if !waits_in_order(place, object) {
        return Ok(());
    }
    let from = rollout(object, place).partition;
    let pods = owned.pods(object, place);
    match stuck(&pods, &mark, from) {
        Some(pod) => {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            told.progress(&format!(
                "deleting pod {name}: it is of another revision and not ready, and the controller waits for it"
            ));
            delete(cluster, place, pod).await
        }
        None => Ok(()),
    }
}

/// Only then does one pod keep the others from being replaced.
fn waits_in_order(place: &Place, object: &DynamicObject) -> bool {
    let policy = object.data.pointer("/spec/podManagementPolicy");
    place.kind == Kind::StatefulSet
        && is_observed(object)
        && policy.and_then(Value::as_str) != Some("Parallel")
        && !rollout(object, place).is_on_delete
}

/// The pod with the highest ordinal that is neither of the wanted revision nor ready.
fn stuck<'a>(pods: &[&'a Pod], mark: &Mark, partition: u32) -> Option<&'a Pod> {
    pods.iter()
        .copied()
        .filter(|pod| !mark.is_on(&pod.metadata))
        .filter(|pod| {
            let pod = pods::pod(pod, false, None);
            !pod.is_ready && !pod.is_terminating
        })
        .filter(|pod| partition <= ordinal(pod))
        .max_by_key(|pod| ordinal(pod))
}

/// The next pod of a workload that replaces none itself. `true`: all are of the wanted revision, and ready.
pub(super) async fn replace_next(
    cluster: &Cluster,
    place: &Place,
    object: &DynamicObject,
    owned: &Owned,
    told: &Told<'_>,
) -> Result<bool, TargetError> {
    let Some(mark) = owned.mark(object, place) else {
        return Ok(false);
    };
    let pods = owned.pods(object, place);
    let wanted = rollout(object, place).wanted;
    match next_by_hand(&pods, &mark, wanted) {
        Next::Done => Ok(true),
        Next::Wait => Ok(false),
        Next::Delete { pod, left } => {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            told.progress(&format!(
                "deleting pod {name}, {left} of the old revision left"
            ));
            delete(cluster, place, pod).await?;
            Ok(false)
        }
    }
}

#[derive(Debug, PartialEq)]
enum Next<'a> {
    Done,
    /// For a pod that comes up or goes.
    Wait,
    Delete {
        pod: &'a Pod,
        left: usize,
    },
}

fn next_by_hand<'a>(pods: &[&'a Pod], mark: &Mark, wanted: u32) -> Next<'a> {
    let (new, old): (Vec<&Pod>, Vec<&Pod>) = pods
        .iter()
        .copied()
        .partition(|pod| mark.is_on(&pod.metadata));
    let seen = |pod: &Pod| pods::pod(pod, true, None);
    let is_going = old.iter().any(|pod| seen(pod).is_terminating);
    let ready = new.iter().filter(|pod| {
        let pod = seen(pod);
        pod.is_ready && pod.is_active()
    });
    let all = usize::try_from(wanted).unwrap_or(usize::MAX);
    let ready = ready.count();
    // One that is not ready is nobody's loss.
    let next = old
        .iter()
        .copied()
        .max_by_key(|pod| (!seen(pod).is_ready, ordinal(pod), pod.metadata.name.clone()));
    match next {
        None if all <= ready => Next::Done,
        Some(pod) if !is_going && (all <= ready + old.len()) => Next::Delete {
            pod,
            left: old.len(),
        },
        Some(_) | None => Next::Wait,
    }
}

/// The number at the end of the name of a StatefulSet's pod.
fn ordinal(pod: &Pod) -> u32 {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let number = name
        .rsplit_once('-')
        .and_then(|(_, number)| number.parse().ok());
    number.unwrap_or(0)
}

/// Deletes this very pod: one that was replaced under the same name in between is left alone.
async fn delete(cluster: &Cluster, place: &Place, pod: &Pod) -> Result<(), TargetError> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &place.namespace);
    let parameters = DeleteParams::default().preconditions(Preconditions {
        uid: Some(uid(&pod.metadata).to_owned()),
        resource_version: None,
    });
    match api.delete(name, &parameters).await {
        Ok(_) => Ok(()),
        Err(Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(failed(
            error,
            &format!("could not delete pod {name} of {place}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `db-2 bad!`: name, revision, `!` not ready, `~` terminating.
    fn pod(text: &str) -> Pod {
        let (name, revision) = text.split_once(' ').unwrap();
        let ready = if revision.ends_with('!') {
            "False"
        } else {
            "True"
        };
        let mut pod = json!({
            "metadata": {"name": name, "labels": {"controller-revision-hash": revision.trim_end_matches(['!', '~'])}},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}
        });
        if revision.ends_with('~') {
            pod["metadata"]["deletionTimestamp"] = json!("2026-11-21T00:00:00Z");
        }
        serde_json::from_value(pod).unwrap()
    }

    fn named(pod: Option<&Pod>) -> &str {
        pod.map_or("", |pod| pod.metadata.name.as_deref().unwrap())
    }

    #[track_caller]
    fn check_stuck(pods: &[&str], partition: u32, expected: &str) {
        let pods: Vec<Pod> = pods.iter().map(|text| pod(text)).collect();
        let pods: Vec<&Pod> = pods.iter().collect();
        let mark = Mark::RevisionHash("good".to_owned());
        assert_eq!(named(stuck(&pods, &mark, partition)), expected);
    }

    #[test]
    fn the_highest_pod_that_is_neither_wanted_nor_ready_is_stuck() {
        check_stuck(&["db-0 good", "db-1 good", "db-2 bad!"], 0, "db-2");
        check_stuck(&["db-9 bad!", "db-10 bad!", "db-11 bad"], 0, "db-10");
        check_stuck(&["db-0 good!", "db-1 bad", "db-2 bad~"], 0, "");
        check_stuck(&["db-1 bad!", "db-2 bad!"], 3, "");
    }

    #[track_caller]
    fn check_next(pods: &[&str], wanted: u32, expected: &str) {
        let pods: Vec<Pod> = pods.iter().map(|text| pod(text)).collect();
        let pods: Vec<&Pod> = pods.iter().collect();
        let mark = Mark::RevisionHash("good".to_owned());
        let found = match next_by_hand(&pods, &mark, wanted) {
            Next::Done => "done",
            Next::Wait => "wait",
            Next::Delete { pod, left: _ } => named(Some(pod)),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn pods_are_replaced_one_at_a_time() {
        check_next(&["a-0 old", "a-1 old", "a-2 old"], 3, "a-2");
        check_next(&["a-0 old!", "a-1 old", "a-2 old"], 3, "a-0");
        check_next(&["a-0 old", "a-1 old", "a-2 old~"], 3, "wait");
        check_next(&["a-0 old", "a-1 old"], 3, "wait");
        check_next(&["a-0 old", "a-1 old", "a-2 good!"], 3, "wait");
        check_next(&["a-0 old", "a-1 old", "a-2 good"], 3, "a-1");
        check_next(&["a-0 good", "a-1 good", "a-2 good!"], 3, "wait");
        check_next(&["a-0 good", "a-1 good", "a-2 good"], 3, "done");
    }
}
