//! One change of one service: its spec gets another image, and the swarm is followed until it has done it. The spec names the version
//! it was read at, so that nothing that somebody else changed meanwhile is overwritten. `rollback=previous` is never asked for: after
//! the swarm went back by itself there is no previous spec, and before it nobody knows which one it is.

use super::service::Service;
use super::{follow, hazards, reference, revision, stack};
use crate::decide::swarm;
use crate::model::plan::Change;
use crate::model::state::{Phase, Slot};
use crate::targets::compose::Compose;
use crate::targets::compose::engine::EngineError;
use crate::targets::compose::image::credentials;
use crate::targets::{ReleaseFacts, TargetError};
use serde_json::Value;

/// Puts the image of a change in place, and waits until the tasks of the service run it.
///
/// # Errors
/// `Conflict` when somebody else changed the service; `BadRelease` or `Refused` when the image cannot be had, and nothing was changed
/// then; `Unhealthy` when the swarm gave up or went back.
pub(in crate::targets::compose) async fn apply(
    compose: &Compose,
    change: &Change,
    facts: &ReleaseFacts<'_>,
) -> Result<(), TargetError> {
    let slot = change.slot();
    let to = change.to();
    let service = stack::one(compose, slot)
        .await?
        .ok_or_else(|| TargetError::Conflict {
            slot: slot.clone(),
            found: "no such service".to_owned(),
            expected: to.0.clone(),
        })?;
    let found = revision::of(compose, &service).await?.revision;
    if found == *to {
        match swarm::phase(&service.seen) {
            Phase::Running => return Ok(()),
            // Under way by an earlier try of ours, or by whoever wants the same.
            Phase::Moving => (),
            // The swarm gave up on it, and goes on when it is asked for the same again.
            Phase::Stopped => {
                let image = service.seen.image.clone();
                hazards::can_be_had(compose, slot, &image, facts.story).await?;
                update(compose, &service, &image).await?;
            }
        }
    } else if Some(&found) == change.from() {
        let pin = facts.pin(slot);
        let image = reference::wanted(slot, &service.seen.image, to, pin)?;
        hazards::can_be_had(compose, slot, &image, facts.story).await?;
        update(compose, &service, &image).await?;
    } else {
        return Err(TargetError::Conflict {
            slot: slot.clone(),
            found: found.0,
            expected: change
                .from()
                .map_or_else(|| "nothing".to_owned(), |it| it.0.clone()),
        });
    }
    follow::follow(compose, &service, to, facts.story).await
}

/// Asks for the spec with this image. Never twice: an answer that was lost is settled by looking.
async fn update(compose: &Compose, service: &Service, image: &str) -> Result<(), TargetError> {
    let Service { slot, name, id, .. } = service;
    let engine = compose.engine().await?;
    let spec = service
        .with_image(image)
        .ok_or_else(|| unreadable(service))?;
    let version = service.version;
    let path = format!("/services/{id}/update?version={version}");
    let login = credentials::of(compose, image)?;
    let of = format!("could not put {image} in place in {name}");
    match engine.post_as(&path, &spec, login.as_ref()).await {
        Ok(said) => {
            for warning in warnings(&said) {
                tracing::warn!(service = name, warning, "the swarm warns");
            }
            Ok(())
        }
        Err(error) if is_outrun(&error) => Err(conflict(compose, slot, version).await),
        Err(error) if error.code() == Some(403) => Err(TargetError::Refused {
            what: format!("{of}: {error}"),
            allow: None,
            next: "let the proxy of the engine's socket pass POST /services".to_owned(),
        }),
        Err(error) => match error.changing(&of) {
            TargetError::OutcomeUnknown { what } => settle(compose, service, image, what).await,
            other => Err(other),
        },
    }
}

/// The answer was lost: the spec tells whether it was taken.
async fn settle(
    compose: &Compose,
    before: &Service,
    image: &str,
    what: String,
) -> Result<(), TargetError> {
    match stack::one(compose, &before.slot).await {
        Ok(Some(now)) if before.version < now.version && now.seen.image == image => Ok(()),
        Ok(_) | Err(_) => Err(TargetError::OutcomeUnknown { what }),
    }
}

/// The swarm compares versions, and says so with a code that older engines take for everything (500).
fn is_outrun(error: &EngineError) -> bool {
    error.code() == Some(409) || error.to_string().contains("out of sequence")
}

async fn conflict(compose: &Compose, slot: &Slot, version: u64) -> TargetError {
    let now = stack::one(compose, slot).await.ok().flatten();
    let found = now.map_or_else(
        || "a newer version".to_owned(),
        |now| format!("version {} with {}", now.version, now.seen.image),
    );
    TargetError::Conflict {
        slot: slot.clone(),
        found,
        expected: format!("version {version}"),
    }
}

fn unreadable(service: &Service) -> TargetError {
    TargetError::Refused {
        what: format!("{}: its spec has no image", service.name),
        allow: None,
        next: "take it out of `services`: it runs no containers".to_owned(),
    }
}

fn warnings(said: &Value) -> impl Iterator<Item = &str> {
    let warnings = said.get("Warnings").and_then(Value::as_array);
    warnings.into_iter().flatten().filter_map(Value::as_str)
}
