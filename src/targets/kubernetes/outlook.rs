//! The last look at a plan before it is permitted: what will differ is told, images are proven to be there, and what the plan
//! would do beyond changing revisions is named. Nothing is changed.

use super::choose::Chosen;
use super::owned::side_by_side;
use super::slots::{Kind, Place};
use super::{Kubernetes, config_maps, hazards as signs, images, service, template};
use crate::model::plan::{Change, Hazard, Plan};
use crate::model::state::Slot;
use crate::targets::{ReleaseFacts, TargetError};
use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Differences of ConfigMaps that are told of one slot.
const LINES_MAX: usize = 20;

/// Hazards of a plan, after everything that would refuse it.
pub(super) async fn hazards(
    kubernetes: &Kubernetes,
    plan: &Plan,
    facts: &ReleaseFacts<'_>,
) -> Result<Vec<Hazard>, TargetError> {
    let mut wanted_images = BTreeSet::new();
    let mut since = BTreeMap::new();
    let mut tags = Vec::new();
    let mut config = Vec::new();
    for change in &plan.changes {
        let place = kubernetes.place(change.slot())?;
        if place.kind == Kind::Service {
            service::foresee(kubernetes, &place, change, facts).await?;
        }
        let Some(chosen) = kubernetes.memory.chosen(&place, change.to()) else {
            continue;
        };
        tell(kubernetes, &place, change, &chosen, facts);
        let pinned = template::images_of(&chosen.template);
        wanted_images.extend(
            pinned
                .values()
                .filter(|image| template::digest(image).is_some())
                .cloned(),
        );
        let recorded = facts
            .pin(change.slot())
            .and_then(|pin| pin.recorded.as_ref());
        if let Some(recorded) = recorded {
            config.push(configuration(
                kubernetes,
                change.slot(),
                place.clone(),
                recorded,
                facts,
            ));
            since.extend(recorded_at(recorded).map(|at| (change.slot().clone(), at)));
            tags.push((change.slot(), written(recorded, &pinned)));
        }
    }
    let wanted_images: Vec<String> = wanted_images.into_iter().collect();
    tell_unnamed(kubernetes, facts);
    let (present, hazards, configured, left, ()) = tokio::join!(
        images::require_present(kubernetes, &wanted_images),
        signs::of(kubernetes, plan, &since, facts.emergency),
        side_by_side(config),
        tell_left(kubernetes, plan, facts),
        tell_moved(kubernetes, &tags, facts),
    );
    let unproven = present?;
    configured?;
    left?;
    if let (Some(story), Some(change)) = (facts.story, plan.changes.first()) {
        for line in unproven {
            story.progress(change.slot(), &format!("warning: {line}"));
        }
    }
    let hazards = hazards?;
    let paused = hazards.iter().filter(|hazard| hazard.name == "paused");
    let paused: Result<Vec<Place>, _> = paused
        .map(|hazard| kubernetes.place(&hazard.slot))
        .collect();
    kubernetes.memory.keep_paused(paused?);
    Ok(hazards)
}

/// What the release's ConfigMaps and Secrets hold by now: what differs is told, and what cannot be put back refuses.
async fn configuration(
    kubernetes: &Kubernetes,
    slot: &Slot,
    place: Place,
    recorded: &Value,
    facts: &ReleaseFacts<'_>,
) -> Result<(), TargetError> {
    let is_restored = kubernetes.settings.restore_config;
    if is_restored {
        config_maps::restorable(kubernetes, &place, recorded).await?;
        kubernetes.memory.keep_config(&place, recorded);
    }
    let (difference, secrets) = tokio::join!(
        config_maps::difference_now(kubernetes, &place, recorded),
        config_maps::changed_secrets(kubernetes, &place, recorded),
    );
    let (difference, secrets) = (difference?, secrets?);
    let Some(story) = facts.story else {
        return Ok(());
    };
    let what = if is_restored {
        "is put back"
    } else {
        "stays as it is (restore-config: true puts it back)"
    };
    for line in difference.into_iter().take(LINES_MAX) {
        story.progress(slot, &format!("{line}; {what}"));
    }
    for line in secrets {
        story.progress(slot, &format!("warning: {line}"));
    }
    Ok(())
}

