//! Whether a container that was started comes up: healthy by its HEALTHCHECK, else running without a restart for a while. The events of the
//! engine wake the look; where there are none it looks all the same.

use super::calls;
use super::site::Site;
use crate::targets::compose::engine::EngineError;
use crate::targets::process::mask;
use bollard::query_parameters::{EventsOptions, LogsOptions};
use futures_util::{Stream, StreamExt as _, pin_mut};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The first look after a start, and the longest time between two: a lost event costs no more than that.
const LOOK_FIRST: Duration = Duration::from_millis(40);
const LOOK_LAST: Duration = Duration::from_millis(500);
/// How long it may take to fetch the last words of a container that failed.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Longest quoted line of a log or of a health check, in characters.
const LINE_MAX: usize = 300;

/// Why a container is not taken for well.
#[derive(Debug)]
pub(super) enum Unwell {
    /// It does not come up, in words.
    Failed(String),
    /// It could not be asked.
    Unknown(EngineError),
}

/// What a look says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    Healthy,
    /// It has no HEALTHCHECK and runs.
    Runs,
    Waiting,
    Failed(String),
}

/// Judges one look at a container that was started. Pure.
pub(super) fn judge(raw: &Value) -> Look {
    let flag = |path: &str| raw.pointer(path).and_then(Value::as_bool) == Some(true);
    let number = |path: &str| raw.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    let text = |path: &str| raw.pointer(path).and_then(Value::as_str).unwrap_or("");
    let code = number("/State/ExitCode");
    let restarts = number("/RestartCount");
    if flag("/State/OOMKilled") && !flag("/State/Running") {
        return Look::Failed("was killed: out of memory".to_owned());
    }
    if flag("/State/Restarting") || 0 < restarts {
        return Look::Failed(format!("restarts, last with exit code {code}"));
    }
    match text("/State/Status") {
        "exited" | "dead" => {
            let why = text("/State/Error");
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(" ({why})")
            };
            return Look::Failed(format!("exited with code {code}{why}"));
        }
        "removing" => return Look::Failed("is being removed".to_owned()),
        "paused" => return Look::Failed("is paused".to_owned()),
        _ => (),
    }
    if !flag("/State/Running") {
        return Look::Waiting;
    }
    match text("/State/Health/Status") {
        "" | "none" => Look::Runs,
        "healthy" => Look::Healthy,
        "unhealthy" => {
            let log = raw.pointer("/State/Health/Log").and_then(Value::as_array);
            let last = log.and_then(|log| log.last());
            let said = last
                .and_then(|last| last.get("Output")?.as_str())
                .unwrap_or("")
                .trim();
            let code = last.and_then(|last| last.get("ExitCode")?.as_i64());
            let code = code.unwrap_or_default();
            Look::Failed(match said {
                "" => format!("is unhealthy: its HEALTHCHECK ends with code {code}"),
                said => {
                    let said = line(said);
                    format!("is unhealthy: its HEALTHCHECK ends with code {code} and says {said:?}")
                }
            })
        }
        _ => Look::Waiting,
    }
}

/// Starts a container and waits until it is well. Answers what the engine says of it then.
pub(super) async fn start_and_wait(site: &Site<'_>, id: &str) -> Result<Value, Unwell> {
    let filters = [("container".to_owned(), vec![id.to_owned()])].into();
    let options = EventsOptions {
        filters: Some(filters),
        ..EventsOptions::default()
    };
    let events = site.engine.api().events(Some(options)).map(|_| ());
    // What the stream ends with is no end of the waiting: the looks go on.
    let events = events.chain(futures_util::stream::pending());
    pin_mut!(events);
    let start = async {
        let started = calls::start(site.engine, id).await;
        let is_up =
            |raw: &Value| raw.pointer("/State/Running").and_then(Value::as_bool) == Some(true);
        calls::settled(started, site.engine, id, is_up).await
    };
    pin_mut!(start);
    // The stream is asked for before the start, and polled meanwhile.
    let started = loop {
        tokio::select! {
            biased;
            _ = events.next() => (),
            started = &mut start => break started,
        }
    };
    if let Err(error) = started {
        return Err(match error.code() {
            // The engine could not start it: what is wrong with it is in the answer.
            Some(_) => Unwell::Failed(format!("cannot be started: {error}")),
            None => Unwell::Unknown(error),
        });
    }
    wait(site, id, events).await
}

