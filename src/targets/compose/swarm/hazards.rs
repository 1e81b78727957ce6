//! The last look before a plan is permitted: every image can be had, and what the services will do by themselves is told.

use super::service::Service;
use super::{reference, revision, stack};
use crate::model::plan::{Change, Hazard, Plan};
use crate::model::state::Slot;
use crate::targets::compose::Compose;
use crate::targets::compose::engine::EngineError;
use crate::targets::compose::image::credentials;
use crate::targets::{ReleaseFacts, Story, TargetError};
use serde_json::Value;

/// Nothing that a service of a swarm would do beyond its revision needs a permission; what cannot be done is refused here.
///
/// # Errors
/// `BadRelease` or `Refused` when an image cannot be had.
pub(in crate::targets::compose) async fn hazards(
    compose: &Compose,
    plan: &Plan,
    facts: &ReleaseFacts<'_>,
) -> Result<Vec<Hazard>, TargetError> {
    let services = stack::read(compose).await?;
    for change in &plan.changes {
        let Some(service) = services.get(change.slot()) else {
            continue;
        };
        tell(compose, service, facts).await?;
        match change {
            Change::Install { slot, from: _, to } => {
                let pin = facts.pin(slot);
                let image = reference::wanted(slot, &service.seen.image, to, pin)?;
                can_be_had(compose, slot, &image, facts.story).await?;
            }
            Change::Start { slot, revision: _ } => {
                can_be_had(compose, slot, &service.seen.image, facts.story).await?;
            }
        }
    }
    Ok(Vec::new())
}

async fn tell(
    compose: &Compose,
    service: &Service,
    facts: &ReleaseFacts<'_>,
) -> Result<(), TargetError> {
    let Some(story) = facts.story else {
        return Ok(());
    };
    let name = &service.name;
    if service.failure_action() == "rollback" {
        let text = format!(
            "{name} has failure_action rollback: when its tasks fail, the swarm puts the present image back by itself, and that counts as a failed change"
        );
        story.progress(&service.slot, &text);
    }
    if service.has_host_ports() && service.starts_first() {
        let text = format!(
            "{name} publishes a port of its nodes (mode: host) with order start-first: on a node with one task the new one cannot start"
        );
        story.warn(&service.slot, &text);
    }
    if let Some(why) = revision::of(compose, service).await?.unproven {
        story.warn(&service.slot, &format!("{name}: {why}"));
    }
    Ok(())
}

/// Whether the nodes can have an image: by asking its registry through the engine; else it is enough that the only node has it. That it
/// cannot be told is a warning: the nodes may have it, and a registry that is away is no reason to leave the bad release in place.
///
/// # Errors
/// `BadRelease` when the registry says that it is gone.
pub(super) async fn can_be_had(
    compose: &Compose,
    slot: &Slot,
    image: &str,
    story: Option<&dyn Story>,
) -> Result<(), TargetError> {
    if !compose.settings.check_images {
        return Ok(());
    }
    let engine = compose.engine().await?;
    let login = credentials::of(compose, image)?;
    let is_given = login.is_some();
    let asked = engine.api().inspect_registry_image(image, login).await;
    let Err(error) = asked.map_err(EngineError::from) else {
        return Ok(());
    };
    if is_on_the_only_node(compose, image).await {
        return Ok(());
    }
    let next = match error.code() {
        Some(404) => {
            return Err(TargetError::BadRelease {
                what: format!("{slot}: {image} cannot be had: {error}"),
                next: "push that image again by its digest, or name another release".to_owned(),
            });
        }
        Some(401 | 403) if is_given => "; give a login that may pull this image",
        Some(401 | 403) => "; give the login of its registry in the input registry-auth",
        Some(_) | None => "",
    };
    if let Some(story) = story {
        let line = format!("it is not known whether the nodes can have {image}: {error}{next}");
        story.warn(slot, &line);
    }
    Ok(())
}

/// A swarm of one node starts what that node has, whatever the registry says.
async fn is_on_the_only_node(compose: &Compose, image: &str) -> bool {
    let Ok(engine) = compose.engine().await else {
        return false;
    };
    let Ok(info) = engine.info().await else {
        return false;
    };
    let nodes = info.pointer("/Swarm/Nodes").and_then(Value::as_u64);
    nodes == Some(1) && engine.get(&format!("/images/{image}/json")).await.is_ok()
}
