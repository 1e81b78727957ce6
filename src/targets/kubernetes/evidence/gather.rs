//! The requests for the evidence of one slot. Each answer is put down as it comes, so that a deadline loses only the rest.

use super::describe::{self, Past};
use super::{FILE_BYTES_MAX, Files, Rank, masked};
use crate::decide::rollout::{Container, Pod};
use crate::targets::kubernetes::Kubernetes;
use crate::targets::kubernetes::cluster::{Cluster, failed};
use crate::targets::kubernetes::logs;
use crate::targets::kubernetes::owned::{self, Owned};
use crate::targets::kubernetes::pods;
use crate::targets::kubernetes::slots::Place;
use futures_util::future::join_all;
use k8s_openapi::api::core::v1 as api;
use kube::api::{Api, DynamicObject, ListParams, LogParams};
use serde_json::Value;

/// Pods of a slot that are described, bad ones first.
const PODS_MAX: usize = 10;

/// Lines of each container.
const LINES: i64 = 200;

const EVENTS_MAX: u32 = 500;

/// One slot, and where its evidence goes.
#[derive(Debug)]
pub(super) struct Slotted<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) place: &'a Place,
    pub(super) files: &'a Files,
    /// How the names of its files begin.
    pub(super) stem: String,
}

impl Slotted<'_> {
    pub(super) async fn gather(self) {
        let name = format!("{}.object.json", self.stem);
        self.files.expect(&name);
        let object = match self.cluster.get(self.place).await {
            Ok(Some(object)) => object,
            Ok(None) => return self.files.miss(&name, "it does not exist"),
            Err(error) => return self.files.miss(&name, &error.to_string()),
        };
        let mut raw = serde_json::to_value(&object).unwrap_or_default();
        masked::object(&mut raw);
        let text = serde_json::to_string_pretty(&raw).unwrap_or_default();
        self.files.put(Rank::Object, &name, text);
        if self.place.kind.is_workload() {
            tokio::join!(self.pods(&object), self.history(&object));
        }
    }

    async fn pods(&self, object: &DynamicObject) {
        let name = format!("{}.describe.txt", self.stem);
        self.files.expect(&name);
        let owned = match Owned::of(self.cluster, object, self.place).await {
            Ok(owned) => owned,
            Err(error) => return self.files.miss(&name, &error.to_string()),
        };
        let mark = owned.mark(object, self.place);
        let mut all: Vec<(&api::Pod, Pod)> = owned
            .pods(object, self.place)
            .into_iter()
            .map(|one| {
                let is_new = mark.as_ref().is_some_and(|mark| mark.is_on(&one.metadata));
                (one, pods::pod(one, is_new, None))
            })
            .collect();
        all.sort_by_key(|(_, pod)| (!is_bad(pod), !pod.is_new));
        let count = all.len();
        let mut text = format!("{}: {count} pods\n\n", self.place);
        for (raw, pod) in all.iter().take(PODS_MAX) {
            text.push_str(&describe::pod(raw, pod));
            text.push('\n');
        }
        if PODS_MAX < count {
            let more = count - PODS_MAX;
            text.extend(["[", &more.to_string(), " more pods left out]\n"]);
        }
        self.files.put(Rank::Describe, &name, text);
        let good = all.iter().find(|(_, pod)| !is_bad(pod)).map(|(_, pod)| pod);
        let bad = all
            .iter()
            .map(|(_, pod)| pod)
            .filter(|pod| is_bad(pod))
            .take(PODS_MAX);
        join_all(bad.chain(good).map(|pod| self.logs(pod))).await;
    }

    async fn logs(&self, pod: &Pod) {
        let restarted = pod.containers.iter().any(|one| 0 < one.restarts);
        let now = self.log(pod, false);
        if restarted {
            tokio::join!(now, self.log(pod, true));
        } else {
            now.await;
        }
    }

    /// All containers of a pod in one file; of those before a restart, only where there was one.
    async fn log(&self, pod: &Pod, previous: bool) {
        let (rank, kind) = if previous {
            (Rank::Previous, "previous.log")
        } else {
            (Rank::Log, "log")
        };
        let name = format!("{}.{}.{kind}", self.stem, pod.name);
        self.files.expect(&name);
        let containers = pod
            .containers
            .iter()
            .filter(|one| !previous || 0 < one.restarts);
        let reading = containers.map(|one| async move {
            let params = LogParams {
                container: Some(one.name.clone()),
                previous,
                tail_lines: Some(LINES),
                timestamps: true,
                ..LogParams::default()
            };
            let namespace = &self.place.namespace;
            let bytes_max = u32::try_from(FILE_BYTES_MAX).unwrap_or(u32::MAX);
            let read = logs::read(self.cluster, namespace, &pod.name, params, bytes_max).await;
            let lines = match read {
                Ok(bytes) => whole_lines(&bytes, FILE_BYTES_MAX),
                Err(why) => format!("[not to be had: {why}]\n"),
            };
            format!("== container {}\n{lines}\n", one.name)
        });
        let text: String = join_all(reading).await.concat();
        self.files.put(rank, &name, text);
    }

    async fn history(&self, object: &DynamicObject) {
        let name = format!("{}.history.txt", self.stem);
        self.files.expect(&name);
        let selector = owned::selector_text(object.data.pointer("/spec/selector"));
        let params = ListParams::default().labels(&selector);
        let namespace = &self.place.namespace;
        match owned::sets(self.cluster, self.place.kind, namespace, params).await {
            Ok(sets) => {
                let uid = owned::uid(&object.metadata);
                let own = sets
                    .iter()
                    .filter(|set| owned::is_owned_by(&set.metadata, uid));
                let text = describe::history(own.map(past).collect());
                self.files.put(Rank::History, &name, text);
            }
            Err(error) => self.files.miss(&name, &error.to_string()),
        }
    }
}

