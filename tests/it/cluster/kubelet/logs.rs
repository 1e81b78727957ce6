//! Lines of a container, as `/containerLogs` answers them.
//!
//! Annotation `lastgood-test/logs` of the pod holds the lines of the running container, `lastgood-test/logs-previous`
//! those of the one before; with `.CONTAINER` appended to its name, those of this container only. A line may begin with
//! `@-N `: it was written N seconds before it is asked for. Others were written when the pod started.

use super::status::timestamp;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use std::fmt::Write as _;

/// What is asked for.
#[derive(Debug, Default)]
pub struct Question {
    pub previous: bool,
    pub timestamps: bool,
    pub tail_lines: Option<usize>,
    pub since_seconds: Option<i64>,
    pub limit_bytes: Option<usize>,
}

impl Question {
    pub fn of(query: &str) -> Self {
        let mut question = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "previous" => question.previous = value == "true",
                "timestamps" => question.timestamps = value == "true",
                "tailLines" => question.tail_lines = value.parse().ok(),
                "sinceSeconds" => question.since_seconds = value.parse().ok(),
                "limitBytes" => question.limit_bytes = value.parse().ok(),
                _ => (),
            }
        }
        question
    }
}

/// The text, or why there is none (a 400 of the kubelet).
pub fn of(pod: &Pod, container: &str, question: &Question) -> Result<String, String> {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let status = status(pod, container);
    let state = status.and_then(|status| status.state.as_ref());
    let ran_before = status.and_then(|status| status.last_state.as_ref()?.terminated.as_ref());
    if question.previous && ran_before.is_none() {
        return Err(format!(
            "previous terminated container \"{container}\" in pod \"{name}\" not found"
        ));
    }
    let waits = state.and_then(|state| state.waiting.as_ref());
    if let (Some(waiting), None) = (waits, ran_before) {
        let reason = waiting.reason.clone().unwrap_or_default();
        return Err(format!(
            "container \"{container}\" in pod \"{name}\" is waiting to start: {reason}"
        ));
    }
    let began = pod
        .status
        .as_ref()
        .and_then(|status| status.start_time.as_ref());
    let began = began.map_or_else(timestamp, |time| time.0);
    let text = annotated(pod, container, question.previous).unwrap_or_else(|| {
        let is_broken = question.previous || waits.is_some();
        let last = if is_broken {
            "error: failed to connect to the database"
        } else {
            "listening on :8080"
        };
        format!("starting {container}\n{last}")
    });
    Ok(cut(&text, began, question))
}

fn annotated(pod: &Pod, container: &str, previous: bool) -> Option<String> {
    let key = if previous {
        "lastgood-test/logs-previous"
    } else {
        "lastgood-test/logs"
    };
    let annotations = pod.metadata.annotations.as_ref()?;
    let own = annotations.get(&format!("{key}.{container}"));
    own.or_else(|| annotations.get(key)).cloned()
}

fn cut(text: &str, began: Timestamp, question: &Question) -> String {
    let now = timestamp();
    let oldest = question
        .since_seconds
        .map(|seconds| now - SignedDuration::from_secs(seconds));
    let mut lines = Vec::new();
    for line in text.lines() {
        let aged = line
            .strip_prefix("@-")
            .and_then(|rest| rest.split_once(' '));
        let aged = aged.and_then(|(age, text)| Some((age.parse().ok()?, text)));
        let (at, text) = match aged {
            Some((age, text)) => (now - SignedDuration::from_secs(age), text),
            None => (began, line),
        };
        if oldest.is_none_or(|oldest| oldest <= at) {
            lines.push((at, text));
        }
    }
    let first = question
        .tail_lines
        .map_or(0, |tail| lines.len().saturating_sub(tail));
    let mut answer = String::new();
    for (at, text) in lines.into_iter().skip(first) {
        if question.timestamps {
            write!(answer, "{at} ").expect("a string takes all");
        }
        answer.push_str(text);
        answer.push('\n');
    }
    if let Some(limit) = question.limit_bytes {
        let end = (0..=limit.min(answer.len()))
            .rev()
            .find(|end| answer.is_char_boundary(*end));
        answer.truncate(end.unwrap_or(0));
    }
    answer
}

pub fn status<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let mains = status.container_statuses.iter().flatten();
    let inits = status.init_container_statuses.iter().flatten();
    mains.chain(inits).find(|status| status.name == container)
}
