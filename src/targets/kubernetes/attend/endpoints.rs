//! The ready addresses of the Services of a namespace: `EndpointSlices` where the server has them, else Endpoints.
//! Which Service leads to which pods is said here, what it means is `decide::rollout::stable`'s.

use super::shared::{all, bounded};
use crate::targets::TargetError;
use crate::targets::kubernetes::addresses;
use crate::targets::kubernetes::cluster::Cluster;
use k8s_openapi::api::core::v1 as api;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// Where the addresses of Services are found, newest first: 1.21, 1.17, always.
const FLAVOURS: [(&str, &str, &str); 3] = [
    ("discovery.k8s.io", "v1", "EndpointSlice"),
    ("discovery.k8s.io", "v1beta1", "EndpointSlice"),
    ("", "v1", "Endpoints"),
];

/// The flavour that this server has, once it answered.
#[derive(Debug, Default)]
pub(super) struct Known(OnceLock<usize>);

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Services(pub(super) BTreeMap<String, Service>);

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Service {
    /// Never empty.
    pub(super) selector: BTreeMap<String, String>,
    has_ports: bool,
    pub(super) ready: BTreeSet<String>,
}

impl Service {
    /// Whether it leads to pods with these labels.
    pub(super) fn selects(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        self.selector
            .iter()
            .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
    }
}

/// Reads the Services that have a selector, and their addresses.
pub(super) async fn read(
    cluster: &Cluster,
    namespace: &str,
    known: &Known,
) -> Result<Services, TargetError> {
    let services: Api<api::Service> = Api::namespaced(cluster.client.clone(), namespace);
    let list = bounded("could not list services", all(&services)).await?;
    let mut found = Services::default();
    for service in list {
        let spec = service.spec.unwrap_or_default();
        let is_elsewhere = spec.type_.as_deref() == Some("ExternalName");
        if let (Some(selector), Some(name), false) =
            (spec.selector, service.metadata.name, is_elsewhere)
            && !selector.is_empty()
        {
            let has_ports = spec.ports.is_some_and(|ports| !ports.is_empty());
            let service = Service {
                selector,
                has_ports,
                ready: BTreeSet::new(),
            };
            found.0.insert(name, service);
        }
    }
    if found.0.is_empty() {
        return Ok(found);
    }
    for object in addresses(cluster, namespace, known).await? {
        let Some(name) = service_of(&object) else {
            continue;
        };
        if let Some(service) = found.0.get_mut(&name) {
            let ready = addresses::ready(&object.data, service.has_ports);
            service.ready.extend(ready.into_iter().map(|one| one.ip));
        }
    }
    Ok(found)
}

async fn addresses(
    cluster: &Cluster,
    namespace: &str,
    known: &Known,
) -> Result<Vec<DynamicObject>, TargetError> {
    let first = known.0.get().copied().unwrap_or(0);
    for (index, (group, version, kind)) in FLAVOURS.iter().enumerate().skip(first) {
        let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        if *kind == "Endpoints" {
            "endpoints".clone_into(&mut resource.plural);
        }
        let objects: Api<DynamicObject> =
            Api::namespaced_with(cluster.client.clone(), namespace, &resource);
        let list = async {
            match all(&objects).await {
                Ok(items) => Ok(Some(items)),
                // The server does not know this kind.
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
                Err(error) => Err(error),
            }
        };
        if let Some(items) = bounded(&format!("could not list {}", resource.plural), list).await? {
            // Err: another slot was faster, and found the same.
            let _known = known.0.set(index);
            return Ok(items);
        }
    }
    Err(TargetError::Failed(anyhow::anyhow!(
        "the server has neither EndpointSlices nor Endpoints"
    )))
}

/// A slice names its Service in a label, Endpoints have its name.
fn service_of(object: &DynamicObject) -> Option<String> {
    if object.data.get("subsets").is_some() {
        return object.metadata.name.clone();
    }
    object
        .metadata
        .labels
        .as_ref()?
        .get("kubernetes.io/service-name")
        .cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_needs_all_its_labels() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let pairs = pairs
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
            pairs.collect()
        };
        let service = Service {
            selector: map(&[("app", "web"), ("colour", "blue")]),
            has_ports: true,
            ready: BTreeSet::new(),
        };
        assert!(service.selects(Some(&map(&[
            ("app", "web"),
            ("colour", "blue"),
            ("x", "y")
        ]))));
        assert!(!service.selects(Some(&map(&[("app", "web"), ("colour", "green")]))));
        assert!(!service.selects(None));
    }
}
