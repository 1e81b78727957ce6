//! What a registry would say: the digest behind an image, and what the image does. A tag stands for the SHA-256 of its
//! name, unless the test has moved it; an image by digest does what its tag did, unless the test says otherwise.

use super::HOME;
use super::behaviour::Behaviour;
use crate::cluster::manifest::digest_of;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What a test changed for its namespace; kept in `ConfigMap` `lastgood-test/NAMESPACE`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Table {
    /// `registry/app:tag` -> `sha256:…`.
    pub tags: BTreeMap<String, String>,
    /// `sha256:…` -> a word of [`Behaviour`].
    pub behaviours: BTreeMap<String, String>,
}

impl Table {
    pub fn config_map(&self, space: &str) -> Value {
        let text = serde_json::to_string(self).expect("a table is JSON");
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": space}, "data": {"images": text}})
    }
}

/// An image as one container runs it.
#[derive(Debug, Clone)]
pub struct Image {
    /// As the pod has it.
    pub written: String,
    /// `repo@sha256:…`.
    pub id: String,
    pub behaviour: Behaviour,
}

pub(crate) struct Images {
    client: Client,
    /// What digests did when they were reached by tag.
    known: Mutex<BTreeMap<String, Behaviour>>,
    /// The first pod of each owner, for `one-bad`.
    firsts: Mutex<BTreeMap<String, String>>,
}

impl Images {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
            firsts: Mutex::default(),
        }
    }

    /// The table of a namespace as it is now. It was written before the pod was made, so it is complete.
    pub(crate) async fn table(&self, space: &str) -> Table {
        let maps = Api::<ConfigMap>::namespaced(self.client.clone(), HOME);
        let map = match maps.get_opt(space).await {
            Ok(map) => map,
            Err(error) => {
                eprintln!("the images of {space}: {error}");
                None
            }
        };
        let text = map.and_then(|map| map.data?.remove("images"));
        let table = text.and_then(|text| serde_json::from_str(&text).ok());
        table.unwrap_or_default()
    }

    pub(crate) fn resolve(&self, written: &str, table: &Table) -> Image {
        let (name, pinned) = match written.split_once('@') {
            Some((name, digest)) => (name, Some(digest.to_owned())),
            None => (written, None),
        };
        let moved = || table.tags.get(written).cloned();
        let digest = pinned.clone().or_else(moved);
        let digest = digest.unwrap_or_else(|| digest_of(written));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let by_name = Behaviour::of(name);
        let behaviour = match table.behaviours.get(&digest) {
            Some(word) => Behaviour::of(word),
            None if pinned.is_some() && by_name == Behaviour::Good => {
                known.get(&digest).copied().unwrap_or(by_name)
            }
            None => by_name,
        };
        if digest == digest_of(written) {
            known.insert(digest.clone(), by_name);
        }
        Image {
            written: written.to_owned(),
            id: format!("{}@{digest}", without_tag(name)),
            behaviour,
        }
    }

    /// Whether this pod is the first that its owner had.
    pub(crate) fn is_first(&self, owner: &str, pod: &str) -> bool {
        let mut firsts = self.firsts.lock().unwrap_or_else(PoisonError::into_inner);
        firsts
            .entry(owner.to_owned())
            .or_insert_with(|| pod.to_owned())
            == pod
    }
}

/// A colon after the last slash starts the tag; one before it is of a port.
fn without_tag(name: &str) -> &str {
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    match name.get(last..).and_then(|rest| rest.find(':')) {
        Some(colon) => name.get(..last + colon).unwrap_or(name),
        None => name,
    }
}
