//! One service of a swarm and its tasks, read from what the engine says. The spec is kept raw: what is put back has every field that
//! was there, also those of newer engines.

use crate::decide::swarm::{Seen, Task, TaskState, Update, UpdateState};
use crate::model::state::Slot;
use serde_json::Value;

/// The label by which `docker stack` finds what is its own.
pub(super) const NAMESPACE: &str = "com.docker.stack.namespace";
/// The image that a stack file named. `docker stack deploy --resolve-image changed` and `never` keep the image of the service when this is
/// still the one of the file (docker/cli, `cli/command/stack/swarm/deploy_composefile.go`).
pub(super) const IMAGE: &str = "com.docker.stack.image";

/// One service.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Service {
    pub(super) slot: Slot,
    /// As the swarm calls it: `shop_web`.
    pub(super) name: String,
    pub(super) id: String,
    /// Goes up with every change of it.
    pub(super) version: u64,
    /// A mode that ends by itself.
    pub(super) is_job: bool,
    pub(super) seen: Seen,
    /// `GET /services/ID`, all of it.
    pub(super) raw: Value,
}

impl Service {
    /// `None`: the engine says less than every swarm does.
    pub(super) fn read(raw: Value, stack: &str) -> Option<Self> {
        let name = raw.pointer("/Spec/Name")?.as_str()?.to_owned();
        let prefix = format!("{stack}_");
        let slot = name.strip_prefix(&prefix).unwrap_or(&name).to_owned();
        let mode = raw.pointer("/Spec/Mode")?.as_object()?;
        let replicas = mode
            .get("Replicated")
            .map(|it| it.get("Replicas").and_then(Value::as_u64).unwrap_or(1));
        let image = raw.pointer("/Spec/TaskTemplate/ContainerSpec/Image")?;
        Some(Self {
            slot: Slot(slot),
            id: raw.get("ID")?.as_str()?.to_owned(),
            version: raw.pointer("/Version/Index")?.as_u64()?,
            is_job: mode.keys().any(|key| key.ends_with("Job")),
            seen: Seen {
                image: image.as_str()?.to_owned(),
                replicas,
                update: raw.get("UpdateStatus").and_then(update),
                tasks: Vec::new(),
            },
            name,
            raw,
        })
    }

    /// What `failure_action` of the update says; `pause` when it says nothing.
    pub(super) fn failure_action(&self) -> &str {
        let action = self.raw.pointer("/Spec/UpdateConfig/FailureAction");
        action.and_then(Value::as_str).unwrap_or("pause")
    }

    /// How long the swarm watches a task, and waits between two, in nanoseconds.
    pub(super) fn pace_ns(&self) -> u64 {
        let read = |key: &str| {
            let path = format!("/Spec/UpdateConfig/{key}");
            self.raw.pointer(&path).and_then(Value::as_u64)
        };
        /// What the swarm takes when a spec says nothing.
        const MONITOR_NS: u64 = 5_000_000_000;
        let monitor = read("Monitor").unwrap_or(MONITOR_NS);
        monitor.saturating_add(read("Delay").unwrap_or(0))
    }

    /// Whether it publishes ports of the nodes themselves (`mode: host`): two tasks cannot share one.
    pub(super) fn has_host_ports(&self) -> bool {
        let ports = self.raw.pointer("/Spec/EndpointSpec/Ports");
        let ports = ports.and_then(Value::as_array);
        ports.is_some_and(|ports| {
            ports
                .iter()
                .any(|port| port.get("PublishMode").and_then(Value::as_str) == Some("host"))
        })
    }

    /// Whether new tasks are started before old ones are stopped.
    pub(super) fn starts_first(&self) -> bool {
        let order = self.raw.pointer("/Spec/UpdateConfig/Order");
        order.and_then(Value::as_str) == Some("start-first")
    }

    /// The spec with another image, and nothing else changed.
    pub(super) fn with_image(&self, image: &str) -> Option<Value> {
        let mut spec = self.raw.get("Spec")?.clone();
        let container = spec.pointer_mut("/TaskTemplate/ContainerSpec")?;
        container
            .as_object_mut()?
            .insert("Image".to_owned(), Value::from(image));
        if let Some(labels) = spec.get_mut("Labels").and_then(Value::as_object_mut)
            && labels.contains_key(IMAGE)
        {
            labels.insert(IMAGE.to_owned(), Value::from(image));
        }
        Some(spec)
    }
}

fn update(raw: &Value) -> Option<Update> {
    let state = UpdateState::read(raw.get("State")?.as_str()?)?;
    let message = raw.get("Message").and_then(Value::as_str);
    Some(Update {
        state,
        message: message.unwrap_or_default().to_owned(),
    })
}

/// Of a task that should run on.
const COMPLETE: &str = "ended with exit code 0: by itself, or stopped because it was unhealthy";

/// One task: the id of its service, its node, and the rest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) service: String,
    pub(super) task: Task,
    /// The container on that node, when there is one.
    pub(super) container: Option<String>,
    pub(super) node: String,
    /// RFC 3339, by the swarm's clock.
    pub(super) created: String,
}

