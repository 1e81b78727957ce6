//! Reads the services of a stack with their tasks. Nothing is changed here.

use super::service::{NAMESPACE, Placed, Service};
use crate::model::state::Slot;
use crate::targets::TargetError;
use crate::targets::compose::Compose;
use crate::targets::compose::engine::{Engine, EngineError};
use indexmap::IndexMap;
use serde_json::{Value, json};
use std::sync::PoisonError;

/// All services of the stack that this target has, by name. Jobs are no part of it.
///
/// # Errors
/// `Refused` when the engine is no manager of a swarm, or when a job is named by the settings.
pub(super) async fn read(compose: &Compose) -> Result<IndexMap<Slot, Service>, TargetError> {
    let stack = name(compose);
    let engine = compose.engine().await?;
    let label = format!("{NAMESPACE}={stack}");
    let path = format!("/services?filters={}", filters(&json!({"label": [label]})));
    let of = format!("the services of stack {stack}");
    let listed = engine.get(&path).await;
    let listed = listed.map_err(|error| no_manager(engine, error, &of))?;
    let mut services: Vec<Service> = list(listed)
        .filter_map(|raw| Service::read(raw, stack))
        .filter(|service| compose.has_service(&service.slot.0))
        .collect();
    let is_named = !compose.settings.services.is_empty();
    if let Some(job) = services.iter().find(|service| service.is_job && is_named) {
        return Err(refuse_job(job));
    }
    services.retain(|service| !service.is_job);
    services.sort_by(|a, b| a.name.cmp(&b.name));
    add_tasks(engine, &mut services, no_manager).await?;
    let services: IndexMap<Slot, Service> = services
        .into_iter()
        .map(|service| (service.slot.clone(), service))
        .collect();
    *compose.found.lock().unwrap_or_else(PoisonError::into_inner) =
        services.keys().cloned().collect();
    Ok(services)
}

/// One service with its tasks.
pub(super) async fn one(compose: &Compose, slot: &Slot) -> Result<Option<Service>, TargetError> {
    look(compose, slot, no_manager).await
}

/// The same while a change of it is under way. The engine was a manager a moment ago: while managers elect a leader, or this one starts
/// again, it answers as if it were none, and that is `Unreachable`.
pub(super) async fn again(compose: &Compose, slot: &Slot) -> Result<Option<Service>, TargetError> {
    look(compose, slot, for_now).await
}

/// What it means when the engine does not answer about this.
type Means = fn(&Engine, EngineError, &str) -> TargetError;

async fn look(
    compose: &Compose,
    slot: &Slot,
    means: Means,
) -> Result<Option<Service>, TargetError> {
    let stack = name(compose);
    let engine = compose.engine().await?;
    // `docker stack` puts its name first; whoever labels a service by hand need not.
    let scoped = by_name(engine, &format!("{stack}_{slot}"), means).await?;
    let found = match scoped {
        Some(raw) => Some(raw),
        None => by_name(engine, &slot.0, means).await?,
    };
    let Some(raw) = found else {
        return Ok(None);
    };
    let labels = raw.pointer("/Spec/Labels");
    let namespace = labels.and_then(|labels| labels.get(NAMESPACE)?.as_str());
    if namespace != Some(stack) {
        return Ok(None);
    }
    let Some(service) = Service::read(raw, stack) else {
        return Ok(None);
    };
    if service.is_job {
        return Err(refuse_job(&service));
    }
    let mut services = vec![service];
    add_tasks(engine, &mut services, means).await?;
    Ok(services.pop())
}

async fn by_name(engine: &Engine, name: &str, means: Means) -> Result<Option<Value>, TargetError> {
    match engine.get(&format!("/services/{name}")).await {
        Ok(raw) => Ok(Some(raw)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(means(engine, error, &format!("service {name}"))),
    }
}

/// The tasks of these services, the newest first.
pub(super) async fn tasks(
    engine: &Engine,
    services: &[Service],
) -> Result<Vec<Placed>, TargetError> {
    placed(engine, services, no_manager).await
}

async fn placed(
    engine: &Engine,
    services: &[Service],
    means: Means,
) -> Result<Vec<Placed>, TargetError> {
    // No name at all would mean every service of the swarm.
    if services.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = services.iter().map(|service| service.id.as_str()).collect();
    let path = format!("/tasks?filters={}", filters(&json!({"service": ids})));
    let listed = engine.get(&path).await;
    let listed = listed.map_err(|error| means(engine, error, "the tasks of services"))?;
    let mut tasks: Vec<Placed> = list(listed).filter_map(|raw| Placed::read(&raw)).collect();
    tasks.sort_by(|a, b| (&b.created, &b.task.id).cmp(&(&a.created, &a.task.id)));
    Ok(tasks)
}

async fn add_tasks(
    engine: &Engine,
    services: &mut [Service],
    means: Means,
) -> Result<(), TargetError> {
    for placed in placed(engine, services, means).await? {
        let mine = services.iter_mut().find(|it| it.id == placed.service);
        if let Some(service) = mine {
            service.seen.tasks.push(placed.task);
        }
    }
    Ok(())
}

/// The name of the stack.
pub(super) fn name(compose: &Compose) -> &str {
    compose.settings.stack.as_deref().unwrap_or_default()
}

/// What it means when the engine answers no question about services.
fn no_manager(engine: &Engine, error: EngineError, of: &str) -> TargetError {
    // 503: no swarm, or a worker of one.
    if matches!(error.code(), Some(503 | 406)) {
        return TargetError::Refused {
            what: format!(
                "{of}: the engine at {} is no manager of a swarm: {error}",
                engine.at()
            ),
            allow: None,
            next: "name a manager: `docker node ls` on the swarm shows which nodes are".to_owned(),
        };
    }
    error.reading(of)
}

/// What the same means where it answered before.
fn for_now(engine: &Engine, error: EngineError, of: &str) -> TargetError {
    if error.code().is_some_and(|code| (500..600).contains(&code)) {
        return TargetError::Unreachable {
            what: format!("{of}: {error}"),
        };
    }
    no_manager(engine, error, of)
}

fn refuse_job(service: &Service) -> TargetError {
    TargetError::Refused {
        what: format!(
            "{} is a job: it runs to its end, and there is nothing to put back",
            service.name
        ),
        allow: None,
        next: "take it out of `services`".to_owned(),
    }
}

fn list(answer: Value) -> impl Iterator<Item = Value> {
    match answer {
        Value::Array(items) => items.into_iter(),
        _ => Vec::new().into_iter(),
    }
}

fn filters(filters: &Value) -> String {
    url::form_urlencoded::byte_serialize(filters.to_string().as_bytes()).collect()
}
