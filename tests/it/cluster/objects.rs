//! Objects of the API as raw JSON: apply, read, change, wait by watch. An error of the API server is a failed test.
//!
//! A slot is `kind/name` in lower case, as in `deployment/web`.

use futures_util::StreamExt as _;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
};
use kube::core::GroupVersionKind;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Error};
use serde_json::Value;
use std::fmt;
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// What a test waits for comes in seconds; on a busy machine it takes longer.
pub const LONGEST: Duration = Duration::from_mins(1);

/// The value at a JSON pointer; null when there is none.
pub fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// A condition of the status by its type; null when there is none.
pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = at(object, "/status/conditions").as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions
        .find(|condition| at(condition, "/type") == kind)
        .unwrap_or(&Value::Null)
}

/// Kinds of a slot: API version and kind. Those outside of Kubernetes need their definition applied first.
const KINDS: &[(&str, &str)] = &[
    ("v1", "ConfigMap"),
    ("v1", "Endpoints"),
    ("v1", "Event"),
    ("v1", "Namespace"),
    ("v1", "Node"),
    ("v1", "Pod"),
    ("v1", "ResourceQuota"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("apps/v1", "ControllerRevision"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "Job"),
    ("autoscaling/v1", "HorizontalPodAutoscaler"),
    ("policy/v1beta1", "PodDisruptionBudget"),
    ("discovery.k8s.io/v1beta1", "EndpointSlice"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("argoproj.io/v1alpha1", "Rollout"),
    ("argoproj.io/v1alpha1", "Application"),
    ("flagger.app/v1beta1", "Canary"),
    ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
    ("helm.toolkit.fluxcd.io/v2", "HelmRelease"),
];

const WITHOUT_NAMESPACE: &[&str] = &[
    "APIService",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "ValidatingWebhookConfiguration",
];

#[derive(Clone)]
pub struct Objects {
    client: Client,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").finish_non_exhaustive()
    }
}

impl Objects {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    pub fn client(&self) -> Client {
        self.client.clone()
    }

    fn api(&self, space: Option<&str>, api_version: &str, kind: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        match space.filter(|_| !WITHOUT_NAMESPACE.contains(&kind)) {
            Some(space) => Api::namespaced_with(self.client(), space, &resource),
            None => Api::all_with(self.client(), &resource),
        }
    }

    fn kind(&self, space: Option<&str>, kind: &str) -> Api<DynamicObject> {
        let known = KINDS.iter().find(|(_, known)| known.to_lowercase() == kind);
        let (api_version, kind) = known.unwrap_or_else(|| panic!("no kind {kind} in KINDS"));
        self.api(space, api_version, kind)
    }

    fn slot<'a>(&self, space: Option<&str>, slot: &'a str) -> (Api<DynamicObject>, &'a str) {
        let (kind, name) = slot.split_once('/').expect("a slot is kind/name");
        (self.kind(space, kind), name)
    }

    /// Server-side apply of every document, as this field manager; conflicts are overruled.
    pub async fn apply(&self, space: Option<&str>, manager: &str, yaml: &str) -> Vec<Value> {
        let mut applied = Vec::new();
        for document in yaml.split("\n---") {
            let object: Value = serde_saphyr::from_str(document)
                .unwrap_or_else(|error| panic!("no YAML ({error}):\n{document}"));
            applied.push(self.apply_one(space, manager, &object).await);
        }
        applied
    }

    pub async fn apply_one(&self, space: Option<&str>, manager: &str, object: &Value) -> Value {
        let text = |pointer| at(object, pointer).as_str().unwrap_or_default();
        let space = at(object, "/metadata/namespace").as_str().or(space);
        let api = self.api(space, text("/apiVersion"), text("/kind"));
        let params = PatchParams::apply(manager).force();
        let name = text("/metadata/name");
        let whole = with_protocols(object.clone());
        let applied = api.patch(name, &params, &Patch::Apply(&whole)).await;
        value(applied, || format!("apply {object}"))
    }

    pub async fn create(&self, space: Option<&str>, object: &Value) -> Value {
        let text = |pointer| at(object, pointer).as_str().unwrap_or_default();
        let api = self.api(space, text("/apiVersion"), text("/kind"));
        let typed: DynamicObject = serde_json::from_value(object.clone()).expect("an object");
        let created = api.create(&PostParams::default(), &typed).await;
        value(created, || format!("create {object}"))
    }

    pub async fn get(&self, space: Option<&str>, slot: &str) -> Value {
        let (api, name) = self.slot(space, slot);
        value(api.get(name).await, || format!("get {slot}"))
    }

    pub async fn find(&self, space: Option<&str>, slot: &str) -> Option<Value> {
        let (api, name) = self.slot(space, slot);
        let found = api.get_opt(name).await.transpose()?;
        Some(value(found, || format!("find {slot}")))
    }

    pub async fn list(&self, space: Option<&str>, kind: &str, selector: &str) -> Vec<Value> {
        let params = ListParams::default().labels(selector);
        let list = self.kind(space, kind).list(&params).await;
        let list = list.unwrap_or_else(|error| panic!("list {kind} {selector}: {error}"));
        let items = list.items.into_iter();
        items.map(|item| value(Ok(item), String::new)).collect()
    }

    pub async fn patch(&self, space: Option<&str>, slot: &str, patch: &Patch<Value>) -> Value {
        let (api, name) = self.slot(space, slot);
        let patched = api.patch(name, &PatchParams::default(), patch).await;
        value(patched, || format!("patch {slot} with {patch:?}"))
    }

    pub async fn patch_status(&self, space: Option<&str>, slot: &str, patch: &Value) -> Value {
        let (api, name) = self.slot(space, slot);
        let params = PatchParams::default();
        let patched = api.patch_status(name, &params, &Patch::Merge(patch)).await;
        value(patched, || {
            format!("patch the status of {slot} with {patch}")
        })
    }

    pub async fn delete(&self, space: Option<&str>, slot: &str) {
        let (api, name) = self.slot(space, slot);
        let deleted = api.delete(name, &DeleteParams::background()).await;
        deleted.unwrap_or_else(|error| panic!("delete {slot}: {error}"));
    }

    /// The object, as soon as it satisfies `test`.
    pub async fn wait(
        &self,
        space: Option<&str>,
        slot: &str,
        what: &str,
        test: impl Fn(&Value) -> bool,
    ) -> Value {
        let (api, name) = self.slot(space, slot);
        let mut last = Value::Null;
        let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let waiting = async {
            let mut events = pin!(watcher(api, only).default_backoff().applied_objects());
            while let Some(event) = events.next().await {
                let Ok(object) = event else { continue };
                last = value(Ok(object), String::new);
                if test(&last) {
                    return;
                }
            }
        };
        let is_over = timeout(LONGEST, waiting).await.is_err();
        assert!(
            !is_over,
            "waited {LONGEST:?} for {slot} until {what}; last seen: {last:#}"
        );
        last
    }

    /// The objects of a kind with these labels, as soon as they satisfy `test` together.
    pub async fn wait_list(
        &self,
        space: Option<&str>,
        (kind, selector): (&str, &str),
        what: &str,
        test: impl Fn(&[Value]) -> bool,
    ) -> Vec<Value> {
        let mut last = Vec::new();
        let only = watcher::Config::default().labels(selector);
        let waiting = async {
            // The first list comes from here: a watch of nothing stays silent.
            last = self.list(space, kind, selector).await;
            let mut events = pin!(watcher(self.kind(space, kind), only).default_backoff());
            while !test(&last) {
                drop(events.next().await);
                last = self.list(space, kind, selector).await;
            }
        };
        let is_over = timeout(LONGEST, waiting).await.is_err();
        assert!(
            !is_over,
            "waited {LONGEST:?} for {kind} {selector} until {what}; last seen: {last:#?}"
        );
        last
    }

    pub async fn wait_gone(&self, space: Option<&str>, slot: &str) {
        let (kind, name) = slot.split_once('/').expect("a slot is kind/name");
        let is_gone = |list: &[Value]| list.iter().all(|item| at(item, "/metadata/name") != name);
        self.wait_list(space, (kind, ""), "it is gone", is_gone)
            .await;
    }
}

/// Server-side apply before 1.21 does not know the default of the key `protocol` in the ports of a Service
/// (kubernetes-sigs/structured-merge-diff#183).
fn with_protocols(mut object: Value) -> Value {
    if at(&object, "/kind") == "Service"
        && let Some(Value::Array(ports)) = object.pointer_mut("/spec/ports")
    {
        for port in ports.iter_mut().filter_map(Value::as_object_mut) {
            port.entry("protocol").or_insert_with(|| "TCP".into());
        }
    }
    object
}

/// The object as JSON; a `DynamicObject` keeps every field.
fn value(result: Result<DynamicObject, Error>, what: impl Fn() -> String) -> Value {
    let object = result.unwrap_or_else(|error| panic!("{}: {error}", what()));
    serde_json::to_value(object).expect("an object of the API is JSON")
}