impl Placed {
    pub(super) fn read(raw: &Value) -> Option<Self> {
        let text = |path: &str| raw.pointer(path).and_then(Value::as_str);
        let error = text("/Status/Err").filter(|error| !error.is_empty());
        let condition = text("/Spec/RestartPolicy/Condition").unwrap_or("any");
        let (state, trouble) = match text("/Status/State")? {
            // A node stops a task that is unhealthy; one that then ends well is called complete, as one that ends by itself.
            "complete" if condition == "any" => (TaskState::Failed, error.or(Some(COMPLETE))),
            other => (state(other), error),
        };
        Some(Self {
            service: text("/ServiceID")?.to_owned(),
            task: Task {
                id: text("/ID")?.to_owned(),
                image: text("/Spec/ContainerSpec/Image")?.to_owned(),
                state,
                is_wanted: text("/DesiredState") == Some("running"),
                trouble: trouble.map(str::to_owned),
            },
            container: text("/Status/ContainerStatus/ContainerID")
                .filter(|id| !id.is_empty())
                .map(str::to_owned),
            node: text("/NodeID").unwrap_or_default().to_owned(),
            created: text("/CreatedAt").unwrap_or_default().to_owned(),
        })
    }
}

/// The states of swarmkit (`api/types.proto`, `TaskState`).
fn state(text: &str) -> TaskState {
    match text {
        "running" => TaskState::Running,
        "complete" | "shutdown" | "remove" | "orphaned" => TaskState::Ended,
        "failed" => TaskState::Failed,
        "rejected" => TaskState::Rejected,
        _ => TaskState::Coming,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn raw(mode: &Value) -> Value {
        json!({
            "ID": "s1",
            "Version": {"Index": 7},
            "Spec": {
                "Name": "shop_web",
                "Labels": {(IMAGE): "app:v2", (NAMESPACE): "shop"},
                "TaskTemplate": {
                    "ContainerSpec": {"Image": "app:v2@sha256:b", "Sysctls": {"a": "1"}, "NewerField": [1.5]},
                    "ForceUpdate": 3
                },
                "Mode": mode,
                "UpdateConfig": {"Monitor": 2, "Delay": 3, "Order": "start-first"}
            },
            "UpdateStatus": {"State": "paused", "Message": "m"}
        })
    }

    #[test]
    fn a_service_is_read() {
        let mode = json!({"Replicated": {"Replicas": 2}});
        let service = Service::read(raw(&mode), "shop").unwrap();
        assert_eq!(service.slot.0, "web");
        assert_eq!((service.version, service.is_job), (7, false));
        assert_eq!(service.seen.replicas, Some(2));
        let update = service.seen.update.clone().unwrap();
        assert_eq!(update.state, UpdateState::Paused);
        assert_eq!((service.pace_ns(), service.failure_action()), (5, "pause"));
        assert!(service.starts_first());
        let global = Service::read(raw(&json!({"Global": {}})), "shop").unwrap();
        assert_eq!((global.seen.replicas, global.is_job), (None, false));
        let job = Service::read(raw(&json!({"ReplicatedJob": {}})), "shop").unwrap();
        assert!(job.is_job);
    }

    #[test]
    fn another_image_changes_nothing_else() {
        let mode = json!({"Global": {}});
        let service = Service::read(raw(&mode), "shop").unwrap();
        let spec = service.with_image("app@sha256:a").unwrap();
        let mut expected = raw(&mode)["Spec"].clone();
        expected["TaskTemplate"]["ContainerSpec"]["Image"] = json!("app@sha256:a");
        expected["Labels"][IMAGE] = json!("app@sha256:a");
        assert_eq!(spec, expected);
    }

    #[test]
    fn a_task_is_read() {
        let placed = Placed::read(&json!({
            "ID": "t1", "ServiceID": "s1", "NodeID": "n1", "CreatedAt": "2026-01-01T00:00:00Z",
            "DesiredState": "shutdown", "Spec": {"ContainerSpec": {"Image": "app@sha256:a"}},
            "Status": {"State": "rejected", "Err": "No such image: x", "ContainerStatus": {"ContainerID": ""}}
        }))
        .unwrap();
        assert_eq!(placed.task.state, TaskState::Rejected);
        assert_eq!(placed.task.trouble.as_deref(), Some("No such image: x"));
        assert_eq!((placed.container, placed.task.is_wanted), (None, false));
    }

    /// What the swarm says of a task that was stopped because it was unhealthy, and ended well.
    #[test]
    fn a_task_that_should_run_on_is_not_complete() {
        let read = |condition: &str| {
            let raw = json!({
                "ID": "t1", "ServiceID": "s1", "DesiredState": "shutdown", "Status": {"State": "complete"},
                "Spec": {"ContainerSpec": {"Image": "app"}, "RestartPolicy": {"Condition": condition}},
            });
            Placed::read(&raw).unwrap().task
        };
        assert_eq!(read("any").state, TaskState::Failed);
        assert_eq!(read("any").trouble.as_deref(), Some(COMPLETE));
        assert_eq!(read("none").state, TaskState::Ended);
        assert_eq!(read("on-failure").trouble, None);
    }
}
