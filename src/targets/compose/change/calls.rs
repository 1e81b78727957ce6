//! The calls that change containers, one function each, and what was asked for when the answer was lost. Nothing is decided here.

use crate::targets::compose::container;
use crate::targets::compose::engine::{Engine, EngineError};
use bollard::query_parameters::{
    RemoveContainerOptions, RenameContainerOptions, RestartContainerOptions, StopContainerOptions,
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the engine may still be at work on a call whose answer was lost.
pub(super) const LANDS: Duration = Duration::from_secs(2);
/// How much longer than its grace a container may take to end.
const ENDS: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the engine says of a container; `None`: there is no such container.
pub(super) async fn inspect(engine: &Engine, id: &str) -> Result<Option<Value>, EngineError> {
    match engine.get(&format!("/containers/{id}/json")).await {
        Ok(raw) => Ok(Some(raw)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn rename(engine: &Engine, id: &str, name: &str) -> Result<(), EngineError> {
    let options = RenameContainerOptions {
        name: name.to_owned(),
    };
    Ok(engine.api().rename_container(id, options).await?)
}

/// Answers the id of the new container.
pub(super) async fn create(
    engine: &Engine,
    name: &str,
    body: &Value,
) -> Result<String, EngineError> {
    let answer = engine
        .post(&format!("/containers/create?name={name}"), body)
        .await?;
    match answer.get("Id").and_then(Value::as_str) {
        Some(id) => Ok(id.to_owned()),
        None => Err(EngineError::Unreadable {
            what: "no id of the new container".to_owned(),
        }),
    }
}

pub(super) async fn connect(
    engine: &Engine,
    network: &str,
    id: &str,
    endpoint: &Value,
) -> Result<(), EngineError> {
    let body = json!({"Container": id, "EndpointConfig": endpoint});
    engine
        .post(&format!("/networks/{network}/connect"), &body)
        .await?;
    Ok(())
}

/// Also fine when it is stopped already.
pub(super) async fn stop(engine: &Engine, id: &str, grace: Duration) -> Result<(), EngineError> {
    let options = StopContainerOptions {
        t: Some(whole_seconds(grace)),
        ..StopContainerOptions::default()
    };
    Ok(engine
        .patient(grace)
        .stop_container(id, Some(options))
        .await?)
}

/// Ends it at once.
pub(super) async fn kill(engine: &Engine, id: &str) -> Result<(), EngineError> {
    stop(engine, id, Duration::ZERO).await
}

/// Also fine when it runs already.
pub(super) async fn start(engine: &Engine, id: &str) -> Result<(), EngineError> {
    Ok(engine.api().start_container(id, None).await?)
}

pub(super) async fn restart(engine: &Engine, id: &str, grace: Duration) -> Result<(), EngineError> {
    let options = RestartContainerOptions {
        t: Some(whole_seconds(grace)),
        ..RestartContainerOptions::default()
    };
    Ok(engine
        .patient(grace)
        .restart_container(id, Some(options))
        .await?)
}

/// Never with its volumes. Also fine when it is gone.
pub(in crate::targets::compose) async fn remove(
    engine: &Engine,
    id: &str,
) -> Result<(), EngineError> {
    let options = RemoveContainerOptions {
        force: true,
        v: false,
        ..RemoveContainerOptions::default()
    };
    let removed = engine.api().remove_container(id, Some(options)).await;
    match removed.map_err(EngineError::from) {
        Err(error) if error.is_absent() => Ok(()),
        other => other,
    }
}

/// The engine counts whole seconds: a part of one is one.
fn whole_seconds(grace: Duration) -> i32 {
    let up = u64::from(0 < grace.subsec_nanos());
    i32::try_from(grace.as_secs() + up).unwrap_or(i32::MAX)
}

/// Whether an answer leaves open what became of the call: it was lost, or somebody before the engine answered in its place.
pub(super) fn is_open(error: &EngineError) -> bool {
    match error {
        EngineError::Unreached { .. } | EngineError::Refused { .. } => false,
        EngineError::Broken { .. }
        | EngineError::TimedOut { .. }
        | EngineError::Unreadable { .. } => true,
        EngineError::Status { status, .. } => matches!(status, 408 | 502 | 503 | 504),
    }
}

/// Takes a call as done when its answer was lost and a look shows that it was carried out. It is never made again.
pub(super) async fn settled(
    called: Result<(), EngineError>,
    engine: &Engine,
    id: &str,
    is_done: impl Fn(&Value) -> bool,
) -> Result<(), EngineError> {
    match called {
        Err(error) if is_open(&error) && awaited(engine, id, LANDS, is_done).await => Ok(()),
        called => called,
    }
}

/// Looks until a container is as it was asked to be, or the time is over. The engine may still be at work when the connection breaks.
pub(super) async fn awaited(
    engine: &Engine,
    id: &str,
    within: Duration,
    is_done: impl Fn(&Value) -> bool,
) -> bool {
    let ends = Instant::now() + within;
    loop {
        match inspect(engine, id).await {
            Ok(Some(raw)) if is_done(&raw) => return true,
            Ok(None) => return false,
            Ok(Some(_)) | Err(_) => (),
        }
        if ends <= Instant::now() {
            return false;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Why a container does not count as stopped.
#[derive(Debug)]
pub(super) struct NotStopped {
    pub(super) error: EngineError,
    /// The engine may have heard of it: then the container may end at any time, and nobody starts it again.
    pub(super) was_asked: bool,
}

/// Stops a container. When the answer is lost it is waited until it is down, for as long as the engine would take.
pub(super) async fn stopped(engine: &Engine, id: &str, grace: Duration) -> Result<(), NotStopped> {
    let Err(error) = stop(engine, id, grace).await else {
        return Ok(());
    };
    let within = match error.code() {
        _ if is_open(&error) => grace + ENDS,
        // The engine answers so also after it has sent the signal.
        Some(500..) => Duration::ZERO,
        Some(_) | None => {
            return Err(NotStopped {
                error,
                was_asked: false,
            });
        }
    };
    let is_down = |raw: &Value| flag(raw, "/State/Running") == Some(false);
    if awaited(engine, id, within, is_down).await {
        return Ok(());
    }
    Err(NotStopped {
        error,
        was_asked: true,
    })
}

/// Restarts a container that is as `before`. When the answer is lost it is waited until it runs anew.
pub(super) async fn restarted(
    engine: &Engine,
    id: &str,
    grace: Duration,
    before: &Value,
) -> Result<(), EngineError> {
    match restart(engine, id, grace).await {
        Err(error) if is_open(&error) => {
            const STARTED: &str = "/State/StartedAt";
            let is_anew = |raw: &Value| {
                raw.pointer(STARTED) != before.pointer(STARTED)
                    && flag(raw, "/State/Running") == Some(true)
            };
            if awaited(engine, id, grace + ENDS, is_anew).await {
                Ok(())
            } else {
                Err(error)
            }
        }
        restarted => restarted,
    }
}

/// Whether the engine fell over a call, in place of refusing it. That the sandbox of a container is not found is a 404 too.
pub(super) fn is_stumble(error: &EngineError) -> bool {
    matches!(error.code(), Some(404 | 500)) && !error.is_conflict()
}

/// Whether its policy starts a container over and over, or did. Its network comes and goes then, and the engine may refuse to rename it.
pub(super) fn is_shaky(raw: &Value) -> bool {
    flag(raw, "/State/Restarting") == Some(true) || 0 < container::restarts(raw)
}

fn flag(raw: &Value, path: &str) -> Option<bool> {
    raw.pointer(path).and_then(Value::as_bool)
}
