//! What every service runs.

use super::engine::Engine;
use super::image::{Image, local, name};
use super::project::{self, Project, Replica, Service};
use super::{Compose, absent, container};
use crate::decide::compose::{Doing, Job, job};
use crate::model::state::{Held, Phase, Revision, Slot, State};
use crate::targets::TargetError;
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

/// Images by their id; one that the engine has dropped is not in it.
type Images = BTreeMap<String, Image>;

/// The project at one look: its containers, and the images that they run.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) project: Project,
    pub(super) images: Images,
    /// Services whose good end others wait for.
    pub(super) awaited: BTreeSet<String>,
    /// Services that ran when the release at hand was recorded.
    pub(super) ran: BTreeSet<String>,
}

impl Look {
    /// The service that a slot is.
    pub(super) fn service(&self, slot: &Slot) -> Option<&Service> {
        self.project.get(project::name(slot))
    }

    /// What a container runs, by the repository that it names.
    pub(super) fn canonical(&self, replica: &Replica) -> Revision {
        let known = self.images.get(&replica.image_id).map(Image::repo_digests);
        name::canonical(
            &replica.image_id,
            &known.unwrap_or_default(),
            &replica.image,
        )
    }

    /// Whether what a container runs is what a revision names.
    fn answers(&self, replica: &Replica, revision: &Revision) -> bool {
        let image = self.images.get(&replica.image_id);
        replica.image_id == revision.0 || image.is_some_and(|image| image.answers(revision))
    }

    /// What a service holds. `wanted`: what was asked for lately, which is told of an image that has several names.
    pub(super) fn held(&self, service: &Service, wanted: &[Revision]) -> Held {
        let replicas = standing(service);
        let asked = wanted.iter().find(|revision| {
            replicas
                .iter()
                .all(|replica| self.answers(replica, revision))
        });
        let mut found: Vec<Revision> = replicas.iter().map(|one| self.canonical(one)).collect();
        found.sort();
        found.dedup();
        let revision = match (asked, found.as_slice()) {
            (_, []) => None,
            (Some(asked), _) => Some(asked.clone()),
            (None, [one]) => Some(one.clone()),
            (None, several) => Some(name::mixed(several)),
        };
        let is_done = self.job(service) == Job::Done;
        Held {
            revision,
            phase: phase(service, is_done),
        }
    }

    /// What a service is doing, if it is a job. Unless others wait for its end, one is none that ran when the release was recorded (a worker
    /// that ends with code 0 has ended all the same), or that a change was left in the middle of.
    pub(super) fn job(&self, service: &Service) -> Job {
        let replicas = standing(service);
        let name = replicas.first().map(|replica| replica.service.as_str());
        let is_awaited = name.is_some_and(|name| self.awaited.contains(name));
        let has_run = name.is_some_and(|name| self.ran.contains(name));
        if !is_awaited && (has_run || !service.aside.is_empty()) {
            return Job::No;
        }
        let doing: Vec<Doing> = replicas.iter().map(container::doing).collect();
        job(is_awaited, &doing)
    }
}

/// Those that have the service's names; while none has, those that a change put aside.
pub(super) fn standing(service: &Service) -> &[Replica] {
    if service.replicas.is_empty() {
        &service.aside
    } else {
        &service.replicas
    }
}

/// At work only when every replica is and no change was left in the middle.
fn phase(service: &Service, is_done: bool) -> Phase {
    let is_up = |replica: &Replica| replica.is_running && !replica.is_restarting;
    let is_whole = service.aside.is_empty() && !service.replicas.is_empty();
    if is_whole && (is_done || service.replicas.iter().all(is_up)) {
        Phase::Running
    } else {
        Phase::Stopped
    }
}

/// Looks at the whole project.
///
/// # Errors
/// `Refused` when the engine has no container of it, or of a service that the settings name.
pub(super) async fn look(compose: &Compose, engine: &Engine) -> Result<Look, TargetError> {
    let name = compose.settings.project.clone().unwrap_or_default();
    let project = project::read(compose, engine, &name).await?;
    let named = &compose.settings.services;
    let missing: Vec<String> = named
        .iter()
        .filter(|service| !project.contains_key(*service))
        .cloned()
        .collect();
    if project.is_empty() || !missing.is_empty() {
        return Err(absent::told(compose, engine, &name, &missing).await);
    }
    let all = project
        .values()
        .flat_map(|of| of.replicas.iter().chain(&of.aside));
    let ids: BTreeSet<String> = all.map(|replica| replica.image_id.clone()).collect();
    let asked = ids.into_iter().map(|id| async move {
        let raw = local::inspect(engine, &id).await?;
        Ok::<_, TargetError>(raw.and_then(|raw| Some((id.clone(), Image::read(raw, id)?))))
    });
    let images = try_join_all(asked).await?;
    let look = Look {
        project,
        images: images.into_iter().flatten().collect(),
        awaited: compose.memory.awaited(),
        ran: compose.memory.ran(),
    };
    remember(compose, &look);
    Ok(look)
}

/// Under which names what runs now can be had again.
fn remember(compose: &Compose, look: &Look) {
    let found: Vec<Slot> = look.project.keys().cloned().map(Slot).collect();
    for slot in &found {
        let Some(service) = look.service(slot) else {
            continue;
        };
        if look.job(service) != Job::No {
            compose.memory.keep_job(&slot.0);
        }
        for replica in standing(service) {
            let revision = look.canonical(replica);
            let known = look.images.get(&replica.image_id).map(Image::repo_digests);
            let known = known.unwrap_or_default();
            if known.is_empty() {
                compose.memory.keep_built(&revision);
            }
            compose.memory.keep_names(slot, &revision, &known);
            if let Some(repository) = name::repository_of(&replica.image) {
                compose.memory.keep_repository(slot, repository);
            }
        }
    }
    *compose.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
}

pub(super) async fn all(compose: &Compose) -> Result<State, TargetError> {
    let look = look(compose, compose.engine().await?).await?;
    let mut state = State::new();
    for slot in compose.known() {
        if let Some(service) = look.service(&slot) {
            let held = look.held(service, &compose.memory.wanted(&slot));
            state.insert(slot, held);
        }
    }
    Ok(state)
}

pub(super) async fn one(compose: &Compose, slot: &Slot) -> Result<Option<Held>, TargetError> {
    Ok(all(compose).await?.shift_remove(slot))
}

#[cfg(test)]
mod tests;
