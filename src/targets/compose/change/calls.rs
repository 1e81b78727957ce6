//! The calls that change containers, one function each, and what was asked for when the answer was lost. Nothing is decided here.

use crate::targets::compose::engine::{Engine, EngineError};
use bollard::query_parameters::{
    RemoveContainerOptions, RenameContainerOptions, RestartContainerOptions, StopContainerOptions,
};
use serde_json::{Value, json};
use std::time::Duration;

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
pub(super) async fn remove(engine: &Engine, id: &str) -> Result<(), EngineError> {
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

/// Takes a call as done when its answer was lost and a look shows that it was carried out. It is never made again.
pub(super) async fn settled(
    called: Result<(), EngineError>,
    engine: &Engine,
    id: &str,
    is_done: impl Fn(&Value) -> bool,
) -> Result<(), EngineError> {
    let Err(error) = called else { return Ok(()) };
    if error.code().is_some() {
        return Err(error);
    }
    match inspect(engine, id).await {
        Ok(Some(raw)) if is_done(&raw) => Ok(()),
        Ok(_) | Err(_) => Err(error),
    }
}
