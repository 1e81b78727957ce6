//! Watches services after a change: nobody puts another image in place, no task fails, all run. What a sighting means together with the
//! probes is not judged here.

use super::service::Service;
use super::stack;
use crate::decide::rollout::stable;
use crate::decide::swarm::{self, Seen};
use crate::model::sighting::{Sighting, worst_first};
use crate::model::state::{Slot, Wanted};
use crate::model::verdict::Severity;
use crate::targets::compose::Compose;
use crate::targets::{Attended, Story, TargetError};
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);

/// Looks that may fail in a row before it counts as not watched.
const UNSEEN_MAX: u32 = 5;

/// Watches until the windows of the settings are over, or something critical is seen. `held`: what the services should keep.
pub(in crate::targets::compose) async fn attend(
    compose: &Compose,
    held: &Wanted,
    story: &dyn Story,
) -> Result<Attended, TargetError> {
    let began = Instant::now();
    let window = compose.settings.drift.iter().map(|time| time.0);
    let window = window.fold(compose.settings.stable.0, Duration::max);
    let mut watch = Watch::default();
    let mut failed = 0;
    loop {
        match stack::read(compose).await {
            Ok(services) => {
                failed = 0;
                watch.look(held, &services, window <= began.elapsed());
            }
            Err(error) => {
                failed += 1;
                if UNSEEN_MAX <= failed || window <= began.elapsed() {
                    let why = error.to_string();
                    watch.unseen(held, &why);
                    break;
                }
            }
        }
        watch.tell(story, began.elapsed(), window);
        if watch.is_critical() || window <= began.elapsed() {
            break;
        }
        sleep(LOOK.min(window.saturating_sub(began.elapsed()))).await;
    }
    let mut sightings: Vec<Sighting> = watch.sightings.into_values().flatten().collect();
    for sighting in &mut sightings {
        sighting.what = compose.masked(&sighting.what);
    }
    worst_first(&mut sightings);
    Ok(Attended {
        sightings,
        watched: began.elapsed(),
    })
}

#[derive(Default)]
struct Watch {
    /// Tasks that had failed before the first look.
    failed: BTreeMap<Slot, BTreeSet<String>>,
    last: BTreeMap<Slot, Seen>,
    /// The worst of each kind so far; what went away again was there all the same.
    sightings: BTreeMap<Slot, Vec<Sighting>>,
    is_told: bool,
}

impl Watch {
    fn look(&mut self, held: &Wanted, services: &IndexMap<Slot, Service>, is_last: bool) {
        for (slot, revision) in held {
            let Some(service) = services.get(slot) else {
                self.keep(stable::drifted(slot, "the service is gone", None));
                continue;
            };
            let seen = &service.seen;
            let failed = self.failed.entry(slot.clone()).or_insert_with(|| {
                let failures = seen.failures();
                failures.map(|task| task.id.clone()).collect()
            });
            // A service without a digest in its spec is compared by the image it had.
            let first = self.last.get(slot).unwrap_or(seen);
            let is_same = swarm::digest_of(&seen.image).is_none() && first.image == seen.image;
            let digest = swarm::digest_of(&seen.image).filter(|_| is_same);
            let digest = digest.unwrap_or(&revision.0).to_owned();
            let mut new = if is_same {
                Vec::new()
            } else {
                swarm::look(slot, failed, seen, &digest)
            };
            if let Some(last) = self.last.get(slot) {
                let is_last = is_last && seen.holds(&digest);
                new.extend(swarm::fewer(slot, last, seen, is_last));
            }
            self.last.insert(slot.clone(), seen.clone());
            for sighting in new {
                self.keep(sighting);
            }
        }
    }

    fn keep(&mut self, sighting: Sighting) {
        let kept = self.sightings.entry(sighting.slot.clone()).or_default();
        match kept.iter_mut().find(|it| it.symptom == sighting.symptom) {
            Some(known) if known.severity <= sighting.severity => *known = sighting,
            Some(_) => (),
            None => kept.push(sighting),
        }
    }

    fn unseen(&mut self, held: &Wanted, why: &str) {
        for slot in held.keys() {
            self.keep(stable::unseen(slot, why));
        }
    }

    fn is_critical(&self) -> bool {
        let mut all = self.sightings.values().flatten();
        all.any(|sighting| sighting.severity == Severity::Critical)
    }

    fn tell(&mut self, story: &dyn Story, elapsed: Duration, window: Duration) {
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        let left = window.saturating_sub(elapsed).as_secs();
        for slot in self.last.keys() {
            story.progress(slot, &format!("watched for {left} s"));
        }
    }
}
