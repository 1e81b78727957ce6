//! The nodes: three for everybody, and every other that carries the label. A node without a Ready condition gets its
//! status; one that a test has changed is left alone.

use super::OURS;
use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// Admission puts it on new nodes; the controller that would remove it does not run.
const NOT_READY: &str = "node.kubernetes.io/not-ready";

pub const NAMES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// The three nodes, made and ready.
pub async fn register(client: Client) {
    let nodes = Api::<Node>::all(client);
    for name in NAMES {
        let node = json!({"metadata": {"name": name, "labels": {OURS: "true", "kubernetes.io/hostname": name}}});
        let node = serde_json::from_value(node).expect("a node");
        let created = nodes.create(&PostParams::default(), &node).await;
        created.expect("an administrator makes nodes");
    }
    let ready = async {
        let mut events = pin!(watcher(nodes, ours()).default_backoff().applied_objects());
        let mut waiting = NAMES.to_vec();
        while let Some(event) = events.next().await {
            let Ok(node) = event else { continue };
            let is_tainted = !taints_to_keep(&node).1;
            if has_status(&node) && is_tainted {
                let name = node.metadata.name.unwrap_or_default();
                waiting.retain(|other| *other != name);
            }
            if waiting.is_empty() {
                return;
            }
        }
    };
    let result = timeout(Duration::from_secs(30), ready).await;
    result.expect("nodes get ready in 30 s");
}

/// Gives every node of ours its status, with the port where the API server finds this kubelet.
pub async fn serve(client: Client, port: u16) {
    let nodes = Api::<Node>::all(client);
    let mut events = pin!(
        watcher(nodes.clone(), ours())
            .default_backoff()
            .applied_objects()
    );
    while let Some(event) = events.next().await {
        let Ok(node) = event else { continue };
        let name = node.metadata.name.clone().unwrap_or_default();
        let params = PatchParams::default();
        let (kept, is_tainted) = taints_to_keep(&node);
        let mut results = Vec::new();
        if is_tainted {
            let patch = Patch::Merge(json!({"spec": {"taints": kept}}));
            results.push(nodes.patch(&name, &params, &patch).await);
        }
        if !has_status(&node) {
            let patch = Patch::Strategic(json!({"status": status(port)}));
            results.push(nodes.patch_status(&name, &params, &patch).await);
        }
        for error in results.into_iter().filter_map(Result::err) {
            eprintln!("node {name}: {error}");
        }
    }
}

fn ours() -> watcher::Config {
    watcher::Config::default().labels(&format!("{OURS}=true"))
}

fn has_status(node: &Node) -> bool {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|condition| condition.type_ == "Ready"))
}

/// The taints without the one of admission, and whether that one is there.
fn taints_to_keep(node: &Node) -> (Value, bool) {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.clone());
    let taints = taints.unwrap_or_default();
    let kept: Vec<_> = taints
        .iter()
        .filter(|taint| taint.key != NOT_READY)
        .collect();
    (json!(kept), kept.len() < taints.len())
}

fn status(port: u16) -> Value {
    let size = json!({"cpu": "1000", "memory": "1000Gi", "pods": "2000"});
    let now = super::status::now();
    json!({
        "capacity": size, "allocatable": size,
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status",
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        }],
    })
}
