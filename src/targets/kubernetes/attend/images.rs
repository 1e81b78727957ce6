//! Whether what runs is what was put in place: the slot's revision at the start, and the images of ready pods after that.

use super::change;
use super::read::Look;
use super::slot::{Known, Next, Watch};
use crate::decide::rollout::stable;
use crate::model::sighting::Sighting;
use crate::model::state::Revision;
use crate::targets::kubernetes::template::digest;
use crate::targets::kubernetes::workload;
use crate::targets::{Target as _, TargetError};
use kube::api::DynamicObject;
use std::collections::{BTreeMap, BTreeSet};

impl Watch<'_> {
    /// Whether the slot holds what it should when the watching begins. What cannot be read now is compared with itself later.
    pub(super) async fn check_held(&self, known: &mut Known) -> Next {
        let (revision, object) = match self.holds(known).await {
            Ok(Some(holds)) => holds,
            Ok(None) => return self.conclude_gone(known),
            Err(error) => {
                tracing::debug!(slot = %self.slot, %error, "what the slot holds could not be read");
                return Next::GoOn;
            }
        };
        if revision
            .as_ref()
            .is_none_or(|revision| revision == self.held)
        {
            return Next::GoOn;
        }
        let holds = revision.map_or_else(String::new, |revision| revision.short());
        let what = format!(
            "it holds {holds}, but {} was put in place",
            self.held.short()
        );
        let who = object.and_then(|object| change::who(self.place.kind, &object));
        let seen = stable::drifted(self.slot, &what, who.as_deref());
        self.conclude(known, vec![seen])
    }

    async fn holds(
        &self,
        known: &mut Known,
    ) -> Result<Option<(Option<Revision>, Option<DynamicObject>)>, TargetError> {
        if !self.place.kind.is_workload() {
            let held = self.target.observe_one(self.slot).await?;
            return Ok(held.map(|held| (held.revision, None)));
        }
        let Some(observed) = workload::observe(self.target, self.place).await? else {
            return Ok(None);
        };
        known.images = observed.images;
        Ok(Some((Some(observed.revision), Some(observed.object))))
    }

    /// From now on a tag has to lead to the digest that it leads to now, where all pods agree on one.
    pub(super) fn pin(known: &mut Known, done: &Look) {
        if known.images.is_empty() {
            known.images = done.wanted_images();
        }
        let running = done.running(&BTreeMap::new());
        for (name, image) in &mut known.images {
            let digests: BTreeSet<&str> = running
                .iter()
                .filter(|one| one.container == *name)
                .filter_map(|one| digest(one.image_id.as_deref()?))
                .collect();
            if let (None, 1, Some(digest)) = (digest(image), digests.len(), digests.first()) {
                *image = format!("{image}@{digest}");
            }
        }
    }

    /// Images of ready pods that are not the wanted ones.
    pub(super) async fn images(&self, known: &Known, look: &Look) -> Option<Sighting> {
        let wanted = &known.images;
        let found = stable::other_images(self.slot, wanted, &look.running(&BTreeMap::new()))?;
        // Digests that differ between pods are right where the nodes differ.
        match self.shared.nodes(self.cluster).await {
            Some(nodes) => {
                stable::other_images(self.slot, wanted, &look.running(&nodes.architecture))
            }
            None => Some(found),
        }
    }
}
