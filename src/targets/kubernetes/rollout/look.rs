//! One look at a workload and its pods, with what explains them: nodes of pods that are not ready, and warnings.
//! What may not be read is left out: permission for nodes and events helps and is not needed.

use super::super::cluster::Cluster;
use super::super::owned::Owned;
use super::super::pods::{self, Mark, Read};
use super::super::readiness::is_ready;
use super::super::replace::FIELD_MANAGER;
use super::super::slots::Place;
use super::super::workload::{missing, rollout_kind};
use crate::decide::rollout::Seen;
use crate::targets::TargetError;
use futures_util::future::{join, join_all};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::api::{Api, DynamicObject, ListParams};
use std::collections::{BTreeMap, BTreeSet};

/// Nodes that are asked for in one look.
const NODES_MAX: usize = 8;

/// Warnings that are read in one look; the newest are not promised to be first.
const EVENTS_MAX: u32 = 500;

pub(super) struct Look {
    pub(super) object: DynamicObject,
    pub(super) owned: Owned,
    pub(super) seen: Seen,
}

/// What depends on our own clock is left false.
pub(super) async fn look(cluster: &Cluster, place: &Place) -> Result<Look, TargetError> {
    let object = cluster.get(place).await?.ok_or_else(|| missing(place))?;
    let owned = Owned::of(cluster, &object, place).await?;
    let pods: Vec<Pod> = owned.pods(&object, place).into_iter().cloned().collect();
    let waiting: Vec<&Pod> = pods.iter().filter(|pod| !is_ready(pod)).collect();
    let (nodes, events) = if waiting.is_empty() && !pods.is_empty() {
        (None, Vec::new())
    } else {
        join(
            nodes(cluster, &pods, &waiting),
            events(cluster, &place.namespace),
        )
        .await
    };
    // The object was read from JSON a moment ago.
    let raw = serde_json::to_value(&object).unwrap_or_default();
    // Before the controller has made pods of the new template, none is new.
    let mark = owned.mark(&object, place);
    let mark = mark.unwrap_or_else(|| Mark::Owner(String::new()));
    let read = Read {
        kind: rollout_kind(place.kind),
        workload: &raw,
        pods: &pods,
        nodes: nodes.as_ref(),
        events: &events,
        since: changed_at(&object),
    };
    let seen = pods::seen(&read, &mark);
    Ok(Look {
        object,
        owned,
        seen,
    })
}

/// When we changed the object, by the server's clock.
pub(in super::super) fn changed_at(object: &DynamicObject) -> Option<Timestamp> {
    object
        .metadata
        .managed_fields
        .iter()
        .flatten()
        .filter(|fields| fields.manager.as_deref() == Some(FIELD_MANAGER))
        .filter_map(|fields| fields.time.as_ref().map(|at| at.0))
        .max()
}

/// Which nodes are ready: those of waiting pods are asked for; the others have just reported a ready pod.
async fn nodes(
    cluster: &Cluster,
    pods: &[Pod],
    waiting: &[&Pod],
) -> Option<BTreeMap<String, bool>> {
    let name = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let asked: BTreeSet<String> = waiting.iter().filter_map(|pod| name(pod)).collect();
    let api: Api<Node> = Api::all(cluster.client.clone());
    let found = join_all(asked.iter().take(NODES_MAX).map(|name| api.get_opt(name))).await;
    let found: Vec<Node> = found
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .ok()?
        .into_iter()
        .flatten()
        .collect();
    let mut ready = pods::readiness(&found);
    for name in pods.iter().filter_map(name) {
        let is_asked = asked.iter().take(NODES_MAX).any(|asked| *asked == name);
        ready.entry(name).or_insert(!is_asked);
    }
    Some(ready)
}

async fn events(cluster: &Cluster, namespace: &str) -> Vec<Event> {
    let api: Api<Event> = Api::namespaced(cluster.client.clone(), namespace);
    let params = ListParams::default()
        .fields("type=Warning")
        .limit(EVENTS_MAX);
    match api.list(&params).await {
        Ok(events) => events.items,
        Err(error) => {
            tracing::debug!(namespace, %error, "events could not be read");
            Vec::new()
        }
    }
}
