//! The second rung: pods that are not Ready are deleted, so that their controller makes new ones. A pod that becomes Ready
//! while this is under way stays.

use super::Rungs;
use super::budget;
use crate::targets::TargetError;
use crate::targets::kubernetes::cluster::failed;
use crate::targets::kubernetes::owned::list_pods;
use crate::targets::kubernetes::readiness::{is_ending, is_ready};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Preconditions};
use kube::{Error, ResourceExt as _};

/// Deletes the pods that are not Ready, as far as the PodDisruptionBudgets permit; whether it deleted any.
pub(super) async fn delete_unready(rungs: &Rungs<'_>) -> Result<bool, TargetError> {
    let object = rungs.object().await?;
    let pods = list_pods(rungs.cluster, &object, rungs.place).await?;
    let budgets = budget::read(rungs.cluster, &rungs.place.namespace).await?;
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
