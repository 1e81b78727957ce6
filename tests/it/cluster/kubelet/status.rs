//! The status of a pod as JSON, from what is seen of its containers.

use super::behaviour::{Moment, State};
use super::pod::{Container, Role, address, is_waiting_for_init};
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};
use std::time::Duration;

/// What does not follow from the containers.
#[derive(Debug)]
pub struct Setting {
    address: String,
    began: Timestamp,
    /// Whether the pod was ready at the last look, and since when it is so.
    ready: Option<(bool, String)>,
}

impl Setting {
    pub fn new(number: u32) -> Self {
        Self {
            address: address(number),
            began: timestamp(),
            ready: None,
        }
    }

    fn at(&self, age: Duration) -> String {
        let age = SignedDuration::try_from(age).unwrap_or_default();
        text(self.began.saturating_add(age).unwrap_or(self.began))
    }
}

/// In the whole seconds of the API.
pub fn now() -> String {
    text(timestamp())
}

#[expect(clippy::disallowed_methods, reason = "a kubelet has a clock")]
pub fn timestamp() -> Timestamp {
    Timestamp::now()
}

fn text(at: Timestamp) -> String {
    at.round(Unit::Second).unwrap_or(at).to_string()
}

pub fn of(containers: &[Container], moments: &[Moment], setting: &mut Setting) -> Value {
    let is_waiting = is_waiting_for_init(containers, moments);
    let (mut inits, mut mains) = (Vec::new(), Vec::new());
    let mut is_ready = !is_waiting;
    for (container, moment) in containers.iter().zip(moments) {
        match container.role {
            Role::Init | Role::Sidecar => inits.push(container_status(container, moment, setting)),
            Role::Service | Role::Job if is_waiting => mains.push(initializing(container)),
            Role::Service | Role::Job => {
                is_ready &= moment.state == State::Running { ready: true };
                mains.push(container_status(container, moment, setting));
            }
        }
    }
    let since = match setting.ready.take() {
        Some((before, since)) if before == is_ready => since,
        _ => now(),
    };
    setting.ready = Some((is_ready, since.clone()));
    let began = setting.at(Duration::ZERO);
    let condition = |kind: &str, is_true: bool, since: &str| {
        let status = if is_true { "True" } else { "False" };
        json!({"type": kind, "status": status, "lastTransitionTime": since})
    };
    let mut conditions = vec![
        condition("PodScheduled", true, &began),
        condition("Initialized", !is_waiting, &began),
        condition("Ready", is_ready, &since),
        condition("ContainersReady", is_ready, &since),
    ];
    if !is_ready {
        for condition in conditions.iter_mut().skip(2) {
            condition["reason"] = json!("ContainersNotReady");
        }
    }
    json!({
        "phase": phase(containers, moments, is_waiting),
        "podIP": setting.address, "podIPs": [{"ip": setting.address}], "hostIP": "127.0.0.1",
        "startTime": began, "conditions": conditions,
        "initContainerStatuses": inits, "containerStatuses": mains,
    })
}

/// Pending until every container has started once.
fn phase(containers: &[Container], moments: &[Moment], is_waiting: bool) -> &'static str {
    let mains = || {
        let both = containers.iter().zip(moments);
        both.filter(|(container, _)| matches!(container.role, Role::Service | Role::Job))
            .map(|(_, moment)| moment)
    };
    let ends = |moment: &Moment| match moment.state {
        State::Ended(code, _) => Some(code),
        State::Running { .. } | State::Waiting(_) => None,
    };
    let has_started =
        |moment: &Moment| !matches!(moment.state, State::Waiting(_)) || moment.last_end.is_some();
    let codes: Option<Vec<i32>> = mains().map(ends).collect();
    match codes {
        Some(codes) if codes.iter().all(|code| *code == 0) => "Succeeded",
        Some(_) => "Failed",
        None if is_waiting || !mains().all(has_started) => "Pending",
        None => "Running",
    }
}

fn container_status(container: &Container, moment: &Moment, setting: &Setting) -> Value {
    let since = setting.at(moment.since);
    let ended = |(code, reason): (i32, &str)| json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": since, "finishedAt": since}});
    let (state, is_ready) = match moment.state {
        State::Running { ready } => (json!({"running": {"startedAt": since}}), ready),
        State::Waiting(reason) => {
            let message = message(reason, container);
            (
                json!({"waiting": {"reason": reason, "message": message}}),
                false,
            )
        }
        State::Ended(code, reason) => (
            ended((code, reason)),
            container.role == Role::Init && code == 0,
        ),
    };
    let is_pulled = !matches!(
        moment.state,
        State::Waiting("ErrImagePull" | "ImagePullBackOff")
    );
    let id = if is_pulled {
        container.image.id.as_str()
    } else {
        ""
    };
    json!({
        "name": container.name, "image": container.image.written, "imageID": id,
        "ready": is_ready, "started": matches!(moment.state, State::Running { .. }),
        "restartCount": moment.restarts, "state": state,
        "lastState": moment.last_end.map_or_else(|| json!({}), ended),
    })
}

fn initializing(container: &Container) -> Value {
    json!({
        "name": container.name, "image": container.image.written, "imageID": "", "ready": false, "started": false,
        "restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}, "lastState": {},
    })
}

/// In the words of the kubelet, as far as people search for them.
pub fn message(reason: &str, container: &Container) -> String {
    let image = &container.image.written;
    let name = &container.name;
    match reason {
        "CrashLoopBackOff" => format!("back-off 10s restarting failed container={name}"),
        "ErrImagePull" => format!("failed to pull and unpack image \"{image}\": not found"),
        "ImagePullBackOff" => format!("Back-off pulling image \"{image}\""),
        "CreateContainerConfigError" => "configmap \"settings\" not found".to_owned(),
        other => other.to_owned(),
    }
}
