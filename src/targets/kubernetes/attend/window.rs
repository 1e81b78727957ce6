//! The windows of a workload, once its rollout is done: looks at set times, one more where the last left a doubt.

use super::change;
use super::read::{self, Look};
use super::schedule::{self, looks};
use super::slot::{Known, Next, Watch};
use crate::decide::rollout::stable::{self, Restarts};
use crate::decide::rollout::{Standing, diagnose, standing};
use crate::model::sighting::Sighting;
use crate::targets::kubernetes::logs;
use crate::targets::kubernetes::pods;
use k8s_openapi::api::core::v1 as api;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Between two looks that settle a doubt.
const DOUBT: Duration = Duration::from_secs(2);

/// A count that is not complete at the end may be one that grows (an autoscaler, a node that was drained): it gets as long
/// again as it was watched, but not longer than this.
const COMPLETE_AGAIN_MAX: Duration = Duration::from_mins(1);

impl Watch<'_> {
    /// `done`: the look that found the rollout done.
    pub(super) async fn stay(&self, known: &mut Known, done: &Look) {
        let began = Instant::now();
        Self::pin(known, done);
        let before = stable::restarts(&done.seen.pods);
        let settings = &self.target.settings;
        let drift: Vec<Duration> = settings.drift.iter().map(|time| time.0).collect();
        let mut is_complete = true;
        for look in looks(settings.stable.0, &drift) {
            sleep_until(began + look.at).await;
            let Some(going) = self.look(known, &before, look).await else {
                return;
            };
            is_complete = going == Standing::Done;
        }
        Box::pin(self.settle(known, &before, is_complete)).await;
    }

    /// One look; `None` ends the watching. A look that failed leaves the count as complete as it was.
    async fn look(
        &self,
        known: &mut Known,
        before: &Restarts,
        when: schedule::Look,
    ) -> Option<Standing> {
        let look = match read::look(self.shared, self.cluster, self.slot, self.place).await {
            Ok(Some(look)) => look,
            Ok(None) => {
                self.conclude_gone(known);
                return None;
            }
            Err(error) => {
                tracing::debug!(slot = %self.slot, %error, "a look failed");
                known.trouble = Some(error);
                return Some(Standing::Done);
            }
        };
        known.looks += 1;
        known.trouble = None;
        if self.check_drift(known, &look.object) == Next::End {
            return None;
        }
        let mut seen = look.seen.clone();
        seen.was_done = true;
        let mut found = diagnose(self.slot, &seen);
        if when.is_stability {
            found.extend(stable::restarts_grew(self.slot, before, &seen.pods));
        }
        found.extend(self.endpoints(&look).await);
        found.extend(self.images(known, &look).await);
        if when.reads_logs {
            found.extend(self.errors_logged(&look).await);
        }
        let next = self.take(known, found);
        (next == Next::GoOn).then(|| standing(&seen.workload))
    }

    /// Looks on where the last look leaves a doubt, or where the count is not complete.
    async fn settle(&self, known: &mut Known, before: &Restarts, mut is_complete: bool) {
        let again = self.target.settings.stable.0.min(COMPLETE_AGAIN_MAX);
        let ends = Instant::now() + again;
        // Each doubt is settled by one look, but a look may raise another one.
        let mut doubts = 3_u32;
        while (known.ledger.is_in_doubt() && 0 < doubts) || (!is_complete && Instant::now() < ends)
        {
            doubts = doubts.saturating_sub(1);
            sleep(DOUBT).await;
            let when = schedule::Look {
                at: Duration::ZERO,
                is_stability: false,
                reads_logs: false,
            };
            let Some(going) = self.look(known, before, when).await else {
                return;
            };
            is_complete = going == Standing::Done;
        }
        if is_complete || again.is_zero() {
            return;
        }
        if let Ok(Some(look)) = read::look(self.shared, self.cluster, self.slot, self.place).await {
            let found = stable::incomplete(self.slot, &look.seen);
            self.conclude(known, found.into_iter().collect());
        }
    }

    async fn endpoints(&self, look: &Look) -> Vec<Sighting> {
        // Scaled to nothing: nobody expects an address.
        if look.seen.workload.wanted == 0 {
            return Vec::new();
        }
        let namespace = &self.place.namespace;
        let services = self.shared.services(self.cluster, self.slot, namespace);
        let Some(services) = services.await else {
            return Vec::new();
        };
        services
            .0
            .iter()
            .filter_map(|(name, service)| {
                let selected: Vec<_> = look
                    .new_pods()
                    .filter(|pod| service.selects(pod.metadata.labels.as_ref()))
                    .filter_map(|pod| {
                        let name = pod.metadata.name.as_deref()?;
                        look.seen.pods.iter().find(|one| one.name == name)
                    })
                    .collect();
                stable::no_endpoints(self.slot, name, service.ready.len(), &selected)
            })
            .collect()
    }

    async fn errors_logged(&self, look: &Look) -> Option<Sighting> {
        let pattern = self.errors?;
        let since = change::changed_at(self.place.kind, &look.object);
        let is_active = |pod: &&api::Pod| pods::pod(pod, true, None).is_active();
        let pods: Vec<&api::Pod> = look.new_pods().filter(is_active).collect();
        let namespace = &self.place.namespace;
        let scan = logs::scan(self.cluster, namespace, &pods, pattern, since).await;
        if let Some(why) = &scan.trouble {
            let what = format!("the logs of {} containers", scan.unread);
            let error = anyhow::anyhow!("{why}");
            let none: Option<()> = self.shared.or_tell(self.slot, &what, Err(error.into()));
            debug_assert!(none.is_none(), "an error is no answer");
        }
        let limit = self.target.settings.log_errors_max;
        let first = self.target.masked(&scan.first);
        stable::errors_logged(self.slot, scan.lines, limit, scan.pods, &first)
    }
}
