//! Containers that stand on one that is replaced: those in its namespaces, which are created again in those of the new one, and those that
//! Compose restarts after it.

use super::back::{Back, Place, put_back};
use super::calls;
use super::health::{self, Look};
use super::replace::{self, Demand, Replacement};
use super::settle::settle_all;
use super::site::{Site, aside, short};
use crate::model::state::Slot;
use crate::targets::TargetError;
use crate::targets::compose::container;
use crate::targets::compose::engine::{Engine, EngineError};
use crate::targets::compose::image::Image;
use crate::targets::compose::order;
use crate::targets::compose::project::{self, DEPENDS_ON, ONEOFF, PROJECT, Replica, SERVICE};
use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptions;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Where a container can be in the namespace of another one.
const MODES: [&str; 3] = ["NetworkMode", "PidMode", "IpcMode"];

/// Containers that stand on another one.
#[derive(Debug, Default)]
pub(super) struct Dependents {
    /// In its namespaces, those of this project.
    pub(super) sharers: Vec<Replica>,
    /// Restarted after it, those that others depend on first.
    pub(super) restarts: Vec<Replica>,
    /// When those in its namespaces were looked at, by the engine's clock.
    seen: Option<Timestamp>,
}

/// What stands on a container. `restarts`: whether those are asked for that are restarted after it. Those in its network that are none of
/// this project's services cannot be made again as they were: they are told.
pub(super) async fn of(
    site: &Site<'_>,
    old: &Replica,
    restarts: bool,
) -> Result<Dependents, TargetError> {
    let id = old.id.as_str();
    let asked = ListContainersOptions {
        all: true,
        ..ListContainersOptions::default()
    };
    let listed = site.engine.api().list_containers(Some(asked)).await;
    let listed =
        listed.map_err(|error| EngineError::from(error).reading("the containers that depend"))?;
    let mode = format!("container:{id}");
    let slot = project::name(site.slot);
    let is_in = |container: &ContainerSummary| {
        let host = container.host_config.as_ref();
        host.is_some_and(|host| host.network_mode.as_ref() == Some(&mode))
    };
    let (own, others): (Vec<_>, Vec<_>) = listed
        .into_iter()
        .partition(|container| is_of(container, site.project()));
    for other in others.iter().filter(|other| is_in(other)) {
        let name = name_of(other);
        site.warn(&format!(
            "{name} shares the network of {} and is no service of project {}: it loses it, and has to be created again",
            old.name,
            site.project()
        ));
    }
    let candidates = own.into_iter().filter(|container| {
        let shares = is_in(container);
        let labels = container.labels.as_ref();
        let depends = labels.and_then(|labels| labels.get(DEPENDS_ON));
        let depends = depends.is_some_and(|label| is_on(label, slot, false));
        container.id.as_deref() != Some(id) && (shares || depends)
    });
    let ids = candidates.filter_map(|container| container.id);
    let found = project::inspected(site.engine, ids).await?;
    let (mut sharers, others): (Vec<_>, Vec<_>) = found
        .into_iter()
        .filter(|replica| !replica.is_oneoff())
        .partition(|replica| {
            let is_in = |key| replica.raw.pointer(&format!("/HostConfig/{key}"));
            MODES
                .iter()
                .any(|key| is_in(key).and_then(Value::as_str) == Some(mode.as_str()))
        });
    for sharer in &mut sharers {
        sharer.is_running |= ended_with(&sharer.raw, &old.raw);
    }
    let mut restarted = Vec::new();
    if restarts && site.compose.settings.restart_dependents {
        restarted.extend(others.into_iter().filter(|replica| {
            let label = replica.labels.get(DEPENDS_ON);
            replica.is_running
                && !replica.is_aside()
                && !site.compose.planned.has(&Slot(replica.service.clone()))
                && label.is_some_and(|label| is_on(label, slot, true))
        }));
        restarted.sort_by_key(|replica| {
            let rank = order::rank(site.compose, &Slot(replica.service.clone()));
            (rank, replica.name.clone())
        });
    }
    let seen = if sharers.is_empty() {
        None
    } else {
        container::now(site.engine).await
    };
    Ok(Dependents {
        sharers,
        restarts: restarted,
        seen,
    })
}

/// Whether a container is of a service of this project; what `docker compose run` made is not.
fn is_of(container: &ContainerSummary, project: &str) -> bool {
    let label = |name: &str| {
        let labels = container.labels.as_ref();
        labels
            .and_then(|labels| labels.get(name))
            .map(String::as_str)
    };
    label(PROJECT) == Some(project) && label(SERVICE).is_some() && label(ONEOFF) != Some("True")
}

fn name_of(container: &ContainerSummary) -> String {
    let name = container.names.as_ref().and_then(|names| names.first());
    let id = container.id.as_deref().unwrap_or_default();
    let name = name.map_or(short(id), |name| name.trim_start_matches('/'));
    name.to_owned()
}

