//! Where a Service sends its traffic: its EndpointSlices, or its Endpoints on a server without them.

use super::Switch;
use crate::targets::kubernetes::live::Live;
use crate::targets::kubernetes::served::served;
use crate::targets::{TargetError, Time};
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::Config;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// The endpoint controllers follow a new selector within seconds.
const ENDPOINTS_WAIT_MAX: Duration = Duration::from_mins(1);

/// Returns when every address that gets traffic is a pod of the wanted colour, and there is at least one.
///
/// # Errors
/// `Unhealthy` when that is not so in time: the selector was changed, and traffic does not follow.
pub(super) async fn follow(switch: &Switch<'_>) -> Result<(), TargetError> {
    let Switch { slot, wanted, .. } = switch;
    let wait = switch.deadline.min(ENDPOINTS_WAIT_MAX);
    let mut live = watch(switch, Instant::now() + wait).await?;
    let mut seen = BTreeSet::new();
    let mut others = 0;
    while let Some(objects) = live.next().await? {
        seen = objects.into_iter().flat_map(addressees).collect();
        let pods = switch.pods().await?;
        let own: BTreeSet<String> = pods.iter().map(ResourceExt::name_any).collect();
        others = seen.difference(&own).count();
        switch.tell(&format!(
            "{} of {} addresses are of {wanted}",
            seen.len() - others,
            seen.len()
        ));
        if !seen.is_empty() && others == 0 {
            return Ok(());
        }
    }
    let wait = Time(wait);
    let found = match seen.len() {
        0 => "it has no ready address".to_owned(),
        all => format!("{others} of its {all} addresses are of other pods"),
    };
    Err(TargetError::Unhealthy {
        what: format!("{slot} selects {wanted}, and after {wait} {found}"),
        advice: "compare the ports of the Service with those of the pods; switch back with `lastgood rollback`"
            .to_owned(),
    })
}

async fn watch(switch: &Switch<'_>, ends: Instant) -> Result<Live<DynamicObject>, TargetError> {
    let (cluster, place) = (switch.cluster, switch.place);
    let slices = served(
        cluster,
        "discovery.k8s.io",
        &["v1", "v1beta1"],
        "EndpointSlice",
    )
    .await?;
    let (resource, config) = match slices {
        Some(resource) => {
            let label = format!("kubernetes.io/service-name={}", place.name);
            (resource, Config::default().labels(&label))
        }
        None => (
            ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Endpoints")),
            Config::default().fields(&format!("metadata.name={}", place.name)),
        ),
    };
    let objects = Api::namespaced_with(cluster.client.clone(), &place.namespace, &resource);
    let what = format!("could not watch the endpoints of {place}");
    Ok(Live::of(objects, config, ends, &what))
}

/// Names of the pods behind the ready addresses of an EndpointSlice or Endpoints object. An address without a pod goes by
/// its own text, which no pod has as its name.
fn addressees(object: &DynamicObject) -> Vec<String> {
    let list = |value: &Value, key: &str| -> Vec<Value> {
        value
            .get(key)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let of_slice = list(&object.data, "endpoints")
        .into_iter()
        .filter(|endpoint| {
            // Absent means that it is not known, which counts as ready.
            endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false))
        });
    let of_endpoints = list(&object.data, "subsets")
        .into_iter()
        .flat_map(|subset| list(&subset, "addresses"));
    of_slice
        .chain(of_endpoints)
        .map(
            |address| match address.pointer("/targetRef/name").and_then(Value::as_str) {
                Some(pod) => pod.to_owned(),
                None => format!("address {}", address.get("addresses").unwrap_or(&address)),
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(object: &Value, expected: &[&str]) {
        let object = DynamicObject {
            types: None,
            metadata: kube::core::ObjectMeta::default(),
            data: object.clone(),
        };
        assert_eq!(addressees(&object), expected);
    }

    #[test]
    fn only_ready_addresses_get_traffic() {
        let pod = |name: &str, ready: Value| json!({"addresses": ["10.1.0.2"], "conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": name}});
        let slice = json!({"endpoints": [pod("a", json!(true)), pod("b", json!(false)), pod("c", Value::Null)]});
        check(&slice, &["a", "c"]);
        check(&json!({"endpoints": null}), &[]);
        let endpoints = json!({"subsets": [{
            "addresses": [{"ip": "10.1.0.2", "targetRef": {"kind": "Pod", "name": "a"}}],
            "notReadyAddresses": [{"ip": "10.1.0.3", "targetRef": {"kind": "Pod", "name": "b"}}],
        }]});
        check(&endpoints, &["a"]);
    }

    #[test]
    fn an_address_without_a_pod_is_of_no_colour() {
        check(
            &json!({"endpoints": [{"addresses": ["10.9.9.9"]}]}),
            &["address [\"10.9.9.9\"]"],
        );
    }
}
