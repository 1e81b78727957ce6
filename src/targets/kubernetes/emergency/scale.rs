//! The last rung: to 0 and back. The count that it had stands in the workload itself, written by the same change that scales
//! to 0, so that a run which was killed in between can be finished by another.

use super::Rungs;
use super::budget;
use crate::targets::TargetError;
use crate::targets::kubernetes::edit::pointer_part;
use crate::targets::kubernetes::hazards::{Autoscaler, autoscaler};
use crate::targets::kubernetes::live::Live;
use crate::targets::kubernetes::owned::{list_pods, selector_text};
use crate::targets::kubernetes::readiness::is_ready;
use crate::targets::kubernetes::slots::Kind;
use crate::targets::kubernetes::workload::REPLICAS;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::Config;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long the way back from 0 is tried, whatever the server answers.
const BACK_MAX: Duration = Duration::from_mins(1);

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// Scales to 0 and back to the count that it had; `false` when that is not for this workload, which is told.
///
/// # Errors
/// `OutcomeUnknown` when it may be left at 0. All that can fail before is asked for before.
pub(super) async fn to_zero_and_back(rungs: &Rungs<'_>) -> Result<bool, TargetError> {
    let scaler = autoscaler(rungs.cluster, rungs.place).await?;
    if !to_zero(rungs).await? {
        return Ok(false);
    }
    back(rungs, scaler.as_ref()).await?;
    Ok(true)
}

/// Finishes what another run began.
pub(super) async fn resume(rungs: &Rungs<'_>) -> Result<(), TargetError> {
    let scaler = match autoscaler(rungs.cluster, rungs.place).await {
        Ok(scaler) => scaler,
        Err(error) => {
            rungs.tell(&format!("{error}; it goes back to the remembered count"));
            None
        }
    };
    back(rungs, scaler.as_ref()).await
}

async fn to_zero(rungs: &Rungs<'_>) -> Result<bool, TargetError> {
    match rungs.place.kind {
        Kind::Deployment | Kind::StatefulSet => (),
        Kind::DaemonSet | Kind::Service | Kind::HttpRoute => {
            rungs.tell("a DaemonSet has no number of pods that could be scaled");
            return Ok(false);
        }
    }
    let object = rungs.object().await?;
    if remembered(&object).is_some() {
        return Ok(true);
    }
    if replicas(&object) == 0 {
        rungs.tell("it is scaled to 0 by somebody else");
        return Ok(false);
    }
    let pods = list_pods(rungs.cluster, &object, rungs.place).await?;
    let Some(budgets) = budget::read(rungs.cluster, &rungs.place.namespace).await? else {
        rungs.tell("not scaled to 0: the PodDisruptionBudgets may not be listed, so nobody knows whether one forbids it");
        return Ok(false);
    };
    for budget in budgets {
        let own = pods
            .iter()
            .filter(|pod| budget.covers(pod) && is_ready(pod))
            .count();
        if !budget.permits_loss_of(own as u64) {
            rungs.tell(&format!("not scaled to 0: {budget}"));
            return Ok(false);
        }
    }
    match rungs.edit("scale to 0", remember).await {
        Ok(_) => Ok(true),
        // The answer was lost: what stands there tells whether it was done. Where it cannot be read, scaling back finds out.
        Err(error @ (TargetError::Unreachable { .. } | TargetError::OutcomeUnknown { .. })) => {
            match rungs.object().await {
                Ok(object) if remembered(&object).is_none() => Err(error),
                Ok(_) => Ok(true),
                Err(_) => {
                    rungs.tell(&error.to_string());
                    Ok(true)
                }
            }
        }
        Err(error) => Err(error),
    }
}

/// Waits until no pod is left, then scales back to the remembered count. Nothing that fails ends this before its time.
async fn back(rungs: &Rungs<'_>, scaler: Option<&Autoscaler>) -> Result<(), TargetError> {
    match rungs.object().await {
        Ok(object) if remembered(&object).is_some() && replicas(&object) == 0 => {
            if let Err(error) = gone(rungs, &object).await {
                rungs.tell(&format!("{error}; not waiting for its pods to be gone"));
            }
        }
        Ok(_) => (),
        Err(error) => rungs.tell(&format!("{error}; scaling back")),
    }
    let ends = Instant::now() + BACK_MAX;
    loop {
        let tried = timeout_at(ends, scale_up(rungs, scaler)).await;
        let why = match tried {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the server does not answer".to_owned(),
        };
        if ends <= Instant::now() + PAUSE {
            return Err(TargetError::OutcomeUnknown {
                what: format!(
                    "{} may be left at 0: run the same command again; scaling back failed for {} s: {why}",
                    rungs.place,
                    BACK_MAX.as_secs(),
                ),
            });
        }
        rungs.tell(&format!("{why}; scaling back again"));
        sleep(PAUSE).await;
    }
}

