//! A kubelet that runs nothing: it says of every pod what a kubelet would say. It lives in the keeper's process and knows
//! the tests only through the API server: labels of nodes, names of images, annotations of pods, and one `ConfigMap` per
//! namespace ([`images`]).
//!
//! It follows the pods by watch, and each pod has a task of its own, so a hundred workloads at once take no longer than
//! the API server needs. Not modelled: volumes, resources, evictions, exec, metrics; a pod that is deleted is gone at once.

pub mod behaviour;
pub mod events;
pub mod forward;
pub mod images;
pub mod logs;
pub mod node;
pub mod pod;
pub mod server;
pub mod status;

use futures_util::StreamExt as _;
use images::Images;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use pod::Story;
use rustls::ServerConfig;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use tokio::task::JoinHandle;

/// The label of nodes that this kubelet serves.
pub const OURS: &str = "lastgood-test/kubelet";

/// The namespace of the kubelet's own `ConfigMap`s.
pub const HOME: &str = "lastgood-test";

/// What the tasks share.
#[derive(Clone)]
pub(crate) struct Kubelet {
    pub client: Client,
    pub images: Arc<Images>,
    addresses: Arc<AtomicU32>,
}

/// Registers the nodes, and goes on for ever in tasks of this runtime.
pub async fn start(client: Client, tls: Arc<ServerConfig>) {
    let namespace = k8s_openapi::api::core::v1::Namespace {
        metadata: ObjectMeta {
            name: Some(HOME.to_owned()),
            ..ObjectMeta::default()
        },
        ..k8s_openapi::api::core::v1::Namespace::default()
    };
    let namespaces = Api::all(client.clone());
    let created = namespaces.create(&PostParams::default(), &namespace).await;
    created.expect("an administrator makes namespaces");
    let port = server::start(client.clone(), tls).await;
    tokio::spawn(node::serve(client.clone(), port));
    let kubelet = Kubelet {
        images: Arc::new(Images::new(client.clone())),
        addresses: Arc::default(),
        client: client.clone(),
    };
    tokio::spawn(kubelet.serve());
    node::register(client).await;
}

/// The task of a pod, and the images it was started with.
struct Running {
    images: Vec<String>,
    task: JoinHandle<()>,
}

impl Kubelet {
    async fn serve(self) {
        let mut running: BTreeMap<String, Running> = BTreeMap::new();
        let pods = Api::<Pod>::all(self.client.clone());
        let mut events = pin!(watcher(pods, watcher::Config::default()).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => {
                    self.seen(&mut running, pod);
                }
                Ok(watcher::Event::Delete(pod)) => {
                    let uid = pod.metadata.uid.unwrap_or_default();
                    if let Some(gone) = running.remove(&uid) {
                        gone.task.abort();
                    }
                }
                Ok(watcher::Event::Init | watcher::Event::InitDone) => (),
                Err(error) => eprintln!("the watch of the pods: {error}"),
            }
        }
    }

    fn seen(&self, running: &mut BTreeMap<String, Running>, pod: Pod) {
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        if pod.metadata.deletion_timestamp.is_some() {
            if let Some(gone) = running.remove(&uid) {
                gone.task.abort();
            }
            tokio::spawn(delete(self.client.clone(), pod));
            return;
        }
        let Some(story) = Story::of(&pod) else {
            return; // not scheduled yet
        };
        let images = story.images();
        if running
            .get(&uid)
            .is_some_and(|known| known.images == images)
        {
            return;
        }
        let octets = self
            .addresses
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let task = tokio::spawn(story.tell(self.clone(), octets));
        if let Some(old) = running.insert(uid, Running { images, task }) {
            old.task.abort();
        }
    }
}

/// No grace: there is nothing to wait for.
async fn delete(client: Client, pod: Pod) {
    let (Some(name), Some(space)) = (pod.metadata.name, pod.metadata.namespace) else {
        return;
    };
    let mut params = DeleteParams::default().grace_period(0);
    params.preconditions = Some(kube::api::Preconditions {
        uid: pod.metadata.uid,
        resource_version: None,
    });
    // Not found, or another pod of this name: it is gone.
    drop(
        Api::<Pod>::namespaced(client, &space)
            .delete(&name, &params)
            .await,
    );
}
