//! The shortest manifests that the API server takes, as JSON to build upon.

use crate::world::digest::hex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// `registry/app:tag` as the kubelet of the tests resolves it, unless the tag was moved.
pub fn digest_of(image: &str) -> String {
    format!("sha256:{}", hex(&Sha256::digest(image.as_bytes())))
}

/// One container named `web`, selected by `app=NAME`. Ten seconds to make progress.
pub fn deployment(name: &str, image: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": replicas, "progressDeadlineSeconds": 10, "selector": selector(name), "template": template(name, image)},
    })
}

/// Ordered, as by default.
pub fn stateful_set(name: &str, image: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name},
        "spec": {"replicas": replicas, "serviceName": name, "selector": selector(name), "template": template(name, image)},
    })
}

pub fn daemon_set(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name},
        "spec": {"selector": selector(name), "template": template(name, image)},
    })
}

/// To the pods with `app=NAME`, port 80 to 8080.
pub fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    })
}

fn selector(name: &str) -> Value {
    json!({"matchLabels": {"app": name}})
}

fn template(name: &str, image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "web", "image": image, "ports": [{"containerPort": 8080}]}]},
    })
}
