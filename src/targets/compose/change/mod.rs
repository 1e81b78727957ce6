//! One change of one service: every replica of it is replaced by one of another image, or started. A service is never left without a
//! container, whatever fails and whenever we are killed; `leftover` says why.

mod back;
mod calls;
mod dependents;
mod health;
mod hurdles;
mod leftover;
mod planned;
mod replace;
mod rescue;
mod settle;
mod site;
mod tell;

use super::image::{self, Image};
use super::project::{self, Replica, Service};
use super::settings::Order;
use super::{Compose, container};
use crate::model::plan::Change;
use crate::model::state::{Revision, Slot};
use crate::targets::{ReleaseFacts, TargetError};
pub(super) use calls::remove;
use health::Unwell;
pub(super) use planned::Planned;
use replace::{Demand, Replacement};
pub(super) use rescue::Rescues;
use site::{Site, short};
use std::collections::BTreeMap;

/// What the revision of replicas begins with that differ from each other.
const MIXED: &str = "mixed:";

/// Carries one change out, after comparing that every replica still runs what the plan saw. What an earlier change left behind is brought to
/// its end first.
///
/// # Errors
/// `Conflict` when somebody else changed the service, `Refused` when it cannot be done safely: nothing was touched. `Unhealthy` when the new
/// container does not come up, `Failed` when a call failed: the one of before is back. `OutcomeUnknown` when that could not be done either.
pub(super) async fn apply(
    compose: &Compose,
    change: &Change,
    facts: &ReleaseFacts<'_>,
) -> Result<(), TargetError> {
    let site = Site {
        compose,
        engine: compose.engine().await?,
        slot: change.slot(),
        story: facts.story,
    };
    match change {
        Change::Install { slot, from, to } => install(&site, slot, from.as_ref(), to, facts).await,
        Change::Start { slot, revision } => start(&site, slot, revision, facts).await,
    }
}

async fn install(
    site: &Site<'_>,
    slot: &Slot,
    from: Option<&Revision>,
    to: &Revision,
    facts: &ReleaseFacts<'_>,
) -> Result<(), TargetError> {
    // Pulling takes minutes: what is compared and replaced is what is there after it.
    let fetched = planned::image(site, to, facts).await;
    let mut service = site.service().await?;
    let left = images_aside(&service);
    let mut all = service.replicas.iter().chain(&service.aside);
    let serves = all.any(|replica| replica.is_running);
    // Without the image nothing is touched, unless what an earlier change left serves nobody.
    if !left.is_empty() && (fetched.is_ok() || !serves) {
        settle::settle_all(site, &service, Some(to)).await?;
        service = site.service().await?;
    }
    let image = fetched?;
    if service.replicas.is_empty() {
        return Err(TargetError::Refused {
            what: format!("{slot} has no container whose configuration could be taken over"),
            allow: None,
            next: format!("create one first: docker compose up -d {slot}"),
        });
    }
    for replica in &service.replicas {
        hurdles::check(replica, site.compose.settings.order)?;
        if !left.contains(&replica.image_id) {
            compare(site, replica, from, to, &image).await?;
        }
    }
    let count = service.replicas.len();
    let none = BTreeMap::new();
    for (index, replica) in service.replicas.iter().enumerate() {
        let replica = &still(site, replica, index).await?;
        let what = Replacement {
            image: &image,
            moved: &none,
            restarts: index + 1 == count,
            demand: Demand::Well,
        };
        if replica.image_id == image.id {
            come_up(site, replica).await?;
        } else {
            replace::replace(site, replica, &what)
                .await
                .map_err(|error| of_several(error, index, count))?;
        }
    }
    Ok(())
}

async fn start(
    site: &Site<'_>,
    slot: &Slot,
    revision: &Revision,
    facts: &ReleaseFacts<'_>,
) -> Result<(), TargetError> {
    let service = site.service().await?;
    if !service.aside.is_empty() {
        // The new container was seen, and may never have been finished.
        return Box::pin(install(site, slot, Some(revision), revision, facts)).await;
    }
    for replica in &service.replicas {
        let holds = image::answers_to(site.engine, &replica.image_id, revision).await?;
        if !holds {
            return Err(conflict(site, replica, revision));
        }
    }
    for replica in &service.replicas {
        come_up(site, replica).await?;
    }
    Ok(())
}

