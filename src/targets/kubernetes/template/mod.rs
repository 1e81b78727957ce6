//! Pod templates as raw JSON: their canonical revision, their images, and what differs between two in words.
//! Pure: nothing is asked of the cluster, and fields that we do not know are kept.

mod difference;
#[cfg(test)]
mod tests;

pub(super) use crate::targets::images_file::{digest, repository};
pub(super) use difference::difference;

use crate::model::payload::hex;
use crate::model::state::Revision;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Container (init containers and sidecars too) to image.
pub(super) type Images = BTreeMap<String, String>;

/// Labels that controllers put on a template of theirs; they say nothing of the release.
const HASHES: [&str; 2] = ["pod-template-hash", "controller-revision-hash"];

/// The lists of a pod's specification that hold containers.
const LISTS: [&str; 2] = ["initContainers", "containers"];

/// The revision of a template whose containers run `images`: the sha256 of canonical JSON. The order of keys, nulls and empty
/// maps, and what controllers add do not matter; how an image is written matters only where its digest is not known.
pub(super) fn revision(template: &Value, images: &Images) -> Revision {
    let mut template = bare(template);
    for container in containers_mut(&mut template) {
        if let Some(container) = container.as_object_mut() {
            container.shift_remove("image");
        }
    }
    let whole = json!({"images": images, "template": canonical(&template)});
    let digest = Sha256::digest(canonical(&whole).to_string().as_bytes());
    Revision(format!("sha256:{}", hex(&digest)))
}

/// The template as it is recorded and put back: without what the controllers and the server add to it.
pub(super) fn bare(template: &Value) -> Value {
    let mut template = template.clone();
    let metadata = template.get_mut("metadata").and_then(Value::as_object_mut);
    if let Some(metadata) = metadata {
        metadata.shift_remove("creationTimestamp");
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            for hash in HASHES {
                labels.shift_remove(hash);
            }
        }
    }
    template
}

/// Whether two templates say the same, images as written included.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    canonical(&bare(one)) == canonical(&bare(other))
}

/// The images of a template: `name@sha256:…` where it is pinned, else as written.
pub(super) fn images_of(template: &Value) -> Images {
    containers(template)
        .filter_map(|container| {
            let name = container.get("name")?.as_str()?;
            let image = container.get("image").and_then(Value::as_str).unwrap_or("");
            Some((name.to_owned(), normal(image)))
        })
        .collect()
}

/// `name:tag@sha256:…` as `name@sha256:…`: beside a digest, a tag says nothing. Others as they are.
pub(super) fn normal(image: &str) -> String {
    match digest(image) {
        Some(digest) => format!("{}@{digest}", repository(image)),
        None => image.to_owned(),
    }
}

/// Writes images into the containers of these names; others keep theirs.
pub(super) fn pin(template: &mut Value, images: &Images) {
    for container in containers_mut(template) {
        let name = container.get("name").and_then(Value::as_str);
        let image = name.and_then(|name| images.get(name)).cloned();
        if let (Some(image), Some(container)) = (image, container.as_object_mut()) {
            container.insert("image".to_owned(), Value::String(image));
        }
    }
}

/// Whether every image is known by its digest.
pub(super) fn is_pinned(images: &Images) -> bool {
    images.values().all(|image| digest(image).is_some())
}

fn containers(template: &Value) -> impl Iterator<Item = &Value> {
    LISTS
        .into_iter()
        .filter_map(|list| template.get("spec")?.get(list)?.as_array())
        .flatten()
}

fn containers_mut(template: &mut Value) -> Vec<&mut Value> {
    let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) else {
        return Vec::new();
    };
    spec.iter_mut()
        .filter(|(list, _)| LISTS.contains(&list.as_str()))
        .filter_map(|(_, containers)| containers.as_array_mut())
        .flatten()
        .collect()
}

/// Keys sorted, nulls and empty maps of maps left out. Items of lists keep their places.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, Value> = map
                .iter()
                .map(|(key, value)| (key, canonical(value)))
                .filter(|(_, value)| !is_nothing(value))
                .collect();
            let map: Map<String, Value> = sorted
                .into_iter()
                .map(|(key, value)| (key.clone(), value))
                .collect();
            Value::Object(map)
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => false,
    }
}
