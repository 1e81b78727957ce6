//! Waits for a rollout: by watching the workload, with our own clock, and looking at its pods while it is not done. When it is
//! done is `decide::rollout`'s to say; what was changed before, and what is done when it fails, are not here.

mod images;
mod look;
mod told;

use super::Kubernetes;
use super::cluster::Cluster;
use super::pods_by_hand::{self, Unready};
use super::slots::Place;
use super::workload::{missing, rollout};
use crate::decide::rollout::{Deadline, Seen, Standing, Workload, diagnose, standing};
use crate::model::sighting::Sighting;
use crate::model::state::Slot;
use crate::model::verdict::Severity;
use crate::targets::{Story, TargetError};
use futures_util::StreamExt as _;
use kube::api::DynamicObject;
use kube::runtime::watcher::watch_object;
use look::Look;
pub(super) use look::changed_at;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
pub(super) use told::Told;

/// How often pods are looked at while a rollout goes on.
const LOOK: Duration = Duration::from_secs(1);

/// How much longer for each other wait of this command: a hundred of them must not flood the API server.
const LOOK_EACH: Duration = Duration::from_millis(40);

/// Something critical has to be there for so long before it ends a wait early.
const HOLDS: Duration = Duration::from_secs(3);

/// Waits until the workload runs what its template says, all of it available.
///
/// # Errors
/// `Unhealthy` when it does not come up: at once when something critical stays, else at the deadline of the settings.
pub(super) async fn wait(
    kubernetes: &Kubernetes,
    place: &Place,
    gave_up: Deadline,
    story: Option<&dyn Story>,
    slot: &Slot,
) -> Result<(), TargetError> {
    let cluster = kubernetes.cluster().await?;
    let object = cluster.get(place).await?.ok_or_else(|| missing(place))?;
    let _counted = Counted::new(&kubernetes.waits);
    let deadline = kubernetes.settings.rollout_deadline.0;
    let wait = Wait {
        kubernetes,
        cluster,
        place,
        slot,
        generation: object.metadata.generation.unwrap_or(0),
        gave_up,
        unready: Unready::default(),
        told: Told::new(story, slot),
        critical_since: None,
        ends: Instant::now() + deadline,
        deadline,
    };
    let last = wait.run(object).await?;
    images::verify(cluster, place, slot, &last).await
}

/// Whether it is up by now, and runs the images that its template names.
///
/// # Errors
/// `Unhealthy` when it is up with other images: no step of an emergency would change that.
pub(super) async fn is_up(
    kubernetes: &Kubernetes,
    place: &Place,
    slot: &Slot,
) -> Result<bool, TargetError> {
    let cluster = kubernetes.cluster().await?;
    let object = cluster.get(place).await?.ok_or_else(|| missing(place))?;
    let workload = rollout(&object, place);
    if workload.is_on_delete || standing(&workload) != Standing::Done {
        return Ok(false);
    }
    images::verify(cluster, place, slot, &object).await?;
    Ok(true)
}

struct Wait<'a> {
    kubernetes: &'a Kubernetes,
    cluster: &'a Cluster,
    place: &'a Place,
    slot: &'a Slot,
    /// Of the change that is waited for: older states say nothing.
    generation: i64,
    gave_up: Deadline,
    unready: Unready,
    told: Told<'a>,
    critical_since: Option<Instant>,
    ends: Instant,
    deadline: Duration,
}

