//! Containers that stand on one that is replaced: those in its namespaces, which are created again in those of the new one, and those that
//! Compose restarts after it.

use super::calls;
use super::replace;
use super::settle::settle_all;
use super::site::{Site, short};
use crate::model::state::Slot;
use crate::targets::TargetError;
use crate::targets::compose::engine::{Engine, EngineError};
use crate::targets::compose::image::Image;
use crate::targets::compose::project::{self, DEPENDS_ON, PROJECT, Replica};
use crate::targets::compose::{Compose, order};
use bollard::query_parameters::ListContainersOptions;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::PoisonError;

/// Where a container can be in the namespace of another one.
const MODES: [&str; 3] = ["NetworkMode", "PidMode", "IpcMode"];

/// Containers that stand on another one.
#[derive(Debug, Default)]
pub(super) struct Dependents {
    /// In its namespaces.
    pub(super) sharers: Vec<Replica>,
    /// Restarted after it, those that others depend on first.
    pub(super) restarts: Vec<Replica>,
}

/// What stands on the container with this id. `restarts`: whether those are asked for that are restarted after it.
pub(super) async fn of(
    site: &Site<'_>,
    id: &str,
    restarts: bool,
) -> Result<Dependents, TargetError> {
    let label = format!("{PROJECT}={}", site.project());
    let asked = ListContainersOptions {
        all: true,
        filters: Some([("label".to_owned(), vec![label])].into()),
        ..ListContainersOptions::default()
    };
    let listed = site.engine.api().list_containers(Some(asked)).await;
    let listed =
        listed.map_err(|error| EngineError::from(error).reading("the containers that depend"))?;
    let mode = format!("container:{id}");
    let slot = project::name(site.slot);
    let candidates = listed.into_iter().filter(|container| {
        let host = container.host_config.as_ref();
        let shares = host.is_some_and(|host| host.network_mode.as_ref() == Some(&mode));
        let labels = container.labels.as_ref();
        let depends = labels.and_then(|labels| labels.get(DEPENDS_ON));
        let depends = depends.is_some_and(|label| is_on(label, slot, false));
        container.id.as_deref() != Some(id) && (shares || depends)
    });
    let ids = candidates.filter_map(|container| container.id);
    let found = project::inspected(site.engine, ids).await?;
    let (sharers, others): (Vec<_>, Vec<_>) = found
        .into_iter()
        .filter(|replica| !replica.is_oneoff())
        .partition(|replica| {
            let is_in = |key| replica.raw.pointer(&format!("/HostConfig/{key}"));
            MODES
                .iter()
                .any(|key| is_in(key).and_then(Value::as_str) == Some(mode.as_str()))
        });
    let mut restarted = Vec::new();
    if restarts && site.compose.settings.restart_dependents {
        let changed = planned(site.compose);
        restarted.extend(others.into_iter().filter(|replica| {
            let label = replica.labels.get(DEPENDS_ON);
            replica.is_running
                && !replica.is_aside()
                && !changed.contains(&Slot(replica.service.clone()))
                && label.is_some_and(|label| is_on(label, slot, true))
        }));
        restarted.sort_by_key(|replica| {
            let rank = order::rank(site.compose, &Slot(replica.service.clone()));
            (rank, replica.name.clone())
        });
    }
    Ok(Dependents {
        sharers,
        restarts: restarted,
    })
}

fn planned(compose: &Compose) -> std::collections::BTreeSet<Slot> {
    let planned = &compose.planned;
    planned
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

fn is_on(label: &str, service: &str, restart: bool) -> bool {
    order::read(label)
        .iter()
        .any(|dependency| dependency.service == service && (dependency.restart || !restart))
}

/// Creates those again that are in the namespaces of `old`, in those of `new`; each of them as a change of its own.
pub(super) async fn move_sharers(
    site: &Site<'_>,
    old: &str,
    new: &str,
    sharers: &[Replica],
) -> Result<(), TargetError> {
    let moved = BTreeMap::from([(old.to_owned(), new.to_owned())]);
    for sharer in sharers {
        let slot = Slot(sharer.service.clone());
        let site = Site {
            slot: &slot,
            ..*site
        };
        if sharer.is_aside() {
            // An earlier change did not end here.
            let service = site.service().await?;
            Box::pin(settle_all(&site, &service, None)).await?;
        }
        let Some(raw) = look(site.engine, &sharer.id).await? else {
            continue;
        };
        let Some(now) = Replica::read(raw) else {
            continue;
        };
        let sharer = Replica {
            // One that lost its namespace may have ended by itself.
            is_running: now.is_running || sharer.is_running,
            ..now
        };
        site.say(&format!(
            "{} shares a namespace that is new, and is created again",
            sharer.name
        ));
        let image = image_of(site.engine, &sharer).await?;
        Box::pin(replace::replace(&site, &sharer, &image, &moved, false)).await?;
    }
    Ok(())
}

async fn look(engine: &Engine, id: &str) -> Result<Option<Value>, TargetError> {
    let looked = calls::inspect(engine, id).await;
    looked.map_err(|error| error.reading(&format!("container {}", short(id))))
}

/// The image that a container runs, under the name that it was asked for by while that still leads to it.
async fn image_of(engine: &Engine, replica: &Replica) -> Result<Image, TargetError> {
    let of = |name: &str| format!("image {}", short(name));
    let id = &replica.image_id;
    let raw = engine.get(&format!("/images/{id}/json")).await;
    let raw = raw.map_err(|error| error.reading(&of(id)))?;
    let named = match engine.get(&format!("/images/{}/json", replica.image)).await {
        Ok(named) => named.get("Id") == raw.get("Id"),
        Err(error) if error.is_absent() => false,
        Err(error) => return Err(error.reading(&of(&replica.image))),
    };
    let reference = if named { &replica.image } else { id };
    Ok(Image {
        id: id.clone(),
        reference: reference.clone(),
        raw,
    })
}

/// Restarts what Compose would restart. What does not come back is told, and watched like everything else.
pub(super) async fn restart(site: &Site<'_>, dependents: &[Replica]) {
    for dependent in dependents {
        let (name, on) = (&dependent.name, site.slot);
        site.say(&format!("restarting {name}, which depends on {on}"));
        let grace = site.grace(&dependent.raw);
        if let Err(error) = calls::restart(site.engine, &dependent.id, grace).await {
            site.warn(&format!(
                "{name} depends on {on} and could not be restarted: {error}"
            ));
        }
    }
}
