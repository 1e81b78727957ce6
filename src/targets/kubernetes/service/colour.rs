//! The colour that is to become live: as many of its pods are Ready as the traffic needs before any goes there, and what makes
//! them is scaled up for that. Which Service sends traffic where is not decided here.

use super::Switch;
use super::selector::Selector;
use super::size::{self, Need, replicas};
use crate::targets::TargetError;
use crate::targets::kubernetes::edit::{Edited, TRIES_MAX, edit};
use crate::targets::kubernetes::live::Live;
use crate::targets::kubernetes::readiness::{is_ending, is_ready};
use crate::targets::kubernetes::slots::Place;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use kube::runtime::watcher::Config;
use serde_json::json;
use tokio::time::Instant;

/// Returns when enough pods of the wanted colour are Ready; scales its workload up first when it is too small.
///
/// # Errors
/// `Refused` when there are too few within the deadline, except in an emergency with at least one. Traffic goes where it went.
pub(super) async fn ready(switch: &Switch<'_>, live: &Selector) -> Result<(), TargetError> {
    let need = size::need(switch, live).await?;
    if let Some((place, _, to)) = &need.scale {
        scale_up(switch, place, *to).await?;
    }
    until_ready(switch, need.ready).await
}

/// Tells what will be scaled, and what stays smaller than it was.
///
/// # Errors
/// `Refused` when nothing makes pods of that colour.
pub(super) async fn foresee(switch: &Switch<'_>, live: &Selector) -> Result<(), TargetError> {
    let wanted = switch.wanted;
    let Need {
        ready,
        scale,
        short,
    } = size::need(switch, live).await?;
    if let Some((place, from, to)) = scale {
        switch.tell(&format!(
            "{} {} will be scaled up from {from} to {to} before traffic goes there",
            place.kind.word(),
            place.name
        ));
    }
    switch.tell(&format!(
        "traffic goes to {wanted} when {ready} of its pods are Ready"
    ));
    if let Some(short) = short {
        switch.tell(&format!("warning: {wanted} {short}"));
    }
    Ok(())
}

async fn scale_up(switch: &Switch<'_>, place: &Place, count: u32) -> Result<(), TargetError> {
    let objects = switch.cluster.objects(place.kind, &place.namespace);
    let what = format!("could not scale up {place}");
    for _ in 0..TRIES_MAX {
        let Some(object) = switch.cluster.get(place).await? else {
            break;
        };
        let now = replicas(&object);
        if count <= now {
            return Ok(());
        }
        // `add` sets a member whether it is there or not.
        let ops = vec![json!({"op": "add", "path": "/spec/replicas", "value": count})];
        switch.tell(&format!("scaling {} up from {now} to {count}", place.name));
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
        if count <= seen {
            return Ok(());
        }
    }
    let deadline = crate::targets::Time(switch.deadline);
    let found = format!("{seen} of {count} pods were Ready after {deadline}");
    if switch.emergency && 0 < seen {
        switch.tell(&format!(
            "warning: {found}; switched all the same, in an emergency"
        ));
        return Ok(());
    }
    Err(refused(
        switch,
        &found,
        "look at the pods of that colour, or raise rollout-deadline; --emergency switches when one is Ready by then",
    ))
}

/// Pods that take traffic and are there to stay.
pub(super) fn ready_pods<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> u32 {
    let ready = pods
        .into_iter()
        .filter(|pod| is_ready(pod) && !is_ending(pod));
    u32::try_from(ready.count()).unwrap_or(u32::MAX)
}

pub(super) fn refused(switch: &Switch<'_>, why: &str, next: &str) -> TargetError {
    let Switch { slot, wanted, .. } = switch;
    TargetError::Refused {
        what: format!("{slot} is not switched to {wanted}: {why}"),
        allow: None,
        next: next.to_owned(),
    }
}
