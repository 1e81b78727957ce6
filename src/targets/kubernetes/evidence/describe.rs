//! Pods, events and history in lines for people. Values in, text out.

use crate::decide::rollout::{Container, Pod};
use k8s_openapi::api::core::v1 as api;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One pod, with the parts that matter when something is wrong. Nothing of its environment.
pub(super) fn pod(raw: &api::Pod, pod: &Pod) -> String {
    let mut text = String::new();
    let status = raw.status.as_ref();
    line(&mut text, 0, "pod", &pod.name);
    line(
        &mut text,
        1,
        "revision",
        if pod.is_new { "current" } else { "older" },
    );
    line(
        &mut text,
        1,
        "node",
        pod.node.as_deref().unwrap_or("none yet"),
    );
    line(&mut text, 1, "phase", &pod.phase);
    if let Some(reason) = &pod.reason {
        let message = status.and_then(|status| status.message.as_deref());
        line(
            &mut text,
            1,
            "reason",
            &format!("{reason} {}", message.unwrap_or_default()),
        );
    }
    if let Some(at) = &raw.metadata.creation_timestamp {
        line(&mut text, 1, "created", &at.0.to_string());
    }
    if pod.is_terminating {
        line(&mut text, 1, "terminating", "yes");
    }
    for condition in status
        .and_then(|status| status.conditions.as_ref())
        .into_iter()
        .flatten()
    {
        let mut words = condition.status.clone();
        for more in [&condition.reason, &condition.message]
            .into_iter()
            .flatten()
        {
            words.extend([", ", more]);
        }
        line(
            &mut text,
            1,
            &format!("condition {}", condition.type_),
            &words,
        );
    }
    let spec = raw.spec.as_ref();
    let images: BTreeMap<&str, &str> = spec
        .into_iter()
        .flat_map(|spec| {
            spec.init_containers
                .iter()
                .flatten()
                .chain(&spec.containers)
        })
        .filter_map(|container| Some((container.name.as_str(), container.image.as_deref()?)))
        .collect();
    for one in &pod.containers {
        let image = images.get(one.name.as_str()).copied();
        container(&mut text, one, image.unwrap_or("unknown"));
    }
    text
}

fn container(text: &mut String, one: &Container, image: &str) {
    let kind = match (one.is_init, one.is_sidecar) {
        (_, true) => "sidecar",
        (true, false) => "init container",
        (false, false) => "container",
    };
    line(text, 1, kind, &one.name);
    line(text, 2, "image", image);
    if let Some(id) = &one.image_id {
        line(text, 2, "runs", id);
    }
    line(text, 2, "ready", if one.is_ready { "yes" } else { "no" });
    line(text, 2, "restarts", &one.restarts.to_string());
    if let Some((reason, message)) = &one.waiting {
        line(text, 2, "waiting", &format!("{reason} {message}"));
    }
    for (when, end) in [
        ("ended", &one.terminated),
        ("ended before", &one.last_terminated),
    ] {
        if let Some((code, reason)) = end {
            line(text, 2, when, &format!("exit code {code} {reason}"));
        }
    }
}

fn line(text: &mut String, depth: usize, name: &str, value: &str) {
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    writeln!(text, "{:indent$}{name}: {value}", "", indent = depth * 2)
        .expect("a string takes all");
}

/// Newest first; what is said of the same object again is counted.
pub(super) fn events(events: &[api::Event]) -> String {
    let mut known: BTreeMap<(String, String, String), (Option<jiff::Timestamp>, i32)> =
        BTreeMap::new();
    for event in events {
        let object = &event.involved_object;
        let words = |text: &Option<String>| text.clone().unwrap_or_default();
        let key = (
            format!(
                "{}/{}",
                words(&object.kind).to_lowercase(),
                words(&object.name)
            ),
            words(&event.reason),
            words(&event.message),
        );
        let series = event.series.as_ref();
        let at = [
            series
                .and_then(|series| series.last_observed_time.as_ref())
                .map(|at| at.0),
            event.last_timestamp.as_ref().map(|at| at.0),
            event.event_time.as_ref().map(|at| at.0),
        ];
        let count = series
            .and_then(|series| series.count)
            .or(event.count)
            .unwrap_or(1);
        let entry = known.entry(key).or_default();
        entry.0 = entry.0.max(at.into_iter().flatten().max());
        entry.1 = entry.1.saturating_add(count.max(1));
    }
    let mut lines: Vec<_> = known.into_iter().collect();
    lines.sort_by(|(a, (at_a, _)), (b, (at_b, _))| at_b.cmp(at_a).then_with(|| a.cmp(b)));
    let mut text = String::new();
    for ((object, reason, message), (at, count)) in lines {
        let at = at.map_or_else(|| "no time".to_owned(), |at| at.to_string());
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(text, "{at}  {object}  {reason} ({count}x): {message}")
            .expect("a string takes all");
    }
    text
}

/// One line of a rollout history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Past {
    pub(super) number: i64,
    pub(super) name: String,
    pub(super) created: Option<jiff::Timestamp>,
    pub(super) pods: Option<i64>,
    pub(super) images: Vec<String>,
}

/// Newest first.
pub(super) fn history(mut past: Vec<Past>) -> String {
    past.sort_by_key(|one| std::cmp::Reverse(one.number));
    let mut text = String::new();
    for one in past {
        let created = one
            .created
            .map_or_else(|| "unknown".to_owned(), |at| at.to_string());
        let pods = one
            .pods
            .map_or_else(String::new, |pods| format!(", {pods} pods"));
        let images = one.images.join(", ");
        writeln!(
            text,
            "revision {}  {}  created {created}{pods}: {images}",
            one.number, one.name
        )
        .expect("a string takes all");
    }
    text
}
