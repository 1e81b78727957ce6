//! What this process has seen and chosen: which revision of several names of one image is meant, and under which names an image can
//! be had. Nothing is asked of the engine.

use crate::model::state::{Revision, Slot};
use crate::targets::LeftOut;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(super) struct Memory {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The revisions that releases asked for, the last one last.
    wanted: BTreeMap<Slot, Vec<Revision>>,
    /// `NAME@sha256:...` of a revision, the first one first.
    names: BTreeMap<(Slot, Revision), Vec<String>>,
    /// Revisions that are in no registry.
    built: BTreeSet<Revision>,
    /// The repository of what runs.
    repositories: BTreeMap<Slot, String>,
    /// Slots that the release at hand leaves alone, and why.
    left_out: Vec<LeftOut>,
    /// Services whose good end others wait for, as the project was last read.
    awaited: BTreeSet<String>,
    /// Services that were found to be jobs: while one is at work again it does not show.
    jobs: BTreeSet<String>,
    /// Services that ran when the release at hand was recorded.
    ran: BTreeSet<String>,
}

impl Memory {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A release asks for this revision, which can be had under these names.
    pub(super) fn keep_wanted(&self, slot: &Slot, revision: &Revision, names: &[String]) {
        let mut seen = self.seen();
        let wanted = seen.wanted.entry(slot.clone()).or_default();
        wanted.retain(|other| other != revision);
        wanted.push(revision.clone());
        drop(seen);
        self.keep_names(slot, revision, names);
    }

    /// What was asked for, the last one first.
    pub(super) fn wanted(&self, slot: &Slot) -> Vec<Revision> {
        let wanted = self.seen().wanted.get(slot).cloned().unwrap_or_default();
        wanted.into_iter().rev().collect()
    }

    pub(super) fn keep_names(&self, slot: &Slot, revision: &Revision, names: &[String]) {
        let mut seen = self.seen();
        let key = (slot.clone(), revision.clone());
        let known = seen.names.entry(key).or_default();
        for name in names {
            if !known.contains(name) {
                known.push(name.clone());
            }
        }
    }

    pub(super) fn names(&self, slot: &Slot, revision: &Revision) -> Vec<String> {
        let key = (slot.clone(), revision.clone());
        self.seen().names.get(&key).cloned().unwrap_or_default()
    }

    /// The names of a revision, of whichever slot.
    pub(super) fn names_of_any(&self, revision: &Revision) -> Vec<String> {
        let seen = self.seen();
        let of = seen
            .names
            .iter()
            .filter(|((_, known), _)| known == revision);
        of.flat_map(|(_, names)| names.clone()).collect()
    }

    pub(super) fn keep_built(&self, revision: &Revision) {
        self.seen().built.insert(revision.clone());
    }

    pub(super) fn is_built(&self, revision: &Revision) -> bool {
        self.seen().built.contains(revision)
    }

    pub(super) fn keep_repository(&self, slot: &Slot, repository: String) {
        self.seen().repositories.insert(slot.clone(), repository);
    }

    pub(super) fn repository(&self, slot: &Slot) -> Option<String> {
        self.seen().repositories.get(slot).cloned()
    }

    /// Replaces what was kept of another release.
    pub(super) fn keep_left_out(&self, left_out: Vec<LeftOut>) {
        self.seen().left_out = left_out;
    }

    pub(super) fn keep_awaited(&self, awaited: BTreeSet<String>) {
        self.seen().awaited = awaited;
    }

    pub(super) fn awaited(&self) -> BTreeSet<String> {
        self.seen().awaited.clone()
    }

    pub(super) fn keep_job(&self, service: &str) {
        self.seen().jobs.insert(service.to_owned());
    }

    /// Replaces what was kept of another release. Whatever such a service did meanwhile, it is there to run.
    pub(super) fn keep_ran(&self, ran: BTreeSet<String>) {
        let mut seen = self.seen();
        seen.jobs.retain(|job| !ran.contains(job));
        seen.ran = ran;
    }

    pub(super) fn ran(&self) -> BTreeSet<String> {
        self.seen().ran.clone()
    }

    /// Whether a service is there to end.
    pub(super) fn is_job(&self, service: &str) -> bool {
        let seen = self.seen();
        seen.jobs.contains(service) || seen.awaited.contains(service)
    }

    pub(super) fn left_out(&self) -> Vec<LeftOut> {
        self.seen().left_out.clone()
    }
}
