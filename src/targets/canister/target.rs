//! The `canister` target as the engine sees it. Everything is done in the files beside this one.

use super::hazards::{self, Install, Planned, Prospect};
use super::identity::Caller;
use super::module::{self, Facts};
use super::observe::Seen;
use super::preflight::{self, Examined};
use super::settings::WhenStopped;
use super::site::Site;
use super::snapshot::Own;
use super::{
    Canisters, Member, ask, attend, change, evidence, guard, logs, observe, release, retire,
};
use crate::decide::canister::mode::Asked;
use crate::decide::canister::standing;
use crate::model::payload::{Digest, Measured, Payloads, Verified};
use crate::model::plan::{Change, Hazard, PermittedChange, Plan};
use crate::model::probe::{Ask, Question};
use crate::model::state::{Held, Revision, Slot, State, Wanted};
use crate::targets::{Attended, Finding, ReleaseFacts, Story, Target, TargetError, Way};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{MutexGuard, PoisonError};
use tokio::time::Instant;

#[async_trait]
impl Target for Canisters {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "canister"
    }

    fn slots(&self) -> Vec<Slot> {
        self.members.keys().cloned().collect()
    }

    fn parallel(&self) -> usize {
        self.settings.parallel
    }

    fn payload(&self) -> Option<String> {
        None
    }

    fn own_payload(&self, slot: &Slot) -> Vec<String> {
        self.members
            .get(slot)
            .map(|member| member.settings.modules())
            .unwrap_or_default()
    }

    async fn guard(&self) -> Result<(), TargetError> {
        let sites = self.sites(None).await?;
        for line in guard::guard(&sites).await? {
            tracing::info!("{line}");
        }
        Ok(())
    }

    async fn wanted(
        &self,
        release: &ReleaseFacts<'_>,
        payloads: &Payloads<Measured>,
    ) -> Result<Wanted, TargetError> {
        let mut wanted = Wanted::new();
        for slot in self.members.keys() {
            let payload = payloads.of(slot);
            let Some(revision) = release::revision(slot, release.pinned(slot), payload)? else {
                continue;
            };
            if let Some(payload) = payload {
                let module = module::read(&payload.path).await?;
                self.modules().insert(slot.clone(), module.facts);
            }
            wanted.insert(slot.clone(), revision);
        }
        Ok(wanted)
    }

    async fn observe(&self) -> Result<State, TargetError> {
        let sites = self.sites(None).await?;
        let began = Instant::now();
        let seen = observe::all(&sites).await?;
        for (site, seen) in sites.iter().zip(&seen) {
            site.network.planned.keep(site.id, began, seen);
        }
        let held = sites
            .iter()
            .zip(&seen)
            .map(|(site, seen)| self.held(site, seen));
        let slots = sites.iter().map(|site| site.slot.clone());
        Ok(slots.zip(held).collect())
    }

    async fn observe_one(&self, slot: &Slot) -> Result<Option<Held>, TargetError> {
        let site = self.site(slot, None).await?;
        let began = Instant::now();
        let seen = observe::one(&site).await?;
        site.network.compared.keep(site.id, began, &seen);
        Ok(Some(self.held(&site, &seen)))
    }

    async fn hazards(
        &self,
        plan: &Plan,
        facts: &ReleaseFacts<'_>,
    ) -> Result<Vec<Hazard>, TargetError> {
        let modules = self.modules().clone();
        let mut prospects = Vec::new();
        for change in &plan.changes {
            let slot = change.slot();
            let site = self.site(slot, facts.story).await?;
            let planned = match change {
                Change::Start { .. } => Planned::Start,
                Change::Install { .. } => Planned::Install(Install {
                    module: modules.get(slot),
                    asked: self.member(slot)?.1.asked(),
                    snapshots: self.own_snapshots(
                        &site,
                        match facts.way {
                            Way::Forward => None,
                            Way::Back => change.to().0.parse().ok(),
                        },
                    ),
                }),
            };
            prospects.push(Prospect {
                site,
                change: planned,
                way: facts.way,
            });
        }
        for change in &plan.changes {
            if let (Change::Install { slot, to, .. }, Way::Back, Some(story)) =
                (change, facts.way, facts.story)
                && let Some(line) = change::outlook(self, slot, to, facts).await?
            {
                story.progress(slot, &line);
            }
        }
        let hazards = hazards::hazards(&prospects).await?;
        self.note_hazards(&hazards);
        Ok(hazards)
    }

    async fn preflight(&self, payloads: &Payloads<Verified>) -> Vec<Finding> {
        let (caller, sites) = match (self.connected().await, self.sites(None).await) {
            (Ok((_network, caller)), Ok(sites)) => (caller, sites),
            (Err(error), _) | (_, Err(error)) => {
                return vec![preflight::finding_of("network", error)];
            }
        };
        let from = match caller {
            Caller::Known(known) => Some(known.from.as_str()),
            Caller::Anonymous => None,
        };
        let mut findings = vec![preflight::identity(caller.principal(), from)];
        let examined: Vec<Examined<'_>> = sites
            .iter()
            .zip(self.members.values())
            .map(|(site, member)| Examined {
                site: *site,
                payload: payloads.of(site.slot),
                asked: member.asked(),
                snapshots: self.own_snapshots(site, None),
                days_min: self.settings.cycles_days_min,
            })
            .collect();
        findings.extend(preflight::findings(&examined).await);
        findings
    }

    async fn apply(
        &self,
        change: PermittedChange<'_>,
        payload: Option<&Verified>,
        facts: &ReleaseFacts<'_>,
    ) -> Result<(), TargetError> {
        Box::pin(change::carry_out(self, change.change(), payload, facts)).await
    }

    /// Modules are not kept by the network; snapshots of ours are.
    async fn retire(&self, keep: &[Revision]) -> Result<Vec<String>, TargetError> {
        let mut deleted = Vec::new();
        for site in self.sites(None).await? {
            let count = self.settings.snapshots;
            deleted.extend(retire::retire(&site, &self.notes, count, keep).await?);
        }
        Ok(deleted)
    }

    async fn evidence(&self) -> Vec<(String, String)> {
        match self.sites(None).await {
            Ok(sites) => evidence::gather(&sites, &self.baselines, &self.base.secrets).await,
            Err(error) => vec![(
                "canisters.txt".to_owned(),
                logs::shown(&format!("could not be read: {error}"), &self.base.secrets),
            )],
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
        let rules = attend::Rules {
            judged: standing::Rules {
                traps_max: self.settings.traps_max,
                cycles_days_min: self.settings.cycles_days_min,
                may_be_stopped: self.settings.when_stopped == WhenStopped::Leave,
            },
            stable: self.settings.stable.0,
            notes: &self.notes,
        };
        let secrets = &self.base.secrets;
        let sites = match self.sites(None).await {
            Ok(sites) => sites,
            Err(error) => {
                let why = error.to_string();
                return Ok(Some(attend::unreachable(held, &why, secrets)));
            }
        };
        let attended = attend::attend(&sites, held, &rules, &self.baselines, secrets, story).await;
        Ok(Some(attended))
    }

    async fn question(&self, slot: &Slot, question: &Question) -> Result<Ask, TargetError> {
        ask::open(&self.site(slot, None).await?, question).await
    }

    /// The network has no place for one; the state directory has.
    fn lease_path(&self) -> Option<PathBuf> {
        None
    }
}

