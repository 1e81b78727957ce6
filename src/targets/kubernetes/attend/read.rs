//! One look at one workload: the object, its pods, and what its pods' nodes and events say. Reading only.

use super::change;
use super::shared::{ANSWER_MAX, Shared, no_answer};
use crate::decide::rollout::stable::Running;
use crate::decide::rollout::{Condition, Deadline, Seen};
use crate::model::state::Slot;
use crate::targets::TargetError;
use crate::targets::kubernetes::cluster::Cluster;
use crate::targets::kubernetes::owned::Owned;
use crate::targets::kubernetes::pods::{self, Mark, Read};
use crate::targets::kubernetes::readiness::is_ready;
use crate::targets::kubernetes::slots::Place;
use crate::targets::kubernetes::workload::rollout_kind;
use k8s_openapi::api::core::v1 as api;
use kube::api::DynamicObject;
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use tokio::time::timeout;

/// What one look found.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) object: DynamicObject,
    pub(super) pods: Vec<api::Pod>,
    pub(super) seen: Seen,
    mark: Option<Mark>,
}

impl Look {
    /// The pods of the wanted revision.
    pub(super) fn new_pods(&self) -> impl Iterator<Item = &api::Pod> {
        self.pods.iter().filter(|pod| {
            self.mark
                .as_ref()
                .is_some_and(|mark| mark.is_on(&pod.metadata))
        })
    }

    /// Images of the containers of ready pods of the wanted revision. `architecture`: of the nodes that are known.
    pub(super) fn running(&self, architecture: &BTreeMap<String, String>) -> Vec<Running> {
        let is_ready = |pod: &&api::Pod| {
            let name = pod.metadata.name.as_deref();
            self.seen
                .pods
                .iter()
                .any(|one| Some(one.name.as_str()) == name && one.is_ready && one.is_active())
        };
        self.new_pods()
            .filter(is_ready)
            .flat_map(|pod| running_in(pod, architecture))
            .collect()
    }

    /// Container to image, as the template has it.
    pub(super) fn wanted_images(&self) -> BTreeMap<String, String> {
        ["initContainers", "containers"]
            .iter()
            .filter_map(|list| {
                let path = format!("/spec/template/spec/{list}");
                self.object.data.pointer(&path)?.as_array()
            })
            .flatten()
            .filter_map(|container| {
                let text = |key| container.get(key).and_then(Value::as_str);
                Some((text("name")?.to_owned(), text("image")?.to_owned()))
            })
            .collect()
    }
}

fn running_in(pod: &api::Pod, architecture: &BTreeMap<String, String>) -> Vec<Running> {
    let (Some(spec), Some(status)) = (&pod.spec, &pod.status) else {
        return Vec::new();
    };
    let node = spec.node_name.as_deref().unwrap_or_default();
    let statuses = || {
        let init = status.init_container_statuses.iter().flatten();
        init.chain(status.container_statuses.iter().flatten())
    };
    let containers = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    containers
        .map(|container| Running {
            pod: pod.metadata.name.clone().unwrap_or_default(),
            container: container.name.clone(),
            asked: container.image.clone().unwrap_or_default(),
            image_id: statuses()
                .find(|status| status.name == container.name)
                .map(|status| status.image_id.clone())
                .filter(|id| !id.is_empty()),
            architecture: architecture.get(node).cloned(),
        })
        .collect()
}

/// Reads the object alone; `None` when it is gone.
pub(super) async fn object(
    cluster: &Cluster,
    place: &Place,
) -> Result<Option<DynamicObject>, TargetError> {
    within(&format!("could not read {place}"), cluster.get(place)).await
}

/// Reads everything. Nodes only where a pod is not ready, and events only then: they say why.
pub(super) async fn look(
    shared: &Shared<'_>,
    cluster: &Cluster,
    slot: &Slot,
    place: &Place,
) -> Result<Option<Look>, TargetError> {
    let Some(object) = object(cluster, place).await? else {
        return Ok(None);
    };
    let what = format!("could not list the pods of {place}");
    let owned = within(&what, Owned::of(cluster, &object, place)).await?;
    let mark = owned.mark(&object, place);
    let pods: Vec<api::Pod> = owned.pods(&object, place).into_iter().cloned().collect();
    let kind = rollout_kind(place.kind);
    let raw = serde_json::to_value(&object).map_err(anyhow::Error::new)?;
    let all_ready = pods.iter().all(is_ready);
    let nodes = if all_ready {
        None
    } else {
        shared.nodes(cluster).await
    };
    let events = if all_ready {
        None
    } else {
        shared.events(cluster, slot, &place.namespace).await
    };
    let read = Read {
        kind,
        workload: &raw,
        pods: &pods,
        nodes: nodes.as_ref().map(|nodes| &nodes.ready),
        events: events.as_ref().map_or(&[], |events| events.as_slice()),
        since: change::changed_at(place.kind, &object),
    };
    // Without a mark no pod is of the wanted revision: the controller has made none yet.
    let none = Mark::Owner(String::new());
    let seen = pods::seen(&read, mark.as_ref().unwrap_or(&none));
    Ok(Some(Look {
        object,
        pods,
        seen,
        mark,
    }))
}

/// What has been going on before we came: only a verdict of the controller that is newer than the change counts.
pub(super) fn deadline(place: &Place, object: &DynamicObject) -> Deadline {
    let raw = serde_json::to_value(object).unwrap_or_default();
    let found = pods::workload(rollout_kind(place.kind), &raw).progressing;
    let before = match change::changed_at(place.kind, object) {
        Some(at) => Some(Condition {
            status: "False".to_owned(),
            reason: "ProgressDeadlineExceeded".to_owned(),
            message: String::new(),
            updated_at: Some(at.to_string()),
        }),
        None => found,
    };
    Deadline::new(before)
}

/// Like [`bounded`], for what has its errors translated by now.
async fn within<T>(
    what: &str,
    request: impl Future<Output = Result<T, TargetError>>,
) -> Result<T, TargetError> {
    timeout(ANSWER_MAX, request)
        .await
        .unwrap_or_else(|_elapsed| Err(no_answer(what)))
}
