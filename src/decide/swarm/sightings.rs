//! What is wrong with a service that should stay as it is.

use super::{Seen, Task, TaskState, UpdateState};
use crate::model::sighting::{Sighting, Symptom};
use crate::model::state::{Phase, Slot};
use crate::model::verdict::Severity;
use std::collections::BTreeSet;

/// So many tasks that end badly are a loop: the swarm starts each anew.
const LOOP: usize = 2;

/// What one look shows that was not so before. `before`: tasks that had ended badly already. `digest`: what should be in place.
pub fn look(slot: &Slot, before: &BTreeSet<String>, seen: &Seen, digest: &str) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    if !seen.holds(digest) {
        sightings.push(replaced(slot, seen));
        return sightings;
    }
    let state = seen.update.as_ref().map(|update| update.state);
    let message = seen.update.as_ref().map_or("", |update| &update.message);
    if matches!(
        state,
        Some(UpdateState::Paused | UpdateState::RollbackPaused)
    ) && !seen.is_up()
    {
        sightings.push(Sighting::new(
            slot,
            Severity::Critical,
            Symptom::StuckRollout,
            message,
            "find out why its tasks fail, or put another release in place",
        ));
    }
    let new: Vec<&Task> = seen
        .failures()
        .filter(|task| !before.contains(&task.id))
        .collect();
    sightings.extend(failing(slot, &new));
    sightings
}

/// Fewer run than should, in two looks in a row: one look may fall between the end of a task and the start of the next. While the
/// swarm updates, tasks come and go, and that counts only in the last look, `is_last`.
pub fn fewer(slot: &Slot, last: &Seen, now: &Seen, is_last: bool) -> Option<Sighting> {
    if super::phase(now) == Phase::Moving && !is_last {
        return None;
    }
    let lacks = |seen: &Seen| seen.up() < seen.needed();
    if !lacks(last) || !lacks(now) || last.needed() != now.needed() {
        return None;
    }
    let severity = if now.up() == 0 {
        Severity::Critical
    } else {
        Severity::Serious
    };
    let what = super::progress(now);
    Some(Sighting::new(
        slot,
        severity,
        Symptom::NoneAvailable,
        &what,
        "look at its tasks with `docker service ps --no-trunc`, or roll back",
    ))
}

fn replaced(slot: &Slot, seen: &Seen) -> Sighting {
    let by = match seen.update.as_ref().map(|update| update.state) {
        Some(UpdateState::RollbackStarted | UpdateState::RollbackPaused) => {
            "the swarm goes back to"
        }
        Some(UpdateState::RollbackCompleted) => "the swarm went back to",
        Some(UpdateState::Updating | UpdateState::Paused | UpdateState::Completed) | None => {
            "somebody put in place"
        }
    };
    Sighting::new(
        slot,
        Severity::Serious,
        Symptom::DriftedBack,
        &format!("{by} {}", seen.image),
        "find out who deploys this service beside this command",
    )
}

fn failing(slot: &Slot, failed: &[&Task]) -> Option<Sighting> {
    let newest = failed.first()?;
    let trouble = newest.trouble.as_deref().unwrap_or("no reason given");
    let is_missing =
        newest.state == TaskState::Rejected && trouble.to_lowercase().contains("no such image");
    let (severity, symptom, advice) = if is_missing {
        (
            Severity::Critical,
            Symptom::ImageMissing,
            "check that the image is in its registry and that the nodes may pull it, or roll back",
        )
    } else if newest.state == TaskState::Rejected {
        (
            Severity::Critical,
            Symptom::ConfigError,
            "mend what the message names (a mount, a network, a config), or roll back",
        )
    } else if failed.len() < LOOP {
        (
            Severity::Serious,
            Symptom::ContainerExited,
            "read the logs of the task, or roll back",
        )
    } else {
        (
            Severity::Critical,
            Symptom::CrashLoop,
            "read the logs of its tasks, or roll back",
        )
    };
    let what = match failed.len() {
        1 => format!("a task failed: {trouble}"),
        more => format!("{more} tasks failed: {trouble}"),
    };
    Some(Sighting::new(slot, severity, symptom, &what, advice))
}
