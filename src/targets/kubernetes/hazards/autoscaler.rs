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
    /// Replicas that it never goes above.
    pub(in crate::targets::kubernetes) max: u32,
}

impl Autoscaler {
    /// The count nearest to `count` that it permits.
    pub(in crate::targets::kubernetes) fn clamped(&self, count: u32) -> u32 {
        count.max(self.min).min(self.max.max(self.min))
    }

    /// What `--emergency` may do to a workload that it scales.
    pub(super) fn what(&self, place: &Place) -> String {
        format!(
            "{place} is scaled by the autoscaler {}: the last step of --emergency may scale it to 0, where an autoscaler leaves it alone; it then comes back to the count that it had, within {} to {}",
            self.name, self.min, self.max
        )
    }
}

/// The autoscaler of a workload, when there is one and we may see it.
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
    let number = |pointer: &str| {
        let number = object.pointer(pointer).and_then(Value::as_u64);
        number.and_then(|number| u32::try_from(number).ok())
    };
    is_it.then(|| Autoscaler {
        name: object
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        min: number("/spec/minReplicas").unwrap_or(1),
        max: number("/spec/maxReplicas").unwrap_or(u32::MAX),
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
    #[test]
    fn an_autoscaler_has_its_limits() {
        let scaler = Autoscaler {
            name: "hpa".to_owned(),
            min: 2,
            max: 4,
        };
        assert_eq!([1, 3, 9].map(|count| scaler.clamped(count)), [2, 3, 4]);
        let place = Place::parse("deployment/web", "shop").unwrap();
        let what = scaler.what(&place);
        assert!(what.contains("within 2 to 4"), "{what}");
    }
}
