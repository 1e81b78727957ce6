//! One change of a workload, whole: what is planned is looked up, put in place and waited for. The parts are in their own files.

use super::Kubernetes;
use super::choose;
use super::replace;
use super::rollout;
use super::workload;
use super::{config_maps, emergency};
use crate::decide::rollout::Deadline;
use crate::model::payload::Verified;
use crate::model::state::{Revision, Slot};
use crate::targets::{ReleaseFacts, TargetError, Way};

/// What `kubectl apply` compares with: it still holds the manifest of the release that is replaced.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Puts a revision in place of the one that the plan saw, and waits until it runs.
pub(super) async fn install(
    kubernetes: &Kubernetes,
    slot: &Slot,
    from: Option<&Revision>,
    to: &Revision,
    payload: Option<&Verified>,
    facts: &ReleaseFacts<'_>,
) -> Result<(), TargetError> {
    let place = kubernetes.place(slot)?;
    let current = workload::existing(kubernetes, &place).await?;
    let is_there = current.revision == *to;
    if !is_there && Some(&current.revision) != from {
        return Err(TargetError::Conflict {
            slot: slot.clone(),
            found: current.revision.0,
            expected: from.map_or_else(|| "nothing".to_owned(), ToString::to_string),
        });
    }
    let chosen = choose::planned(kubernetes, &current, to, facts, payload).await?;
    let recorded = facts.pin(slot).and_then(|pin| pin.recorded.as_ref());
    if let Some(recorded) = recorded.filter(|_| kubernetes.settings.restore_config) {
        config_maps::restore(kubernetes, &place, recorded, slot, facts.story).await?;
    }
    let replaced = replace::replace_template(kubernetes, slot, current, from, &chosen).await?;
    let annotations = replaced.after.metadata.annotations.as_ref();
    if facts.way == Way::Back
        && annotations.is_some_and(|annotations| annotations.contains_key(LAST_APPLIED))
        && let Some(story) = facts.story
    {
        story.progress(
            slot,
            "the next `kubectl apply` of the replaced manifest brings the bad release back: apply the one of the good release",
        );
    }
    if emergency::is_at_zero(&replaced.after) {
        return emergency::resume(kubernetes, &place, slot, facts.story).await;
    }
    let gave_up = Deadline::new(replaced.before.rollout().progressing);
    match rollout::wait(kubernetes, &place, gave_up, facts.story, slot).await {
        Err(TargetError::Unhealthy { .. }) if facts.emergency => {
            if rollout::is_up(kubernetes, &place, slot).await? {
                return Ok(());
            }
            emergency::ladder(kubernetes, &place, slot, &replaced.after, facts.story).await
        }
        other => other,
    }
}

/// Gives a workload that was scaled to 0 in an emergency the count that was remembered, and waits until it runs.
pub(super) async fn start(
    kubernetes: &Kubernetes,
    slot: &Slot,
    revision: &Revision,
    facts: &ReleaseFacts<'_>,
) -> Result<(), TargetError> {
    let place = kubernetes.place(slot)?;
    let current = workload::existing(kubernetes, &place).await?;
    if current.revision != *revision {
        return Err(TargetError::Conflict {
            slot: slot.clone(),
            found: current.revision.0,
            expected: revision.0.clone(),
        });
    }
    emergency::resume(kubernetes, &place, slot, facts.story).await
}
