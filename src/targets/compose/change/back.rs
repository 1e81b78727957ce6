//! The way back: the container of before gets its place again. Each call is chosen by a look, so it does not matter where the way begins,
//! whether an answer was lost, or who walked a part of it before.

use super::calls;
use super::leftover::{Old, Step, back};
use super::site::{Site, short};
use crate::targets::compose::body::{FOUND, REPLACES};
use crate::targets::compose::engine::{Engine, EngineError};
use crate::targets::compose::project::{ASIDE, Replica};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// An engine that does not answer may be away for as long as its host takes to be reached again.
const GIVE_UP: Duration = Duration::from_mins(1);
/// How often it may refuse: the looks between show that it really is not done.
const REFUSALS_MAX: usize = 5;
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LAST: Duration = Duration::from_secs(2);

/// Who gets a place back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The container of before.
    pub(super) old: &'a str,
    /// Its own name.
    pub(super) name: &'a str,
    /// Whether it ran. `None`: what was written down when it was found; without that, it did.
    pub(super) ran: Option<bool>,
    /// Containers that share its namespaces, and ran: they are started anew, since the namespaces are.
    pub(super) sharers: &'a [Replica],
}

/// Gives the container of before its place back. Whatever fails is looked at, and gone on from.
///
/// # Errors
/// Why it could not be done, in words: the state is as the last look found it.
pub(super) async fn put_back(site: &Site<'_>, place: &Place<'_>) -> Result<(), String> {
    let began = Instant::now();
    let mut refusals = 0;
    let mut pause = PAUSE_FIRST;
    let mut ran = place.ran;
    let mut was_started = false;
    loop {
        let error = match step(site, place, &mut ran).await {
            Ok(Step::Done) => break,
            Ok(Step::StartOld) if was_started => {
                return Err(format!(
                    "{} was started again and does not stay up",
                    place.name
                ));
            }
            Ok(Step::StartOld) => {
                was_started = true;
                continue;
            }
            Ok(Step::RemoveNew | Step::NameOld) => continue,
            Err(error) => error,
        };
        if error.code().is_some() {
            refusals += 1;
        }
        if error.is_absent() || REFUSALS_MAX <= refusals || GIVE_UP <= began.elapsed() {
            return Err(error.to_string());
        }
        site.say(&format!("putting {} back: {error}", place.name));
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_LAST);
    }
    if was_started {
        for sharer in place.sharers.iter().filter(|sharer| sharer.is_running) {
            let grace = site.grace(&sharer.raw);
            if let Err(error) = calls::restart(site.engine, &sharer.id, grace).await {
                site.warn(&format!("{} does not start again: {error}", sharer.name));
            }
        }
    }
    Ok(())
}

/// Looks, and makes the one call that comes next.
async fn step(
    site: &Site<'_>,
    place: &Place<'_>,
    ran: &mut Option<bool>,
) -> Result<Step, EngineError> {
    let engine = site.engine;
    let (old, named) = futures_util::future::try_join(
        calls::inspect(engine, place.old),
        calls::inspect(engine, place.name),
    )
    .await?;
    let Some(old) = old else {
        return Err(EngineError::Status {
            status: 404,
            message: format!("container {} is gone", short(place.old)),
        });
    };
    let label = |raw: &Value, name: &str| -> Option<String> {
        let labels = raw.pointer("/Config/Labels")?;
        Some(labels.get(name)?.as_str()?.to_owned())
    };
    let new = named.filter(|raw| label(raw, REPLACES).as_deref() == Some(place.old));
    if let (None, Some(new)) = (&ran, &new) {
        *ran = label(new, FOUND).map(|found| found == "running");
    }
    let flag = |path: &str| old.pointer(path).and_then(Value::as_bool) == Some(true);
    let name = old.get("Name").and_then(Value::as_str).unwrap_or_default();
    let state = Old {
        is_aside: name.ends_with(ASIDE),
        runs: flag("/State/Running"),
        ran: ran.unwrap_or(true),
        can_run: can_run(engine, &old).await?,
    };
    let next = back(state, new.is_some());
    match next {
        Step::RemoveNew => {
            let id = new.as_ref().and_then(|new| new.get("Id")?.as_str());
            calls::remove(engine, id.unwrap_or(place.name)).await?;
        }
        Step::StartOld => calls::start(engine, place.old).await?,
        Step::NameOld => calls::rename(engine, place.old, place.name).await?,
        Step::Done => (),
    }
    Ok(next)
}

/// A container in the namespace of another one runs only while that one does.
pub(super) async fn can_run(engine: &Engine, raw: &Value) -> Result<bool, EngineError> {
    for mode in ["NetworkMode", "PidMode", "IpcMode"] {
        let mode = raw.pointer(&format!("/HostConfig/{mode}"));
        let of = mode
            .and_then(Value::as_str)
            .and_then(|mode| mode.strip_prefix("container:"));
        let Some(of) = of else { continue };
        let other = calls::inspect(engine, of).await?;
        let runs = other.and_then(|other| other.pointer("/State/Running")?.as_bool());
        if runs != Some(true) {
            return Ok(false);
        }
    }
    Ok(true)
}
