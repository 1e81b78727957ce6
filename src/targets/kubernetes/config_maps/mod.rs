//! The ConfigMaps and Secrets that a pod template names: read, compared, and ConfigMaps put back. Of a Secret only a digest
//! leaves the cluster. Which release they belong to is not decided here.

mod hold;
mod references;
mod restore;

use super::Kubernetes;
use super::cluster::{Cluster, failed};
use super::slots::Place;
use crate::targets::TargetError;
pub(super) use hold::{Configuration, UNREADABLE};
use hold::{of_config_map, of_secret};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::Api;
use kube::{Error, ResourceExt as _};
pub(super) use references::References;
pub(super) use restore::{restorable, restore};
use serde_json::{Map, Value};

/// What the ConfigMaps and Secrets named by `template` hold now.
///
/// # Errors
/// `Refused` when one that the template needs is not there.
pub(super) async fn read(
    cluster: &Cluster,
    place: &Place,
    template: &Value,
) -> Result<Configuration, TargetError> {
    let references = References::of(template);
    let mut found = Configuration::default();
    for (name, is_needed) in &references.config_maps {
        match config_map(cluster, place, name).await? {
            Some(value) => found.config_maps.insert(name.clone(), value),
            None if *is_needed => return Err(absent(place, "ConfigMap", name)),
            None => None,
        };
    }
    if references.secrets.is_empty() {
        return Ok(found);
    }
    let key = key_of(cluster, &place.namespace).await?;
    for (name, is_needed) in &references.secrets {
        match secret(cluster, place, name, key.as_deref()).await? {
            Some(value) => found.secrets.insert(name.clone(), Value::String(value)),
            None if *is_needed => return Err(absent(place, "Secret", name)),
            None => None,
        };
    }
    Ok(found)
}

/// How the ConfigMaps differ from those that were recorded, in lines; empty when they do not.
pub(super) async fn difference_now(
    kubernetes: &Kubernetes,
    place: &Place,
    recorded: &Value,
) -> Result<Vec<String>, TargetError> {
    let cluster = kubernetes.cluster().await?;
    let recorded = recorded.get("config-maps").unwrap_or(&Value::Null);
    let mut now = Map::new();
    for name in recorded.as_object().into_iter().flat_map(Map::keys) {
        if let Some(value) = config_map(cluster, place, name).await? {
            now.insert(name.clone(), value);
        }
    }
    Ok(difference(recorded, &Value::Object(now)))
}

/// How ConfigMaps differ, in lines: both as in `config-maps` of what is recorded. One that was not recorded is not told of.
pub(super) fn difference(recorded: &Value, now: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, old) in recorded.as_object().into_iter().flatten() {
        match now.get(name) {
            None => lines.push(format!("ConfigMap {name} is gone")),
            Some(new) if hold::is_same(old, new) => (),
            Some(new) => lines.extend(hold::difference(name, old, new)),
        }
    }
    lines
}

/// The Secrets that no longer hold what they held, in lines: they cannot be put back, because only their digest was recorded.
/// That is told and stops nothing: a certificate that was renewed is a changed Secret.
pub(super) async fn changed_secrets(
    kubernetes: &Kubernetes,
    place: &Place,
    recorded: &Value,
) -> Result<Vec<String>, TargetError> {
    let secrets = recorded.get("secrets").and_then(Value::as_object);
    let Some(secrets) = secrets.filter(|secrets| !secrets.is_empty()) else {
        return Ok(Vec::new());
    };
    let cluster = kubernetes.cluster().await?;
    let key = key_of(cluster, &place.namespace).await?;
    let mut lines = Vec::new();
    for (name, old) in secrets {
        let what = match secret(cluster, place, name, key.as_deref()).await? {
            None => "is gone",
            // Nothing is known about it, so nothing is said.
            Some(new) if new == UNREADABLE || old == UNREADABLE => continue,
            Some(new) if *old == new => continue,
            Some(_) => "has changed",
        };
        lines.push(format!(
            "the Secret {name} {what} since the release was recorded, and is not put back (only its digest was recorded): the pods start with what it holds now"
        ));
    }
    Ok(lines)
}

/// A ConfigMap as it is recorded; `None` when there is none.
pub(super) async fn config_map(
    cluster: &Cluster,
    place: &Place,
    name: &str,
) -> Result<Option<Value>, TargetError> {
    let objects: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), &place.namespace);
    match objects.get_opt(name).await {
        Ok(found) => Ok(found.as_ref().map(of_config_map)),
        Err(Error::Api(status)) if status.code == 403 => {
            tracing::warn!("{place} names the ConfigMap {name}, which may not be read");
            Ok(Some(Value::String(UNREADABLE.to_owned())))
        }
        Err(error) => {
            let what = format!("could not read the ConfigMap {name} of {place}");
            Err(failed(error, &what))
        }
    }
}

/// The digest of a Secret; `None` when there is none.
async fn secret(
    cluster: &Cluster,
    place: &Place,
    name: &str,
    key: Option<&str>,
) -> Result<Option<String>, TargetError> {
    let objects: Api<Secret> = Api::namespaced(cluster.client.clone(), &place.namespace);
    let found = match objects.get_opt(name).await {
        Ok(found) => found,
        Err(Error::Api(status)) if status.code == 403 => {
            tracing::warn!("{place} names the Secret {name}, which may not be read");
            return Ok(Some(UNREADABLE.to_owned()));
        }
        Err(error) => {
            let what = format!("could not read the Secret {name} of {place}");
            return Err(failed(error, &what));
        }
    };
    Ok(found.map(|secret| match key {
        Some(key) => of_secret(&secret, key),
        None => UNREADABLE.to_owned(),
    }))
}

/// What the digests of Secrets are keyed with: the UID of their namespace. Artifacts are read by many; without a key, a
/// weak password could be found from its digest by guessing. `None`: the namespace may not be read.
async fn key_of(cluster: &Cluster, namespace: &str) -> Result<Option<String>, TargetError> {
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    match namespaces.get(namespace).await {
        Ok(found) => Ok(found.uid()),
        Err(Error::Api(status)) if status.code == 403 => {
            tracing::warn!(
                "the namespace {namespace} may not be read, so changes of its Secrets are not noticed"
            );
            Ok(None)
        }
        Err(error) => {
            let what = format!("could not read the namespace {namespace}");
            Err(failed(error, &what))
        }
    }
}

fn absent(place: &Place, kind: &str, name: &str) -> TargetError {
    TargetError::Refused {
        what: format!(
            "{place} needs the {kind} {name}, which is not there: its pods could not start again"
        ),
        allow: None,
        next: format!("create the {kind}, or deploy without it"),
    }
}
