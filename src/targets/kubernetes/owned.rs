//! What belongs to a workload: its pods and the ReplicaSets or ControllerRevisions between, found by labels and kept by owner,
//! since the labels of one workload may be a part of another's. What they mean is not here.

use super::cluster::{Cluster, failed};
use super::pods::Mark;
use super::slots::{Kind, Place};
use super::template;
use crate::targets::TargetError;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::core::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;

/// The pods of one workload, or of all workloads of a kind in a namespace, with what stands between.
#[derive(Debug, Default)]
pub(super) struct Owned {
    /// ReplicaSets of Deployments, ControllerRevisions of DaemonSets. A StatefulSet's own status says what they would.
    sets: Vec<DynamicObject>,
    pods: Vec<Pod>,
}

impl Owned {
    /// Of one workload.
    pub(super) async fn of(
        cluster: &Cluster,
        object: &DynamicObject,
        place: &Place,
    ) -> Result<Self, TargetError> {
        let selector = selector_text(object.data.pointer("/spec/selector"));
        let params = ListParams::default().labels(&selector);
        Self::listed(cluster, place.kind, &place.namespace, &params).await
    }

    /// Of every workload of a kind in a namespace, in as many requests as one workload takes.
    pub(super) async fn of_all(
        cluster: &Cluster,
        kind: Kind,
        namespace: &str,
    ) -> Result<Self, TargetError> {
        Self::listed(cluster, kind, namespace, &ListParams::default()).await
    }

    async fn listed(
        cluster: &Cluster,
        kind: Kind,
        namespace: &str,
        params: &ListParams,
    ) -> Result<Self, TargetError> {
        let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
        let what = format!("could not list the pods of namespace {namespace}");
        let pods = list(&pods, params.clone(), &what);
        let (pods, sets) = futures_util::future::try_join(pods, async {
            match kind {
                Kind::Deployment | Kind::DaemonSet => {
                    sets(cluster, kind, namespace, params.clone()).await
                }
                Kind::StatefulSet | Kind::Service | Kind::HttpRoute => Ok(Vec::new()),
            }
        })
        .await?;
        Ok(Self { sets, pods })
    }

    /// The pods of one workload.
    pub(super) fn pods(&self, object: &DynamicObject, place: &Place) -> Vec<&Pod> {
        let uid = uid(&object.metadata);
        let owners: Vec<&str> = match place.kind {
            Kind::Deployment => self
                .sets
                .iter()
                .filter(|set| is_owned_by(&set.metadata, uid))
                .map(|set| self::uid(&set.metadata))
                .collect(),
            Kind::StatefulSet | Kind::DaemonSet | Kind::Service | Kind::HttpRoute => vec![uid],
        };
        self.pods
            .iter()
            .filter(|pod| owners.iter().any(|uid| is_owned_by(&pod.metadata, uid)))
            .collect()
    }

    /// What marks the pods of the template that the workload has now. `None`: the controller has not made any yet.
    pub(super) fn mark(&self, object: &DynamicObject, place: &Place) -> Option<Mark> {
        let own = || {
            let uid = uid(&object.metadata);
            self.sets
                .iter()
                .filter(move |set| is_owned_by(&set.metadata, uid))
        };
        match place.kind {
            // As the controller finds it: the oldest with the same template.
            Kind::Deployment => {
                let wanted = object.data.pointer("/spec/template")?;
                own()
                    .filter(|set| {
                        let of_set = set.data.pointer("/spec/template");
                        of_set.is_some_and(|of_set| template::is_same(of_set, wanted))
                    })
                    .min_by_key(|set| {
                        let created = set.metadata.creation_timestamp.as_ref().map(|at| at.0);
                        (created, set.metadata.name.clone())
                    })
                    .map(|set| Mark::Owner(uid(&set.metadata).to_owned()))
            }
            Kind::StatefulSet => {
                let update = object.data.pointer("/status/updateRevision")?.as_str()?;
                is_observed(object).then(|| Mark::RevisionHash(update.to_owned()))
            }
            Kind::DaemonSet => {
                let number =
                    |set: &&DynamicObject| set.data.get("revision").and_then(Value::as_i64);
                let newest = own().max_by_key(number)?;
                is_observed(object)
                    .then(|| Mark::RevisionHash(newest.metadata.name.clone().unwrap_or_default()))
            }
            Kind::Service | Kind::HttpRoute => None,
        }
    }
}

/// The pods of a workload: by labels, then by owner.
pub(super) async fn list_pods(
    cluster: &Cluster,
    object: &DynamicObject,
    place: &Place,
) -> Result<Vec<Pod>, TargetError> {
    let owned = Owned::of(cluster, object, place).await?;
    Ok(owned.pods(object, place).into_iter().cloned().collect())
}

/// The ReplicaSets or ControllerRevisions of a namespace, those of other owners included.
pub(super) async fn sets(
    cluster: &Cluster,
    kind: Kind,
    namespace: &str,
    params: ListParams,
) -> Result<Vec<DynamicObject>, TargetError> {
    let kind = match kind {
        Kind::Deployment => "ReplicaSet",
        Kind::StatefulSet | Kind::DaemonSet | Kind::Service | Kind::HttpRoute => {
            "ControllerRevision"
        }
    };
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", kind));
    let api: Api<DynamicObject> =
        Api::namespaced_with(cluster.client.clone(), namespace, &resource);
    let what = format!("could not list the {kind}s of namespace {namespace}");
    list(&api, params, &what).await
}

