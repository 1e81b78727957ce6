//! What the targets themselves see of what is in place, told as it is seen. What it means together with the probes is
//! `decide::mitigate`'s.

use super::operation::{Facts, Operation};
use crate::model::event::EventKind;
use crate::model::sighting::{Sighting, Symptom, worst_first};
use crate::model::state::{Slot, State, Wanted};
use crate::model::verdict::Severity;
use crate::targets::{Story, Target, TargetError};
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
    // Nothing that was looked at is no proof that all is well.
    if held.is_empty() {
        return None;
    }
    let attended = match target.attend(&held, operation).await {
        Ok(Some(attended)) => attended,
        Ok(None) => return None,
        Err(error) => return unwatched(operation, target, &error),
    };
    let (theirs, ours): (Vec<_>, Vec<_>) = {
        let facts = operation.facts();
        attended
            .sightings
            .into_iter()
            .partition(|sighting| is_older(&facts, sighting))
    };
    let mut seen = Seen {
        sightings: ours,
        watched: attended.watched,
    };
    // A target looks on no longer once something critical holds; what was changed is to be watched to its end.
    let is_cut = theirs
        .iter()
        .any(|sighting| Severity::Critical <= sighting.severity);
    if is_cut && !seen.is_bad() {
        let mut changed = held;
        changed.retain(|slot, _| operation.facts().changed.contains(slot));
        if !changed.is_empty() {
            match target.attend(&changed, operation).await {
                Ok(Some(again)) => {
                    seen.sightings = again.sightings;
                    seen.watched += again.watched;
                }
                Ok(None) => return None,
                Err(error) => return unwatched(operation, target, &error),
            }
        }
    }
    seen.sightings
        .extend(theirs.into_iter().map(|mut sighting| {
            sighting.severity = sighting.severity.min(Severity::Monitor);
            sighting
        }));
    for sighting in &seen.sightings {
        operation.tell(EventKind::Sighted {
            target: target.name().to_owned(),
            sighting: sighting.clone(),
        });
    }
    Some(seen)
}

/// Whether it is of a slot that this command did not change, so that it is no fault of the release: it held the right thing
/// before. A command that changed nothing judges all, and so does one that continues another; a slot that no longer holds what
/// it should is everybody's.
fn is_older(facts: &Facts, sighting: &Sighting) -> bool {
    !facts.changed.is_empty()
        && !facts.resumes
        && !facts.changed.contains(&sighting.slot)
        && sighting.symptom != Symptom::DriftedBack
}

fn unwatched(operation: &Operation, target: &dyn Target, error: &TargetError) -> Option<Seen> {
    operation.warn(format!(
        "{}: what is in place could not be watched: {error}",
        target.name()
    ));
    None
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
        let text = format!("{slot}: {text}");
        // A target says it again of every plan that it looks at.
        if self.facts().warned.insert(text.clone()) {
            Self::warn(self, text);
        }
    }
}
