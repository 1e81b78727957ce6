//! Whether the images that run are those that were put in place.

use super::read::Look;
use super::slot::{Known, Next, Watch};
use crate::decide::rollout::stable;
use crate::model::sighting::Sighting;

impl Watch<'_> {
    /// Images of ready pods that are not the template's.
    pub(super) async fn images(&self, look: &Look) -> Option<Sighting> {
        let wanted = look.wanted_images();
        let found = stable::other_images(self.slot, &wanted, &look.running(&[].into()))?;
        // Digests that differ between pods are right where the nodes differ.
        let nodes = self.shared.nodes(self.cluster).await;
        match nodes {
            Some(nodes) => {
                stable::other_images(self.slot, &wanted, &look.running(&nodes.architecture))
            }
            None => Some(found),
        }
    }

    /// Whether what was put in place is what is there now that the rollout is done.
    pub(super) async fn check_held(&self, _known: &mut Known, _done: &Look) -> Next {
        Next::GoOn
    }
}
