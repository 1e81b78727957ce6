//! Services as slots: which pods get the traffic, blue or green. The revision is the selector. Traffic goes to a colour only
//! when pods of it are Ready. What the pods run is not looked at here.

mod colour;
mod endpoints;
mod selector;
mod size;

use super::Kubernetes;
use super::cluster::{Cluster, failed};
use super::edit::{Edited, TRIES_MAX, edit};
use super::slots::Place;
use crate::model::plan::Change;
use crate::model::release::Pin;
use crate::model::state::{Held, Phase, Revision, Slot};
use crate::targets::{ReleaseFacts, Story, TargetError};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DynamicObject, ListParams};
use selector::Selector;
use serde_json::{Value, json};
use std::time::Duration;

/// The selector that a Service has now, `None` when there is no such Service.
///
/// # Errors
/// `Refused` when it selects no pods by labels.
pub(super) async fn observe(
    kubernetes: &Kubernetes,
    place: &Place,
) -> Result<Option<Held>, TargetError> {
    let Some(object) = kubernetes.cluster().await?.get(place).await? else {
        return Ok(None);
    };
    Ok(Some(Held {
        revision: Some(selector_of(&object, place)?.revision()),
        phase: Phase::Running,
    }))
}

/// Switches a Service to the other colour, once pods of it are Ready, and waits until the traffic follows.
///
/// # Errors
/// `Refused` when no pod of the wanted colour is or becomes Ready, or when Argo Rollouts drives the Service; `Conflict` when
/// it no longer selects what the plan saw: nothing was switched. `Unhealthy` when the traffic does not follow.
pub(super) async fn apply(
    kubernetes: &Kubernetes,
    place: &Place,
    change: &Change,
    facts: &ReleaseFacts<'_>,
) -> Result<(), TargetError> {
    let slot = change.slot();
    let wanted = Selector::parse(change.to()).ok_or_else(|| unreadable(slot, change.to()))?;
    let switch = Switch::of(kubernetes, place, slot, &wanted, facts).await?;
    let service = switch.service().await?;
    let live = selector_of(&service, place)?;
    if live != wanted {
        switch.holds(&live, change.from())?;
        not_driven(slot, &live)?;
        colour::ready(&switch, &live).await?;
        switch.select(&live, change.from()).await?;
    }
    let ports = service
        .data
        .pointer("/spec/ports")
        .and_then(Value::as_array);
    let has_ports = ports.is_some_and(|ports| !ports.is_empty());
    endpoints::follow(&switch, has_ports).await
}

/// Tells what a switch will scale up, before anything is changed.
///
/// # Errors
/// `Refused` when nothing makes pods of the wanted colour.
pub(super) async fn foresee(
    kubernetes: &Kubernetes,
    place: &Place,
    change: &Change,
    facts: &ReleaseFacts<'_>,
) -> Result<(), TargetError> {
    let slot = change.slot();
    let wanted = Selector::parse(change.to()).ok_or_else(|| unreadable(slot, change.to()))?;
    let Some(live) = change.from().and_then(Selector::parse) else {
        return Ok(());
    };
    let switch = Switch::of(kubernetes, place, slot, &wanted, facts).await?;
    colour::foresee(&switch, &live).await
}

/// What `record` writes down of a Service.
///
/// # Errors
/// `Refused` when no pod that it selects is Ready.
pub(super) async fn record(kubernetes: &Kubernetes, place: &Place) -> Result<Pin, TargetError> {
    let cluster = kubernetes.cluster().await?;
    let slot = kubernetes.slot(place);
    let object = cluster.get(place).await?.ok_or_else(|| missing(place))?;
    let selector = selector_of(&object, place)?;
    let count = colour::ready_pods(&pods(cluster, place, &selector).await?);
    if count == 0 {
        return Err(TargetError::Refused {
            what: format!("{slot} is not recorded: none of the pods with {selector} is Ready"),
            allow: None,
            next: "run `lastgood watch` first, and record what it finds healthy".to_owned(),
        });
    }
    Ok(Pin {
        revision: selector.revision(),
        payload: None,
        images: Vec::new(),
        recorded: Some(json!({"selector": selector.json(), "replicas": count})),
    })
}

/// One change of a Service.
struct Switch<'a> {
    cluster: &'a Cluster,
    place: &'a Place,
    slot: &'a Slot,
    wanted: &'a Selector,
    /// How many pods were Ready behind it when the release was recorded.
    recorded_replicas: Option<u32>,
    deadline: Duration,
    emergency: bool,
    story: Option<&'a dyn Story>,
}

