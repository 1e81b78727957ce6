//! What is done behind `--emergency` when the good release does not come up, from the gentlest to the hardest: a pause is
//! ended, unready pods are deleted, the workload is scaled to 0 and back. Whether there is an emergency is the
//! operator's word; which release is good is not decided here.

mod budget;
mod pods;
mod scale;

use super::Kubernetes;
use super::cluster::Cluster;
use super::edit::{Edited, TRIES_MAX, edit};
use super::live::Live;
use super::slots::Place;
use super::{template, workload};
use crate::decide::rollout::{Standing, is_partial, standing};
use crate::model::state::Slot;
use crate::targets::{Story, TargetError, Time};
use kube::api::DynamicObject;
use kube::runtime::watcher::Config;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// Goes up the ladder until the workload is up: each rung waits `rollout-deadline` at most. `stored` is the workload as it was
/// stored by the change that did not come up.
///
/// # Errors
/// `Unhealthy` when it is not up after the last rung; `Conflict` when somebody else put another template in place;
/// `OutcomeUnknown` when it may be left at 0, because the server does not answer.
pub(super) async fn ladder(
    kubernetes: &Kubernetes,
    place: &Place,
    slot: &Slot,
    stored: &DynamicObject,
    story: Option<&dyn Story>,
) -> Result<(), TargetError> {
    let rungs = Rungs::new(kubernetes, place, slot, story).await?;
    rungs.tell("emergency, 1 of 3: whether the good release is still in place, and not paused");
    let stored = stored.data.pointer("/spec/template");
    let stored = stored.unwrap_or(&Value::Null);
    if rungs.resume(stored).await? && rungs.is_up().await? {
        return Ok(());
    }
    rungs.tell("emergency, 2 of 3: pods that are not Ready are deleted");
    if pods::delete_unready(&rungs).await? && rungs.is_up().await? {
        return Ok(());
    }
    rungs.tell("emergency, 3 of 3: scaled to 0 and back");
    if scale::to_zero_and_back(&rungs).await? && rungs.is_up().await? {
        return Ok(());
    }
    Err(rungs.still_down())
}

/// Finishes the last rung of a run that was killed in it: scales back to what the workload remembers.
///
/// # Errors
/// `Unhealthy` when it does not come up then.
pub(super) async fn resume(
    kubernetes: &Kubernetes,
    place: &Place,
    slot: &Slot,
    story: Option<&dyn Story>,
) -> Result<(), TargetError> {
    let rungs = Rungs::new(kubernetes, place, slot, story).await?;
    rungs.tell("an earlier run scaled it to 0: scaling back");
    scale::resume(&rungs).await?;
    if rungs.is_up().await? {
        return Ok(());
    }
    Err(rungs.still_down())
}

/// Whether an emergency step has scaled it to 0, and nothing has scaled it back.
pub(super) fn is_at_zero(object: &DynamicObject) -> bool {
    scale::remembered(object).is_some() && scale::replicas(object) == 0
}

fn is_paused(object: &DynamicObject) -> bool {
    object.data.pointer("/spec/paused") == Some(&Value::Bool(true))
}

/// What every rung needs.
struct Rungs<'a> {
    kubernetes: &'a Kubernetes,
    cluster: &'a Cluster,
    place: &'a Place,
    slot: &'a Slot,
    /// The longest wait of one rung.
    wait: Duration,
    story: Option<&'a dyn Story>,
}

impl<'a> Rungs<'a> {
    async fn new(
        kubernetes: &'a Kubernetes,
        place: &'a Place,
        slot: &'a Slot,
        story: Option<&'a dyn Story>,
    ) -> Result<Self, TargetError> {
        Ok(Self {
            kubernetes,
            cluster: kubernetes.cluster().await?,
            place,
            slot,
            wait: kubernetes.settings.rollout_deadline.0,
            story,
        })
    }

    fn tell(&self, text: &str) {
        if let Some(story) = self.story {
            story.progress(self.slot, text);
        }
    }

    async fn object(&self) -> Result<DynamicObject, TargetError> {
        let found = self.cluster.get(self.place).await?;
        found.ok_or_else(|| workload::missing(self.place))
    }

    /// Changes the workload with what `operations` makes of it as it is; whether it made any.
    async fn edit(
        &self,
        doing: &str,
        operations: impl Fn(&DynamicObject) -> Vec<Value>,
    ) -> Result<bool, TargetError> {
        let objects = self.cluster.objects(self.place.kind, &self.place.namespace);
        let what = format!("could not {doing} {}", self.place);
        for _ in 0..TRIES_MAX {
            let object = self.object().await?;
            let operations = operations(&object);
            if operations.is_empty() {
                return Ok(false);
            }
            match edit(&objects, &object, operations, &what).await? {
                Edited::Done(_) => return Ok(true),
                Edited::Stale => (),
            }
        }
        Err(TargetError::Refused {
            what: format!("{what}: somebody else keeps changing it"),
            allow: None,
            next: "run the same command again: it goes on from what is there".to_owned(),
        })
    }

    /// The first rung: ends a pause that was there when the plan was made; whether there was one. What somebody else did
    /// since then is theirs, and nothing is forced over it.
    async fn resume(&self, stored: &Value) -> Result<bool, TargetError> {
        let object = self.object().await?;
        let now = object.data.pointer("/spec/template");
        self.own(now.unwrap_or(&Value::Null), stored)?;
        if !is_paused(&object) {
            return Ok(false);
        }
        if !self.kubernetes.memory.was_paused(self.place) {
            return Err(TargetError::Refused {
                what: format!("{} was paused since the plan was made", self.place),
                allow: Some("paused".to_owned()),
                next: format!(
                    "resume it first: kubectl rollout resume {}",
                    self.place.name
                ),
            });
        }
        self.edit("resume", |object| {
            let now = object.data.pointer("/spec/template");
            let is_own = now.is_some_and(|now| template::is_same(now, stored));
            if is_own && is_paused(object) {
                vec![json!({"op": "remove", "path": "/spec/paused"})]
            } else {
                Vec::new()
            }
        })
        .await
    }

    /// The template is still the one that was stored.
    fn own(&self, now: &Value, stored: &Value) -> Result<(), TargetError> {
        if template::is_same(now, stored) {
            return Ok(());
        }
        let short = |one: &Value| template::revision(one, &template::images_of(one)).short();
        Err(TargetError::Conflict {
            slot: self.slot.clone(),
            found: short(now),
            expected: short(stored),
        })
    }

    /// Waits until every pod is of the wanted template and available; `false` when the time is over.
    async fn is_up(&self) -> Result<bool, TargetError> {
        let objects = self.cluster.objects(self.place.kind, &self.place.namespace);
        let config = Config::default().fields(&format!("metadata.name={}", self.place.name));
        let what = format!("could not watch {}", self.place);
        let mut live = Live::of(objects, config, Instant::now() + self.wait, &what);
        while let Some(objects) = live.next().await? {
            let Some(object) = objects.first() else {
                return Err(workload::missing(self.place));
            };
            let workload = workload::rollout(object, self.place);
            match (standing(&workload), is_partial(&workload)) {
                (Standing::Done, None) => return Ok(true),
                (Standing::Going { text }, _) | (Standing::Done, Some(text)) => self.tell(&text),
            }
        }
        Ok(false)
    }

    fn still_down(&self) -> TargetError {
        TargetError::Unhealthy {
            what: format!(
                "{} did not come up, not even by the emergency steps, each within {}",
                self.slot,
                Time(self.wait)
            ),
            advice: "look at the pods and events of the report: the cause is not the release that was put in place"
                .to_owned(),
        }
    }
}
