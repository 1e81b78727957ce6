//! What a wait says while it lasts: each thing once. How the lines are shown is the caller's.

use crate::model::sighting::{Sighting, Symptom};
use crate::model::state::Slot;
use crate::targets::Story;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

pub(in super::super) struct Told<'a> {
    story: Option<&'a dyn Story>,
    slot: &'a Slot,
    last: Mutex<String>,
    symptoms: BTreeSet<Symptom>,
}

impl<'a> Told<'a> {
    pub(super) fn new(story: Option<&'a dyn Story>, slot: &'a Slot) -> Self {
        Self {
            story,
            slot,
            last: Mutex::default(),
            symptoms: BTreeSet::new(),
        }
    }

    /// Told unless it was the last thing told.
    pub(in super::super) fn progress(&self, text: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != text {
            text.clone_into(&mut last);
            if let Some(story) = self.story {
                story.progress(self.slot, text);
            }
        }
    }

    /// Told when a symptom is seen first: its numbers change all the time.
    pub(super) fn sighting(&mut self, sighting: &Sighting) {
        if self.symptoms.insert(sighting.symptom) {
            self.progress(&sighting.what);
        }
    }
}
