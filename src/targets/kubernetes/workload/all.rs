//! All workloads of a target, in few requests: one list per namespace and kind where there are many, else one request each,
//! side by side. How one is read is in the module above.

use super::super::Kubernetes;
use super::super::cluster::Cluster;
use super::super::owned::side_by_side;
use super::super::owned::{Owned, is_observed, list};
use super::super::slots::{Kind, Place};
use super::{Observed, known_images, learn, missing, noticed, observe, observed};
use crate::targets::TargetError;
use kube::api::{DynamicObject, ListParams};
use std::collections::BTreeMap;
use std::sync::PoisonError;

/// From so many workloads of a kind in a namespace on, listing all of them is less to ask than one after the other.
const MANY: usize = 4;

/// Every workload that the settings name or the selector finds, in the order of slots.
///
/// # Errors
/// `Refused` when a named one does not exist.
pub(in super::super) async fn observe_all(
    kubernetes: &Kubernetes,
) -> Result<Vec<Observed>, TargetError> {
    let cluster = kubernetes.cluster().await?;
    let mut objects = find(kubernetes, cluster).await?;
    let places: Vec<Place> = kubernetes
        .places()
        .into_iter()
        .filter(|place| place.kind.is_workload())
        .collect();
    for group in groups(places.iter().filter(|place| !objects.contains_key(*place))) {
        objects.extend(read(cluster, group).await?);
    }
    let mut all = Vec::new();
    for place in places {
        let object = objects.remove(&place).ok_or_else(|| missing(&place))?;
        all.push((place, object));
    }
    complete(kubernetes, cluster, all).await
}

/// What the selector finds now. Found once, a workload stays a slot of this command.
async fn find(
    kubernetes: &Kubernetes,
    cluster: &Cluster,
) -> Result<BTreeMap<Place, DynamicObject>, TargetError> {
    let Some(selector) = &kubernetes.settings.selector else {
        return Ok(BTreeMap::new());
    };
    let settings = &kubernetes.settings;
    let namespaces = match settings.namespaces.as_slice() {
        [] => std::slice::from_ref(&settings.namespace),
        namespaces => namespaces,
    };
    let mut asked = Vec::new();
    for namespace in namespaces {
        for kind in [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet] {
            let params = ListParams::default().labels(selector);
            asked.push(listed(cluster, kind, namespace, params));
        }
    }
    let found = side_by_side(asked).await?;
    let objects: BTreeMap<Place, DynamicObject> = found.into_iter().flatten().collect();
    let mut known = kubernetes
        .found
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    for place in objects.keys() {
        if !known.contains(place) && !kubernetes.named.contains(place) {
            known.push(place.clone());
        }
    }
    Ok(objects)
}

async fn listed(
    cluster: &Cluster,
    kind: Kind,
    namespace: &str,
    params: ListParams,
) -> Result<Vec<(Place, DynamicObject)>, TargetError> {
    let what = format!(
        "could not list the {}s of namespace {namespace}",
        kind.word()
    );
    let objects = list(&cluster.objects(kind, namespace), params, &what).await?;
    let placed = objects.into_iter().filter_map(|object| {
        let place = Place {
            kind,
            namespace: namespace.to_owned(),
            name: object.metadata.name.clone()?,
        };
        Some((place, object))
    });
    Ok(placed.collect())
}

/// Those of the same kind and namespace together.
fn groups<'a>(places: impl Iterator<Item = &'a Place>) -> Vec<Vec<&'a Place>> {
    let mut groups: BTreeMap<(Kind, &str), Vec<&Place>> = BTreeMap::new();
    for place in places {
        let key = (place.kind, place.namespace.as_str());
        groups.entry(key).or_default().push(place);
    }
    groups.into_values().collect()
}

/// One group of named workloads. Those that do not exist are not in the answer.
async fn read(
    cluster: &Cluster,
    places: Vec<&Place>,
) -> Result<Vec<(Place, DynamicObject)>, TargetError> {
    match places.first() {
        Some(first) if MANY <= places.len() => {
            let params = ListParams::default();
            let mut all = listed(cluster, first.kind, &first.namespace, params).await?;
            all.retain(|(place, _)| places.contains(&place));
            Ok(all)
        }
        Some(_) | None => {
            let mut asked = Vec::new();
            for place in places {
                asked.push(async move {
                    let object = cluster.get(place).await?;
                    Ok(object.map(|object| (place.clone(), object)))
                });
            }
            let found = side_by_side(asked).await?;
            Ok(found.into_iter().flatten().collect())
        }
    }
}

/// Makes observations of objects: those that the controller has not noticed are read again, and pods are asked where digests
/// are not known.
async fn complete(
    kubernetes: &Kubernetes,
    cluster: &Cluster,
    all: Vec<(Place, DynamicObject)>,
) -> Result<Vec<Observed>, TargetError> {
    let mut asked = Vec::new();
    for (place, object) in all {
        asked.push(async move {
            if is_observed(&object) {
                return Ok((place, object));
            }
            let object = noticed(cluster, &place).await?;
            let object = object.ok_or_else(|| missing(&place))?;
            Ok((place, object))
        });
    }
    let all = side_by_side(asked).await?;
    let mut unknown = Vec::new();
    for (place, object) in &all {
        if known_images(kubernetes, object)?.is_none() {
            unknown.push(place);
        }
    }
    for group in groups(unknown.into_iter()) {
        let Some(first) = group.first().filter(|_| MANY <= group.len()) else {
            continue;
        };
        let owned = Owned::of_all(cluster, first.kind, &first.namespace).await?;
        for (place, object) in all.iter().filter(|(place, _)| group.contains(&place)) {
            learn(kubernetes, place, object, &owned)?;
        }
    }
    let mut asked = Vec::new();
    for (place, object) in all {
        asked.push(async move {
            match known_images(kubernetes, &object)? {
                Some(images) => observed(kubernetes, &place, object, images),
                None => observe(kubernetes, &place)
                    .await?
                    .ok_or_else(|| missing(&place)),
            }
        });
    }
    side_by_side(asked).await
}
