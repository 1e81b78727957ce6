//! HTTPRoutes of the Gateway API as slots: who gets how much of the traffic. The revision is the weights; nothing else of a
//! route is read or written. What the backends run is not looked at here.

mod path;
mod weights;

use super::Kubernetes;
use super::cluster::{Cluster, failed};
use super::edit::{Edited, TRIES_MAX, edit};
use super::live::Live;
use super::served::served;
use super::slots::Place;
use crate::model::plan::Change;
use crate::model::release::Pin;
use crate::model::state::{Held, Phase, Revision, Slot};
use crate::targets::{ReleaseFacts, TargetError, Time};
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::Config;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;
use weights::Weights;

/// Gateways take new weights within seconds.
const GATEWAY_WAIT_MAX: Duration = Duration::from_mins(1);

/// The weights that a route has now, `None` when there is no such route.
///
/// # Errors
/// `Refused` when the cluster has no Gateway API, or the route's weights cannot be told.
pub(super) async fn observe(
    kubernetes: &Kubernetes,
    place: &Place,
) -> Result<Option<Held>, TargetError> {
    let routes = routes(kubernetes.cluster().await?, place).await?;
    let Some(route) = read(&routes, place).await? else {
        return Ok(None);
    };
    Ok(Some(Held {
        revision: Some(weights_of(&route, place)?.revision()),
        phase: Phase::Running,
    }))
}

