//! Images: which one a revision means, whether it can be had, and getting it onto the engine before anything is touched.
//! No container that serves is changed here.

pub(super) mod credentials;
pub(super) mod keep;
pub(super) mod local;
pub(super) mod name;
pub(super) mod platform;
pub(super) mod presence;
mod pull;
mod trouble;

use super::Compose;
use super::engine::Engine;
use crate::model::release::Pin;
use crate::model::state::{Revision, Slot};
use crate::targets::images_file::digest;
use crate::targets::registry::Reference;
use crate::targets::{ReleaseFacts, TargetError};
use serde_json::Value;

/// An image that is on the engine.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Image {
    /// `sha256:...`
    pub(super) id: String,
    /// What containers are created from: `NAME@sha256:...`, or the id of an image that is in no registry.
    pub(super) reference: String,
    /// All that the engine said of it (`GET /images/ID/json`).
    pub(super) raw: Value,
}

impl Image {
    pub(super) fn read(raw: Value, reference: String) -> Option<Self> {
        let id = raw.get("Id")?.as_str()?.to_owned();
        Some(Self { id, reference, raw })
    }

    /// Whether its id or one of its digests is this revision.
    pub(super) fn answers(&self, revision: &Revision) -> bool {
        answers(&self.id, &self.raw, revision)
    }

    /// `NAME@sha256:...`, in every registry that it is known to come from.
    pub(super) fn repo_digests(&self) -> Vec<String> {
        local::entries(&self.raw)
    }
}

fn answers(id: &str, raw: &Value, revision: &Revision) -> bool {
    let is_named = |entry: &String| digest(entry) == Some(&revision.0);
    id == revision.0 || local::entries(raw).iter().any(is_named)
}

/// The image that a slot's revision means, pulled when the engine lacks it. Changes no container.
///
/// # Errors
/// `BadRelease` or `Refused` when it cannot be had; nothing was touched then.
pub(super) async fn fetch(
    compose: &Compose,
    engine: &Engine,
    slot: &Slot,
    revision: &Revision,
    facts: &ReleaseFacts<'_>,
) -> Result<Image, TargetError> {
    name::check(slot, revision)?;
    let pin = facts.pin(slot).filter(|pin| pin.revision == *revision);
    let names = names(compose, slot, revision, pin);
    if let Some(image) = local::find(engine, revision, &names).await? {
        return Ok(image);
    }
    if names.is_empty() {
        return Err(gone(compose, engine, slot, revision));
    }
    let platform = match pin.and_then(platform::recorded) {
        Some(recorded) => platform::foreign(engine, &recorded).await?,
        None => None,
    };
    let mut first = None;
    for name in &names {
        let pulled = pull::pull(compose, engine, slot, name, platform.as_ref(), facts.story).await;
        match pulled {
            Ok(()) => {
                let image = local::find(engine, revision, &names).await?;
                return image.ok_or_else(|| unlike(slot, name));
            }
            // Another name of the same digest is the same image.
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| gone(compose, engine, slot, revision)))
}

/// Under which names a revision can be had: as it was recorded, as the file of images or an earlier look named it, and in the
/// repository of what runs.
pub(super) fn names(
    compose: &Compose,
    slot: &Slot,
    revision: &Revision,
    pin: Option<&Pin>,
) -> Vec<String> {
    let recorded = pin.into_iter().flat_map(|pin| pin.images.iter().cloned());
    if pin.is_some_and(is_built) {
        compose.memory.keep_built(revision);
    }
    let is_built = compose.memory.is_built(revision);
    let here = compose.memory.repository(slot).filter(|_| !is_built);
    let here = here.map(|repository| format!("{repository}@{revision}"));
    let mut names: Vec<String> = Vec::new();
    for name in recorded
        .chain(compose.memory.names(slot, revision))
        .chain(here)
    {
        let is_reference = name.parse::<Reference>().is_ok();
        if digest(&name) == Some(&revision.0) && is_reference && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Whether a pin is of an image that is in no registry.
pub(super) fn is_built(pin: &Pin) -> bool {
    let recorded = pin.recorded.as_ref();
    let built = recorded.and_then(|recorded| recorded.get("built")?.as_bool());
    built.unwrap_or_default()
}

/// Nothing has it, and no registry could.
pub(super) fn gone(
    compose: &Compose,
    engine: &Engine,
    slot: &Slot,
    revision: &Revision,
) -> TargetError {
    let short = revision.short();
    let at = engine.at();
    if compose.memory.is_built(revision) {
        return TargetError::BadRelease {
            what: format!(
                "{slot}: image {short} was built on an engine, so that it is in no registry, and the engine at {at} does not have it"
            ),
            next: "deploy that commit again; for the next time push images to a registry, or keep `docker system prune` off what has the label lastgood.keeps".to_owned(),
        };
    }
    TargetError::BadRelease {
        what: format!(
            "{slot}: the engine at {at} does not have image {short}, and nothing says in which registry it is"
        ),
        next: "name a release that was recorded with this target: --run-id".to_owned(),
    }
}

fn unlike(slot: &Slot, name: &str) -> TargetError {
    TargetError::Failed(anyhow::anyhow!(
        "{slot}: the engine has pulled {name}, and does not list it"
    ))
}

/// Whether an image (by id) is the one that a revision names. An image that the engine has dropped answers to its id alone.
pub(super) async fn answers_to(
    engine: &Engine,
    image_id: &str,
    revision: &Revision,
) -> Result<bool, TargetError> {
    if image_id == revision.0 {
        return Ok(true);
    }
    let raw = local::inspect(engine, image_id).await?;
    Ok(raw.is_some_and(|raw| answers(image_id, &raw, revision)))
}
