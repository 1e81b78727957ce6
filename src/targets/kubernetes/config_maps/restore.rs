//! ConfigMaps put back to what was recorded, before the pods that read them are. Everything is looked at before anything is
//! changed. Secrets are never written.

use super::super::Kubernetes;
use super::super::cluster::{Cluster, changed_failed, failed};
use super::super::edit::{Edited, FIELD_MANAGER, TRIES_MAX, edit};
use super::super::slots::Place;
use super::hold::{self, UNREADABLE};
use crate::model::state::Slot;
use crate::targets::{Story, TargetError};
use kube::Error;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::{Map, Value, json};

/// Puts the data of every recorded ConfigMap back; `recorded` is what the manifest says of the workload.
///
/// # Errors
/// `Refused` when one is immutable and holds something else, or when its data was not recorded: nothing was changed.
pub(in super::super) async fn restore(
    kubernetes: &Kubernetes,
    place: &Place,
    recorded: &Value,
    slot: &Slot,
    story: Option<&dyn Story>,
) -> Result<(), TargetError> {
    let cluster = kubernetes.cluster().await?;
    let changed = to_restore(cluster, place, recorded).await?;
    for (name, old) in changed {
        if let Some(story) = story {
            story.progress(slot, &format!("putting the ConfigMap {name} back"));
        }
        put_back(cluster, place, name, old).await?;
    }
    Ok(())
}

/// Whether every ConfigMap that differs can be put back. Nothing is changed.
///
/// # Errors
/// `Refused`, as [`restore`].
pub(in super::super) async fn restorable(
    kubernetes: &Kubernetes,
    place: &Place,
    recorded: &Value,
) -> Result<(), TargetError> {
    let cluster = kubernetes.cluster().await?;
    to_restore(cluster, place, recorded).await.map(|_| ())
}

/// Those that differ, with what they held.
async fn to_restore<'a>(
    cluster: &Cluster,
    place: &Place,
    recorded: &'a Value,
) -> Result<Vec<(&'a String, &'a Value)>, TargetError> {
    let maps = recorded.get("config-maps").and_then(Value::as_object);
    let mut changed = Vec::new();
    for (name, old) in maps.into_iter().flatten() {
        let now = super::config_map(cluster, place, name).await?;
        if old == UNREADABLE || now.as_ref().is_some_and(|now| hold::is_same(old, now)) {
            continue;
        }
        may_be_restored(place, name, old, now.as_ref())?;
        changed.push((name, old));
    }
    Ok(changed)
}

fn may_be_restored(
    place: &Place,
    name: &str,
    old: &Value,
    now: Option<&Value>,
) -> Result<(), TargetError> {
    let refused = |why: &str, next: &str| {
        Err(TargetError::Refused {
            what: format!("the ConfigMap {name} of {place} cannot be put back: {why}"),
            allow: None,
            next: next.to_owned(),
        })
    };
    if old.get("left-out-bytes").is_some() {
        return refused(
            "it was too large to be recorded, only its digest was",
            "put it back by hand, or set restore-config: false",
        );
    }
    if now.is_some_and(|now| now.get("immutable") == Some(&Value::Bool(true))) {
        return refused(
            "it is immutable and holds something else",
            "delete it, then run the same command again: it is created as it was; or set restore-config: false",
        );
    }
    Ok(())
}

async fn put_back(
    cluster: &Cluster,
    place: &Place,
    name: &str,
    old: &Value,
) -> Result<(), TargetError> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "ConfigMap"));
    let objects: Api<DynamicObject> =
        Api::namespaced_with(cluster.client.clone(), &place.namespace, &resource);
    let what = format!("could not put the ConfigMap {name} of {place} back");
    for _ in 0..TRIES_MAX {
        let found = objects
            .get_opt(name)
            .await
            .map_err(|error| failed(error, &what))?;
        let Some(object) = found else {
            if create(&objects, &resource, name, old, &what).await? {
                return Ok(());
            }
            continue;
        };
        match edit(&objects, &object, operations(&object, old), &what).await? {
            Edited::Done(_) => return Ok(()),
            Edited::Stale => (),
        }
    }
    Err(TargetError::Refused {
        what: format!("{what}: somebody else keeps changing it"),
        allow: None,
        next: "run the same command again when nobody else changes it".to_owned(),
    })
}

/// Sets both kinds of data as they were, and removes what was not there.
fn operations(object: &DynamicObject, old: &Value) -> Vec<Value> {
    let mut operations = Vec::new();
    for part in ["data", "binaryData"] {
        let path = format!("/{part}");
        match (old.get(part), object.data.get(part)) {
            // `add` sets a member whether it is there or not.
            (Some(old), _) => operations.push(json!({"op": "add", "path": path, "value": old})),
            (None, Some(_)) => operations.push(json!({"op": "remove", "path": path})),
            (None, None) => (),
        }
    }
    operations
}

/// `false`: somebody else created one meanwhile.
async fn create(
    objects: &Api<DynamicObject>,
    resource: &ApiResource,
    name: &str,
    old: &Value,
    what: &str,
) -> Result<bool, TargetError> {
    let mut data = Map::new();
    for part in ["data", "binaryData", "immutable"] {
        if let Some(value) = old.get(part) {
            data.insert(part.to_owned(), value.clone());
        }
    }
    let object = DynamicObject::new(name, resource).data(Value::Object(data));
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    match objects.create(&params, &object).await {
        Ok(_) => Ok(true),
        Err(Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(changed_failed(error, what)),
    }
}
