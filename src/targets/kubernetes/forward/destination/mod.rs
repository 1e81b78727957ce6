//! Where a forwarded port leads: the words of a `via`, the object they name, and the pods and port numbers behind it.

use crate::targets::TargetError;
use crate::targets::kubernetes::cluster::{Cluster, failed};
use crate::targets::kubernetes::owned::Owned;
use crate::targets::kubernetes::pods;
use crate::targets::kubernetes::slots::{Kind, Place, is_label, is_name};
use k8s_openapi::api::core::v1 as api;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Api, ListParams};
use std::collections::BTreeMap;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) namespace: String,
    object: Object,
    port: Port,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Object {
    Pod(String),
    /// A workload or a Service.
    Place(Place),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Port {
    Number(u16),
    /// Of a container, or of a Service.
    Name(String),
}

/// A pod that is ready, and the port of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) pod: String,
    pub(super) port: u16,
}

impl Destination {
    /// Reads `deployment/web:8001`; without a namespace it is in `home`.
    pub(super) fn parse(to: &str, home: &str) -> Result<Self, TargetError> {
        Self::read(to, home).ok_or_else(|| {
            refused(
                format!(
                    "found via {to:?}, expected KIND/NAME:PORT or NAMESPACE/KIND/NAME:PORT, with deployment, statefulset, \
                     daemonset, service or pod"
                ),
                "write it like deployment/web:8001",
            )
        })
    }

    fn read(to: &str, home: &str) -> Option<Self> {
        let (path, port) = to.rsplit_once(':')?;
        let port = match port.parse::<u16>() {
            Ok(0) => return None,
            Ok(number) => Port::Number(number),
            // A name has a letter (RFC 6335), so a number that is too large is none.
            Err(_) if is_port_name(port) => Port::Name(port.to_owned()),
            Err(_) => return None,
        };
        let pod = |namespace: &str, name: &str| {
            let is_fine = is_label(namespace) && is_name(name);
            is_fine.then(|| (namespace.to_owned(), Object::Pod(name.to_owned())))
        };
        let parts: Vec<&str> = path.split('/').collect();
        let (namespace, object) = match parts.as_slice() {
            ["pod" | "pods" | "po", name] => pod(home, name)?,
            [namespace, "pod" | "pods" | "po", name] => pod(namespace, name)?,
            _ => {
                let place = Place::parse(path, home).ok()?;
                if place.kind == Kind::HttpRoute {
                    return None;
                }
                (place.namespace.clone(), Object::Place(place))
            }
        };
        Some(Self {
            namespace,
            object,
            port,
        })
    }

    /// The ready pods it leads to now, those of the newest revision of a workload. Empty when there are none.
    ///
    /// # Errors
    /// `Refused` when there is no such object, or it has no such port.
    pub(super) async fn route(&self, cluster: &Cluster) -> Result<Vec<End>, TargetError> {
        let (found, port) = match &self.object {
            Object::Pod(name) => (vec![self.pod(cluster, name).await?], self.port.clone()),
            Object::Place(place) if place.kind == Kind::Service => {
                self.behind_service(cluster, place).await?
            }
            Object::Place(place) => (of_workload(cluster, place).await?, self.port.clone()),
        };
        let ready: Vec<&api::Pod> = found
            .iter()
            .filter(|pod| {
                let pod = pods::pod(pod, true, None);
                pod.is_ready && pod.is_active()
            })
            .collect();
        let ends: Vec<End> = ready
            .iter()
            .filter_map(|pod| {
                let port = number(pod, &port)?;
                let pod = pod.metadata.name.clone()?;
                Some(End { pod, port })
            })
            .collect();
        if ends.is_empty()
            && let Some(pod) = ready.first()
        {
            return Err(no_port(&format!("{port}"), &container_ports(pod)));
        }
        Ok(ends)
    }

    async fn pod(&self, cluster: &Cluster, name: &str) -> Result<api::Pod, TargetError> {
        let pods: Api<api::Pod> = Api::namespaced(cluster.client.clone(), &self.namespace);
        let what = format!("could not read pod {name} in namespace {}", self.namespace);
        let pod = pods
            .get_opt(name)
            .await
            .map_err(|error| failed(error, &what))?;
        pod.ok_or_else(|| {
            refused(
                format!("there is no pod {name} in namespace {}", self.namespace),
                "name a workload or a service: pods come and go",
            )
        })
    }

