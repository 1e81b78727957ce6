//! The part before the windows: a rollout that is under way when the watching begins. Events of the watch API say when
//! something changed; a slower beat looks at the pods, and goes on alone where watching is not possible.

use super::read::{self, Look};
use super::slot::{Known, Next, Watch};
use crate::decide::rollout::{Deadline, Standing, diagnose, standing};
use crate::model::verdict::Severity;
use crate::targets::kubernetes::pods;
use crate::targets::kubernetes::workload::rollout_kind;
use futures_util::stream::StreamExt as _;
use kube::api::DynamicObject;
use kube::runtime::{WatchStreamExt as _, watcher};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Between two looks at the pods.
const BEAT: Duration = Duration::from_secs(2);

/// After this time of a serious fault that lasts there is no use in waiting for the deadline: back-offs of image pulls and
/// of restarts are below it.
const SERIOUS_LASTS: Duration = Duration::from_mins(1);

impl Watch<'_> {
    /// The look that found the rollout done; `None` when it ended in another way, which is in the ledger then.
    pub(super) async fn roll_out(&self, known: &mut Known) -> Option<Look> {
        let ends = self.began + self.target.settings.rollout_deadline.0;
        let mut gave_up = None;
        let objects = self.cluster.objects(self.place.kind, &self.place.namespace);
        let only = watcher::Config::default().fields(&format!("metadata.name={}", self.place.name));
        let events = watcher(objects, only).default_backoff().applied_objects();
        let mut events = pin!(events);
        loop {
            match read::look(self.shared, self.cluster, self.slot, self.place).await {
                Ok(Some(look)) => {
                    if self.judge(known, &mut gave_up, &look, ends) == Next::End {
                        return None;
                    }
                    if standing(&look.seen.workload) == Standing::Done {
                        return Some(look);
                    }
                }
                Ok(None) => {
                    self.conclude_gone(known);
                    return None;
                }
                Err(error) => {
                    tracing::debug!(slot = %self.slot, %error, "a look failed");
                    known.trouble = Some(error);
                    if ends <= Instant::now() {
                        return None;
                    }
                }
            }
            let beat = (Instant::now() + BEAT).min(ends.max(Instant::now()));
            loop {
                tokio::select! {
                    () = sleep_until(beat) => break,
                    Some(event) = events.next() => match event {
                        Ok(object) => {
                            if self.hear(known, &object) == Standing::Done {
                                break;
                            }
                        }
                        // It begins again by itself, and the beat goes on meanwhile.
                        Err(error) => tracing::debug!(slot = %self.slot, %error, "watching was interrupted"),
                    },
                }
            }
        }
    }

    /// An event says how far it is.
    fn hear(&self, known: &mut Known, object: &DynamicObject) -> Standing {
        let raw = serde_json::to_value(object).unwrap_or_default();
        let found = standing(&pods::workload(rollout_kind(self.place.kind), &raw));
        if let Standing::Going { text } = &found {
            self.tell(known, text);
        }
        found
    }

    fn judge(
        &self,
        known: &mut Known,
        gave_up: &mut Option<Deadline>,
        look: &Look,
        ends: Instant,
    ) -> Next {
        known.looks += 1;
        known.trouble = None;
        if self.check_drift(known, &look.object) == Next::End {
            return Next::End;
        }
        let mut seen = look.seen.clone();
        let gave_up = gave_up.get_or_insert_with(|| read::deadline(self.place, &look.object));
        seen.controller_gave_up = gave_up.seen(&seen.workload);
        seen.deadline_passed = ends <= Instant::now();
        match standing(&seen.workload) {
            Standing::Done => {
                if 1 < known.looks {
                    self.tell(known, "the rollout is done");
                }
                // What was wrong on the way has passed.
                return self.take(known, Vec::new());
            }
            Standing::Going { text } => self.tell(known, &text),
        }
        let found = diagnose(self.slot, &seen);
        if seen.controller_gave_up || seen.deadline_passed {
            return self.conclude(known, found);
        }
        let next = self.take(known, found);
        let lasts = known
            .ledger
            .holds(Severity::Serious, SERIOUS_LASTS, self.began.elapsed());
        if lasts { Next::End } else { next }
    }
}