impl<'a> Switch<'a> {
    async fn of(
        kubernetes: &'a Kubernetes,
        place: &'a Place,
        slot: &'a Slot,
        wanted: &'a Selector,
        facts: &'a ReleaseFacts<'_>,
    ) -> Result<Self, TargetError> {
        let recorded = facts.pin(slot).and_then(|pin| pin.recorded.as_ref());
        Ok(Self {
            cluster: kubernetes.cluster().await?,
            place,
            slot,
            wanted,
            recorded_replicas: recorded
                .and_then(|recorded| recorded.get("replicas")?.as_u64())
                .and_then(|count| u32::try_from(count).ok())
                .filter(|count| 0 < *count),
            deadline: kubernetes.settings.rollout_deadline.0,
            emergency: facts.emergency,
            story: facts.story,
        })
    }

    fn tell(&self, text: &str) {
        if let Some(story) = self.story {
            story.progress(self.slot, text);
        }
    }

    async fn service(&self) -> Result<DynamicObject, TargetError> {
        let found = self.cluster.get(self.place).await?;
        found.ok_or_else(|| missing(self.place))
    }

    fn all_pods(&self) -> Api<Pod> {
        Api::namespaced(self.cluster.client.clone(), &self.place.namespace)
    }

    /// Pods of the wanted colour.
    async fn pods(&self) -> Result<Vec<Pod>, TargetError> {
        pods(self.cluster, self.place, self.wanted).await
    }

    /// Compare before set.
    fn holds(&self, live: &Selector, from: Option<&Revision>) -> Result<(), TargetError> {
        match from {
            Some(from) if *from == live.revision() => Ok(()),
            _ => Err(TargetError::Conflict {
                slot: self.slot.clone(),
                found: live.to_string(),
                expected: from.map_or("nothing".to_owned(), |from| from.0.clone()),
            }),
        }
    }

    /// Sets the selector, as long as it is `live`.
    async fn select(&self, live: &Selector, from: Option<&Revision>) -> Result<(), TargetError> {
        let objects = self.cluster.objects(self.place.kind, &self.place.namespace);
        let what = format!("could not switch {}", self.place);
        for _ in 0..TRIES_MAX {
            let service = self.service().await?;
            self.holds(&selector_of(&service, self.place)?, from)?;
            let ops = vec![
                json!({"op": "test", "path": "/spec/selector", "value": live.json()}),
                json!({"op": "replace", "path": "/spec/selector", "value": self.wanted.json()}),
            ];
            match edit(&objects, &service, ops, &what).await? {
                Edited::Done(_) => {
                    self.tell(&format!("traffic goes to {}", self.wanted));
                    return Ok(());
                }
                Edited::Stale => (),
            }
        }
        Err(TargetError::Refused {
            what: format!("{what}: somebody else keeps changing it"),
            allow: None,
            next: "run the same command again when nobody else changes it".to_owned(),
        })
    }
}

async fn pods(
    cluster: &Cluster,
    place: &Place,
    selector: &Selector,
) -> Result<Vec<Pod>, TargetError> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &place.namespace);
    let params = ListParams::default().labels(&selector.to_string());
    match pods.list(&params).await {
        Ok(list) => Ok(list.items),
        Err(error) => {
            let what = format!("could not list the pods of {place} with {selector}");
            Err(failed(error, &what))
        }
    }
}

fn selector_of(service: &DynamicObject, place: &Place) -> Result<Selector, TargetError> {
    Selector::of(&service.data).ok_or_else(|| TargetError::Refused {
        what: format!("{place} has no selector, expected one: nothing can be switched"),
        allow: None,
        next: "take it out of the slots; a Service whose endpoints somebody else writes is not ours to switch"
            .to_owned(),
    })
}

/// Argo Rollouts writes this label into the selectors of its Services, and would write it again.
fn not_driven(slot: &Slot, live: &Selector) -> Result<(), TargetError> {
    if live.0.contains_key("rollouts-pod-template-hash") {
        return Err(TargetError::Refused {
            what: format!("{slot} is driven by Argo Rollouts, which would switch it again"),
            allow: None,
            next: "abort or undo the Rollout with Argo Rollouts, and take the Service out of the slots"
                .to_owned(),
        });
    }
    Ok(())
}

fn missing(place: &Place) -> TargetError {
    TargetError::Refused {
        what: format!("there is no {place}"),
        allow: None,
        next: "create it, or take it out of the slots".to_owned(),
    }
}

fn unreadable(slot: &Slot, revision: &Revision) -> TargetError {
    let found: Value = json!(revision.0);
    TargetError::BadRelease {
        what: format!("found {found} for {slot}, expected a selector such as app=web,color=blue"),
        next: "record the release again: lastgood record".to_owned(),
    }
}
