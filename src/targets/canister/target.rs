//! The `canister` target as the engine sees it. Everything is done in the files beside this one.

use super::settings::WhenStopped;
use super::site::Site;
use super::wire::Running;
use super::{Canisters, ask, attend, certified, evidence};
use crate::decide::canister::standing;
use crate::model::payload::{Measured, Payloads, Verified};
use crate::model::plan::{Hazard, PermittedChange, Plan};
use crate::model::probe::{Ask, Question};
use crate::model::state::{Held, Phase, Revision, Slot, State, Wanted};
use crate::targets::{Attended, Finding, ReleaseFacts, Story, Target, TargetError};
use async_trait::async_trait;
use std::path::PathBuf;

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

    async fn wanted(
        &self,
        _release: &ReleaseFacts<'_>,
        payloads: &Payloads<Measured>,
    ) -> Result<Wanted, TargetError> {
        let mut wanted = Wanted::new();
        for slot in self.members.keys() {
            if let Some(payload) = payloads.of(slot) {
                wanted.insert(slot.clone(), Revision(payload.digest.to_string()));
            }
        }
        Ok(wanted)
    }

    async fn observe(&self) -> Result<State, TargetError> {
        let mut state = State::new();
        for site in self.sites(None).await? {
            state.insert(site.slot.clone(), held(&site).await?);
        }
        Ok(state)
    }

    async fn observe_one(&self, slot: &Slot) -> Result<Option<Held>, TargetError> {
        let site = self.site(slot, None).await?;
        held(&site).await.map(Some)
    }

    async fn hazards(
        &self,
        _plan: &Plan,
        _facts: &ReleaseFacts<'_>,
    ) -> Result<Vec<Hazard>, TargetError> {
        Ok(Vec::new())
    }

    async fn preflight(&self, _payloads: &Payloads<Verified>) -> Vec<Finding> {
        Vec::new()
    }

    async fn apply(
        &self,
        _change: PermittedChange<'_>,
        _payload: Option<&Verified>,
        _facts: &ReleaseFacts<'_>,
    ) -> Result<(), TargetError> {
        Err(TargetError::Failed(anyhow::anyhow!(
            "nothing is changed yet"
        )))
    }

    async fn retire(&self, _keep: &[Revision]) -> Result<Vec<String>, TargetError> {
        Ok(Vec::new())
    }

    async fn evidence(&self) -> Vec<(String, String)> {
        match self.sites(None).await {
            Ok(sites) => evidence::gather(&sites, &self.base.secrets).await,
            Err(error) => vec![(
                "canisters.txt".to_owned(),
                format!("could not be read: {error}"),
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
            stable: self.settings.stable.duration(),
        };
        let sites = self.sites(None).await?;
        let secrets = &self.base.secrets;
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

async fn held(site: &Site<'_>) -> Result<Held, TargetError> {
    let failed = |error: super::call::CallError| TargetError::Unreachable {
        what: format!("{}: {error}", site.slot),
    };
    let certified = certified::read(site.network, site.id)
        .await
        .map_err(failed)?;
    let status = site.management().status().await.map_err(failed)?;
    let hash = certified.and_then(|certified| certified.module_hash);
    Ok(Held {
        revision: hash.map(|hash| Revision(hash.to_string())),
        phase: match status.status {
            Some(Running::Running) | None => Phase::Running,
            Some(Running::Stopping) => Phase::Moving,
            Some(Running::Stopped) => Phase::Stopped,
        },
    })
}
