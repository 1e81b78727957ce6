//! How many pods a colour needs before all traffic goes there: as many as the live one has or as the release had, as far as
//! what makes them can. What is there is read here; nothing is changed.

use super::Switch;
use super::selector::Selector;
use crate::targets::TargetError;
use crate::targets::kubernetes::cluster::{code, failed};
use crate::targets::kubernetes::owned::{list, side_by_side};
use crate::targets::kubernetes::readiness::is_ending;
use crate::targets::kubernetes::served::served;
use crate::targets::kubernetes::slots::{Kind, Place};
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::Value;

/// What a colour needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    /// Pods that must be Ready before the switch, from 1.
    pub(super) ready: u32,
    /// The workload that is scaled up first, and to how many.
    pub(super) scale: Option<(Place, u32, u32)>,
    /// Why it will be smaller than the live colour.
    pub(super) short: Option<String>,
}

/// A workload that makes pods with labels.
#[derive(Debug, Clone)]
pub(super) struct Found {
    place: Place,
    labels: Value,
    replicas: u32,
}

/// Looks at both colours.
///
/// # Errors
/// `Refused` when nothing makes pods of the wanted colour, or when it is not clear what to scale.
pub(super) async fn need(switch: &Switch<'_>, live: &Selector) -> Result<Need, TargetError> {
    let workloads = workloads(switch).await?;
    let of = |selector: &Selector| -> Vec<Found> {
        let own = workloads.iter();
        own.filter(|one| selector.selects(&one.labels))
            .cloned()
            .collect()
    };
    let (own, lives) = (of(switch.wanted), of(live));
    let live_size = if lives.is_empty() {
        super::colour::ready_pods(&super::pods(switch.cluster, switch.place, live).await?)
    } else {
        total(&lives)
    };
    let pods = switch.pods().await?;
    let pods = pods.iter().filter(|pod| !is_ending(pod)).count();
    let most = match own.as_slice() {
        [one] => autoscaler_max(switch, &one.place).await?,
        _ => None,
    };
    let goal = live_size.max(switch.recorded_replicas.unwrap_or(0)).max(1);
    judge(&own, goal, u32::try_from(pods).unwrap_or(u32::MAX), most)
        .map_err(|(why, next)| super::colour::refused(switch, why, next))
}

fn total(workloads: &[Found]) -> u32 {
    workloads
        .iter()
        .fold(0, |sum, one| sum.saturating_add(one.replicas))
}

/// `goal`: pods that are wanted. `pods`: those that are there. `most`: what an autoscaler permits.
fn judge(
    own: &[Found],
    goal: u32,
    pods: u32,
    most: Option<u32>,
) -> Result<Need, (&'static str, &'static str)> {
    let less = |ready: u32, why: &str| {
        (ready < goal).then(|| format!("has {ready} pods at most, and {goal} are wanted: {why}"))
    };
    match own {
        [] if pods == 0 => Err((
            "no pod with these labels is Ready, and no Deployment or StatefulSet makes any",
            "put the other colour in place first, then run the same command again",
        )),
        [] => {
            let ready = goal.min(pods);
            Ok(Need {
                ready,
                scale: None,
                short: less(ready, "no Deployment or StatefulSet makes them"),
            })
        }
        [one] => {
            let can = most.map_or(goal, |most| goal.min(most.max(1)));
            let ready = goal.min(one.replicas.max(can));
            Ok(Need {
                ready,
                scale: (one.replicas < can).then(|| (one.place.clone(), one.replicas, can)),
                short: less(ready, "its autoscaler permits no more"),
            })
        }
        several => match goal.min(total(several)) {
            0 => Err((
                "several workloads have these labels, and all are scaled to 0",
                "scale up the one that is meant, then run the same command again",
            )),
            ready => Ok(Need {
                ready,
                scale: None,
                short: less(ready, "several workloads make them, so none is scaled up"),
            }),
        },
    }
}

