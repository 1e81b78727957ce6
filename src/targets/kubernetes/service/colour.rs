//! The colour that is to become live: its pods are Ready before any traffic goes there. One that is scaled to 0 is scaled
//! up to the size of the live one. Which Service sends traffic where is not decided here.

use super::Switch;
use super::selector::Selector;
use crate::targets::TargetError;
use crate::targets::kubernetes::cluster::failed;
use crate::targets::kubernetes::edit::{Edited, TRIES_MAX, edit};
use crate::targets::kubernetes::live::Live;
use crate::targets::kubernetes::readiness::{is_ending, is_ready};
use crate::targets::kubernetes::slots::{Kind, Place};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, ListParams};
use kube::runtime::watcher::Config;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Returns when pods of the wanted colour are Ready; scales its workload up first when that is at 0.
///
/// # Errors
/// `Refused` when there are none and none can be had within the deadline. Traffic goes where it went.
pub(super) async fn ready(switch: &Switch<'_>, live: &Selector) -> Result<(), TargetError> {
    let wanted = switch.wanted;
    let count = ready_pods(&switch.pods().await?);
    if 0 < count {
        switch.tell(&format!("{wanted} has {count} ready"));
        return Ok(());
    }
    let workloads = workloads(switch).await?;
    let own: Vec<&Found> = workloads.iter().filter(|one| one.is_of(wanted)).collect();
    if own.is_empty() {
        return Err(refused(
            switch,
            "no pod with these labels is Ready, and no Deployment or StatefulSet makes any",
            "put the other colour in place first, then run the same command again",
        ));
    }
    let stopped: Vec<&&Found> = own.iter().filter(|one| one.replicas == 0).collect();
    if stopped.len() == own.len() {
        let live_count = workloads
            .iter()
            .filter(|one| one.is_of(live))
            .map(|one| one.replicas)
            .max();
        let count = live_count
            .filter(|count| 0 < *count)
            .or(switch.recorded_replicas)
            .unwrap_or(1);
        let [one] = stopped.as_slice() else {
            return Err(refused(
                switch,
                "several workloads have these labels, and all are scaled to 0",
                "scale up the one that is meant, then run the same command again",
            ));
        };
        scale_up(switch, one, count).await?;
        return until_ready(switch, count).await;
    }
    until_ready(switch, 1).await
}

/// A workload that makes pods with labels.
struct Found {
    place: Place,
    labels: Value,
    replicas: u32,
}

impl Found {
    fn is_of(&self, selector: &Selector) -> bool {
        selector.selects(&self.labels)
    }
}

async fn workloads(switch: &Switch<'_>) -> Result<Vec<Found>, TargetError> {
    let mut found = Vec::new();
    for kind in [Kind::Deployment, Kind::StatefulSet] {
        let namespace = &switch.place.namespace;
        let objects = switch.cluster.objects(kind, namespace);
        let list = objects
            .list(&ListParams::default())
            .await
            .map_err(|error| {
                let what = format!("could not list the {}s of {namespace}", kind.word());
                failed(error, &what)
            })?;
        found.extend(list.items.iter().map(|object| Found {
            place: Place {
                kind,
                namespace: namespace.clone(),
                name: object.name_any(),
            },
            labels: at(object, "/spec/template/metadata/labels").clone(),
            replicas: replicas(object),
        }));
    }
    Ok(found)
}

/// Absent means 1, as the API has it.
fn replicas(object: &DynamicObject) -> u32 {
    let count = at(object, "/spec/replicas").as_u64().unwrap_or(1);
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn at<'a>(object: &'a DynamicObject, pointer: &str) -> &'a Value {
    object.data.pointer(pointer).unwrap_or(&Value::Null)
}

async fn scale_up(switch: &Switch<'_>, found: &Found, count: u32) -> Result<(), TargetError> {
    let place = &found.place;
    let objects = switch.cluster.objects(place.kind, &place.namespace);
    let what = format!("could not scale up {place}");
    for _ in 0..TRIES_MAX {
        let Some(object) = switch.cluster.get(place).await? else {
            break;
        };
        if 0 < replicas(&object) {
            return Ok(());
        }
        let ops = vec![
            json!({"op": "test", "path": "/spec/replicas", "value": 0}),
            json!({"op": "replace", "path": "/spec/replicas", "value": count}),
        ];
        switch.tell(&format!("scaling {} up from 0 to {count}", place.name));
        match edit(&objects, &object, ops, &what).await? {
            Edited::Done(_) => return Ok(()),
            Edited::Stale => (),
        }
    }
    Err(TargetError::Refused {
        what: format!("{what}: somebody else keeps changing it"),
        allow: None,
        next: "run the same command again when nobody else changes it".to_owned(),
    })
}

async fn until_ready(switch: &Switch<'_>, count: u32) -> Result<(), TargetError> {
    let wanted = switch.wanted;
    let ends = Instant::now() + switch.deadline;
    let pods: Api<Pod> = switch.all_pods();
    let config = Config::default().labels(&wanted.to_string());
    let mut live = Live::of(pods, config, ends, "could not watch the pods");
    let mut seen = 0;
    while let Some(pods) = live.next().await? {
        seen = ready_pods(pods);
        switch.tell(&format!("{wanted}: {seen} of {count} ready"));
        if count as usize <= seen {
            return Ok(());
        }
    }
    let deadline = crate::targets::Time(switch.deadline);
    Err(refused(
        switch,
        &format!("{seen} of {count} pods were Ready after {deadline}"),
        "look at the pods of that colour, or raise rollout-deadline",
    ))
}

/// Pods that take traffic and are there to stay.
pub(super) fn ready_pods<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> usize {
    pods.into_iter()
        .filter(|pod| is_ready(pod) && !is_ending(pod))
        .count()
}

fn refused(switch: &Switch<'_>, why: &str, next: &str) -> TargetError {
    let Switch { slot, wanted, .. } = switch;
    TargetError::Refused {
        what: format!("{slot} is not switched to {wanted}: {why}"),
        allow: None,
        next: next.to_owned(),
    }
}