    async fn behind_service(
        &self,
        cluster: &Cluster,
        place: &Place,
    ) -> Result<(Vec<api::Pod>, Port), TargetError> {
        let services: Api<api::Service> = Api::namespaced(cluster.client.clone(), &self.namespace);
        let what = format!("could not read {place}");
        let service = services
            .get_opt(&place.name)
            .await
            .map_err(|error| failed(error, &what))?;
        let spec = service
            .ok_or_else(|| missing(place))?
            .spec
            .unwrap_or_default();
        let Some(selector) = spec.selector.filter(|selector| !selector.is_empty()) else {
            return Err(refused(
                format!("{place} selects no pods"),
                "forward to the workload, or give the probe a URL",
            ));
        };
        let port = target_port(&spec.ports.unwrap_or_default(), &self.port)?;
        let pods: Api<api::Pod> = Api::namespaced(cluster.client.clone(), &self.namespace);
        let params = ListParams::default().labels(&labels(&selector));
        let list = pods
            .list(&params)
            .await
            .map_err(|error| failed(error, &format!("could not list the pods of {place}")))?;
        Ok((list.items, port))
    }
}

async fn of_workload(cluster: &Cluster, place: &Place) -> Result<Vec<api::Pod>, TargetError> {
    let object = cluster.get(place).await?.ok_or_else(|| missing(place))?;
    let owned = Owned::of(cluster, &object, place).await?;
    let mark = owned.mark(&object, place);
    let pods = owned.pods(&object, place).into_iter();
    let is_new = |pod: &&api::Pod| mark.as_ref().is_some_and(|mark| mark.is_on(&pod.metadata));
    Ok(pods.filter(is_new).cloned().collect())
}

/// The port of the pods behind a port of a Service.
fn target_port(ports: &[api::ServicePort], asked: &Port) -> Result<Port, TargetError> {
    let is_it = |port: &&api::ServicePort| match asked {
        Port::Number(number) => port.port == i32::from(*number),
        Port::Name(name) => port.name.as_deref() == Some(name),
    };
    let Some(port) = ports.iter().find(is_it) else {
        let known: Vec<String> = ports
            .iter()
            .map(|port| match &port.name {
                Some(name) => format!("{} ({name})", port.port),
                None => port.port.to_string(),
            })
            .collect();
        return Err(no_port(&asked.to_string(), &known));
    };
    let number = |number: i32| u16::try_from(number).ok().map(Port::Number);
    match &port.target_port {
        Some(IntOrString::String(name)) => Some(Port::Name(name.clone())),
        Some(IntOrString::Int(own)) => number(*own),
        None => number(port.port),
    }
    .ok_or_else(|| no_port(&asked.to_string(), &[]))
}

/// The number of a port in a pod. Only a name has to be declared there.
fn number(pod: &api::Pod, port: &Port) -> Option<u16> {
    let name = match port {
        Port::Number(number) => return Some(*number),
        Port::Name(name) => name,
    };
    let mut ports = declared(pod);
    let port = ports.find(|port| port.name.as_deref() == Some(name))?;
    u16::try_from(port.container_port).ok()
}

fn declared(pod: &api::Pod) -> impl Iterator<Item = &api::ContainerPort> {
    let spec = pod.spec.iter();
    spec.flat_map(|spec| {
        // A sidecar is an init container that stays.
        let sidecars = spec.init_containers.iter().flatten();
        spec.containers.iter().chain(sidecars)
    })
    .flat_map(|container| container.ports.iter().flatten())
}

fn container_ports(pod: &api::Pod) -> Vec<String> {
    let words = |port: &api::ContainerPort| match &port.name {
        Some(name) => format!("{} ({name})", port.container_port),
        None => port.container_port.to_string(),
    };
    declared(pod).map(words).collect()
}

fn labels(selector: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = selector
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(",")
}

/// `IANA_SVC_NAME`: lower case letters, digits and inner dashes, at most 15, with a letter.
fn is_port_name(text: &str) -> bool {
    is_label(text) && text.len() <= 15 && text.bytes().any(|byte| byte.is_ascii_lowercase())
}

fn missing(place: &Place) -> TargetError {
    refused(
        format!("there is no {place}"),
        "correct `via`, or create it first",
    )
}

fn no_port(asked: &str, known: &[String]) -> TargetError {
    let known = match known {
        [] => "none".to_owned(),
        known => known.join(", "),
    };
    refused(
        format!("found port {asked}, expected one of: {known}"),
        "correct the port in `via`",
    )
}

fn refused(what: String, next: &str) -> TargetError {
    TargetError::Refused {
        what,
        allow: None,
        next: next.to_owned(),
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