/// Every page of a list.
pub(super) async fn list<T>(
    api: &Api<T>,
    params: ListParams,
    what: &str,
) -> Result<Vec<T>, TargetError>
where
    T: Clone + DeserializeOwned + Debug,
{
    const PAGE: u32 = 500;
    const PAGES_MAX: usize = 200;
    let mut params = params.limit(PAGE);
    let mut all = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = api
            .list(&params)
            .await
            .map_err(|error| failed(error, what))?;
        all.extend(page.items);
        match page.metadata.continue_ {
            Some(token) if !token.is_empty() => params.continue_token = Some(token),
            Some(_) | None => return Ok(all),
        }
    }
    Err(TargetError::Failed(anyhow::anyhow!(
        "{what}: found more than {} objects, expected fewer",
        all.len()
    )))
}

/// Carries requests out, a few at once; answers come in the order of the requests.
pub(super) async fn side_by_side<T>(
    requests: Vec<impl Future<Output = Result<T, TargetError>>>,
) -> Result<Vec<T>, TargetError> {
    const WIDTH: usize = 16;
    stream::iter(requests).buffered(WIDTH).try_collect().await
}

/// Whether this is the controller of an object, not merely among its owners.
pub(super) fn is_owned_by(metadata: &ObjectMeta, uid: &str) -> bool {
    metadata
        .owner_references
        .iter()
        .flatten()
        .any(|owner| owner.controller == Some(true) && owner.uid == uid)
}

pub(super) fn uid(metadata: &ObjectMeta) -> &str {
    metadata.uid.as_deref().unwrap_or_default()
}

/// Whether the controller has worked on the last change.
pub(super) fn is_observed(object: &DynamicObject) -> bool {
    let observed = object.data.pointer("/status/observedGeneration");
    object.metadata.generation.unwrap_or(0) <= observed.and_then(Value::as_i64).unwrap_or(0)
}

/// A selector of a workload (`matchLabels`, `matchExpressions`) as the API takes it in a query.
pub(super) fn selector_text(selector: Option<&Value>) -> String {
    let Some(selector) = selector else {
        return String::new();
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let labels = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", text(value)));
    let rules = selector.get("matchExpressions").and_then(Value::as_array);
    let rules = rules.into_iter().flatten().map(|rule| {
        let key = rule.get("key").map(text).unwrap_or_default();
        let values = rule.get("values").and_then(Value::as_array);
        let values: Vec<String> = values.into_iter().flatten().map(text).collect();
        let values = values.join(",");
        match rule.get("operator").and_then(Value::as_str) {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            Some(_) | None => key,
        }
    });
    labels.chain(rules).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_are_written_as_queries() {
        let selector = json!({
            "matchLabels": {"app": "web", "tier": "front"},
            "matchExpressions": [
                {"key": "a", "operator": "In", "values": ["x", "y"]},
                {"key": "b", "operator": "NotIn", "values": ["z"]},
                {"key": "c", "operator": "Exists"},
                {"key": "d", "operator": "DoesNotExist"},
            ]
        });
        assert_eq!(
            selector_text(Some(&selector)),
            "app=web,tier=front,a in (x,y),b notin (z),c,!d"
        );
        assert_eq!(selector_text(None), "");
    }

    fn set(uid: &str, owner: &str, created: &str, image: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": uid, "uid": uid, "creationTimestamp": created, "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner, "controller": true}]},
            "spec": {"template": {
                "metadata": {"labels": {"app": "web", "pod-template-hash": uid}},
                "spec": {"containers": [{"name": "c", "image": image}]}}}
        }))
        .unwrap()
    }

    #[test]
    fn pods_are_those_of_the_owner_and_the_template() {
        let workload: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "uid": "d1"},
            "spec": {"template": {"metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "app:2"}]}}}
        }))
        .unwrap();
        let pod = |name: &str, owner: &str| -> Pod {
            serde_json::from_value(json!({"metadata": {"name": name, "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner, "controller": true}]}}))
            .unwrap()
        };
        let owned = Owned {
            sets: vec![
                set("r1", "d1", "2026-01-01T00:00:00Z", "app:1"),
                set("r3", "d1", "2026-01-03T00:00:00Z", "app:2"),
                set("r2", "d1", "2026-01-02T00:00:00Z", "app:2"),
                set("r9", "d9", "2026-01-01T00:00:00Z", "app:2"),
            ],
            pods: vec![pod("old", "r1"), pod("new", "r2"), pod("other", "r9")],
        };
        let place = Place::parse("deployment/web", "shop").unwrap();
        let names: Vec<_> = owned
            .pods(&workload, &place)
            .iter()
            .filter_map(|pod| pod.metadata.name.clone())
            .collect();
        assert_eq!(names, ["old", "new"]);
        assert_eq!(
            owned.mark(&workload, &place),
            Some(Mark::Owner("r2".to_owned()))
        );
    }
}
