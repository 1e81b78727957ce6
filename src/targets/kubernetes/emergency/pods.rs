//! The second rung: pods that are not Ready are deleted, so that their controller makes new ones. A pod that becomes Ready
//! while this is under way stays.

use super::Rungs;
use super::budget;
use crate::targets::TargetError;
use crate::targets::kubernetes::cluster::failed;
use crate::targets::kubernetes::owned::list_pods;
use crate::targets::kubernetes::readiness::{is_ending, is_ready};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, DynamicObject, Preconditions};
use kube::{Error, ResourceExt as _};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Between two looks at pods that are deleted one at a time.
const PAUSE: Duration = Duration::from_secs(1);

/// Deletes the pods that are not Ready, as far as the PodDisruptionBudgets permit; whether it deleted any.
pub(super) async fn delete_unready(rungs: &Rungs<'_>) -> Result<bool, TargetError> {
    let object = rungs.object().await?;
    let pods = list_pods(rungs.cluster, &object, rungs.place).await?;
    let Some(budgets) = budget::read(rungs.cluster, &rungs.place.namespace).await? else {
        rungs.tell("the PodDisruptionBudgets may not be listed: pods are deleted one at a time");
        return one_by_one(rungs, &object, &pods).await;
    };
    let mut unready: Vec<&Pod> = pods
        .iter()
        .filter(|pod| !is_ready(pod) && !is_ending(pod))
        .collect();
    // As a StatefulSet goes: the highest ordinal first.
    unready.sort_by_key(|pod| std::cmp::Reverse((pod.name_any().len(), pod.name_any())));
    let (all, mut deleted) = (unready.len(), 0);
    for pod in unready {
        if let Some(budget) = budgets.iter().find(|budget| !budget.permits_unready(pod)) {
            rungs.tell(&format!("{} stays: {budget}", pod.name_any()));
        } else if delete(rungs, pod).await? {
            deleted += 1;
        }
    }
    rungs.tell(&format!(
        "pods that are not Ready: {deleted} of {all} deleted"
    ));
    Ok(0 < deleted)
}

/// Deletes those of `first` that are not Ready, each when no other is ending, until `rollout-deadline`; whether it deleted any.
async fn one_by_one(
    rungs: &Rungs<'_>,
    object: &DynamicObject,
    first: &[Pod],
) -> Result<bool, TargetError> {
    let mut left: BTreeSet<String> = first
        .iter()
        .filter(|pod| !is_ready(pod))
        .filter_map(kube::ResourceExt::uid)
        .collect();
    let ends = Instant::now() + rungs.wait;
    let mut any = false;
    while !left.is_empty() && Instant::now() < ends {
        let pods = list_pods(rungs.cluster, object, rungs.place).await?;
        if !pods.iter().any(is_ending) {
            let Some(pod) = next(&pods, &left) else {
                break;
            };
            left.remove(&pod.uid().unwrap_or_default());
            any |= delete(rungs, pod).await?;
        }
        sleep(PAUSE).await;
    }
    Ok(any)
}

/// The one with the highest ordinal of those that are left and still not Ready.
fn next<'a>(pods: &'a [Pod], left: &BTreeSet<String>) -> Option<&'a Pod> {
    pods.iter()
        .filter(|pod| !is_ready(pod) && pod.uid().is_some_and(|uid| left.contains(&uid)))
        .max_by_key(|pod| (pod.name_any().len(), pod.name_any()))
}

/// Deletes the pod as it was read: one that changed since, for example to Ready, stays. Whether it did.
async fn delete(rungs: &Rungs<'_>, pod: &Pod) -> Result<bool, TargetError> {
    let pods: Api<Pod> = Api::namespaced(rungs.cluster.client.clone(), &rungs.place.namespace);
    let params = DeleteParams::default().preconditions(Preconditions {
        uid: pod.uid(),
        resource_version: pod.resource_version(),
    });
    let name = pod.name_any();
    match pods.delete(&name, &params).await {
        Ok(_) => Ok(true),
        Err(Error::Api(status)) if matches!(status.code, 404 | 409) => {
            rungs.tell(&format!("{name} has changed meanwhile and stays"));
            Ok(false)
        }
        Err(error) => Err(failed(error, &format!("could not delete the pod {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_that_became_ready_or_came_later_stays() {
        let pod = |name: &str, ready: &str| -> Pod {
            serde_json::from_value(json!({
                "metadata": {"name": name, "uid": name},
                "status": {"conditions": [{"type": "Ready", "status": ready}]},
            }))
            .unwrap()
        };
        let pods = [
            pod("db-9", "False"),
            pod("db-10", "False"),
            pod("db-11", "True"),
            pod("db-12", "False"),
        ];
        let left = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let found = |names: &[&str]| next(&pods, &left(names)).map(kube::ResourceExt::name_any);
        assert_eq!(found(&["db-9", "db-10", "db-11"]).as_deref(), Some("db-10"));
        assert_eq!(found(&["db-9", "db-11"]).as_deref(), Some("db-9"));
        assert_eq!(found(&["db-11"]), None);
    }
}