impl Canisters {
    /// What a canister that we stopped ourselves holds is not running, whatever the settings say of those that are found stopped.
    fn held(&self, site: &Site<'_>, seen: &Seen) -> Held {
        let stopped_by_us = self.notes.stopped_since(site).is_some();
        seen.held(self.settings.when_stopped, stopped_by_us)
    }

    fn modules(&self) -> MutexGuard<'_, BTreeMap<Slot, Facts>> {
        self.modules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The snapshots that we took of a canister; `None`: none is to be taken. `spare`: the newest with this module stays.
    fn own_snapshots(&self, site: &Site<'_>, spare: Option<Digest>) -> Option<Own> {
        (0 < self.settings.snapshots).then(|| Own {
            noted: self.notes.snapshots(site),
            spare,
        })
    }

    fn note_hazards(&self, hazards: &[Hazard]) {
        let mut without = self
            .without_snapshot
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let none = hazards
            .iter()
            .filter(|hazard| hazard.name == change::NO_SNAPSHOT);
        *without = none.map(|hazard| hazard.slot.clone()).collect();
    }

    /// Whether the plan that was permitted says that no snapshot can be taken.
    pub(super) fn goes_without_snapshot(&self, slot: &Slot) -> bool {
        let without = self
            .without_snapshot
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        without.contains(slot)
    }
}

impl Member {
    /// Whether the settings ask for a reinstall; that the id typed there is this canister's was checked when they were read.
    pub(super) fn asked(&self) -> Asked {
        if self.settings.reinstall.is_some() {
            Asked::Reinstall
        } else {
            Asked::KeepState
        }
    }
}