/// Of a `ReplicaSet` or a `ControllerRevision`.
fn past(set: &DynamicObject) -> Past {
    let annotations = set.metadata.annotations.as_ref();
    let number = annotations
        .and_then(|all| all.get("deployment.kubernetes.io/revision")?.parse().ok())
        .or_else(|| set.data.get("revision")?.as_i64());
    let template = ["/spec/template", "/data/spec/template"];
    let template = template.iter().find_map(|path| set.data.pointer(path));
    Past {
        number: number.unwrap_or(0),
        name: set.metadata.name.clone().unwrap_or_default(),
        created: set.metadata.creation_timestamp.as_ref().map(|at| at.0),
        pods: set.data.pointer("/spec/replicas").and_then(Value::as_i64),
        images: template.map(images).unwrap_or_default(),
    }
}

/// Warnings of a namespace.
pub(super) async fn events(target: &Kubernetes, cluster: &Cluster, namespace: &str, files: &Files) {
    let name = if namespace == target.settings.namespace {
        "events.txt".to_owned()
    } else {
        format!("{namespace}.events.txt")
    };
    files.expect(&name);
    let events: Api<api::Event> = Api::namespaced(cluster.client.clone(), namespace);
    let params = ListParams::default()
        .fields("type=Warning")
        .limit(EVENTS_MAX);
    match events.list(&params).await {
        Ok(list) => files.put(Rank::Events, &name, describe::events(&list.items)),
        Err(error) => {
            files.miss(&name, &failed(error, "could not list events").to_string());
        }
    }
}

/// Worth its logs: not ready, restarted, or with a container that waits or ended.
fn is_bad(pod: &Pod) -> bool {
    let is_faulty = |one: &Container| {
        0 < one.restarts
            || one.waiting.is_some()
            || one.terminated.as_ref().is_some_and(|(code, _)| *code != 0)
    };
    !pod.is_ready || pod.containers.iter().any(is_faulty)
}

/// A line that a limit cut may end in a part of a secret.
fn whole_lines(bytes: &[u8], bytes_max: usize) -> String {
    let bytes = if bytes.len() < bytes_max {
        bytes
    } else {
        let end = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        bytes.get(..end).unwrap_or_default()
    };
    String::from_utf8_lossy(bytes).into_owned()
}

/// `web=shop/web:1` for each container of a template.
fn images(template: &Value) -> Vec<String> {
    ["initContainers", "containers"]
        .iter()
        .filter_map(|list| template.pointer(&format!("/spec/{list}"))?.as_array())
        .flatten()
        .filter_map(|one| {
            let text = |key| one.get(key).and_then(Value::as_str);
            Some(format!("{}={}", text("name")?, text("image")?))
        })
        .collect()
}
