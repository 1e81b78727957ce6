//! Whether a container that was started comes up: healthy by its HEALTHCHECK, else running without a restart for a while. The events of the
//! engine wake the look; where there are none it looks all the same.

use super::calls;
use super::site::Site;
use crate::targets::compose::engine::EngineError;
use crate::targets::compose::{container, logs, project};
use bollard::query_parameters::EventsOptions;
use futures_util::{Stream, StreamExt as _, pin_mut};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The first look after a start, and the longest time between two: a lost event costs no more than that.
const LOOK_FIRST: Duration = Duration::from_millis(40);
const LOOK_LAST: Duration = Duration::from_millis(500);
/// How long it may take to fetch the last words of a container that failed.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Of its last lines so many bytes are read.
const LAST_BYTES_MAX: usize = 1024 * 1024;
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
    /// It was there to end, and did.
    Done,
    Failed(String),
}

/// Restarts that are too many: once it may have come up before what it needs.
const RESTARTS_MAX: u64 = 2;

/// After a run of this length the engine itself forgets earlier ends: it waits no longer before the next start (moby `restartmanager`).
const STEADY: SignedDuration = SignedDuration::from_secs(10);

/// The same of a container that was there before: restarts that lie behind the run it is in do not count. `now`: by the engine's clock.
pub(super) fn judge_past(raw: &Value, is_job: bool, now: Option<Timestamp>) -> Look {
    let is_between = raw.pointer("/State/Restarting").and_then(Value::as_bool) == Some(true);
    let started = container::time(raw, "/State/StartedAt");
    let is_steady = match (now, started) {
        (Some(now), Some(started)) => !is_between && STEADY <= now.duration_since(started),
        (None, _) | (_, None) => false,
    };
    if is_steady && let Value::Object(fields) = raw {
        let mut fields = fields.clone();
        fields.remove("RestartCount");
        return judge(&Value::Object(fields), is_job);
    }
    judge(raw, is_job)
}

/// Judges one look at a container that was started. `is_job`: it is there to end. Pure.
pub(super) fn judge(raw: &Value, is_job: bool) -> Look {
    judge_masked(raw, is_job, &str::to_owned)
}

/// The same; what it says goes through `masked` before it is cut.
fn judge_masked(raw: &Value, is_job: bool, masked: &dyn Fn(&str) -> String) -> Look {
    let flag = |path: &str| raw.pointer(path).and_then(Value::as_bool) == Some(true);
    let number = |path: &str| raw.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    let text = |path: &str| raw.pointer(path).and_then(Value::as_str).unwrap_or("");
    let code = number("/State/ExitCode");
    let restarts = container::restarts(raw);
    let is_between = flag("/State/Restarting");
    if flag("/State/OOMKilled") && (is_between || !flag("/State/Running")) {
        return Look::Failed("was killed: out of memory".to_owned());
    }
    if RESTARTS_MAX <= restarts {
        return Look::Failed(format!("restarts, last with exit code {code}"));
    }
    if is_between {
        return Look::Waiting;
    }
    match text("/State/Status") {
        "exited" if is_job && code == 0 => return Look::Done,
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
                    let said = line(&masked(said));
                    format!("is unhealthy: its HEALTHCHECK ends with code {code} and says {said:?}")
                }
            })
        }
        _ => Look::Waiting,
    }
}

/// Starts a container and waits until it is well. Answers what the engine says of it then.
pub(super) async fn start_and_wait(site: &Site<'_>, id: &str) -> Result<Value, Unwell> {
    bring_up(site, id, calls::start(site.engine, id)).await
}

/// The same of one that is between an end and a start of its policy's.
pub(super) async fn restart_and_wait(
    site: &Site<'_>,
    id: &str,
    grace: Duration,
) -> Result<Value, Unwell> {
    bring_up(site, id, calls::restart(site.engine, id, grace)).await
}