/// A replica as it is by now: those before it may have taken minutes.
async fn still(site: &Site<'_>, seen: &Replica, index: usize) -> Result<Replica, TargetError> {
    if index == 0 {
        return Ok(seen.clone());
    }
    let raw = calls::inspect(site.engine, &seen.id).await;
    let raw = raw.map_err(|error| error.reading(&format!("container {}", seen.name)))?;
    match raw.and_then(Replica::read) {
        Some(now) if now.name == seen.name => Ok(now),
        Some(_) | None => Err(tell::gone(site, seen)),
    }
}

/// The images of containers that an earlier change put aside: they are ours to replace, whatever the plan saw in their place.
fn images_aside(service: &Service) -> Vec<String> {
    let aside = service.aside.iter();
    aside.map(|replica| replica.image_id.clone()).collect()
}

/// Every replica holds what the plan saw, or already what is wanted.
async fn compare(
    site: &Site<'_>,
    replica: &Replica,
    from: Option<&Revision>,
    to: &Revision,
    image: &Image,
) -> Result<(), TargetError> {
    if replica.image_id == image.id {
        return Ok(());
    }
    let Some(from) = from else { return Ok(()) };
    // Replicas that differ were named together: each of them is one of those.
    if from.0.starts_with(MIXED) {
        return Ok(());
    }
    for revision in [from, to] {
        if image::answers_to(site.engine, &replica.image_id, revision).await? {
            return Ok(());
        }
    }
    Err(conflict(site, replica, from))
}

fn conflict(site: &Site<'_>, replica: &Replica, expected: &Revision) -> TargetError {
    TargetError::Conflict {
        slot: site.slot.clone(),
        found: format!("image {} in {}", short(&replica.image_id), replica.name),
        expected: expected.short(),
    }
}

/// What stands against replacing a container, as a change would say it.
pub(super) fn hurdle(slot: &Slot, replica: &Replica, order: Order) -> Result<(), TargetError> {
    hurdles::check(replica, order).map_err(|error| match error {
        TargetError::Refused { what, allow, next } => TargetError::Refused {
            what: format!("{slot}: {what}"),
            allow,
            next,
        },
        error => error,
    })
}

/// Starts a container that has the right image and does not run.
async fn come_up(site: &Site<'_>, replica: &Replica) -> Result<(), TargetError> {
    if replica.is_running && !replica.is_restarting {
        return Ok(());
    }
    let is_job = site.compose.memory.is_job(project::name(site.slot));
    if is_job && container::doing(replica).is_done(true) {
        return Ok(());
    }
    let started = if replica.is_restarting {
        // It counts as running: a start would be no start.
        site.say(&format!("restarting {}", replica.name));
        health::restart_and_wait(site, &replica.id, site.grace(&replica.raw)).await
    } else {
        site.say(&format!("starting {}", replica.name));
        health::start_and_wait(site, &replica.id).await
    };
    match started {
        Ok(_) => Ok(()),
        Err(Unwell::Failed(what)) => Err(TargetError::Unhealthy {
            what: format!("{}: {} {}", site.slot, replica.name, site.quoted(&what)),
            advice: tell::advice(site),
        }),
        Err(Unwell::Unknown(error)) => Err(error.changing(&format!("start {}", replica.name))),
    }
}

/// Replicas that were replaced before one failed stay: the next run goes on with the others.
fn of_several(error: TargetError, done: usize, count: usize) -> TargetError {
    match error {
        TargetError::Unhealthy { what, advice } if 0 < done => TargetError::Unhealthy {
            what: format!("{what} ({done} of {count} containers run the new image)"),
            advice,
        },
        TargetError::Failed(cause) if 0 < done => TargetError::Failed(
            cause.context(format!("{done} of {count} containers run the new image")),
        ),
        error => error,
    }
}
