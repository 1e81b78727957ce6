//! How long the rollouts themselves take: from the first changed template to the last Deployment that is done, as an
//! independent watch sees them.

use crate::cluster::{Space, at};
use anyhow::Context as _;
use futures_util::StreamExt as _;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) struct Watching {
    task: JoinHandle<anyhow::Result<Duration>>,
}

impl Watching {
    pub(crate) async fn took(self) -> anyhow::Result<Duration> {
        timeout(Duration::from_mins(1), self.task)
            .await
            .context("not every Deployment was changed and done")??
    }
}

/// Watches from what is there now.
pub(crate) async fn start(space: &Space, names: &[String]) -> anyhow::Result<Watching> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment"));
    let api: Api<DynamicObject> =
        Api::namespaced_with(space.cluster().client(), &space.name, &resource);
    let now = api.list(&ListParams::default()).await?;
    let mut before = BTreeMap::new();
    for object in now.items {
        let name = object.metadata.name.unwrap_or_default();
        before.insert(name, object.metadata.generation.unwrap_or(0));
    }
    before.retain(|name, _| names.contains(name));
    let task = tokio::spawn(async move {
        // A busy server ends watches: this one is begun again by itself.
        let events = watcher(api, watcher::Config::default()).default_backoff();
        let mut events = std::pin::pin!(events.applied_objects());
        let mut first = None;
        let mut waiting = before;
        while let Some(object) = events.next().await {
            let object = object?;
            let name = object.metadata.name.clone().unwrap_or_default();
            let generation = object.metadata.generation.unwrap_or(0);
            let Some(old) = waiting.get(&name) else {
                continue;
            };
            if *old < generation {
                let first = *first.get_or_insert_with(Instant::now);
                if is_done(&serde_json::to_value(&object)?, generation) {
                    waiting.remove(&name);
                }
                if waiting.is_empty() {
                    return Ok(first.elapsed());
                }
            }
        }
        anyhow::bail!("the watch ended")
    });
    Ok(Watching { task })
}

fn is_done(object: &Value, generation: i64) -> bool {
    let count = |path: &str| at(object, path).as_i64().unwrap_or(0);
    let wanted = count("/spec/replicas");
    generation <= count("/status/observedGeneration")
        && count("/status/updatedReplicas") == wanted
        && count("/status/replicas") == wanted
        && count("/status/availableReplicas") == wanted
}