async fn bring_up(
    site: &Site<'_>,
    id: &str,
    call: impl Future<Output = Result<(), EngineError>>,
) -> Result<Value, Unwell> {
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
        let started = call.await;
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
            Some(_) if !calls::is_open(&error) => {
                Unwell::Failed(format!("cannot be started: {error}"))
            }
            Some(_) | None => Unwell::Unknown(error),
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
    let is_job = site.compose.memory.is_job(project::name(site.slot));
    let mut deadline = settings.healthy_deadline.0;
    let began = Instant::now();
    // In which run, and since when.
    let mut runs_since: Option<(String, Instant)> = None;
    let mut pause = LOOK_FIRST;
    loop {
        let raw = match calls::inspect(site.engine, id).await {
            Ok(Some(raw)) => raw,
            Ok(None) => return Err(Unwell::Failed("is gone".to_owned())),
            // That it is gone is an answer; everything else is none.
            Err(error) if began.elapsed() < deadline => {
                site.say(&format!("cannot look: {error}"));
                tokio::time::sleep(LOOK_LAST).await;
                continue;
            }
            Err(error) => return Err(Unwell::Unknown(error)),
        };
        if let Some(check) = container::healthcheck(&raw) {
            deadline = check.patience(settings.healthy_deadline.0);
        }
        let mut wake = pause;
        match judge_masked(&raw, is_job, &|text| site.compose.masked(text)) {
            Look::Healthy | Look::Done => return Ok(raw),
            Look::Runs => {
                let run = raw.pointer("/State/StartedAt").and_then(Value::as_str);
                let run = run.unwrap_or_default();
                let (_, since) = runs_since
                    .take_if(|(of, _)| of == run)
                    .unwrap_or_else(|| (run.to_owned(), Instant::now()));
                runs_since = Some((run.to_owned(), since));
                let left = settings.running_for.0.saturating_sub(since.elapsed());
                if left.is_zero() {
                    return Ok(raw);
                }
                wake = wake.min(left);
            }
            Look::Waiting if deadline <= began.elapsed() => {
                let what = format!("is not healthy after {} s", deadline.as_secs());
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
    let reading = logs::read(site.engine, id, logs::tail(20), LAST_BYTES_MAX);
    let Ok(Ok(text)) = timeout(LAST_WORDS, reading).await else {
        return String::new();
    };
    match text.lines().rfind(|line| !line.trim().is_empty()) {
        Some(last) => {
            let last = line(&site.compose.masked(last));
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
        assert_eq!(judge(&raw, false), *expected);
        if !matches!(state["Status"].as_str(), Some("exited")) {
            assert_eq!(judge(&raw, true), *expected);
        }
    }

    #[test]
    fn a_job_is_there_to_end() {
        let ended = |code: i64| json!({"State": {"Status": "exited", "ExitCode": code}});
        assert_eq!(judge(&ended(0), true), Look::Done);
        assert_eq!(judge(&ended(0), false), failed("exited with code 0"));
        assert_eq!(judge(&ended(3), true), failed("exited with code 3"));
    }

    #[test]
    fn restarts_of_long_ago_do_not_count() {
        let check = |seconds: i64, expected: &Look| {
            let raw = json!({"RestartCount": 7, "State": {"Status": "running", "Running": true,
                "StartedAt": "2026-01-02T03:04:05.5Z", "Health": {"Status": "healthy"}}});
            let started: Timestamp = "2026-01-02T03:04:05.5Z".parse().unwrap();
            let now = started + SignedDuration::from_secs(seconds);
            assert_eq!(judge_past(&raw, false, Some(now)), *expected);
        };
        check(3, &failed("restarts, last with exit code 0"));
        check(3600, &Look::Healthy);
    }

    #[test]
    fn what_a_check_says_is_masked_before_it_is_cut() {
        let output = format!("{} postgres://app:hunter2@db/x", "x".repeat(LINE_MAX - 25));
        let raw = json!({"State": {"Status": "running", "Running": true, "Health":
            {"Status": "unhealthy", "Log": [{"ExitCode": 1, "Output": output}]}}});
        let masked = |text: &str| text.replace("app:hunter2@", "***@");
        match judge_masked(&raw, false, &masked) {
            Look::Failed(what) => assert!(what.ends_with("***@db/x\""), "{what}"),
            look => panic!("{look:?}"),
        }
    }

    fn failed(what: &str) -> Look {
        Look::Failed(what.to_owned())
    }

    #[test]
    fn a_look_says_one_thing() {
        let runs = json!({"Status": "running", "Running": true});
        check(&runs, 0, &Look::Runs);
        check(&runs, 1, &Look::Runs);
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
            2,
            &failed("restarts, last with exit code 3"),
        );
        check(
            &json!({"Status": "restarting", "Running": true, "Restarting": true, "ExitCode": 3}),
            1,
            &Look::Waiting,
        );
        check(
            &json!({"Status": "restarting", "Running": true, "Restarting": true, "OOMKilled": true}),
            1,
            &failed("was killed: out of memory"),
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