/// Waits until a container that was started is well.
pub(super) async fn wait(
    site: &Site<'_>,
    id: &str,
    mut events: impl Stream<Item = ()> + Unpin,
) -> Result<Value, Unwell> {
    let settings = &site.compose.settings;
    let deadline = settings.healthy_deadline.0;
    let began = Instant::now();
    let mut runs_since: Option<Instant> = None;
    let mut pause = LOOK_FIRST;
    loop {
        let raw = match calls::inspect(site.engine, id).await {
            Ok(Some(raw)) => raw,
            Ok(None) => return Err(Unwell::Failed("is gone".to_owned())),
            Err(error) if began.elapsed() < deadline && error.code().is_none() => {
                site.say(&format!("cannot look: {error}"));
                tokio::time::sleep(LOOK_LAST).await;
                continue;
            }
            Err(error) => return Err(Unwell::Unknown(error)),
        };
        let mut wake = pause;
        match judge(&raw) {
            Look::Healthy => return Ok(raw),
            Look::Runs => {
                let since = *runs_since.get_or_insert_with(Instant::now);
                let left = settings.running_for.0.saturating_sub(since.elapsed());
                if left.is_zero() {
                    return Ok(raw);
                }
                wake = wake.min(left);
            }
            Look::Waiting if deadline <= began.elapsed() => {
                let what = format!("is not healthy after {}", settings.healthy_deadline);
                return Err(Unwell::Failed(what + &last_words(site, id).await));
            }
            Look::Waiting => runs_since = None,
            Look::Failed(what) => return Err(Unwell::Failed(what + &last_words(site, id).await)),
        }
        // Nothing, or something: it is looked either way.
        timeout(wake, events.next()).await.ok();
        pause = (pause * 2).min(LOOK_LAST);
    }
}

/// The last line that a container wrote, ready to be added to a sentence; masked.
async fn last_words(site: &Site<'_>, id: &str) -> String {
    let options = LogsOptions {
        stdout: true,
        stderr: true,
        tail: "20".to_owned(),
        ..LogsOptions::default()
    };
    let mut logs = site.engine.api().logs(id, Some(options));
    let mut text = String::new();
    let reading = async {
        while let Some(Ok(part)) = logs.next().await {
            text.push_str(&part.to_string());
        }
    };
    timeout(LAST_WORDS, reading).await.ok();
    match text.lines().rfind(|line| !line.trim().is_empty()) {
        Some(last) => {
            let last = mask(&line(last), &site.compose.base.secrets);
            format!("; its last line is {last:?}")
        }
        None => String::new(),
    }
}

/// The last line of a text, bounded.
fn line(text: &str) -> String {
    let last = text.trim().lines().next_back().unwrap_or_default();
    last.chars().take(LINE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(state: &Value, restarts: u32, expected: &Look) {
        let raw = json!({"State": state, "RestartCount": restarts});
        assert_eq!(judge(&raw), *expected);
    }

    fn failed(what: &str) -> Look {
        Look::Failed(what.to_owned())
    }

    #[test]
    fn a_look_says_one_thing() {
        let runs = json!({"Status": "running", "Running": true});
        check(&runs, 0, &Look::Runs);
        check(&runs, 2, &failed("restarts, last with exit code 0"));
        let health = |status: &str| json!({"Status": "running", "Running": true, "Health": {"Status": status, "Log": []}});
        check(&health("starting"), 0, &Look::Waiting);
        check(&health("healthy"), 0, &Look::Healthy);
        check(&health("none"), 0, &Look::Runs);
        check(
            &json!({"Status": "running", "Running": true, "Health": {"Status": "unhealthy",
                "Log": [{"ExitCode": 0, "Output": "ok"}, {"ExitCode": 1, "Output": "a\nno table\n"}]}}),
            0,
            &failed("is unhealthy: its HEALTHCHECK ends with code 1 and says \"no table\""),
        );
        check(
            &json!({"Status": "exited", "Running": false, "ExitCode": 3}),
            0,
            &failed("exited with code 3"),
        );
        check(
            &json!({"Status": "exited", "Running": false, "ExitCode": 127, "Error": "no such file"}),
            0,
            &failed("exited with code 127 (no such file)"),
        );
        check(
            &json!({"Status": "restarting", "Running": true, "Restarting": true, "ExitCode": 3}),
            0,
            &failed("restarts, last with exit code 3"),
        );
        check(
            &json!({"Status": "exited", "Running": false, "OOMKilled": true, "ExitCode": 137}),
            0,
            &failed("was killed: out of memory"),
        );
        check(
            &json!({"Status": "created", "Running": false}),
            0,
            &Look::Waiting,
        );
    }
}
