//! One slot while it is watched: what is known of it so far, and how a look at it ends.

use super::change;
use super::ledger::Ledger;
use super::shared::Shared;
use crate::decide::rollout::stable;
use crate::model::sighting::Sighting;
use crate::model::state::{Revision, Slot};
use crate::targets::kubernetes::Kubernetes;
use crate::targets::kubernetes::cluster::Cluster;
use crate::targets::kubernetes::slots::Place;
use crate::targets::{Story, TargetError};
use kube::api::DynamicObject;
use regex_lite::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What one slot is watched with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch<'a> {
    pub(super) target: &'a Kubernetes,
    pub(super) cluster: &'a Cluster,
    pub(super) shared: &'a Shared<'a>,
    pub(super) story: &'a dyn Story,
    pub(super) slot: &'a Slot,
    pub(super) place: &'a Place,
    /// What it should keep holding.
    pub(super) held: &'a Revision,
    /// Lines that count as errors.
    pub(super) errors: Option<&'a Regex>,
    pub(super) began: Instant,
    /// Set when something critical holds in any slot.
    pub(super) stop: &'a CancellationToken,
}

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) ledger: Ledger,
    /// Looks that were answered.
    pub(super) looks: u32,
    /// The last look that was answered found everything that is wanted.
    pub(super) is_complete: bool,
    /// Why looks failed since the last one that was answered.
    pub(super) trouble: Option<TargetError>,
    /// Container to image, by the digests that have to run where they are known.
    pub(super) images: BTreeMap<String, String>,
    /// What the slot's revision fixes, as it was at the first look.
    first: Option<Value>,
    told: String,
}

/// Whether it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    /// There is nothing more to see.
    End,
}

impl Watch<'_> {
    /// What was seen, and that it could not be watched to its end when it could not.
    pub(super) async fn watch(self) -> Vec<Sighting> {
        let mut known = Known::default();
        tokio::select! {
            biased;
            () = self.stop.cancelled() => (),
            () = self.run(&mut known) => (),
        }
        let mut sightings = known.ledger.told();
        if let Some(error) = known.trouble {
            let why = self.target.masked(&error.to_string());
            sightings.push(stable::unseen(self.slot, &why));
        }
        sightings
    }

    async fn run(&self, known: &mut Known) {
        if self.check_held(known).await == Next::End {
            return;
        }
        if !self.place.kind.is_workload() {
            self.stay_routed(known).await;
            return;
        }
        if let Some(done) = Box::pin(self.roll_out(known)).await {
            Box::pin(self.stay(known, &done)).await;
        }
    }

    /// Tells how it goes, when that is new.
    pub(super) fn tell(&self, known: &mut Known, text: &str) {
        if known.told != text {
            text.clone_into(&mut known.told);
            self.story.progress(self.slot, text);
        }
    }

    /// Takes what a look saw, and ends everything when something critical holds.
    pub(super) fn take(&self, known: &mut Known, seen: Vec<Sighting>) -> Next {
        known.ledger.look(seen, self.began.elapsed());
        self.next(known)
    }

    /// Takes what is certain without a second look.
    pub(super) fn conclude(&self, known: &mut Known, seen: Vec<Sighting>) -> Next {
        known.ledger.conclude(seen, self.began.elapsed());
        self.next(known);
        Next::End
    }

    fn next(&self, known: &Known) -> Next {
        if known.ledger.is_over() {
            self.stop.cancel();
            return Next::End;
        }
        Next::GoOn
    }

    /// Whether somebody else changed it since the first look. Then it is no longer the release that is judged.
    pub(super) fn check_drift(&self, known: &mut Known, object: &DynamicObject) -> Next {
        let kind = self.place.kind;
        let now = change::fixed(kind, object);
        let first = known.first.get_or_insert_with(|| now.clone());
        if first == now {
            return Next::GoOn;
        }
        let what = format!(
            "{} was changed while it was watched",
            change::fixed_words(kind)
        );
        let who = change::who(kind, object);
        let seen = stable::drifted(self.slot, &what, who.as_deref());
        self.conclude(known, vec![seen])
    }

    /// The object is gone.
    pub(super) fn conclude_gone(&self, known: &mut Known) -> Next {
        let seen = stable::drifted(self.slot, "it was deleted while it was watched", None);
        self.conclude(known, vec![seen])
    }
}
