//! One canister in reach: what every step of a change needs to know of it.

use super::management::Management;
use super::network::Network;
use crate::model::state::Slot;
use crate::targets::Story;
use candid::Principal;

/// One canister of a target, and the network it is on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) network: &'a Network,
    pub(super) slot: &'a Slot,
    pub(super) id: Principal,
    /// Who is told how a change goes.
    pub(super) story: Option<&'a dyn Story>,
}

impl<'a> Site<'a> {
    /// What a controller may do with it.
    pub(super) const fn management(&self) -> Management<'a> {
        Management {
            network: self.network,
            id: self.id,
        }
    }

    /// One line for whoever waits.
    pub(super) fn tell(&self, text: &str) {
        if let Some(story) = self.story {
            story.progress(self.slot, text);
        }
    }

    /// One line for the report too: what a change loses.
    pub(super) fn warn(&self, text: &str) {
        if let Some(story) = self.story {
            story.warn(self.slot, text);
        }
    }
}
