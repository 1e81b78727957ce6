//! Pods that are deleted by hand: those a StatefulSet waits for in vain (kubernetes/kubernetes#67250), and those of workloads that
//! replace none themselves (`OnDelete`). Always one at a time, and only the very pod that was looked at.

use super::cluster::{Cluster, failed};
use super::owned::{Owned, is_observed, uid};
use super::pods::{self, Mark};
use super::readiness::{is_ending, is_ready};
use super::rollout::{Told, changed_at};
use super::slots::{Kind, Place};
use super::workload::rollout;
use crate::targets::TargetError;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Error;
use kube::api::{Api, DeleteParams, DynamicObject, Preconditions};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// How long a pod has to be not ready before it counts as stuck: a passing hiccup must not cost a database its pod.
const UNREADY: Duration = Duration::from_secs(5);

/// Deletes the pod that keeps a StatefulSet from going on, if there is one.
pub(super) async fn unstick(
    cluster: &Cluster,
    place: &Place,
    object: &DynamicObject,
    unready: &mut Unready,
    told: &Told<'_>,
) -> Result<(), TargetError> {
    if !waits_in_order(place, object) {
        return Ok(());
    }
    let owned = Owned::of(cluster, object, place).await?;
    unstick_owned(cluster, place, object, &owned, unready, told).await
}

/// The same, of pods that are in hand.
pub(super) async fn unstick_owned(
    cluster: &Cluster,
    place: &Place,
    object: &DynamicObject,
    owned: &Owned,
    unready: &mut Unready,
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
    unready.look(&pods, Instant::now());
    let changed = changed_at(object);
    let stuck = stuck(&pods, &mark, from);
    match stuck.filter(|pod| unready.lasts(pod, changed)) {
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

/// The pod with the highest ordinal that is neither of the wanted revision nor ready; none while a pod ends or comes up, so
/// that databases lose one member at a time.
fn stuck<'a>(pods: &[&'a Pod], mark: &Mark, partition: u32) -> Option<&'a Pod> {
    let is_busy = pods
        .iter()
        .any(|pod| is_ending(pod) || (mark.is_on(&pod.metadata) && !is_ready(pod)));
    if is_busy {
        return None;
    }
    pods.iter()
        .copied()
        .filter(|pod| !mark.is_on(&pod.metadata) && !is_ready(pod))
        .filter(|pod| partition <= ordinal(pod))
        .max_by_key(|pod| ordinal(pod))
}

/// Since when pods are not ready, as one wait saw them.
#[derive(Debug, Default)]
pub(super) struct Unready(BTreeMap<String, (Instant, Duration)>);

impl Unready {
    fn look(&mut self, pods: &[&Pod], now: Instant) {
        let unready: BTreeSet<&str> = pods
            .iter()
            .filter(|pod| !is_ready(pod))
            .map(|pod| uid(&pod.metadata))
            .collect();
        self.0.retain(|uid, _| unready.contains(uid.as_str()));
        for uid in unready {
            let (since, lasts) = self
                .0
                .entry(uid.to_owned())
                .or_insert((now, Duration::ZERO));
            *lasts = now.saturating_duration_since(*since);
        }
    }

    /// Whether it is no passing hiccup: for [`UNREADY`] by our own clock, or before `changed` by the cluster's clocks.
    fn lasts(&self, pod: &Pod, changed: Option<Timestamp>) -> bool {
        let seen = self.0.get(uid(&pod.metadata));
        let by_us = seen.is_some_and(|(_, lasts)| UNREADY <= *lasts);
        let by_cluster = match (unready_since(pod), changed) {
            (Some(since), Some(changed)) => {
                changed.as_second().saturating_sub(since.as_second())
                    >= UNREADY.as_secs().cast_signed()
            }
            (None, _) | (_, None) => false,
        };
        by_us || by_cluster
    }
}

/// What the condition says; a pod without it never was ready.
fn unready_since(pod: &Pod) -> Option<Timestamp> {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition.type_ == "Ready");
    let since = match ready {
        Some(ready) => ready.last_transition_time.as_ref(),
        None => pod.metadata.creation_timestamp.as_ref(),
    };
    since.map(|time| time.0)
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
        check_stuck(&["db-1 bad!", "db-2 bad!"], 3, "");
        check_stuck(&["db-0 bad", "db-1 bad"], 0, "");
    }

    #[test]
    fn no_pod_is_stuck_while_another_ends_or_comes_up() {
        check_stuck(&["db-0 bad!", "db-1 bad!", "db-2 bad~"], 0, "");
        check_stuck(&["db-0 bad!", "db-1 good~"], 0, "");
        check_stuck(&["db-0 bad!", "db-1 bad", "db-2 good!"], 0, "");
        check_stuck(&["db-0 bad!", "db-1 bad", "db-2 good"], 0, "db-0");
    }

    /// `since`: of its condition, or of the pod itself when it has none.
    #[track_caller]
    fn check_lasts(condition: bool, since: &str, changed: &str, watched_s: u64, expected: bool) {
        let conditions = if condition {
            json!([{"type": "Ready", "status": "False", "lastTransitionTime": since}])
        } else {
            json!([])
        };
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "db-0", "uid": "u", "creationTimestamp": since},
            "status": {"phase": "Running", "conditions": conditions}
        }))
        .unwrap();
        let mut unready = Unready::default();
        let begin = Instant::now();
        unready.look(&[&pod], begin);
        unready.look(&[&pod], begin + Duration::from_secs(watched_s));
        assert_eq!(unready.lasts(&pod, changed.parse().ok()), expected);
    }

    #[test]
    fn a_pod_is_stuck_when_it_stays_unready() {
        let change = "2026-11-21T10:00:10Z";
        check_lasts(true, "2026-11-21T10:00:08Z", change, 1, false);
        check_lasts(true, "2026-11-21T10:00:08Z", change, 5, true);
        check_lasts(true, "2026-11-21T10:00:05Z", change, 0, true);
        check_lasts(false, "2026-11-21T10:00:05Z", change, 0, true);
        check_lasts(true, "2026-11-21T10:00:12Z", change, 4, false);
        check_lasts(true, "2026-11-21T10:00:00Z", "unknown", 4, false);
    }

    #[test]
    fn a_pod_that_was_ready_in_between_counts_from_anew() {
        let (bad, well) = (pod("db-0 bad!"), pod("db-0 bad"));
        let mut unready = Unready::default();
        let begin = Instant::now();
        for (at, pod) in [(0, &bad), (4, &well), (6, &bad), (8, &bad)] {
            unready.look(&[pod], begin + Duration::from_secs(at));
        }
        assert!(!unready.lasts(&bad, None));
        unready.look(&[&bad], begin + Duration::from_secs(11));
        assert!(unready.lasts(&bad, None));
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
