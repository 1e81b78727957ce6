//! A real Kubernetes API server for the tests: etcd, kube-apiserver, kube-controller-manager and kube-scheduler on free
//! loopback ports, with RBAC, nodes that are faked ([`kubelet`]), and a proxy that plays tricks ([`mischief`]).
//!
//! ```ignore
//! #[tokio::test]
//! async fn a_crash_is_seen() {
//!     let Some(cluster) = Cluster::start().await else { return }; // no servers: said loudly, fails under CI
//!     let space = cluster.space("crash").await;                   // a namespace of this test; deleted on drop
//!     space.deployment("web", "shop/web:1", 3).await;
//!     space.wait_rolled_out("deployment/web").await;
//!     space.set_image("deployment/web", "shop/web:2-crash").await;
//!     space.wait_pods("app=web", "one crashes", |pods| {
//!         pods.iter().any(|pod| at(pod, "/status/containerStatuses/0/restartCount") == 3)
//!     }).await;
//!     let kubeconfig = cluster.kubeconfig(User::Admin);           // a file for the program under test
//! }
//! ```
//!
//! | what | names |
//! |---|---|
//! | the cluster | `Cluster::start() -> Option<Cluster>`, `.space(prefix)`, `.kubeconfig(User) -> PathBuf`, `.server()`, `.ca_file()`, `.token(User)`, `.client()`, `.client_of(User)`, `.apply(yaml)` (CRDs, nodes), `.node(name)` (a node of this test alone), `.mischief()` |
//! | users | `User::Admin` (system:masters), `User::Ci` (nothing, until `space.allow(User::Ci, rules)`), `User::Nobody` (never anything) |
//! | a namespace | `space.name`, `.apply(yaml)`, `.apply_as(manager, yaml)`, `.deployment/.stateful_set/.daemon_set(name, image, …)`, `.set_image(slot, image)`, `.get(slot)`, `.find(slot)`, `.list(kind, selector)`, `.pods(selector)`, `.patch(slot, merge)`, `.patch_status(slot, merge)`, `.json_patch(slot, ops)`, `.delete(slot)`; a slot is `kind/name` |
//! | waiting | `.wait(slot, what, test)`, `.wait_pods(selector, what, test)`, `.wait_rolled_out(slot)`, `.wait_gone(slot)`: by watch, 60 s at most, then a panic which shows the last state |
//! | JSON | `at(&value, "/pointer") -> &Value` (null when absent), `condition(&object, "Progressing") -> &Value` |
//! | images | `space.move_tag("shop/web:1", "sha256:…")` for pods started from now on; `space.behaves("sha256:…", "crash")`: an image by digest is bad |
//! | mischief | `let m = cluster.mischief().await; m.kubeconfig(User::Admin); m.client(User::Admin).await; m.play("PATCH", "/deployments/web", 1, Trick::…); m.before("PATCH", "/deployments/web", 1, future); m.drop_watches(); m.expire_watches(); m.seen(); m.mutations()` |
//!
//! What a container does follows from a word in the name of its image, or from `behaves`: `crash`, `oom`, `missing`,
//! `config`, `slow`, `unready`, `dies-later`, `one-bad`, `init-fails` (see [`kubelet::behaviour`]); anything else is
//! ready at once. Annotations of a pod: `lastgood-test/logs`, `lastgood-test/logs-previous` (lines; see
//! [`kubelet::logs`]), `lastgood-test/http: "500"` (what the pod answers over a port-forward),
//! `lastgood-test/forward: 127.0.0.1:PORT` (the port-forward ends at a real server).
//!
//! **One cluster for a whole run.** Starting takes seconds and half a gigabyte, and cargo-nextest gives each test a
//! process of its own; so the first test starts the cluster under a file lock and the others join it ([`shared`]). It is
//! kept by a process of its own: this test binary, run with one hidden test ([`keeper`]) in a process group of its own,
//! so that there is no other program to build and the kubelet is always of the same build as the tests. Every user
//! holds a shared lock; when nobody has held one for a minute, the keeper stops the servers and ends. `tests/run` does
//! not wait for that: it stops the cluster of its run by pid at its end. Locks vanish with their process, so a keeper
//! that was killed, or a reboot, leaves nothing but files, which the next start clears away (and ends servers which
//! survived their keeper, by pid and start time).
//!
//! Not in here: anything of the product.

pub mod certificates;
pub mod client;
pub mod files;
pub mod keeper;
pub mod kubelet;
pub mod manifest;
pub mod mischief;
pub mod objects;
pub mod servers;
pub mod shared;
pub mod space;
#[cfg(test)]
mod tests;

pub use files::User;
pub use mischief::{Mischief, Trick};
pub use objects::{at, condition};
pub use space::Space;

use files::Files;
use kube::Client;
use objects::Objects;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// The running cluster, and this test's share in it.
#[derive(Debug, Clone)]
pub struct Cluster {
    files: Arc<Files>,
    /// Held as long as anything uses the cluster.
    _share: Arc<fs::File>,
    objects: Objects,
}

impl Cluster {
    /// Joins the cluster of this run, starting it when it is not there. `None` when the servers are not on this machine,
    /// which is an error under CI.
    pub async fn start() -> Option<Self> {
        let programs = servers::Programs::found()?;
        let (files, share) = shared::join(&programs).await;
        let client = client::of(&files.kubeconfig(User::Admin)).await;
        Some(Self {
            files: Arc::new(files),
            _share: Arc::new(share),
            objects: Objects::new(client),
        })
    }

    /// A namespace of its own, whose name starts with `prefix`.
    pub async fn space(&self, prefix: &str) -> Space {
        Space::new(self.clone(), prefix).await
    }

    /// A kubeconfig file for this user.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        self.files.kubeconfig(user)
    }

    /// `https://127.0.0.1:PORT`.
    pub fn server(&self) -> String {
        self.files.server()
    }

    /// The certificate of the authority that signed the API server's.
    pub fn ca_file(&self) -> PathBuf {
        self.files.ca_certificate()
    }

    pub fn token(&self, user: User) -> String {
        self.files.token(user)
    }

    /// The administrator's client.
    pub fn client(&self) -> Client {
        self.objects.client()
    }

    pub async fn client_of(&self, user: User) -> Client {
        client::of(&self.kubeconfig(user)).await
    }

    /// Applies objects without a namespace, such as custom resource definitions. They outlive the test: name them so
    /// that other tests are not disturbed.
    pub async fn apply(&self, yaml: &str) -> Vec<Value> {
        self.objects.apply(None, "lastgood-test", yaml).await
    }

    /// A ready node that only takes pods with node selector `lastgood-test/node: NAME`, which get
    /// a toleration of the taint `lastgood-test=NAME:NoSchedule` from their author.
    pub async fn node(&self, name: &str) -> Value {
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {kubelet::OURS: "true", "lastgood-test/node": name}},
            "spec": {"taints": [{"key": "lastgood-test", "value": name, "effect": "NoSchedule"}]},
        });
        self.objects.create(None, &node).await;
        let slot = format!("node/{name}");
        let is_ready = |node: &Value| at(condition(node, "Ready"), "/status") == "True";
        self.objects
            .wait(None, &slot, "it is ready", is_ready)
            .await
    }

    /// A proxy of this test in front of the API server.
    pub async fn mischief(&self) -> Mischief {
        Mischief::start(Arc::clone(&self.files)).await
    }
}
