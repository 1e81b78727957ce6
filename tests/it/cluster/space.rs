//! A namespace of one test, and what the test does in it. Everything is done as the administrator.

use super::objects::{Objects, at};
use super::{Cluster, User, client, kubelet, manifest};
use kube::api::Patch;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::time::timeout;

/// Deleted when it is dropped, with all that is in it; the controllers do that in their own time.
#[derive(Debug)]
pub struct Space {
    pub name: String,
    cluster: Cluster,
    images: Mutex<kubelet::images::Table>,
}

impl Space {
    /// The cluster that it is in.
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(super) async fn new(cluster: Cluster, prefix: &str) -> Self {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).expect("the system has random bytes");
        let name = format!("{prefix}-{:08x}", u32::from_le_bytes(bytes));
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        cluster.objects.create(None, &namespace).await;
        Self {
            name,
            cluster,
            images: Mutex::default(),
        }
    }

    fn objects(&self) -> &Objects {
        &self.cluster.objects
    }

    /// As the calls of [`Objects`] want it.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "objects without a namespace pass `None`"
    )]
    fn here(&self) -> Option<&str> {
        Some(&self.name)
    }

    /// As `kubectl` would: the field manager is `kubectl`.
    pub async fn apply(&self, yaml: &str) -> Vec<Value> {
        self.apply_as("kubectl", yaml).await
    }

    /// As a controller of another name would.
    pub async fn apply_as(&self, manager: &str, yaml: &str) -> Vec<Value> {
        self.objects().apply(self.here(), manager, yaml).await
    }

    /// One object, such as [`manifest`] makes them.
    pub async fn apply_object(&self, object: &Value) -> Value {
        let objects = self.objects();
        objects.apply_one(self.here(), "kubectl", object).await
    }

    /// See [`manifest::deployment`].
    pub async fn deployment(&self, name: &str, image: &str, replicas: u32) -> Value {
        self.apply_object(&manifest::deployment(name, image, replicas))
            .await
    }

    pub async fn stateful_set(&self, name: &str, image: &str, replicas: u32) -> Value {
        self.apply_object(&manifest::stateful_set(name, image, replicas))
            .await
    }

    /// One pod on each node that has no taint.
    pub async fn daemon_set(&self, name: &str, image: &str) -> Value {
        self.apply_object(&manifest::daemon_set(name, image)).await
    }

    /// The image of the first container of a workload.
    pub async fn set_image(&self, slot: &str, image: &str) -> Value {
        let path = "/spec/template/spec/containers/0/image";
        self.json_patch(
            slot,
            json!([{"op": "replace", "path": path, "value": image}]),
        )
        .await
    }

    pub async fn get(&self, slot: &str) -> Value {
        self.objects().get(self.here(), slot).await
    }

    pub async fn find(&self, slot: &str) -> Option<Value> {
        self.objects().find(self.here(), slot).await
    }

    /// `list("pod", "app=web")`; an empty selector is all of them.
    pub async fn list(&self, kind: &str, selector: &str) -> Vec<Value> {
        self.objects().list(self.here(), kind, selector).await
    }

    pub async fn pods(&self, selector: &str) -> Vec<Value> {
        self.list("pod", selector).await
    }

    /// A JSON merge patch.
    pub async fn patch(&self, slot: &str, merge: Value) -> Value {
        let patch = Patch::Merge(merge);
        self.objects().patch(self.here(), slot, &patch).await
    }

    /// A JSON merge patch of the status.
    pub async fn patch_status(&self, slot: &str, merge: Value) -> Value {
        let objects = self.objects();
        objects.patch_status(self.here(), slot, &merge).await
    }

    pub async fn json_patch(&self, slot: &str, operations: Value) -> Value {
        let operations = serde_json::from_value(operations).expect("operations of a JSON patch");
        let patch = Patch::Json(operations);
        self.objects().patch(self.here(), slot, &patch).await
    }

    pub async fn delete(&self, slot: &str) {
        self.objects().delete(self.here(), slot).await;
    }

    pub async fn wait(&self, slot: &str, what: &str, test: impl Fn(&Value) -> bool) -> Value {
        self.objects().wait(self.here(), slot, what, test).await
    }

    pub async fn wait_pods(
        &self,
        selector: &str,
        what: &str,
        test: impl Fn(&[Value]) -> bool,
    ) -> Vec<Value> {
        let of = ("pod", selector);
        self.objects().wait_list(self.here(), of, what, test).await
    }

    pub async fn wait_gone(&self, slot: &str) {
        self.objects().wait_gone(self.here(), slot).await;
    }

    /// Until every pod of the workload is of its newest revision and available.
    pub async fn wait_rolled_out(&self, slot: &str) -> Value {
        self.wait(slot, "it is rolled out", is_rolled_out).await
    }

    /// Pods that start from now on get this digest (`sha256:…`) for this image (`registry/app:tag`).
    pub async fn move_tag(&self, image: &str, digest: &str) {
        self.table(|table| table.tags.insert(image.to_owned(), digest.to_owned()))
            .await;
    }

    /// Pods that start from now on with this digest do what the word says: `crash`, `missing`, `good`…
    pub async fn behaves(&self, digest: &str, word: &str) {
        self.table(|table| table.behaviours.insert(digest.to_owned(), word.to_owned()))
            .await;
    }

    async fn table(&self, change: impl FnOnce(&mut kubelet::images::Table) -> Option<String>) {
        let map = {
            let mut table = self.images.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut table);
            table.config_map(&self.name)
        };
        let home = Some(kubelet::HOME);
        self.objects().apply_one(home, "lastgood-test", &map).await;
    }

    /// Lets a user do this here, besides what it could before: rules of a Role, such as
    /// `[{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]}]`.
    pub async fn allow(&self, user: User, rules: Value) {
        let name = user.name();
        let group = "rbac.authorization.k8s.io";
        let mut all = self.find(&format!("role/{name}")).await;
        let before = all.as_mut().and_then(|role| role.get_mut("rules"));
        let mut rules = rules;
        if let (Some(Value::Array(before)), Value::Array(rules)) = (before, &mut rules) {
            rules.append(before);
        }
        let role = json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": name}, "rules": rules});
        let binding = json!({
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [{"apiGroup": group, "kind": "User", "name": name}],
        });
        for object in [role, binding] {
            let manager = "lastgood-test";
            self.objects()
                .apply_one(self.here(), manager, &object)
                .await;
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let kubeconfig = self.cluster.kubeconfig(User::Admin);
        let slot = format!("namespace/{}", self.name);
        // The test's own runtime may be ending.
        let deleting = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("the system has threads");
            runtime.block_on(async {
                let objects = Objects::new(client::of(&kubeconfig).await);
                let deleting = objects.delete(None, &slot);
                timeout(Duration::from_secs(5), deleting).await
            })
        });
        // A namespace that stays is no reason to fail a test, nor to hide why it failed.
        drop(deleting.join());
    }
}