async fn workloads(switch: &Switch<'_>) -> Result<Vec<Found>, TargetError> {
    let namespace = &switch.place.namespace;
    let mut asked = Vec::new();
    for kind in [Kind::Deployment, Kind::StatefulSet] {
        asked.push(async move {
            let objects = switch.cluster.objects(kind, namespace);
            let what = format!("could not list the {}s of {namespace}", kind.word());
            let objects = list(&objects, ListParams::default(), &what).await?;
            let found = objects.into_iter().map(|object| Found {
                place: Place {
                    kind,
                    namespace: namespace.clone(),
                    name: object.name_any(),
                },
                labels: at(&object, "/spec/template/metadata/labels").clone(),
                replicas: replicas(&object),
            });
            Ok(found.collect::<Vec<Found>>())
        });
    }
    let found = side_by_side(asked).await?;
    Ok(found.into_iter().flatten().collect())
}

/// Absent means 1, as the API has it.
pub(super) fn replicas(object: &DynamicObject) -> u32 {
    let count = at(object, "/spec/replicas").as_u64().unwrap_or(1);
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn at<'a>(object: &'a DynamicObject, pointer: &str) -> &'a Value {
    object.data.pointer(pointer).unwrap_or(&Value::Null)
}

/// How many replicas an autoscaler permits at most; `None` without one, or when they may not be read.
async fn autoscaler_max(switch: &Switch<'_>, of: &Place) -> Result<Option<u32>, TargetError> {
    let kind = "HorizontalPodAutoscaler";
    let Some(resource) = served(switch.cluster, "autoscaling", &["v2", "v1"], kind).await? else {
        return Ok(None);
    };
    let client = switch.cluster.client.clone();
    let scalers: Api<DynamicObject> = Api::namespaced_with(client, &of.namespace, &resource);
    let found = match scalers.list(&ListParams::default()).await {
        Ok(found) => found.items,
        Err(error) if code(&error) == Some(403) => return Ok(None),
        Err(error) => {
            let what = format!("could not list the autoscalers of {}", of.namespace);
            return Err(failed(error, &what));
        }
    };
    let own = found.iter().find(|scaler| {
        at(scaler, "/spec/scaleTargetRef/kind") == of.kind.name()
            && at(scaler, "/spec/scaleTargetRef/name") == of.name.as_str()
    });
    let most = own.and_then(|scaler| at(scaler, "/spec/maxReplicas").as_u64());
    Ok(most.map(|most| u32::try_from(most).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(counts: &[u32]) -> Vec<Found> {
        counts
            .iter()
            .map(|replicas| Found {
                place: Place::parse("deployment/web-blue", "shop").unwrap(),
                labels: Value::Null,
                replicas: *replicas,
            })
            .collect()
    }

    /// Counts of the workloads, wanted, pods, autoscaler: ready needed, scaled to, told.
    #[track_caller]
    fn check(
        counts: &[u32],
        (goal, pods, most): (u32, u32, Option<u32>),
        expected: Result<(u32, Option<u32>, bool), &str>,
    ) {
        let need = judge(&found(counts), goal, pods, most);
        let short = |need: Need| {
            let to = need.scale.map(|(_, _, to)| to);
            (need.ready, to, need.short.is_some())
        };
        match (need, expected) {
            (Ok(need), Ok(expected)) => assert_eq!(short(need), expected),
            (Err((why, _)), Err(expected)) => assert!(why.contains(expected), "{why}"),
            (need, expected) => panic!("found {need:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_colour_gets_as_many_pods_as_are_wanted() {
        check(&[0], (10, 0, None), Ok((10, Some(10), false)));
        check(&[1], (10, 1, None), Ok((10, Some(10), false)));
        check(&[10], (10, 10, None), Ok((10, None, false)));
        check(&[12], (10, 12, None), Ok((10, None, false)));
        check(&[1], (10, 1, Some(4)), Ok((4, Some(4), true)));
        check(&[6], (10, 6, Some(4)), Ok((6, None, true)));
        check(&[2, 3], (10, 5, None), Ok((5, None, true)));
        check(&[6, 6], (10, 12, None), Ok((10, None, false)));
        check(&[], (3, 2, None), Ok((2, None, true)));
    }

    #[test]
    fn what_cannot_have_pods_is_refused() {
        check(&[], (3, 0, None), Err("no Deployment or StatefulSet"));
        check(&[0, 0], (3, 0, None), Err("several workloads"));
    }
}
