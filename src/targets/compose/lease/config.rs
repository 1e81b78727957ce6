//! The lease of a stack: a config object of the swarm, which every manager sees. Every change of it names the version it was read
//! at, so that two who take it at once cannot both have it. No service uses it, and it carries no label of a stack.

use super::{Mark, Standing, TRIES, crowded, denied, name, now};
use crate::targets::compose::engine::{Engine, EngineError};
use crate::targets::{Claim, TargetError};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A config holds at least one byte; this one says what it is, in base64 ("lease").
const DATA: &str = "bGVhc2U=";

struct Found {
    id: String,
    version: u64,
    mark: Option<Mark>,
}

pub(super) async fn take(engine: &Engine, stack: &str, claim: &Claim) -> Result<bool, TargetError> {
    let name = name(stack);
    let what = format!("could not take the lease (config {name})");
    let labels = Mark::labels(claim);
    for _ in 0..TRIES {
        let written = match find(engine, &name, &what).await? {
            None => {
                let new = body(&name, &labels);
                engine.post("/configs/create", &new).await
            }
            Some(found) => {
                if let Some(mark) = &found.mark
                    && mark.standing(claim, now(engine).await?) == Standing::Held
                {
                    return Err(mark.held(&format!("the lease of stack {stack} (config {name})")));
                }
                update(engine, &found, &body(&name, &labels)).await
            }
        };
        match written {
            Ok(_) => return Ok(true),
            Err(error) if is_outrun(&error) => (),
            Err(error) => return Err(denied(error, &what)),
        }
    }
    Err(crowded(&what))
}

pub(super) async fn give_back(
    engine: &Engine,
    stack: &str,
    claim: &Claim,
) -> Result<(), TargetError> {
    let name = name(stack);
    let what = "could not give the lease back";
    let Some(found) = find(engine, &name, what).await? else {
        return Ok(());
    };
    let operation = found.mark.as_ref().map(|mark| &mark.operation);
    if operation != Some(&claim.operation) {
        return Ok(());
    }
    // Nobody holds it, and the object stays for the next: removing it names no version.
    match update(engine, &found, &body(&name, &BTreeMap::new())).await {
        Ok(_) => Ok(()),
        Err(error) if is_outrun(&error) => Ok(()),
        Err(error) => Err(denied(error, what)),
    }
}

/// Taken, changed or gone since it was looked at: look again.
fn is_outrun(error: &EngineError) -> bool {
    matches!(error.code(), Some(404 | 409)) || error.to_string().contains("out of sequence")
}

fn body(name: &str, labels: &BTreeMap<String, String>) -> Value {
    json!({"Name": name, "Labels": labels, "Data": DATA})
}

async fn update(engine: &Engine, found: &Found, body: &Value) -> Result<Value, EngineError> {
    let Found { id, version, .. } = found;
    let path = format!("/configs/{id}/update?version={version}");
    engine.post(&path, body).await
}

async fn find(engine: &Engine, name: &str, what: &str) -> Result<Option<Found>, TargetError> {
    let raw = match engine.get(&format!("/configs/{name}")).await {
        Ok(raw) => raw,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) if error.code() == Some(403) => return Err(denied(error, what)),
        Err(error) => return Err(error.reading(what)),
    };
    let labels = raw.pointer("/Spec/Labels").cloned().unwrap_or_default();
    let labels: BTreeMap<String, String> = serde_json::from_value(labels).unwrap_or_default();
    let written = raw.get("UpdatedAt").and_then(Value::as_str);
    let id = raw.get("ID").and_then(Value::as_str);
    let version = raw.pointer("/Version/Index").and_then(Value::as_u64);
    let (Some(id), Some(version)) = (id, version) else {
        return Err(TargetError::Unreachable {
            what: format!("{what}: the answer of the engine names no version"),
        });
    };
    Ok(Some(Found {
        id: id.to_owned(),
        version,
        mark: Mark::read(&labels, written.unwrap_or_default()),
    }))
}
