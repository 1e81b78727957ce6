//! The `kubernetes` target as the engine sees it. Everything is done in the files beside this one.

use super::slots::{Kind, Place};
use super::{
    Kubernetes, attend, choose, evidence, forward, guard, install, lease, outlook, preflight,
    record, route, service, workload,
};
use crate::model::payload::{Measured, Payloads, Verified};
use crate::model::plan::{Change, Hazard, PermittedChange, Plan};
use crate::model::release::Pin;
use crate::model::state::{Held, Revision, Slot, State, Wanted};
use crate::targets::{Attended, Claim, Finding, ReleaseFacts, Story, Target, TargetError};
use async_trait::async_trait;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Changes at once: enough that a hundred workloads roll out side by side, few enough for one client.
const PARALLEL: usize = 32;

#[async_trait]
impl Target for Kubernetes {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "kubernetes"
    }

    fn slots(&self) -> Vec<Slot> {
        self.places().iter().map(|place| self.slot(place)).collect()
    }

    fn goes_further(&self) -> bool {
        true
    }

    fn finds_slots(&self) -> bool {
        self.settings.selector.is_some()
    }

    /// A Service or a route leads to pods only when those are what they should be.
    fn rank(&self, slot: &Slot) -> u8 {
        match self.place(slot) {
            Ok(place) if place.kind.is_workload() => 0,
            Ok(_) | Err(_) => 1,
        }
    }

    async fn guard(&self) -> Result<(), TargetError> {
        guard::guard(self).await
    }

    fn parallel(&self) -> usize {
        PARALLEL
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
        let workloads = workload::observe_all(self).await?;
        let mut held: BTreeMap<Place, Held> = workloads
            .into_iter()
            .map(|observed| (observed.place.clone(), observed.held()))
            .collect();
        let mut state = State::new();
        for place in self.places() {
            let held = match held.remove(&place) {
                Some(held) => held,
                None => self
                    .observe_place(&place)
                    .await?
                    .ok_or_else(|| workload::missing(&place))?,
            };
            state.insert(self.slot(&place), held);
        }
        Ok(state)
    }

    async fn observe_one(&self, slot: &Slot) -> Result<Option<Held>, TargetError> {
        self.observe_place(&self.place(slot)?).await
    }

    async fn record(&self) -> Result<Option<IndexMap<Slot, Pin>>, TargetError> {
        guard::guard(self).await?;
        Ok(Some(record::pins(self).await?))
    }

    async fn numbered(&self, slot: &Slot, number: &str) -> Result<Revision, TargetError> {
        choose::numbered(self, slot, number).await
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
        payload: Option<&Verified>,
        facts: &ReleaseFacts<'_>,
    ) -> Result<(), TargetError> {
        let change = change.change();
        let place = self.place(change.slot())?;
        match (place.kind, change) {
            (
                Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet,
                Change::Install { slot, from, to },
            ) => install::install(self, slot, from.as_ref(), to, payload, facts).await,
            (Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet, Change::Start { .. }) => {
                install::start(self, change.slot(), change.to(), facts).await
            }
            (Kind::Service, _) => service::apply(self, &place, change, facts).await,
            (Kind::HttpRoute, _) => route::apply(self, &place, change, facts).await,
        }
    }

    /// What the cluster keeps is its own to prune (`revisionHistoryLimit`).
    async fn retire(&self, _keep: &[Revision]) -> Result<Vec<String>, TargetError> {
        Ok(Vec::new())
    }

    async fn keeps(&self, revision: &Revision) -> bool {
        // A selector or weights are whole in their revision.
        !revision.0.starts_with("sha256:") || self.memory.has(revision)
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

    async fn forward(&self, to: &str) -> Result<SocketAddr, TargetError> {
        forward::forward(self, to).await
    }

    fn path(&self, change: &Change) -> Vec<Revision> {
        match self.place(change.slot()) {
            Ok(place) if place.kind == Kind::HttpRoute => route::path(self, change),
            Ok(_) | Err(_) => Vec::new(),
        }
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

impl Kubernetes {
    async fn observe_place(&self, place: &Place) -> Result<Option<Held>, TargetError> {
        match place.kind {
            Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => {
                let observed = workload::observe(self, place).await?;
                Ok(observed.map(|observed| observed.held()))
            }
            Kind::Service => service::observe(self, place).await,
            Kind::HttpRoute => route::observe(self, place).await,
        }
    }
}
