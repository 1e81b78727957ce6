//! Whether a `HorizontalPodAutoscaler` scales a workload. It matters only when we scale it ourselves: an autoscaler leaves a
//! workload alone that is scaled to 0, so it must come back to a count that the autoscaler takes over from.

use crate::targets::TargetError;
use crate::targets::kubernetes::cluster::{self, Cluster, failed};
use crate::targets::kubernetes::slots::Place;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams};
use serde_json::Value;

/// An autoscaler of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::targets::kubernetes) struct Autoscaler {
    pub(in crate::targets::kubernetes) name: String,
    /// Replicas that it keeps at least.
    pub(in crate::targets::kubernetes) min: u32,
}

/// The autoscaler of a workload, when there is one and we may see it.
#[expect(
    dead_code,
    reason = "for the emergency ladder, the one place where it matters"
)]
pub(in crate::targets::kubernetes) async fn autoscaler(
    cluster: &Cluster,
    place: &Place,
) -> Result<Option<Autoscaler>, TargetError> {
    // v2 since Kubernetes 1.23; before, and where only that is served, v1.
    for version in ["v2", "v1"] {
        let kind = GroupVersionKind::gvk("autoscaling", version, "HorizontalPodAutoscaler");
        let api: Api<DynamicObject> = Api::namespaced_with(
            cluster.client.clone(),
            &place.namespace,
            &ApiResource::from_gvk(&kind),
        );
        match api.list(&ListParams::default()).await {
            Ok(list) => {
                let mut objects = list
                    .items
                    .iter()
                    .filter_map(|it| serde_json::to_value(it).ok());
                return Ok(objects.find_map(|object| scales(&object, place)));
            }
            Err(error) if cluster::is_absent(&error) => (),
            Err(error) if cluster::is_forbidden(&error) => return Ok(None),
            Err(error) => {
                return Err(failed(
                    error,
                    &format!("could not look for autoscalers of {place}"),
                ));
            }
        }
    }
    Ok(None)
}

fn scales(object: &Value, place: &Place) -> Option<Autoscaler> {
    let target = object.pointer("/spec/scaleTargetRef")?;
    let is_it = target.get("kind")? == place.kind.name() && target.get("name")? == &place.name;
    is_it.then(|| Autoscaler {
        name: object
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        min: object
            .pointer("/spec/minReplicas")
            .and_then(Value::as_u64)
            .and_then(|min| u32::try_from(min).ok())
            .unwrap_or(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_autoscaler_is_found_by_its_target() {
        let place = Place::parse("deployment/web", "shop").unwrap();
        let scaler = |kind: &str, name: &str, min: Value| {
            json!({"metadata": {"name": "hpa"}, "spec":
                {"scaleTargetRef": {"kind": kind, "name": name}, "minReplicas": min}})
        };
        let found = |object: Value| scales(&object, &place).map(|it| it.min);
        assert_eq!(found(scaler("Deployment", "web", json!(3))), Some(3));
        assert_eq!(found(scaler("Deployment", "web", Value::Null)), Some(1));
        assert_eq!(found(scaler("StatefulSet", "web", json!(3))), None);
        assert_eq!(found(scaler("Deployment", "api", json!(3))), None);
        assert_eq!(found(json!({})), None);
    }
}