/// Looks at what is there first, so that doing it again does no harm.
async fn scale_up(rungs: &Rungs<'_>, scaler: Option<&Autoscaler>) -> Result<(), TargetError> {
    let object = rungs.object().await?;
    let Some(text) = remembered(&object) else {
        return Ok(());
    };
    let Ok(count) = text.parse::<u32>() else {
        return Err(TargetError::Refused {
            what: format!(
                "{} is scaled to 0 and its annotation {REPLICAS} holds {text:?}, expected a number",
                rungs.place
            ),
            allow: None,
            next: "scale it up by hand and remove the annotation".to_owned(),
        });
    };
    let count = scaler.map_or(count, |scaler| scaler.clamped(count));
    rungs.tell(&format!("scaling back to {count}"));
    rungs
        .edit("scale back", |object| forget(object, count))
        .await?;
    Ok(())
}

/// The change that scales to 0, with the count it had beside it.
fn remember(object: &DynamicObject) -> Vec<Value> {
    let count = replicas(object);
    if count == 0 {
        return Vec::new();
    }
    let note = match object.metadata.annotations {
        Some(_) => json!({"op": "add", "path": path(), "value": count.to_string()}),
        None => {
            json!({"op": "add", "path": "/metadata/annotations", "value": {REPLICAS: count.to_string()}})
        }
    };
    vec![
        note,
        json!({"op": "replace", "path": "/spec/replicas", "value": 0}),
    ]
}

/// The change back. Where somebody else has scaled up meanwhile, only the note goes away.
fn forget(object: &DynamicObject, count: u32) -> Vec<Value> {
    let Some(text) = remembered(object) else {
        return Vec::new();
    };
    let mut operations = vec![
        json!({"op": "test", "path": path(), "value": text}),
        json!({"op": "remove", "path": path()}),
    ];
    if replicas(object) == 0 {
        operations.push(json!({"op": "replace", "path": "/spec/replicas", "value": count}));
    }
    operations
}

fn path() -> String {
    format!("/metadata/annotations/{}", pointer_part(REPLICAS))
}

pub(super) fn remembered(object: &DynamicObject) -> Option<&str> {
    object.annotations().get(REPLICAS).map(String::as_str)
}

/// Absent means 1, as the API has it.
pub(super) fn replicas(object: &DynamicObject) -> u32 {
    let count = object
        .data
        .pointer("/spec/replicas")
        .and_then(Value::as_u64);
    u32::try_from(count.unwrap_or(1)).unwrap_or(u32::MAX)
}

/// Waits until its pods are gone. After the longest wait it is told which are not, and they are left behind: nothing is worse
/// than staying at 0.
async fn gone(rungs: &Rungs<'_>, object: &DynamicObject) -> Result<(), TargetError> {
    let pods: Api<Pod> = Api::namespaced(rungs.cluster.client.clone(), &rungs.place.namespace);
    let labels = selector_text(object.data.pointer("/spec/selector"));
    let config = Config::default().labels(&labels);
    let what = format!("could not watch the pods of {}", rungs.place);
    let mut live = Live::of(pods, config, Instant::now() + rungs.wait, &what);
    let mut left = Vec::new();
    while live.next().await?.is_some() {
        left = list_pods(rungs.cluster, object, rungs.place).await?;
        rungs.tell(&format!("pods left: {}", left.len()));
        if left.is_empty() {
            return Ok(());
        }
    }
    let names: Vec<String> = left.iter().map(kube::ResourceExt::name_any).collect();
    rungs.tell(&format!(
        "still there, and left behind: {}",
        names.join(", ")
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(replicas: u32, annotations: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "annotations": annotations}, "spec": {"replicas": replicas},
        }))
        .unwrap()
    }

    #[test]
    fn the_count_is_remembered_by_the_change_that_scales_to_zero() {
        let zero = json!({"op": "replace", "path": "/spec/replicas", "value": 0});
        let note = json!({"op": "add", "path": "/metadata/annotations/lastgood.dev~1replicas", "value": "3"});
        assert_eq!(
            remember(&object(3, &json!({"a": "b"}))),
            [note, zero.clone()]
        );
        let first = json!({"op": "add", "path": "/metadata/annotations", "value": {"lastgood.dev/replicas": "3"}});
        assert_eq!(remember(&object(3, &Value::Null)), [first, zero]);
        assert!(remember(&object(0, &Value::Null)).is_empty());
    }

    #[test]
    fn the_count_comes_back_unless_somebody_else_scaled() {
        let noted = json!({"lastgood.dev/replicas": "3"});
        let operations = forget(&object(0, &noted), 3);
        assert_eq!(
            operations[2],
            json!({"op": "replace", "path": "/spec/replicas", "value": 3})
        );
        assert_eq!(
            forget(&object(5, &noted), 3).len(),
            2,
            "replicas are not touched"
        );
        assert!(forget(&object(0, &Value::Null), 3).is_empty());
    }
}