/// Whether a container ended no sooner than the one whose namespace it was in: it ran, and lost what it stood on.
fn ended_with(sharer: &Value, old: &Value) -> bool {
    let ended = |raw: &Value| -> Option<Timestamp> {
        let is_running = raw.pointer("/State/Running")?.as_bool()?;
        let text = raw.pointer("/State/FinishedAt")?.as_str()?;
        text.parse().ok().filter(|_| !is_running)
    };
    match (ended(sharer), ended(old)) {
        (Some(sharer), Some(old)) => Timestamp::UNIX_EPOCH < old && old <= sharer,
        (Some(_) | None, Some(_) | None) => false,
    }
}

fn is_on(label: &str, service: &str, restart: bool) -> bool {
    order::read(label)
        .iter()
        .any(|dependency| dependency.service == service && (dependency.restart || !restart))
}

/// Creates those again that are in the namespaces of `old`, in those of `new`; each of them as a change of its own, and from the image that
/// the plan has for it. One that was well has to be so again; one that was not does not decide about what it stands on.
pub(super) async fn move_sharers(
    site: &Site<'_>,
    old: &str,
    new: &str,
    dependents: &Dependents,
) -> Result<(), TargetError> {
    let moved = BTreeMap::from([(old.to_owned(), new.to_owned())]);
    for sharer in &dependents.sharers {
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
        let ran = now.is_running || sharer.is_running;
        let demand = demand(&sharer.raw, ran, dependents.seen);
        let sharer = Replica {
            // One that lost its namespace may have ended by itself.
            is_running: ran,
            ..now
        };
        site.say(&format!(
            "{} shares a namespace that is new, and is created again",
            sharer.name
        ));
        let image = match site.compose.planned.image(&slot) {
            Some(image) => image,
            None => image_of(site.engine, &sharer).await?,
        };
        let what = Replacement {
            image: &image,
            moved: &moved,
            restarts: false,
            demand,
        };
        let replaced = Box::pin(replace::replace(&site, &sharer, &what)).await;
        // Whatever it was before: left behind it would be in a namespace that is gone, and nobody could tell which one that was.
        replaced?;
    }
    Ok(())
}

/// Gives a container its place back, and takes those along that were moved into the namespaces of the one that goes: they would be in one
/// that is gone, and would look well for ever. `before`: what was in their places, as far as that is known.
pub(super) async fn put_all_back(
    site: &Site<'_>,
    place: &Place<'_>,
    before: &[Replica],
) -> Result<Back, String> {
    let Some(new) = place.new else {
        return put_back(site, place).await;
    };
    let moved = sharers_of(site, new).await;
    let back = put_back(site, place).await?;
    let mut told = Vec::new();
    match moved {
        Ok(moved) => {
            for sharer in &moved {
                // Each is tried: one that cannot be had keeps no other away.
                if let Err(error) = move_back(site, new, place.old, sharer, before).await {
                    told.push(format!("{}: {error}", sharer.name));
                }
            }
        }
        Err(error) => told.push(error.to_string()),
    }
    if told.is_empty() {
        return Ok(back);
    }
    Err(format!(
        "it is in its place, and not all that share its namespaces are: {}",
        told.join("; ")
    ))
}

async fn sharers_of(site: &Site<'_>, id: &str) -> Result<Vec<Replica>, TargetError> {
    match look(site.engine, id).await?.and_then(Replica::read) {
        Some(replica) => Ok(of(site, &replica, false).await?.sharers),
        None => Ok(Vec::new()),
    }
}

async fn move_back(
    site: &Site<'_>,
    from: &str,
    to: &str,
    sharer: &Replica,
    before: &[Replica],
) -> Result<(), TargetError> {
    if look(site.engine, &aside(&sharer.name)).await?.is_some() {
        // Its own change did not end either: the next one finds it, and ends it.
        return Ok(());
    }
    let Some(now) = look(site.engine, &sharer.id).await?.and_then(Replica::read) else {
        return Ok(());
    };
    let slot = Slot(sharer.service.clone());
    let site = Site {
        slot: &slot,
        ..*site
    };
    site.say(&format!(
        "{} was moved to a namespace that is gone, and is moved back",
        sharer.name
    ));
    let mut before = before.iter();
    let before = before.find(|one| one.service == now.service && one.number == now.number);
    let image = image_of(site.engine, before.unwrap_or(&now)).await?;
    let is_running = now.is_running || sharer.is_running;
    let what = Replacement {
        image: &image,
        moved: &BTreeMap::from([(from.to_owned(), to.to_owned())]),
        restarts: false,
        demand: if is_running {
            Demand::Started
        } else {
            Demand::Created
        },
    };
    let sharer = Replica { is_running, ..now };
    Box::pin(replace::replace(&site, &sharer, &what)).await
}

/// What a container was before that is moved is asked of the one in its place. `ran`: also one that ended with its namespace. `seen`: when
/// it was as `before` has it.
fn demand(before: &Value, ran: bool, seen: Option<Timestamp>) -> Demand {
    if !ran {
        return Demand::Created;
    }
    let ended = before.pointer("/State/Running").and_then(Value::as_bool) == Some(false);
    match health::judge_past(before, false, seen) {
        Look::Healthy | Look::Runs | Look::Done => Demand::Well,
        // With its namespace: as far as anybody can tell, it was well.
        Look::Failed(_) if ended => Demand::Well,
        Look::Waiting | Look::Failed(_) => Demand::Started,
    }
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
