//! What a change would do beyond changing a revision: a controller that puts its own back, a rollout that never begins, data
//! that an old release may not read. Each is refused unless `policy.allow` names it. What is recognised and said is decided
//! in [`signs`], on plain JSON; here the cluster is asked. Nothing is changed.

mod autoscaler;
mod gitops;
mod signs;

pub(super) use autoscaler::{Autoscaler, autoscaler};
pub(super) use signs::helm_release;

use super::Kubernetes;
use super::cluster::{self, Cluster, failed};
use super::slots::{Kind, Place};
use crate::model::plan::{Change, Hazard, Plan};
use crate::model::state::Slot;
use crate::targets::TargetError;
use futures_util::future::try_join_all;
use gitops::Owner;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Objects that a question about hazards lists at most.
const LISTED_MAX: u32 = 500;

/// The hazards of a plan: `gitops`, `paused`, `on-delete`, `partition`, `migration`, and `hpa` in an `emergency`.
///
/// `good_since`: when the wanted release of a slot was recorded as good, as far as it is known.
pub(super) async fn of(
    kubernetes: &Kubernetes,
    plan: &Plan,
    good_since: &BTreeMap<Slot, Timestamp>,
    emergency: bool,
) -> Result<Vec<Hazard>, TargetError> {
    let cluster = kubernetes.cluster().await?;
    let changed = changed(kubernetes, cluster, plan).await?;
    let applications = if changed
        .iter()
        .any(|it| gitops::needs_applications(&it.object))
    {
        applications(cluster).await?
    } else {
        Vec::new()
    };
    let mut hazards = Vec::new();
    for it in &changed {
        if let Some(owner) = gitops::owner(&it.object, &applications) {
            hazards.push(hazard(&it.slot, "gitops", owner.what(&it.place)));
        }
        if let Some(what) = signs::paused(&it.object, &it.place) {
            hazards.push(hazard(&it.slot, "paused", what));
        }
        if let Some(what) = signs::on_delete(&it.object, &it.place) {
            hazards.push(hazard(&it.slot, "on-delete", what));
        }
        if let Some(what) = signs::partition(&it.object, &it.place) {
            hazards.push(hazard(&it.slot, "partition", what));
        }
        let may_go_to_0 =
            emergency && matches!(it.place.kind, Kind::Deployment | Kind::StatefulSet);
        if may_go_to_0 && let Some(scaler) = autoscaler(cluster, &it.place).await? {
            hazards.push(hazard(&it.slot, "hpa", scaler.what(&it.place)));
        }
    }
    hazards.extend(migrations(kubernetes, cluster, &changed, good_since).await?);
    Ok(hazards)
}

/// Who owns an object, in words, when a `GitOps` controller does: for telling whose drift it was.
pub(super) fn owner(object: &Value) -> Option<String> {
    gitops::owner(object, &[]).map(|owner: Owner| owner.name())
}

/// An object that the plan changes, as it is now.
struct Changed {
    slot: Slot,
    place: Place,
    object: Value,
}

async fn changed(
    kubernetes: &Kubernetes,
    cluster: &Cluster,
    plan: &Plan,
) -> Result<Vec<Changed>, TargetError> {
    let slots: BTreeSet<&Slot> = plan.changes.iter().map(Change::slot).collect();
    let looks = slots.into_iter().map(|slot| async move {
        let place = kubernetes.place(slot)?;
        let Some(object) = cluster.get(&place).await? else {
            return Ok(None);
        };
        let object = serde_json::to_value(object).map_err(anyhow::Error::new)?;
        Ok::<_, TargetError>(Some(Changed {
            slot: slot.clone(),
            place,
            object,
        }))
    });
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

/// The Argo CD Applications that we may see; none where Argo CD is not installed or we may not look.
async fn applications(cluster: &Cluster) -> Result<Vec<Value>, TargetError> {
    let kind = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Application");
    let api: Api<DynamicObject> =
        Api::all_with(cluster.client.clone(), &ApiResource::from_gvk(&kind));
    match api.list(&ListParams::default().limit(LISTED_MAX)).await {
        Ok(list) => Ok(list
            .items
            .iter()
            .filter_map(|object| serde_json::to_value(object).ok())
            .collect()),
        Err(error) if cluster::is_absent(&error) || cluster::is_forbidden(&error) => Ok(Vec::new()),
        Err(error) => Err(failed(error, "could not look for Argo CD applications")),
    }
}

/// Jobs with the labels of migrations that came after the good release.
async fn migrations(
    kubernetes: &Kubernetes,
    cluster: &Cluster,
    changed: &[Changed],
    good_since: &BTreeMap<Slot, Timestamp>,
) -> Result<Vec<Hazard>, TargetError> {
    let Some(labels) = &kubernetes.settings.migrations else {
        return Ok(Vec::new());
    };
    let mut hazards = Vec::new();
    let mut looked = BTreeSet::new();
    for it in changed.iter().filter(|it| it.place.kind.is_workload()) {
        if !looked.insert(&it.place.namespace) {
            continue;
        }
        // Of the slots in this namespace, the release that is oldest: what came after it may trouble that one.
        let here = changed
            .iter()
            .filter(|other| other.place.namespace == it.place.namespace);
        let since = here.filter_map(|other| good_since.get(&other.slot)).min();
        let jobs: Api<Job> = Api::namespaced(cluster.client.clone(), &it.place.namespace);
        let params = ListParams::default().labels(labels).limit(LISTED_MAX);
        let found = jobs.list_metadata(&params).await.map_err(|error| {
            failed(
                error,
                &format!("could not look for migrations (Jobs with {labels})"),
            )
        })?;
        for job in found.items {
            let created = job.metadata.creation_timestamp.map(|time| time.0);
            let name = job.metadata.name.unwrap_or_default();
            if let Some(what) = signs::migrated(&name, created, since.copied()) {
                hazards.push(hazard(&it.slot, "migration", what));
            }
        }
    }
    Ok(hazards)
}

fn hazard(slot: &Slot, name: &str, what: String) -> Hazard {
    Hazard {
        slot: slot.clone(),
        name: name.to_owned(),
        what,
    }
}
