//! The `compose` target as the engine sees it. Everything is done in the files beside this one.

use super::{
    Compose, attend, change, choose, evidence, guard, lease, observe, order, outlook, preflight,
    record, retire,
};
use crate::model::payload::{Measured, Payloads, Verified};
use crate::model::plan::{Hazard, PermittedChange, Plan};
use crate::model::release::Pin;
use crate::model::state::{Held, Revision, Slot, State, Wanted};
use crate::targets::{Attended, Claim, Finding, ReleaseFacts, Story, Target, TargetError};
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
        order::rank(self, slot)
    }

    async fn guard(&self) -> Result<(), TargetError> {
        guard::guard(self).await
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

    async fn observe(&self) -> Result<State, TargetError> {
        observe::all(self).await
    }

    async fn observe_one(&self, slot: &Slot) -> Result<Option<Held>, TargetError> {
        observe::one(self, slot).await
    }

    async fn record(&self) -> Result<Option<IndexMap<Slot, Pin>>, TargetError> {
        guard::guard(self).await?;
        Ok(Some(record::pins(self).await?))
    }

    async fn protect(&self, pins: &IndexMap<Slot, Pin>) -> Result<Vec<String>, TargetError> {
        record::protect(self, pins).await
    }

    async fn hazards(
        &self,
        plan: &Plan,
        facts: &ReleaseFacts<'_>,
    ) -> Result<Vec<Hazard>, TargetError> {
        outlook::hazards(self, plan, facts).await
    }

    async fn preflight(&self, _payloads: &Payloads<Verified>) -> Vec<Finding> {
        preflight::findings(self).await
    }

    async fn apply(
        &self,
        change: PermittedChange<'_>,
        _payload: Option<&Verified>,
        facts: &ReleaseFacts<'_>,
    ) -> Result<(), TargetError> {
        change::apply(self, change.change(), facts).await
    }

    async fn retire(&self, keep: &[Revision]) -> Result<Vec<String>, TargetError> {
        retire::retire(self, keep).await
    }

    /// What an engine has, or a registry, needs no payload.
    async fn keeps(&self, revision: &Revision) -> bool {
        retire::keeps(self, revision).await
    }

    async fn evidence(&self) -> Vec<(String, String)> {
        evidence::gather(self).await
    }

    fn attends(&self) -> bool {
        true
    }

    async fn attend(
        &self,
        held: &Wanted,
        story: &dyn Story,
    ) -> Result<Option<Attended>, TargetError> {
        attend::attend(self, held, story).await.map(Some)
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
