//! What the targets themselves see of what is in place, told as it is seen. What it means together with the probes is
//! `decide::mitigate`'s.

use super::operation::Operation;
use crate::model::event::EventKind;
use crate::model::sighting::{Sighting, worst_first};
use crate::model::state::{Slot, State, Wanted};
use crate::model::verdict::Severity;
use crate::targets::{Story, Target};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::time::Duration;

/// What all targets saw together.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Worst first.
    pub(super) sightings: Vec<Sighting>,
    pub(super) watched: Duration,
}

impl Seen {
    pub(super) fn is_bad(&self) -> bool {
        self.sightings
            .iter()
            .any(|sighting| Severity::Serious <= sighting.severity)
    }
}

/// Whether any target can tell by itself if what is in place is well.
pub(super) fn any(operation: &Operation) -> bool {
    operation.targets.iter().any(|target| target.attends())
}

/// Watches every target that can tell, side by side, until all have or one saw what is bad enough. `None`: none can, or
/// none could be asked.
pub(super) async fn all(operation: &Operation) -> Option<Seen> {
    let after = operation.facts().after.clone();
    let mut attending: FuturesUnordered<_> = operation
        .targets
        .iter()
        .filter(|target| target.attends())
        .map(|target| one(operation, target.as_ref(), &after))
        .collect();
    let mut all: Option<Seen> = None;
    while let Some(answer) = attending.next().await {
        let Some(seen) = answer else { continue };
        let all = all.get_or_insert_default();
        all.sightings.extend(seen.sightings);
        all.watched = all.watched.max(seen.watched);
        if all.is_bad() {
            break;
        }
    }
    if let Some(seen) = &mut all {
        worst_first(&mut seen.sightings);
    }
    all
}

/// Failing to look is no sickness: it is warned about, and leaves the verdict to what else was measured.
async fn one(operation: &Operation, target: &dyn Target, after: &State) -> Option<Seen> {
    let slots = target.slots();
    let asked = operation.request.verb.slots();
    let touched = operation.facts().wanted.clone();
    // A slot that nobody touched does not judge the release.
    let counts = |slot: &Slot| {
        slots.contains(slot)
            && (asked.is_empty() || asked.contains(slot))
            && (touched.is_empty() || touched.contains(slot))
    };
    let held: Wanted = after
        .iter()
        .filter(|(slot, _)| counts(slot))
        .filter_map(|(slot, held)| Some((slot.clone(), held.revision.clone()?)))
        .collect();
    match target.attend(&held, operation).await {
        Ok(Some(attended)) => {
            for sighting in &attended.sightings {
                operation.tell(EventKind::Sighted {
                    target: target.name().to_owned(),
                    sighting: sighting.clone(),
                });
            }
            Some(Seen {
                sightings: attended.sightings,
                watched: attended.watched,
            })
        }
        Ok(None) => None,
        Err(error) => {
            operation.warn(format!(
                "{}: what is in place could not be watched: {error}",
                target.name()
            ));
            None
        }
    }
}

impl Story for Operation {
    fn progress(&self, slot: &Slot, text: &str) {
        let owner = self
            .targets
            .iter()
            .find(|target| target.slots().contains(slot));
        self.tell(EventKind::Progress {
            target: owner.map_or_else(String::new, |target| target.name().to_owned()),
            slot: slot.clone(),
            text: text.to_owned(),
        });
    }

    fn warn(&self, slot: &Slot, text: &str) {
        Self::warn(self, format!("{slot}: {text}"));
    }
}
