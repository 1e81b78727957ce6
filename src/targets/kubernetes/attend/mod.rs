//! Watches what is in place: until the rollouts that are under way are done, and then for as long as restarts must not
//! grow and nobody may change it back. Slots are watched side by side. What a sighting means is `decide::mitigate`'s.

mod change;
mod endpoints;
mod images;
mod ledger;
mod read;
mod rollout;
mod routing;
mod schedule;
mod shared;
mod slot;
mod window;

use super::Kubernetes;
use super::slots::Place;
use crate::decide::rollout::stable;
use crate::model::sighting::{Sighting, worst_first};
use crate::model::state::{Revision, Slot, Wanted};
use crate::targets::{Attended, Story, TargetError};
use futures_util::future::join_all;
use regex_lite::Regex;
use shared::Shared;
use slot::Watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Waits for the rollouts under way, then watches through the windows of the settings. Ends early when something critical
/// holds. `held`: what the slots should keep holding; no other slot is looked at. What could not be watched to its end is
/// a sighting of its own ([`Unseen`](crate::model::sighting::Symptom::Unseen)), so that nobody takes it for healthy.
///
/// # Errors
/// A slot of `held` is none of this target.
pub(in crate::targets::kubernetes) async fn attend(
    target: &Kubernetes,
    held: &Wanted,
    story: &dyn Story,
) -> Result<Attended, TargetError> {
    let began = Instant::now();
    let places: Vec<(&Slot, Place, &Revision)> = held
        .iter()
        .map(|(slot, revision)| Ok((slot, target.place(slot)?, revision)))
        .collect::<Result<_, TargetError>>()?;
    let cluster = match target.cluster().await {
        Ok(cluster) => cluster,
        Err(error) => {
            let why = target.masked(&error.to_string());
            return Ok(Attended {
                sightings: held.keys().map(|slot| stable::unseen(slot, &why)).collect(),
                watched: began.elapsed(),
            });
        }
    };
    let shared = Shared::new(target, story);
    let stop = CancellationToken::new();
    // Checked with the settings.
    let errors = target
        .settings
        .log_errors
        .as_deref()
        .and_then(|pattern| Regex::new(pattern).ok());
    let watching = places.iter().map(|(slot, place, revision)| {
        Watch {
            target,
            cluster,
            shared: &shared,
            story,
            slot,
            place,
            held: revision,
            errors: errors.as_ref(),
            began,
            stop: &stop,
        }
        .watch()
    });
    let mut sightings: Vec<Sighting> = join_all(watching).await.concat();
    worst_first(&mut sightings);
    Ok(Attended {
        sightings,
        watched: began.elapsed(),
    })
}
