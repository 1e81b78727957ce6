//! The services of one stack of a swarm: what [`project`](super::project) and its neighbours are for a Compose project. The swarm
//! itself replaces the containers; here its wish is changed, and it is told what came of it. Judgment is `decide::swarm`'s.

mod apply;
mod attend;
mod evidence;
mod follow;
mod hazards;
mod preflight;
mod reference;
mod revision;
mod service;
mod stack;

pub(super) use apply::apply;
pub(super) use attend::attend;
pub(super) use evidence::gather;
pub(super) use hazards::hazards;
pub(super) use preflight::{findings, guard};

use super::Compose;
use crate::decide::swarm;
use crate::model::release::Pin;
use crate::model::state::{Held, Phase, Revision, Slot, State};
use crate::targets::TargetError;
use indexmap::IndexMap;
use serde_json::json;
use service::Service;
use std::collections::BTreeMap;

/// What every service of the stack holds. Services that are jobs are left out: they end, and hold nothing.
pub(super) async fn state(compose: &Compose) -> Result<State, TargetError> {
    let looked = stack::read(compose).await?;
    let found = async |service: &Service| {
        let held = held(compose, service).await?;
        Ok::<_, TargetError>((service.slot.clone(), held))
    };
    futures_util::future::try_join_all(looked.values().map(found))
        .await
        .map(|held| held.into_iter().collect())
}

/// What one service holds; `None` when the stack has no such service.
pub(super) async fn one(compose: &Compose, slot: &Slot) -> Result<Option<Held>, TargetError> {
    match stack::one(compose, slot).await? {
        Some(service) => held(compose, &service).await.map(Some),
        None => Ok(None),
    }
}

async fn held(compose: &Compose, service: &Service) -> Result<Held, TargetError> {
    let found = revision::of(compose, service).await?;
    Ok(Held {
        revision: Some(found.revision),
        phase: swarm::phase(&service.seen),
    })
}

/// What a service runs now, to say what of a file of images is its.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Running {
    /// The image as the service asks for it, with its digest where that is known.
    pub(super) reference: String,
    pub(super) revision: Revision,
}

/// What every service of the stack runs.
pub(super) async fn running(compose: &Compose) -> Result<BTreeMap<Slot, Running>, TargetError> {
    let mut running = BTreeMap::new();
    for service in stack::read(compose).await?.into_values() {
        let found = revision::of(compose, &service).await?;
        let reference = service.seen.image.clone();
        let revision = found.revision;
        running.insert(
            service.slot.clone(),
            Running {
                reference,
                revision,
            },
        );
    }
    Ok(running)
}

/// What is written down of every service: its image by digest, and as it was asked for.
///
/// # Errors
/// `Refused` when an update is not done, or when nobody can prove which image a tag stands for.
pub(super) async fn pins(compose: &Compose) -> Result<IndexMap<Slot, Pin>, TargetError> {
    let mut pins = IndexMap::new();
    for service in stack::read(compose).await?.into_values() {
        let full = &service.name;
        match swarm::phase(&service.seen) {
            Phase::Running if service.seen.is_up() => (),
            Phase::Running | Phase::Moving | Phase::Stopped => {
                return Err(TargetError::Refused {
                    what: format!("{full}: its update is not done, or not all of it runs"),
                    allow: None,
                    next: format!(
                        "wait until `docker service ps {full}` shows all tasks running, then record"
                    ),
                });
            }
        }
        let found = revision::of(compose, &service).await?;
        if let Some(why) = found.unproven {
            return Err(TargetError::Refused {
                what: format!("{full}: {why}"),
                allow: None,
                next: "deploy the stack with `--resolve-image always` (the default), so that its services name digests".to_owned(),
            });
        }
        let images = reference::pinned(&service.seen.image, &found.revision);
        let pin = Pin {
            revision: found.revision,
            payload: None,
            images: images.into_iter().collect(),
            recorded: Some(json!({
                "image": service.seen.image,
                "service": full,
                "replicas": service.seen.replicas,
            })),
        };
        pins.insert(service.slot.clone(), pin);
    }
    Ok(pins)
}
