//! What the engine says of one container, read into the values that are judged, and the engine's clock. Nothing is judged here.

use super::engine::Engine;
use super::project::Replica;
use crate::decide::compose::{Doing, Healthcheck, State};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// The engine's defaults of a HEALTHCHECK (docs.docker.com, Dockerfile HEALTHCHECK).
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: u32 = 3;

fn text<'r>(raw: &'r Value, path: &str) -> &'r str {
    raw.pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A time of a container. `None`: it did not come to that yet, which is written as the year 1.
pub(super) fn time(raw: &Value, path: &str) -> Option<Timestamp> {
    let time: Timestamp = text(raw, path).parse().ok()?;
    (0 < time.as_second()).then_some(time)
}

/// Since when a container that does not run is so: since its end, or since it was made.
pub(super) fn down_since(raw: &Value) -> Option<Timestamp> {
    match state(raw) {
        State::Exited | State::Dead => time(raw, "/State/FinishedAt"),
        State::Created => time(raw, "/Created"),
        State::Running | State::Paused | State::Restarting | State::Removing | State::Unknown => {
            None
        }
    }
}

pub(super) fn state(raw: &Value) -> State {
    match text(raw, "/State/Status") {
        // Podman's words too.
        "created" | "configured" | "initialized" => State::Created,
        "running" => State::Running,
        "paused" => State::Paused,
        "restarting" => State::Restarting,
        "removing" => State::Removing,
        "exited" | "stopped" => State::Exited,
        "dead" => State::Dead,
        _ => State::Unknown,
    }
}

/// Whether its policy starts it again whatever it ended with: then only a person stops it.
pub(super) fn starts_again(raw: &Value) -> bool {
    let policy = text(raw, "/HostConfig/RestartPolicy/Name");
    matches!(policy, "always" | "unless-stopped")
}

/// How often its policy has started it again.
pub(super) fn restarts(raw: &Value) -> u64 {
    raw.get("RestartCount")
        .and_then(Value::as_u64)
        .unwrap_or_default()
}

pub(super) fn exit_code(raw: &Value) -> i64 {
    raw.pointer("/State/ExitCode")
        .and_then(Value::as_i64)
        .unwrap_or_default()
}

/// What it tells of whether it is a job.
pub(super) fn doing(replica: &Replica) -> Doing {
    let raw = &replica.raw;
    let ports = raw.pointer("/HostConfig/PortBindings");
    let log = raw
        .pointer("/State/Health/Log")
        .or_else(|| raw.pointer("/State/Healthcheck/Log"));
    let mut log = log.and_then(Value::as_array).into_iter().flatten();
    Doing {
        state: state(raw),
        exit_code: exit_code(raw),
        starts_again: starts_again(raw),
        has_ports: ports
            .and_then(Value::as_object)
            .is_some_and(|ports| !ports.is_empty()),
        has_served: log.any(|one| one.get("ExitCode").and_then(Value::as_i64) == Some(0)),
        // The engine does not write that down.
        by_hand: false,
    }
}

/// The HEALTHCHECK of a container, of its own or of its image. `None`: it has none.
pub(super) fn healthcheck(raw: &Value) -> Option<Healthcheck> {
    let check = raw.pointer("/Config/Healthcheck")?;
    let test = check.get("Test").and_then(Value::as_array)?;
    if test.first()?.as_str() == Some("NONE") {
        return None;
    }
    let nanos = |key: &str| check.get(key).and_then(Value::as_u64).unwrap_or_default();
    let or = |key: &str, default: Duration| match nanos(key) {
        0 => default,
        given => Duration::from_nanos(given),
    };
    Some(Healthcheck {
        start_period: Duration::from_nanos(nanos("StartPeriod")),
        interval: or("Interval", INTERVAL),
        timeout: or("Timeout", TIMEOUT),
        retries: match nanos("Retries") {
            0 => RETRIES,
            given => u32::try_from(given).unwrap_or(u32::MAX),
        },
    })
}

/// The engine's clock. `None`: it does not tell, and ages cannot be.
pub(super) async fn now(engine: &Engine) -> Option<Timestamp> {
    match engine.get("/info").await {
        Ok(info) => text(&info, "/SystemTime").parse().ok(),
        Err(error) => {
            tracing::debug!(%error, "the engine did not tell its time");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_healthcheck_is_read_with_its_defaults() {
        let of = |check: Value| healthcheck(&json!({"Config": {"Healthcheck": check}}));
        let s = Duration::from_secs;
        let all = json!({"Test": ["CMD", "x"], "StartPeriod": 5_000_000_000_u64, "Interval": 1_000_000_000, "Timeout": 2_000_000_000, "Retries": 7});
        let expected = Healthcheck {
            start_period: s(5),
            interval: s(1),
            timeout: s(2),
            retries: 7,
        };
        assert_eq!(of(all), Some(expected));
        let expected = Healthcheck {
            start_period: s(0),
            interval: s(30),
            timeout: s(30),
            retries: 3,
        };
        assert_eq!(of(json!({"Test": ["CMD-SHELL", "x"]})), Some(expected));
        assert_eq!(of(json!({"Test": ["NONE"]})), None);
        assert_eq!(of(json!({"Test": []})), None);
        assert_eq!(healthcheck(&json!({"Config": {}})), None);
    }

    #[test]
    fn since_when_it_is_down() {
        let of = |status: &str| {
            let raw = json!({"Created": "2024-01-01T00:00:00.5Z", "State": {"Status": status,
                "FinishedAt": "2024-01-02T00:00:00.123456789+02:00"}});
            down_since(&raw).map(|time| time.to_string())
        };
        assert_eq!(
            of("exited").as_deref(),
            Some("2024-01-01T22:00:00.123456789Z")
        );
        assert_eq!(of("created").as_deref(), Some("2024-01-01T00:00:00.5Z"));
        assert_eq!(of("running"), None);
        let never = json!({"State": {"StartedAt": "0001-01-01T00:00:00Z"}});
        assert_eq!(time(&never, "/State/StartedAt"), None);
    }
}
