//! Every precondition of a change of a stack, proven without changing anything.

use super::{revision, stack};
use crate::targets::compose::Compose;
use crate::targets::{Finding, TargetError};
use serde_json::Value;

/// Whether the engine is a manager of a swarm, which alone can change services.
///
/// # Errors
/// `Refused` when it is none.
pub(in crate::targets::compose) async fn guard(compose: &Compose) -> Result<(), TargetError> {
    let engine = compose.engine().await?;
    let info = engine.info().await;
    let info = info.map_err(|error| error.reading("the state of the swarm"))?;
    let swarm = |key: &str| info.pointer(&format!("/Swarm/{key}"));
    if swarm("ControlAvailable").and_then(Value::as_bool) == Some(true) {
        return Ok(());
    }
    let state = swarm("LocalNodeState").and_then(Value::as_str);
    let (found, next) = match state.unwrap_or_default() {
        "active" => (
            "is a worker of its swarm".to_owned(),
            "name a manager in `host`: `docker node ls` on one shows them all",
        ),
        "inactive" => (
            "is in no swarm".to_owned(),
            "name a manager in `host`; for services of docker compose set `project` in place of `stack`",
        ),
        other => (
            format!("is in a swarm that is {other}"),
            "bring the swarm back first: `docker info` on that host says what is wrong",
        ),
    };
    Err(TargetError::Refused {
        what: format!("the engine at {} {found}, expected a manager", engine.at()),
        allow: None,
        next: next.to_owned(),
    })
}

/// What `ready` tells.
pub(in crate::targets::compose) async fn findings(compose: &Compose) -> Vec<Finding> {
    let check = "manager of a swarm";
    if let Err(error) = guard(compose).await {
        let next = match &error {
            TargetError::Refused { next, .. } => next.clone(),
            _ => "mend `host`".to_owned(),
        };
        return vec![Finding::bad(check, error.to_string(), next)];
    }
    let mut findings = vec![Finding::ok(check, "it is")];
    let name = stack::name(compose);
    let services = match stack::read(compose).await {
        Ok(services) => services,
        Err(error) => {
            findings.push(Finding::bad(
                "services",
                error.to_string(),
                "mend `services`",
            ));
            return findings;
        }
    };
    if services.is_empty() {
        findings.push(Finding::bad(
            "services",
            format!("stack {name} has no services here"),
            "mend `stack`: `docker stack ls` shows the stacks",
        ));
    }
    for slot in compose.known() {
        if !services.contains_key(&slot) {
            findings.push(Finding::bad(
                "services",
                format!("stack {name} has no service {slot}"),
                format!("mend `services`: `docker stack services {name}` shows them"),
            ));
        }
    }
    for service in services.values() {
        match revision::of(compose, service).await {
            Ok(found) => findings.push(match found.unproven {
                None => Finding::ok(&service.name, found.revision.short()),
                Some(why) => Finding::bad(
                    &service.name,
                    why,
                    "deploy the stack with `--resolve-image always` (the default)",
                ),
            }),
            Err(error) => findings.push(Finding::bad(
                &service.name,
                error.to_string(),
                "run the same command again when the engine answers",
            )),
        }
    }
    findings
}
