//! Watches canisters that were put in place: a look every few seconds, side by side, until the time is over or something
//! critical holds. What is wrong is judged in `decide::canister`; what it means is `decide::mitigate`'s.

use super::call::CallError;
use super::logs;
use super::look::{self, Baselines};
use super::notes::Notes;
use super::site::Site;
use crate::decide::canister::standing::{self, Look, Since, Watched, standing};
use crate::model::secret::Secret;
use crate::model::sighting::{Sighting, worst_first};
use crate::model::state::{Revision, Wanted};
use crate::model::verdict::Severity;
use crate::targets::{Attended, Story};
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// Between two looks. Each has a replicated call, which the canister pays for.
const EVERY_MIN: Duration = Duration::from_millis(500);
const EVERY_MAX: Duration = Duration::from_secs(5);

/// Looks in a time of any length.
const LOOKS_MAX: u32 = 120;

/// Looks that settle a doubt or a failure at the end, and the time before each.
const AGAIN_MAX: u32 = 5;
const AGAIN: Duration = Duration::from_secs(2);

/// How it is watched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) judged: standing::Rules,
    /// For how long.
    pub(super) stable: Duration,
    /// A canister that we stopped may not be stopped.
    pub(super) notes: &'a Notes,
}

impl Rules<'_> {
    /// Between two looks: several in a short time, not too many in a long one.
    fn every(&self) -> Duration {
        let often = (self.stable / 6).clamp(EVERY_MIN, EVERY_MAX);
        often.max(self.stable / LOOKS_MAX)
    }
}

/// Watches those of the sites that `held` names. What could not be watched to its end is a sighting of its own
/// ([`Unseen`](crate::model::sighting::Symptom::Unseen)), so that nobody takes it for healthy.
pub(super) async fn attend(
    sites: &[Site<'_>],
    held: &Wanted,
    rules: &Rules<'_>,
    baselines: &Baselines,
    secrets: &[Secret],
    story: &dyn Story,
) -> Attended {
    let began = Instant::now();
    let stop = CancellationToken::new();
    let watching = sites.iter().filter_map(|site| {
        let watch = Watch {
            site,
            held: held.get(site.slot)?,
            since: baselines.of(site.slot),
            rules,
            secrets,
            story,
            stop: &stop,
        };
        Some(watch.watch())
    });
    let mut sightings: Vec<Sighting> = join_all(watching).await.concat();
    worst_first(&mut sightings);
    Attended {
        sightings,
        watched: began.elapsed(),
    }
}

/// What is said of all when not even the network was reached.
pub(super) fn unreachable(held: &Wanted, why: &str, secrets: &[Secret]) -> Attended {
    let why = logs::shown(why, secrets);
    Attended {
        sightings: held
            .keys()
            .map(|slot| standing::unseen(slot, &why))
            .collect(),
        watched: Duration::ZERO,
    }
}

/// One canister while it is watched.
struct Watch<'a> {
    site: &'a Site<'a>,
    held: &'a Revision,
    since: Option<Since>,
    rules: &'a Rules<'a>,
    secrets: &'a [Secret],
    story: &'a dyn Story,
    /// Set when something critical holds in any canister.
    stop: &'a CancellationToken,
}

/// What is known so far.
#[derive(Default)]
struct Known {
    looks: Vec<Look>,
    /// Why the last look failed.
    trouble: Option<CallError>,
    told: String,
    told_no_log: bool,
}

impl Watch<'_> {
    async fn watch(self) -> Vec<Sighting> {
        let mut known = Known::default();
        tokio::select! {
            biased;
            () = self.stop.cancelled() => (),
            () = self.run(&mut known) => (),
        }
        let mut sightings = standing(&self.watched(), &known.looks);
        if let Some(error) = &known.trouble {
            let why = logs::shown(&error.to_string(), self.secrets);
            sightings.push(standing::unseen(self.site.slot, &why));
        }
        sightings
    }

    fn watched(&self) -> Watched<'_> {
        let mut rules = self.rules.judged;
        rules.may_be_stopped =
            rules.may_be_stopped && self.rules.notes.stopped_since(self.site).is_none();
        Watched {
            slot: self.site.slot,
            held: self.held,
            since: self.since.as_ref(),
            rules,
        }
    }

    async fn run(&self, known: &mut Known) {
        let began = Instant::now();
        let ends = began + self.rules.stable;
        let mut next = began;
        loop {
            sleep_until(next).await;
            if self.look(known).await {
                self.stop.cancel();
                return;
            }
            if ends <= next {
                break;
            }
            // A look that took long is not made up for.
            next = (next + self.rules.every()).max(Instant::now()).min(ends);
        }
        for _ in 0..AGAIN_MAX {
            let is_in_doubt = standing::is_in_doubt(&self.watched(), &known.looks);
            if !is_in_doubt && known.trouble.is_none() {
                return;
            }
            sleep(AGAIN.min(self.rules.every())).await;
            if self.look(known).await {
                self.stop.cancel();
                return;
            }
        }
    }

    /// One look. Whether something critical holds, so that nothing better comes of looking on.
    async fn look(&self, known: &mut Known) -> bool {
        let taken = match look::take(self.site, look::just_now(self.site), self.secrets).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::debug!(slot = %self.site.slot, %error, "a look failed");
                known.trouble = Some(error);
                return false;
            }
        };
        known.trouble = None;
        known.looks.push(taken.look);
        if let Some(why) = taken.no_log
            && !known.told_no_log
        {
            known.told_no_log = true;
            let text = format!("its log cannot be read, and traps are not counted: {why}");
            self.story.progress(self.site.slot, &text);
        }
        let watched = self.watched();
        let text = standing::summary(&watched, &known.looks);
        if known.told != text {
            self.story.progress(self.site.slot, &text);
            known.told = text;
        }
        let seen = standing(&watched, &known.looks);
        seen.iter()
            .any(|sighting| Severity::Critical <= sighting.severity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_many_in_a_short_time_and_bounded_in_a_long_one() {
        let every = |seconds: u64| {
            let judged = standing::Rules {
                traps_max: 3,
                cycles_days_min: 7,
                may_be_stopped: false,
            };
            let stable = Duration::from_secs(seconds);
            let notes = Notes::new(std::path::Path::new(""));
            let notes = &notes;
            Rules {
                judged,
                stable,
                notes,
            }
            .every()
        };
        assert_eq!(every(0), EVERY_MIN);
        assert_eq!(every(6), Duration::from_secs(1));
        assert_eq!(every(30), EVERY_MAX);
        assert_eq!(every(3600), Duration::from_secs(30));
    }
}
