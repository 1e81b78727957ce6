//! Changes the template of a workload: a JSON patch that holds only while the object is as it was read, proven by a dry run
//! first. `spec.replicas` is never written. Which template, and waiting for it, are not here.

mod patch;
#[cfg(test)]
mod tests;

use super::Kubernetes;
use super::choose::Chosen;
use super::slots::Kind;
use super::template;
use super::workload::{self, Observed};
use crate::model::state::{Revision, Slot};
use crate::targets::TargetError;
use anyhow::anyhow;
use kube::api::DynamicObject;
use patch::{Answer, patch};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) use patch::FIELD_MANAGER;

/// Tries while somebody else changes the object in between.
const TRIES: usize = 3;

/// Annotations that stay the Deployment's own when the others are taken from a ReplicaSet, as kubectl does it
/// (`pkg/polymorphichelpers/rollback.go`).
const OWN_ANNOTATIONS: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
];

/// What the server would store as this workload's template.
pub(super) async fn dry_run(
    kubernetes: &Kubernetes,
    observed: &Observed,
    template: &Value,
) -> Result<Value, TargetError> {
    let operations = vec![json!({"op": "replace", "path": "/spec/template", "value": template})];
    match patch(kubernetes, &observed.place, operations, true).await? {
        Answer::Stored(object) => stored_template(&object),
        Answer::Refused(status) => Err(patch::refused(&observed.place, &status)),
        Answer::Lost(what) => Err(TargetError::Unreachable { what }),
    }
}

/// A change that was made.
#[derive(Debug)]
pub(super) struct Replaced {
    /// Right before the patch.
    pub(super) before: Observed,
    pub(super) after: DynamicObject,
}

/// Puts a template in place of the one that the slot holds, `from`. Again = no harm: a slot that holds it already is left as it
/// is, except that it is resumed when it is paused.
///
/// # Errors
/// `Conflict` when the slot holds neither; `OutcomeUnknown` when the answer was lost.
pub(super) async fn replace_template(
    kubernetes: &Kubernetes,
    slot: &Slot,
    mut current: Observed,
    from: Option<&Revision>,
    chosen: &Chosen,
) -> Result<Replaced, TargetError> {
    for _ in 0..TRIES {
        let is_there = current.revision == chosen.revision;
        if !is_there && Some(&current.revision) != from {
            return Err(conflict(slot, &current.revision.0, from));
        }
        let operations = operations(kubernetes, &current, chosen, is_there)?;
        if operations.is_empty() {
            let after = current.object.clone();
            return Ok(Replaced {
                before: current,
                after,
            });
        }
        let place = &current.place;
        let answer = match patch(kubernetes, place, operations.clone(), true).await? {
            Answer::Stored(object) => {
                check(kubernetes, &current, &object, chosen)?;
                patch(kubernetes, place, operations, false).await?
            }
            Answer::Lost(what) => return Err(TargetError::Unreachable { what }),
            Answer::Refused(status) => Answer::Refused(status),
        };
        match answer {
            Answer::Stored(after) => {
                return Ok(Replaced {
                    before: current,
                    after: *after,
                });
            }
            Answer::Refused(status) => {
                let now = workload::existing(kubernetes, place).await?;
                if now.object.metadata.resource_version == current.object.metadata.resource_version
                {
                    return Err(patch::refused(place, &status));
                }
                current = now;
            }
            Answer::Lost(what) => match workload::existing(kubernetes, place).await {
                Ok(now) if now.revision == chosen.revision => {
                    let after = now.object;
                    return Ok(Replaced {
                        before: current,
                        after,
                    });
                }
                Ok(_) | Err(_) => return Err(TargetError::OutcomeUnknown { what }),
            },
        }
    }
    let found = format!("something that changes all the time ({TRIES} tries)");
    Err(conflict(slot, &found, from))
}

fn operations(
    kubernetes: &Kubernetes,
    current: &Observed,
    chosen: &Chosen,
    is_there: bool,
) -> Result<Vec<Value>, TargetError> {
    let mut operations = Vec::new();
    if !is_there {
        operations
            .push(json!({"op": "replace", "path": "/spec/template", "value": chosen.template}));
        if let Some(annotations) = &chosen.annotations {
            let value =
                annotations_after(current.object.metadata.annotations.as_ref(), annotations);
            operations.push(json!({"op": "add", "path": "/metadata/annotations", "value": value}));
        }
    }
    if current.place.kind == Kind::Deployment && current.rollout().is_paused {
        if !kubernetes.memory.was_paused(&current.place) {
            return Err(TargetError::Refused {
                what: format!(
                    "{} is paused, and a rollout would wait for ever",
                    current.place
                ),
                allow: Some("paused".to_owned()),
                next: format!(
                    "resume it first: kubectl rollout resume {}",
                    current.place.name
                ),
            });
        }
        operations.push(json!({"op": "add", "path": "/spec/paused", "value": false}));
    }
    if !operations.is_empty() {
        let version = &current.object.metadata.resource_version;
        operations.insert(
            0,
            json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}),
        );
    }
    Ok(operations)
}

/// The dry run still leads to the revision that was planned.
fn check(
    kubernetes: &Kubernetes,
    current: &Observed,
    object: &DynamicObject,
    chosen: &Chosen,
) -> Result<(), TargetError> {
    let stored = stored_template(object)?;
    let written = template::images_of(&stored);
    let key = template::revision(&stored, &written);
    let images = kubernetes.memory.images(current.uid(), &key);
    let found = template::revision(&stored, &images.unwrap_or(written));
    if found == chosen.revision {
        return Ok(());
    }
    let differences = template::difference(&chosen.template, &stored);
    Err(TargetError::Refused {
        what: format!(
            "the server would make revision {} of it, expected {}: {}",
            found.short(),
            chosen.revision.short(),
            differences
                .first()
                .map_or("no visible difference", String::as_str)
        ),
        allow: None,
        next: "run the same command again: it plans from what the server would store now"
            .to_owned(),
    })
}

fn stored_template(object: &DynamicObject) -> Result<Value, TargetError> {
    let template = object.data.pointer("/spec/template").cloned();
    template.ok_or_else(|| {
        TargetError::Failed(anyhow!(
            "found an answer without a pod template, expected one"
        ))
    })
}

/// The Deployment's own six and ours, and all others from the ReplicaSet.
fn annotations_after(
    own: Option<&BTreeMap<String, String>>,
    of_set: &BTreeMap<String, String>,
) -> Map<String, Value> {
    let is_own = |key: &str| OWN_ANNOTATIONS.contains(&key) || key.starts_with("lastgood.dev/");
    let kept = own.into_iter().flatten().filter(|(key, _)| is_own(key));
    let taken = of_set.iter().filter(|(key, _)| !is_own(key));
    kept.chain(taken)
        .map(|(key, value)| (key.clone(), Value::String(value.clone())))
        .collect()
}

fn conflict(slot: &Slot, found: &str, from: Option<&Revision>) -> TargetError {
    TargetError::Conflict {
        slot: slot.clone(),
        found: found.to_owned(),
        expected: from.map_or_else(|| "nothing".to_owned(), ToString::to_string),
    }
}