/// What `kubectl rollout status` looks at (its `rollout_status.go`), and that no old pod is left.
fn is_rolled_out(workload: &Value) -> bool {
    let number = |pointer: &str| at(workload, pointer).as_i64().unwrap_or(0);
    let status = |name: &str| number(&format!("/status/{name}"));
    let is_observed = number("/metadata/generation") <= status("observedGeneration");
    let has = |pointer: &str| !at(workload, pointer).is_null();
    // Items of a list do not say their kind.
    let kind = if has("/spec/serviceName") {
        "StatefulSet"
    } else if has("/spec/updateStrategy") {
        "DaemonSet"
    } else {
        "Deployment"
    };
    let (wanted, total, updated, available) = match kind {
        "DaemonSet" => (
            status("desiredNumberScheduled"),
            status("currentNumberScheduled"),
            status("updatedNumberScheduled"),
            status("numberAvailable"),
        ),
        "StatefulSet" => {
            let is_one =
                at(workload, "/status/currentRevision") == at(workload, "/status/updateRevision");
            let updated = if is_one {
                status("replicas")
            } else {
                status("updatedReplicas")
            };
            (
                number("/spec/replicas"),
                status("replicas"),
                updated,
                status("readyReplicas"),
            )
        }
        _ => (
            number("/spec/replicas"),
            status("replicas"),
            status("updatedReplicas"),
            status("availableReplicas"),
        ),
    };
    is_observed && wanted == total && wanted == updated && wanted <= available
}
