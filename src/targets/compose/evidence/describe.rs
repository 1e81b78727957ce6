//! Containers in lines for people. Values in, text out.

use crate::targets::compose::project::{Replica, Service};
use serde_json::Value;
use std::fmt::Write as _;

/// The newest results of a HEALTHCHECK that are shown. The engine keeps five.
const CHECKS: usize = 3;

/// Of the output of one of them.
const OUTPUT_CHARS_MAX: usize = 500;

/// Whether more of its log is worth keeping: it does not run, was started again, or is not healthy.
pub(super) fn is_unwell(replica: &Replica) -> bool {
    let health = text(&replica.raw, "/State/Health/Status");
    let restarts = replica.raw.pointer("/RestartCount").and_then(Value::as_u64);
    !replica.is_running
        || replica.is_restarting
        || restarts.is_some_and(|restarts| 0 < restarts)
        || matches!(health, "starting" | "unhealthy")
}

/// One service with all its containers.
pub(super) fn service(name: &str, service: &Service) -> String {
    let mut text = format!("service {name}: {} containers\n", service.replicas.len());
    for replica in service.replicas.iter().chain(&service.aside) {
        text.push('\n');
        container(&mut text, replica);
    }
    text
}

fn container(shown: &mut String, replica: &Replica) {
    let raw = &replica.raw;
    line(shown, 0, "container", &replica.name);
    line(shown, 1, "id", &replica.id);
    if replica.is_aside() {
        line(shown, 1, "set aside", "by a change that was not finished");
    }
    line(shown, 1, "image", &replica.image);
    line(shown, 1, "image id", &replica.image_id);
    for (name, path) in [
        ("state", "/State/Status"),
        ("created", "/Created"),
        ("started", "/State/StartedAt"),
        ("ended", "/State/FinishedAt"),
        ("error", "/State/Error"),
        ("restart policy", "/HostConfig/RestartPolicy/Name"),
    ] {
        let value = text(raw, path);
        // The engine writes the year 1 where nothing has happened.
        if !value.is_empty() && !value.starts_with("0001-") {
            line(shown, 1, name, value);
        }
    }
    for (name, path) in [
        ("exit code", "/State/ExitCode"),
        ("restarts", "/RestartCount"),
        ("out of memory", "/State/OOMKilled"),
    ] {
        if let Some(value) = raw.pointer(path) {
            line(shown, 1, name, &value.to_string());
        }
    }
    if let Some(health) = raw.pointer("/State/Health") {
        line(shown, 1, "health", text(health, "/Status"));
        let streak = health.get("FailingStreak").map(ToString::to_string);
        line(shown, 1, "failures in a row", &streak.unwrap_or_default());
        checks(shown, health);
    }
}

/// The newest last.
fn checks(shown: &mut String, health: &Value) {
    let log = health.get("Log").and_then(Value::as_array);
    let log = log.map(Vec::as_slice).unwrap_or_default();
    for check in log.iter().skip(log.len().saturating_sub(CHECKS)) {
        let code = check.get("ExitCode").map(ToString::to_string);
        let output: String = text(check, "/Output")
            .chars()
            .take(OUTPUT_CHARS_MAX)
            .collect();
        let result = format!("exit code {}, {}", code.unwrap_or_default(), output.trim());
        line(shown, 2, text(check, "/Start"), &result);
    }
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    let text = value.pointer(path).and_then(Value::as_str);
    text.unwrap_or_default()
}

fn line(text: &mut String, depth: usize, name: &str, value: &str) {
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    writeln!(text, "{:indent$}{name}: {value}", "", indent = depth * 2)
        .expect("a string takes all");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn replica(state: &Value) -> Replica {
        let raw = json!({"Id": "c1", "Name": "/shop-web-1", "Image": "sha256:11", "RestartCount": 2, "State": state,
            "HostConfig": {"RestartPolicy": {"Name": "always"}},
            "Config": {"Image": "web:2", "Labels": {"com.docker.compose.service": "web"}}});
        Replica::read(raw).unwrap()
    }

    #[test]
    fn a_container_is_told_with_its_last_three_checks() {
        let log: Vec<Value> = (0..5)
            .map(
                |n| json!({"Start": format!("t{n}"), "ExitCode": 1, "Output": format!("no {n}\n")}),
            )
            .collect();
        let state = json!({"Status": "running", "Running": true, "ExitCode": 0, "OOMKilled": false,
            "StartedAt": "2026-11-21T15:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z",
            "Health": {"Status": "unhealthy", "FailingStreak": 7, "Log": log}});
        let of = Service {
            replicas: vec![replica(&state)],
            aside: Vec::new(),
        };
        assert_eq!(
            service("web", &of),
            "service web: 1 containers\n\ncontainer: shop-web-1\n  id: c1\n  image: web:2\n  image id: sha256:11\n  \
             state: running\n  started: 2026-11-21T15:00:00Z\n  restart policy: always\n  exit code: 0\n  restarts: 2\n  \
             out of memory: false\n  health: unhealthy\n  failures in a row: 7\n    t2: exit code 1, no 2\n    \
             t3: exit code 1, no 3\n    t4: exit code 1, no 4\n"
        );
        assert!(is_unwell(&of.replicas[0]));
    }
}