/// ConfigMaps go back together with a template. Where the template is right already, what differs is told.
async fn tell_left(
    kubernetes: &Kubernetes,
    plan: &Plan,
    facts: &ReleaseFacts<'_>,
) -> Result<(), TargetError> {
    let (Some(story), Some(manifest)) = (facts.story, facts.manifest) else {
        return Ok(());
    };
    if !kubernetes.settings.restore_config {
        return Ok(());
    }
    for place in kubernetes.places() {
        let slot = kubernetes.slot(&place);
        let recorded = manifest
            .slots
            .get(&slot)
            .and_then(|pin| pin.recorded.as_ref());
        let Some(recorded) = recorded else { continue };
        if plan.changes.iter().any(|change| *change.slot() == slot) {
            continue;
        }
        let lines = config_maps::difference_now(kubernetes, &place, recorded).await?;
        for line in lines.into_iter().take(LINES_MAX) {
            story.progress(
                &slot,
                &format!("warning: {line}; it is NOT put back, because the pod template is not changed: put it back by hand, then `kubectl rollout restart`"),
            );
        }
    }
    Ok(())
}

/// Slots that were left out of what is wanted, each with its reason.
fn tell_unnamed(kubernetes: &Kubernetes, facts: &ReleaseFacts<'_>) {
    let Some(story) = facts.story else { return };
    for (slot, why) in kubernetes.memory.left_out() {
        story.warn(&slot, &format!("NOT changed, left as it is: {why}"));
    }
}

/// Where the template comes from, and what will differ.
fn tell(
    kubernetes: &Kubernetes,
    place: &Place,
    change: &Change,
    chosen: &Chosen,
    facts: &ReleaseFacts<'_>,
) {
    let Some(story) = facts.story else { return };
    let slot = change.slot();
    story.progress(slot, &format!("goes to what {} says", chosen.source));
    let live = change
        .from()
        .and_then(|from| kubernetes.memory.chosen(place, from));
    let live = live.map_or(Value::Null, |live| live.template);
    for line in template::difference(&live, &chosen.template) {
        story.progress(slot, &line);
    }
    let recorded = facts.pin(slot).and_then(|pin| pin.recorded.as_ref());
    for (container, image) in template::images_of(&chosen.template) {
        let tag = recorded
            .and_then(|recorded| recorded.get("written")?.get(&container)?.as_str())
            .filter(|tag| template::digest(tag).is_none());
        if let (Some(tag), Some(digest)) = (tag, template::digest(&image)) {
            let digest: String = digest.chars().take("sha256:".len() + 12).collect();
            story.progress(slot, &format!("{container}: {digest} ran as {tag}"));
        }
        if template::digest(&image).is_none() {
            story.progress(
                slot,
                &format!("{container} goes by its tag, {image}: its digest is not known"),
            );
        }
    }
}

async fn tell_moved(
    kubernetes: &Kubernetes,
    tags: &[(&Slot, Vec<(String, String)>)],
    facts: &ReleaseFacts<'_>,
) {
    let Some(story) = facts.story else { return };
    let asked = tags
        .iter()
        .map(|(slot, images)| async move { (slot, images::moved_tags(kubernetes, images).await) });
    for (slot, lines) in join_all(asked).await {
        for line in lines {
            story.progress(slot, &line);
        }
    }
}

/// When the release was recorded, by the server's clock.
fn recorded_at(recorded: &Value) -> Option<Timestamp> {
    recorded.get("at")?.as_str()?.parse().ok()
}

/// Each container's image as the release wrote it, beside what ran.
fn written(recorded: &Value, pinned: &template::Images) -> Vec<(String, String)> {
    pinned
        .iter()
        .filter_map(|(container, pinned)| {
            let written = recorded.get("written")?.get(container)?.as_str()?;
            Some((written.to_owned(), pinned.clone()))
        })
        .collect()
}
