//! The `compose` target as the engine sees it. Everything is done in the files beside this one.

use super::{
    Compose, attend, change, choose, evidence, guard, lease, observe, order, outlook, preflight,
    record, retire, swarm,
};
use crate::model::payload::{Measured, Payloads, Verified};
use crate::model::plan::{Hazard, PermittedChange, Plan};
use crate::model::release::Pin;
use crate::model::state::{Held, Revision, Slot, State, Wanted};
use crate::targets::{Attended, Claim, Finding, LeftOut, ReleaseFacts, Story, Target, TargetError};
use async_trait::async_trait;
use indexmap::IndexMap;
use std::path::PathBuf;

/// Changes at once: an engine does many things side by side, and a host has to carry what they cost.
const PARALLEL: usize = 16;

#[async_trait]
impl Target for Compose {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "compose"
    }

    fn slots(&self) -> Vec<Slot> {
        self.known()
    }

    fn finds_slots(&self) -> bool {
        self.settings.services.is_empty()
    }

    fn parallel(&self) -> usize {
        PARALLEL
    }

    /// What others depend on goes first.
    fn rank(&self, slot: &Slot) -> u8 {
        match self.settings.stack {
            // A stack knows no order of services.
            Some(_) => 0,
            None => order::rank(self, slot),
        }
    }

    async fn guard(&self) -> Result<(), TargetError> {
        guard::guard(self).await?;
        match self.settings.stack {
            Some(_) => swarm::guard(self).await,
            None => Ok(()),
        }
    }

    fn payload(&self) -> Option<String> {
        self.settings.payload.clone()
    }

    /// A file of images stands in for what was recorded, and is not asked for beside it.
    fn needs_payload(&self, release: &ReleaseFacts<'_>) -> bool {
        let slots = self.slots();
        let is_recorded = |slot: &Slot| release.pin(slot).is_some();
        release.manifest.is_none() || !slots.iter().any(is_recorded)
    }

    async fn wanted(
        &self,
        release: &ReleaseFacts<'_>,
        payloads: &Payloads<Measured>,
    ) -> Result<Wanted, TargetError> {
        choose::wanted(self, release, payloads.whole()).await
    }

    fn left_out(&self) -> Vec<LeftOut> {
        self.memory.left_out()
    }

    async fn observe(&self) -> Result<State, TargetError> {
        match self.settings.stack {
            Some(_) => swarm::state(self).await,
            None => observe::all(self).await,
        }
    }

    async fn observe_one(&self, slot: &Slot) -> Result<Option<Held>, TargetError> {
        match self.settings.stack {
            Some(_) => swarm::one(self, slot).await,
            None => observe::one(self, slot).await,
        }
    }

    async fn record(&self) -> Result<Option<IndexMap<Slot, Pin>>, TargetError> {
        self.guard().await?;
        let pins = match self.settings.stack {
            Some(_) => swarm::pins(self).await?,
            None => record::pins(self).await?,
        };
        Ok(Some(pins))
    }

    async fn protect(&self, pins: &IndexMap<Slot, Pin>) -> Result<Vec<String>, TargetError> {
        match self.settings.stack {
            // What a stack runs is in a registry.
            Some(_) => Ok(Vec::new()),
            None => record::protect(self, pins).await,
        }
    }

    async fn hazards(
        &self,
        plan: &Plan,
        facts: &ReleaseFacts<'_>,
    ) -> Result<Vec<Hazard>, TargetError> {
        match self.settings.stack {
            Some(_) => swarm::hazards(self, plan, facts).await,
            None => outlook::hazards(self, plan, facts).await,
        }
    }

    async fn preflight(&self, _payloads: &Payloads<Verified>) -> Vec<Finding> {
        match self.settings.stack {
            Some(_) => swarm::findings(self).await,
            None => preflight::findings(self).await,
        }
    }

    async fn apply(
        &self,
        change: PermittedChange<'_>,
        _payload: Option<&Verified>,
        facts: &ReleaseFacts<'_>,
    ) -> Result<(), TargetError> {
        match self.settings.stack {
            Some(_) => swarm::apply(self, change.change(), facts).await,
            None => change::apply(self, change.change(), facts).await,
        }
    }

    async fn stand_up(&self) -> Result<(), TargetError> {
        self.rescues.done().await
    }

    async fn retire(&self, keep: &[Revision]) -> Result<Vec<String>, TargetError> {
        retire::retire(self, keep).await
    }

    /// What an engine has, or a registry, needs no payload.
    async fn keeps(&self, revision: &Revision) -> bool {
        retire::keeps(self, revision).await
    }

    async fn evidence(&self) -> Vec<(String, String)> {
        match self.settings.stack {
            Some(_) => swarm::gather(self).await,
            None => evidence::gather(self).await,
        }
    }

    fn attends(&self) -> bool {
        true
    }

    async fn attend(
        &self,
        held: &Wanted,
        story: &dyn Story,
    ) -> Result<Option<Attended>, TargetError> {
        let attended = match self.settings.stack {
            Some(_) => swarm::attend(self, held, story).await?,
            None => attend::attend(self, held, story).await?,
        };
        Ok(Some(attended))
    }

    fn lease_path(&self) -> Option<PathBuf> {
        None
    }

    async fn lease(&self, claim: &Claim) -> Result<bool, TargetError> {
        lease::take(self, claim).await
    }

    async fn release(&self, claim: &Claim) {
        lease::give_back(self, claim).await;
    }
}