/// Sets the weights, and waits until the gateways that report have taken them.
///
/// # Errors
/// `Refused` when its backends are others than the wanted ones, or when Flagger or Argo Rollouts drives it; `Conflict` when
/// it no longer holds what the plan saw: nothing was changed. `Unhealthy` when a gateway does not take them.
pub(super) async fn apply(
    kubernetes: &Kubernetes,
    place: &Place,
    change: &Change,
    facts: &ReleaseFacts<'_>,
) -> Result<(), TargetError> {
    let slot = change.slot();
    let wanted = Weights::parse(change.to()).ok_or_else(|| unreadable(slot, change.to()))?;
    let routes = routes(kubernetes.cluster().await?, place).await?;
    let what = format!("could not set the weights of {place}");
    for _ in 0..TRIES_MAX {
        let route = read(&routes, place).await?.ok_or_else(|| missing(place))?;
        let now = weights_of(&route, place)?;
        let wanted = wanted
            .ordered_as(&now)
            .ok_or_else(|| differ(slot, &now, &wanted))?;
        if now == wanted {
            return taken(
                &routes,
                slot,
                &route,
                kubernetes.settings.rollout_deadline.0,
            )
            .await;
        }
        holds(slot, &now, change.from())?;
        not_driven(slot, &route)?;
        match edit(&routes, &route, operations(&route, &now, &wanted), &what).await? {
            Edited::Done(after) => {
                if let Some(story) = facts.story {
                    story.progress(slot, &format!("traffic goes to {}", wanted.revision()));
                }
                return taken(
                    &routes,
                    slot,
                    &after,
                    kubernetes.settings.rollout_deadline.0,
                )
                .await;
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

/// The weights between, in the configured steps. Empty for a change that is made at once.
pub(super) fn path(kubernetes: &Kubernetes, change: &Change) -> Vec<Revision> {
    let from = change.from().and_then(Weights::parse);
    let (Some(from), Some(to)) = (from, Weights::parse(change.to())) else {
        return Vec::new();
    };
    let steps = path::between(&from, &to, &kubernetes.settings.steps);
    steps.iter().map(Weights::revision).collect()
}

/// What `record` writes down of a route.
pub(super) async fn record(kubernetes: &Kubernetes, place: &Place) -> Result<Pin, TargetError> {
    let routes = routes(kubernetes.cluster().await?, place).await?;
    let route = read(&routes, place).await?.ok_or_else(|| missing(place))?;
    let weights = weights_of(&route, place)?;
    let rules: Vec<Value> = weights
        .0
        .iter()
        .map(|rule| {
            rule.iter()
                .map(|(name, weight)| (name.clone(), json!(weight)))
                .collect()
        })
        .map(Value::Object)
        .collect();
    Ok(Pin {
        revision: weights.revision(),
        payload: None,
        images: Vec::new(),
        recorded: Some(json!({"rules": rules})),
    })
}

/// The routes of a namespace, in the newest version that the server has.
async fn routes(cluster: &Cluster, place: &Place) -> Result<Api<DynamicObject>, TargetError> {
    const GROUP: &str = "gateway.networking.k8s.io";
    match served(cluster, GROUP, &["v1", "v1beta1"], "HTTPRoute").await? {
        Some(resource) => Ok(Api::namespaced_with(
            cluster.client.clone(),
            &place.namespace,
            &resource,
        )),
        None => Err(TargetError::Refused {
            what: format!(
                "{place} cannot be read: the cluster has no HTTPRoute in {GROUP} v1 or v1beta1"
            ),
            allow: None,
            next: "install the Gateway API in the cluster, or take the route out of the slots"
                .to_owned(),
        }),
    }
}

async fn read(
    routes: &Api<DynamicObject>,
    place: &Place,
) -> Result<Option<DynamicObject>, TargetError> {
    let found = routes.get_opt(&place.name).await;
    found.map_err(|error| failed(error, &format!("could not read {place}")))
}

fn weights_of(route: &DynamicObject, place: &Place) -> Result<Weights, TargetError> {
    Weights::of(&route.data, &place.namespace).map_err(|what| TargetError::Refused {
        what: format!("{place} is no slot: {what}"),
        allow: None,
        next: "take it out of the slots, or give each backend its own name or port".to_owned(),
    })
}

/// Sets what differs, where each backend still has its name.
fn operations(route: &DynamicObject, now: &Weights, wanted: &Weights) -> Vec<Value> {
    let mut operations = Vec::new();
    for (rule, (old, new)) in now.0.iter().zip(&wanted.0).enumerate() {
        for (index, ((_, old), (_, new))) in old.iter().zip(new).enumerate() {
            if old == new {
                continue;
            }
            let path = format!("/spec/rules/{rule}/backendRefs/{index}");
            let name = route.data.pointer(&format!("{path}/name"));
            operations.push(json!({"op": "test", "path": format!("{path}/name"), "value": name}));
            // `add` sets a member whether it is there or not.
            operations.push(json!({"op": "add", "path": format!("{path}/weight"), "value": new}));
        }
    }
    operations
}

/// Waits until every gateway that reports which generation it has seen has taken this one.
async fn taken(
    routes: &Api<DynamicObject>,
    slot: &Slot,
    route: &DynamicObject,
    deadline: Duration,
) -> Result<(), TargetError> {
    let generation = route.metadata.generation.unwrap_or_default();
    if pending(route, generation).is_empty() {
        return Ok(());
    }
    let wait = deadline.min(GATEWAY_WAIT_MAX);
    let name = route.metadata.name.as_deref().unwrap_or_default();
    let config = Config::default().fields(&format!("metadata.name={name}"));
    let mut live = Live::of(
        routes.clone(),
        config,
        Instant::now() + wait,
        "could not watch the route",
    );
    let mut waits_for = pending(route, generation);
    while let Some(routes) = live.next().await? {
        let Some(route) = routes.first() else {
            continue;
        };
        waits_for = pending(route, generation);
        if waits_for.is_empty() {
            return Ok(());
        }
    }
    Err(TargetError::Unhealthy {
        what: format!(
            "{slot} has its weights, and after {} no answer about them has come from {}",
            Time(wait),
            waits_for.join(", ")
        ),
        advice: "look at the conditions of the HTTPRoute and at its gateway".to_owned(),
    })
}

/// Controllers that report generations, and have not accepted this one.
fn pending(route: &DynamicObject, generation: i64) -> Vec<String> {
    let parents = route
        .data
        .pointer("/status/parents")
        .and_then(Value::as_array);
    let lags = |parent: &&Value| {
        let conditions = parent.get("conditions").and_then(Value::as_array);
        conditions.into_iter().flatten().any(|condition| {
            let seen = condition.get("observedGeneration").and_then(Value::as_i64);
            condition["type"] == "Accepted"
                && seen.is_some_and(|seen| seen < generation || condition["status"] != "True")
        })
    };
    parents
        .into_iter()
        .flatten()
        .filter(lags)
        .map(|parent| {
            parent["controllerName"]
                .as_str()
                .unwrap_or("a gateway")
                .to_owned()
        })
        .collect()
}

/// Compare before set.
fn holds(slot: &Slot, now: &Weights, from: Option<&Revision>) -> Result<(), TargetError> {
    let now = now.revision();
    match from {
        Some(from) if *from == now => Ok(()),
        _ => Err(TargetError::Conflict {
            slot: slot.clone(),
            found: now.0,
            expected: from.map_or("nothing".to_owned(), |from| from.0.clone()),
        }),
    }
}

/// A controller that moves the weights itself would move them again.
fn not_driven(slot: &Slot, route: &DynamicObject) -> Result<(), TargetError> {
    let owners = route.metadata.owner_references.iter().flatten();
    let of_owners = owners.map(|owner| format!("{} {}", owner.api_version, owner.kind));
    let marks = [&route.metadata.labels, &route.metadata.annotations];
    let of_marks = marks
        .into_iter()
        .flatten()
        .flatten()
        .map(|(key, value)| format!("{key}={value}"));
    let writers = route.metadata.managed_fields.iter().flatten();
    let of_writers = writers.filter_map(|fields| fields.manager.clone());
    let mut signs = of_owners
        .chain(of_marks)
        .chain(of_writers)
        .map(|sign| sign.to_ascii_lowercase());
    let driver = signs.find_map(|sign| {
        if sign.contains("flagger") {
            Some(("Flagger", "let its Canary fail or delete the Canary"))
        } else if sign.contains("rollouts.argoproj.io")
            || sign.starts_with("argoproj.io/") && sign.ends_with(" rollout")
            || sign.contains("argo-rollouts")
            || sign.contains("rollouts-controller")
        {
            Some(("Argo Rollouts", "abort its Rollout"))
        } else {
            None
        }
    });
    match driver {
        None => Ok(()),
        Some((driver, advice)) => Err(TargetError::Refused {
            what: format!("{slot} is driven by {driver}, which would move the weights again"),
            allow: None,
            next: format!("{advice}, and take the route out of the slots"),
        }),
    }
}

fn differ(slot: &Slot, now: &Weights, wanted: &Weights) -> TargetError {
    TargetError::Refused {
        what: format!(
            "{slot} has other backends: found {}, expected {}",
            now.revision(),
            wanted.revision()
        ),
        allow: None,
        next: "put the route's backends back as they were, or record the release again".to_owned(),
    }
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
        what: format!(
            "found {found} for {slot}, expected weights such as rule0:stable=100,canary=0"
        ),
        next: "record the release again: lastgood record".to_owned(),
    }
}

#[cfg(test)]
mod tests;
