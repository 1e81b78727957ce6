//! Which digest a service runs: by its spec where that names one, else by the container of a task on this node, else by no digest at
//! all: what the registry has under the tag now proves nothing.

use super::service::Service;
use super::stack;
use crate::decide::swarm::{TaskState, digest_of};
use crate::model::state::Revision;
use crate::targets::TargetError;
use crate::targets::compose::Compose;
use crate::targets::compose::engine::{Engine, EngineError};
use crate::targets::registry::Reference;
use serde_json::Value;

/// What a service runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) revision: Revision,
    /// Why nobody can say for certain that it is this one.
    pub(super) unproven: Option<String>,
}

pub(super) async fn of(compose: &Compose, service: &Service) -> Result<Found, TargetError> {
    let image = &service.seen.image;
    if let Some(digest) = digest_of(image) {
        return Ok(Found {
            revision: Revision(digest.to_owned()),
            unproven: None,
        });
    }
    let engine = compose.engine().await?;
    if let Some(revision) = on_this_node(engine, service).await? {
        return Ok(Found {
            revision,
            unproven: None,
        });
    }
    // What its tag stands for now may be another image than what runs. So it is called by its name, which equals no revision that is ever
    // wanted: a plan gives it one.
    Ok(Found {
        revision: Revision(image.clone()),
        unproven: Some(format!(
            "it asks for {image} without a digest, and no task of it runs on this node, so that nobody can say which image it runs"
        )),
    })
}

/// What a container of it on this node really runs.
async fn on_this_node(engine: &Engine, service: &Service) -> Result<Option<Revision>, TargetError> {
    let of = format!("what {} runs", service.name);
    let reading = |error: EngineError| error.reading(&of);
    let placed = stack::tasks(engine, std::slice::from_ref(service)).await?;
    for placed in placed {
        let runs =
            placed.task.state == TaskState::Running && placed.task.image == service.seen.image;
        let Some(container) = placed.container.filter(|_| runs) else {
            continue;
        };
        let raw = match engine.get(&format!("/containers/{container}/json")).await {
            Ok(raw) => raw,
            // On another node, or gone.
            Err(error) if error.is_absent() => continue,
            Err(error) => return Err(reading(error)),
        };
        let Some(id) = raw.get("Image").and_then(Value::as_str) else {
            continue;
        };
        let image = match engine.get(&format!("/images/{id}/json")).await {
            Ok(image) => image,
            Err(error) if error.is_absent() => continue,
            Err(error) => return Err(reading(error)),
        };
        return Ok(Some(canonical(&image, id, &service.seen.image)));
    }
    Ok(None)
}

/// The digest of the repository that is asked for, else the first, else the id of an image that is in no registry.
fn canonical(image: &Value, id: &str, asked: &str) -> Revision {
    let entries = image.get("RepoDigests").and_then(Value::as_array);
    let entries: Vec<&str> = entries
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let repository = |text: &str| {
        let reference = text.parse::<Reference>().ok();
        reference.map(|it| (it.registry().to_owned(), it.repository().to_owned()))
    };
    let wanted = repository(asked);
    let named = entries.iter().find(|entry| repository(entry) == wanted);
    let digest = named.or(entries.first()).and_then(|entry| digest_of(entry));
    Revision(digest.unwrap_or(id).to_owned())
}
