//! The pods of a workload, and what marks those of its current template. (stand-in until the shared one is here)

use super::cluster::{Cluster, failed};
use super::pods::Mark;
use super::slots::{Kind, Place};
use crate::targets::TargetError;
use k8s_openapi::api::apps::v1::{ControllerRevision, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::Selector;

fn selector(object: &DynamicObject) -> Result<ListParams, TargetError> {
    let selector = object
        .data
        .pointer("/spec/selector")
        .cloned()
        .unwrap_or_default();
    let selector: LabelSelector = serde_json::from_value(selector).map_err(anyhow::Error::new)?;
    let selector: Selector = selector.try_into().map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(ListParams::default().labels_from(&selector))
}

fn owned(metadata: &ObjectMeta, uid: &str) -> bool {
    metadata
        .owner_references
        .iter()
        .flatten()
        .any(|o| o.controller == Some(true) && o.uid == uid)
}

async fn replica_sets(
    cluster: &Cluster,
    object: &DynamicObject,
    place: &Place,
) -> Result<Vec<ReplicaSet>, TargetError> {
    let api: Api<ReplicaSet> = Api::namespaced(cluster.client.clone(), &place.namespace);
    let list = api
        .list(&selector(object)?)
        .await
        .map_err(|e| failed(e, "could not list replica sets"))?;
    let uid = object.metadata.uid.clone().unwrap_or_default();
    Ok(list
        .items
        .into_iter()
        .filter(|rs| owned(&rs.metadata, &uid))
        .collect())
}

pub(super) async fn list_pods(
    cluster: &Cluster,
    object: &DynamicObject,
    place: &Place,
) -> Result<Vec<Pod>, TargetError> {
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &place.namespace);
    let list = api
        .list(&selector(object)?)
        .await
        .map_err(|e| failed(e, "could not list pods"))?;
    let mut uids = vec![object.metadata.uid.clone().unwrap_or_default()];
    if place.kind == Kind::Deployment {
        uids.extend(
            replica_sets(cluster, object, place)
                .await?
                .into_iter()
                .filter_map(|rs| rs.metadata.uid),
        );
    }
    Ok(list
        .items
        .into_iter()
        .filter(|pod| uids.iter().any(|uid| owned(&pod.metadata, uid)))
        .collect())
}

pub(super) async fn current_mark(
    cluster: &Cluster,
    object: &DynamicObject,
    place: &Place,
) -> Result<Option<Mark>, TargetError> {
    Ok(match place.kind {
        Kind::Deployment => {
            let mut all = replica_sets(cluster, object, place).await?;
            let number = |rs: &ReplicaSet| {
                rs.metadata.annotations.as_ref().and_then(|a| {
                    a.get("deployment.kubernetes.io/revision")?
                        .parse::<i64>()
                        .ok()
                })
            };
            all.sort_by_key(number);
            all.pop()
                .and_then(|rs| rs.metadata.labels?.get("pod-template-hash").cloned())
                .map(Mark::TemplateHash)
        }
        Kind::StatefulSet => object
            .data
            .pointer("/status/updateRevision")
            .and_then(|v| v.as_str())
            .map(|v| Mark::RevisionHash(v.to_owned())),
        Kind::DaemonSet => {
            let api: Api<ControllerRevision> =
                Api::namespaced(cluster.client.clone(), &place.namespace);
            let list = api
                .list(&selector(object)?)
                .await
                .map_err(|e| failed(e, "could not list revisions"))?;
            list.items
                .into_iter()
                .max_by_key(|r| r.revision)
                .and_then(|r| r.metadata.name)
                .map(Mark::RevisionHash)
        }
        Kind::Service | Kind::HttpRoute => None,
    })
}
