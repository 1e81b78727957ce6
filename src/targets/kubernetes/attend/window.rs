//! The windows of a workload, once its rollout is done: looks at set times, one more where the last left a doubt.

use super::change;
use super::read::{self, Look};
use super::schedule::{self, looks};
use super::slot::{Known, Next, Watch};
use crate::decide::rollout::stable::{self, Before};
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

/// An API server that is restarted just as the window ends is waited for at least this long.
const SEEN_AGAIN_MIN: Duration = Duration::from_secs(10);

impl Watch<'_> {
    /// `done`: the look that found the rollout done.
    pub(super) async fn stay(&self, known: &mut Known, done: &Look) {
        let began = Instant::now();
        Self::pin(known, done);
        let before = Before::of(&done.seen);
        let settings = &self.target.settings;
        let drift: Vec<Duration> = settings.drift.iter().map(|time| time.0).collect();
        known.is_complete = true;
        for look in looks(settings.stable.0, &drift) {
            sleep_until(began + look.at).await;
            if self.look(known, &before, look).await == Next::End {
                return;
            }
        }
        Box::pin(self.settle(known, &before)).await;
    }

    /// One look. One that failed leaves the count as complete as it was.
    async fn look(&self, known: &mut Known, before: &Before, when: schedule::Look) -> Next {
        let look = match read::look(self.shared, self.cluster, self.slot, self.place).await {
            Ok(Some(look)) => look,
            Ok(None) => return self.conclude_gone(known),
            Err(error) => {
                tracing::debug!(slot = %self.slot, %error, "a look failed");
                known.trouble = Some(error);
                return Next::GoOn;
            }
        };
        known.looks += 1;
        known.trouble = None;
        if self.check_drift(known, &look.object) == Next::End {
            return Next::End;
        }
        known.is_complete = standing(&look.seen.workload) == Standing::Done;
        let mut seen = look.seen.clone();
        seen.was_done = true;
        let mut found = diagnose(self.slot, &seen);
        if when.is_stability {
            found.extend(stable::restarts_grew(
                self.slot,
                &before.restarts,
                &seen.pods,
            ));
        }
        found.extend(stable::not_replaced(self.slot, &seen));
        found.extend(self.endpoints(&look).await);
        found.extend(self.images(known, &look).await);
        if when.reads_logs {
            found.extend(self.errors_logged(&look).await);
        }
        self.take(known, found)
    }

    /// Looks on where the last look leaves a doubt or failed, or where the count is not complete.
    async fn settle(&self, known: &mut Known, before: &Before) {
        let again = self.target.settings.stable.0.min(COMPLETE_AGAIN_MAX);
        let ends = Instant::now() + again;
        let seen_ends = Instant::now() + again.max(SEEN_AGAIN_MIN);
        // Each doubt is settled by one look, but a look may raise another one.
        let mut doubts = 3_u32;
        while (known.ledger.is_in_doubt() && 0 < doubts)
            || (!known.is_complete && Instant::now() < ends)
            || (known.trouble.is_some() && Instant::now() < seen_ends)
        {
            doubts = doubts.saturating_sub(1);
            sleep(DOUBT).await;
            let when = schedule::Look {
                at: Duration::ZERO,
                is_stability: false,
                reads_logs: false,
            };
            if self.look(known, before, when).await == Next::End {
                return;
            }
        }
        if known.is_complete || again.is_zero() {
            return;
        }
        match read::look(self.shared, self.cluster, self.slot, self.place).await {
            Ok(Some(look)) => {
                let found = stable::incomplete(self.slot, before, &look.seen);
                known.ledger.add(found, self.began.elapsed());
            }
            Ok(None) => {
                self.conclude_gone(known);
            }
            Err(error) => known.trouble = Some(error),
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
