//! What the cluster itself keeps of earlier templates: ReplicaSets of a Deployment, ControllerRevisions of the others. Numbers
//! change with every rollback, so they name nothing beyond the moment. Which one is wanted is chosen elsewhere.

use super::Kubernetes;
use super::cluster::Cluster;
use super::owned::{is_owned_by, selector_text, sets};
use super::slots::Kind;
use super::template;
use super::workload::Observed;
use crate::targets::TargetError;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The number of a ReplicaSet, as the Deployment's controller counts.
const NUMBER: &str = "deployment.kubernetes.io/revision";

/// One earlier template.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    pub(super) number: i64,
    pub(super) name: String,
    /// Without what the controllers add; images as they were written.
    pub(super) template: Value,
    /// Of a ReplicaSet: the Deployment's of that time.
    pub(super) annotations: Option<BTreeMap<String, String>>,
    pub(super) created: Option<Time>,
}

/// The templates that are kept for a workload, newest first; the one it has now is among them.
pub(super) async fn kept(
    kubernetes: &Kubernetes,
    observed: &Observed,
) -> Result<Vec<Kept>, TargetError> {
    let cluster: &Cluster = kubernetes.cluster().await?;
    let place = &observed.place;
    let selector = selector_text(observed.object.data.pointer("/spec/selector"));
    let params = ListParams::default().labels(&selector);
    let sets = sets(cluster, place.kind, &place.namespace, params).await?;
    let mut kept: Vec<Kept> = sets
        .iter()
        .filter(|set| is_owned_by(&set.metadata, observed.uid()))
        .filter_map(|set| read(place.kind, set))
        .collect();
    kept.sort_by_key(|kept| Reverse(kept.number));
    Ok(kept)
}

fn read(kind: Kind, set: &DynamicObject) -> Option<Kept> {
    let (number, template, annotations) = match kind {
        Kind::Deployment => {
            let annotations = set.metadata.annotations.clone().unwrap_or_default();
            let number = annotations.get(NUMBER)?.parse().ok()?;
            let template = set.data.pointer("/spec/template")?.clone();
            (number, template, Some(annotations))
        }
        // A strategic merge patch that replaces the template as a whole.
        Kind::StatefulSet | Kind::DaemonSet => {
            let mut template = set.data.pointer("/data/spec/template")?.clone();
            template.as_object_mut()?.shift_remove("$patch");
            (set.data.get("revision")?.as_i64()?, template, None)
        }
        Kind::Service | Kind::HttpRoute => return None,
    };
    Some(Kept {
        number,
        name: set.metadata.name.clone()?,
        template: template::bare(&template),
        annotations,
        created: set.metadata.creation_timestamp.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn replica_sets_and_controller_revisions_are_read() {
        let set: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": "web-5d4f", "annotations": {"deployment.kubernetes.io/revision": "4", "note": "x"}},
            "spec": {"template": {"metadata": {"creationTimestamp": null, "labels": {"app": "web", "pod-template-hash": "5d4f"}},
                "spec": {"containers": [], "newer": 1}}}
        })).unwrap();
        let kept = read(Kind::Deployment, &set).unwrap();
        assert_eq!((kept.number, kept.name.as_str()), (4, "web-5d4f"));
        assert_eq!(
            kept.template,
            json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [], "newer": 1}})
        );
        assert_eq!(kept.annotations.unwrap()["note"], "x");
        let set: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "db-1"}, "revision": 7,
            "data": {"spec": {"template": {"$patch": "replace", "spec": {"containers": []}}}}
        })).unwrap();
        let kept = read(Kind::StatefulSet, &set).unwrap();
        assert_eq!(kept.number, 7);
        assert_eq!(kept.template, json!({"spec": {"containers": []}}));
        assert_eq!(read(Kind::Deployment, &set), None);
    }
}
