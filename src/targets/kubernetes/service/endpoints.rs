//! Where a Service sends its traffic: its EndpointSlices, or its Endpoints on a server without them.

use super::Switch;
use crate::targets::kubernetes::addresses;
use crate::targets::kubernetes::live::Live;
use crate::targets::kubernetes::served::served;
use crate::targets::{TargetError, Time};
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::Config;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// The endpoint controllers follow a new selector within seconds.
const ENDPOINTS_WAIT_MAX: Duration = Duration::from_mins(1);

/// Returns when every address that gets traffic is a pod of the wanted colour, and there is at least one. `has_ports`: the
/// Service has any.
///
/// # Errors
/// `Unhealthy` when that is not so in time: the selector was changed, and traffic does not follow.
pub(super) async fn follow(switch: &Switch<'_>, has_ports: bool) -> Result<(), TargetError> {
    let Switch { slot, wanted, .. } = switch;
    let wait = switch.deadline.min(ENDPOINTS_WAIT_MAX);
    let mut live = watch(switch, Instant::now() + wait).await?;
    let mut seen = BTreeSet::new();
    let mut others = 0;
    while let Some(objects) = live.next().await? {
        seen = objects
            .into_iter()
            .flat_map(|object| addresses::ready(&object.data, has_ports))
            // An address without a pod goes by its own text, which no pod has as its name.
            .map(|one| one.pod.unwrap_or_else(|| format!("address {}", one.ip)))
            .collect();
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