impl Wait<'_> {
    async fn run(mut self, first: DynamicObject) -> Result<DynamicObject, TargetError> {
        if self.is_done(&first) {
            return Ok(first);
        }
        let objects = self.cluster.objects(self.place.kind, &self.place.namespace);
        let mut events = pin!(watch_object(objects, &self.place.name));
        let mut watching = true;
        let mut cured = 0;
        let mut next_look = Instant::now() + self.pause();
        loop {
            tokio::select! {
                biased;
                event = events.next(), if watching => match event {
                    Some(Ok(Some(object))) => {
                        if self.is_done(&object) {
                            return Ok(object);
                        }
                        // Once per state that the controller has seen: a stuck StatefulSet need not wait for the next look.
                        let observed = rollout(&object, self.place).observed_generation;
                        if cured < observed && self.generation <= observed {
                            cured = observed;
                            self.unstick(&object).await?;
                        }
                    }
                    Some(Ok(None)) => return Err(missing(self.place)),
                    // The watch mends itself; until the next look, looking replaces it.
                    Some(Err(error)) => {
                        tracing::debug!(slot = %self.slot, %error, "the watch was interrupted");
                        watching = false;
                    }
                    None => watching = false,
                },
                () = sleep_until(next_look.min(self.ends)) => {
                    if let Some(object) = self.look().await? {
                        return Ok(object);
                    }
                    watching = true;
                    next_look = Instant::now() + self.pause();
                }
            }
        }
    }

    async fn unstick(&mut self, object: &DynamicObject) -> Result<(), TargetError> {
        let (cluster, place, unready) = (self.cluster, self.place, &mut self.unready);
        pods_by_hand::unstick(cluster, place, object, unready, &self.told).await
    }

    fn pause(&self) -> Duration {
        let others = self
            .kubernetes
            .waits
            .load(Ordering::Relaxed)
            .saturating_sub(1);
        LOOK.max(LOOK_EACH * u32::try_from(others).unwrap_or(0))
    }

    /// By the counts of the workload itself, and tells how far it is.
    fn is_done(&mut self, object: &DynamicObject) -> bool {
        let workload = rollout(object, self.place);
        if workload.generation < self.generation || workload.is_on_delete {
            return false;
        }
        match standing(&workload) {
            Standing::Done => true,
            Standing::Going { text } => {
                self.told.progress(&text);
                self.gave_up.seen(&workload);
                false
            }
        }
    }

    /// Looks at everything once. An object comes back when the wait is over and well.
    async fn look(&mut self) -> Result<Option<DynamicObject>, TargetError> {
        let is_over = self.ends <= Instant::now();
        let look = match look::look(self.cluster, self.place).await {
            Ok(look) => look,
            // Looking again in a second is no second change.
            Err(TargetError::Unreachable { what }) if !is_over => {
                self.told.progress(&format!("{what}; looking again"));
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let Look {
            object,
            owned,
            mut seen,
        } = look;
        if self.is_done(&object) {
            return Ok(Some(object));
        }
        if seen.workload.is_on_delete {
            let is_done =
                pods_by_hand::replace_next(self.cluster, self.place, &object, &owned, &self.told)
                    .await?;
            if is_done {
                return Ok(Some(object));
            }
        } else {
            let (cluster, place, unready) = (self.cluster, self.place, &mut self.unready);
            pods_by_hand::unstick_owned(cluster, place, &object, &owned, unready, &self.told)
                .await?;
        }
        seen.controller_gave_up = self.gave_up.seen(&seen.workload);
        seen.deadline_passed = is_over;
        self.judge(&seen)?;
        Ok(is_over.then_some(object))
    }

    /// Whether what is seen ends the wait.
    fn judge(&mut self, seen: &Seen) -> Result<(), TargetError> {
        let sightings = diagnose(self.slot, seen);
        for sighting in &sightings {
            self.told.sighting(sighting);
        }
        let worst = sightings.first();
        let severity = worst.map(|worst| worst.severity);
        let now = Instant::now();
        if severity == Some(Severity::Critical) {
            let since = *self.critical_since.get_or_insert(now);
            if let Some(worst) = worst
                && HOLDS <= now - since
            {
                return Err(unhealthy(worst, &seen.workload));
            }
        } else {
            self.critical_since = None;
        }
        let is_last = seen.deadline_passed || seen.controller_gave_up;
        match worst {
            Some(worst) if is_last && Severity::Serious <= worst.severity => {
                Err(unhealthy(worst, &seen.workload))
            }
            None if seen.deadline_passed => Err(TargetError::Unhealthy {
                what: format!(
                    "{}: not rolled out after {} s: {}",
                    self.slot,
                    self.deadline.as_secs(),
                    text(&seen.workload)
                ),
                advice: "look at the events of its pods, or raise rollout-deadline".to_owned(),
            }),
            Some(_) | None => Ok(()),
        }
    }
}

fn text(workload: &Workload) -> String {
    match standing(workload) {
        Standing::Done => "it is now".to_owned(),
        Standing::Going { text } => text,
    }
}

fn unhealthy(worst: &Sighting, workload: &Workload) -> TargetError {
    TargetError::Unhealthy {
        what: format!("{worst} ({})", text(workload)),
        advice: worst.advice.clone(),
    }
}

/// One of the waits under way, as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(waits: &'a AtomicUsize) -> Self {
        waits.fetch_add(1, Ordering::Relaxed);
        Self(waits)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
