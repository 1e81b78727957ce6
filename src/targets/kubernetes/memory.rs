//! What this process has seen: digests behind tags, so that a revision stays what it is while pods come up, and templates, so
//! that what was there before can be put back even where the cluster keeps no history. Nothing is asked of the cluster.

use super::choose::Chosen;
use super::slots::Place;
use super::template::Images;
use crate::model::state::{Revision, Slot};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(super) struct Memory {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// By the uid of the workload and its template as written.
    images: BTreeMap<(String, Revision), Images>,
    templates: BTreeMap<(Place, Revision), Chosen>,
    /// Workloads that were paused when the plan was made, so that resuming them was asked for.
    paused: BTreeSet<Place>,
    /// ConfigMaps as they are to be put back, by workload: what they hold until then is evidence.
    config: BTreeMap<Place, Value>,
    /// Slots that the release at hand leaves alone, and why.
    left_out: BTreeMap<Slot, String>,
}

impl Memory {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was known of the images of this template when it was first seen.
    pub(super) fn images(&self, uid: &str, written: &Revision) -> Option<Images> {
        let key = (uid.to_owned(), written.clone());
        self.seen().images.get(&key).cloned()
    }

    /// Keeps what is known now, unless something was known before: answers what is known from now on.
    pub(super) fn keep_images(&self, uid: &str, written: Revision, images: Images) -> Images {
        let mut seen = self.seen();
        let known = seen.images.entry((uid.to_owned(), written));
        known.or_insert(images).clone()
    }

    pub(super) fn chosen(&self, place: &Place, revision: &Revision) -> Option<Chosen> {
        let key = (place.clone(), revision.clone());
        self.seen().templates.get(&key).cloned()
    }

    /// Keeps a template that was chosen; a better description replaces an observed one.
    pub(super) fn keep_chosen(&self, place: &Place, chosen: &Chosen) {
        let key = (place.clone(), chosen.revision.clone());
        self.seen().templates.insert(key, chosen.clone());
    }

    /// Keeps a template that was observed, unless it was chosen before.
    pub(super) fn keep_observed(
        &self,
        place: &Place,
        chosen: impl FnOnce() -> Chosen,
        revision: &Revision,
    ) {
        let key = (place.clone(), revision.clone());
        self.seen().templates.entry(key).or_insert_with(chosen);
    }

    /// Whether any workload had this revision.
    pub(super) fn has(&self, revision: &Revision) -> bool {
        self.seen()
            .templates
            .keys()
            .any(|(_, kept)| kept == revision)
    }

    pub(super) fn was_paused(&self, place: &Place) -> bool {
        self.seen().paused.contains(place)
    }

    /// The plan is made with these paused; `policy.allow` decides about it.
    pub(super) fn keep_paused(&self, places: impl IntoIterator<Item = Place>) {
        self.seen().paused.extend(places);
    }

    /// The ConfigMaps that a release recorded for a workload will be put back.
    pub(super) fn keep_config(&self, place: &Place, recorded: &Value) {
        if let Some(config) = recorded.get("config-maps") {
            self.seen().config.insert(place.clone(), config.clone());
        }
    }

    pub(super) fn config(&self) -> BTreeMap<Place, Value> {
        self.seen().config.clone()
    }

    /// Replaces what was kept of another release.
    pub(super) fn keep_left_out(&self, left_out: BTreeMap<Slot, String>) {
        self.seen().left_out = left_out;
    }

    pub(super) fn left_out(&self) -> BTreeMap<Slot, String> {
        self.seen().left_out.clone()
    }
}
