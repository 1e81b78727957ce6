//! What is still done for a container when its change is dropped: the command was asked to stop and its time is over, or its lease is lost.
//! The process lives for two seconds then, so these are the fewest calls after which something serves. The next run does the rest.
//!
//! Nobody is killed for it. A container that was asked to stop has its whole grace, which may last longer than we do: then the engine itself
//! is asked to start it again once it has ended (a restart is one call, and goes on when the caller is gone: moby `daemon/restart.go`).
//! Every step follows a look, since whoever took the lease may be at work on the same containers.

use super::calls;
use super::site::Site;
use crate::targets::TargetError;
use crate::targets::compose::body::REPLACES;
use crate::targets::compose::engine::{Engine, EngineError};
use crate::targets::compose::project::{ASIDE, Replica};
use anyhow::anyhow;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// A call that was under way when it was dropped may still arrive.
const LANDS: Duration = Duration::from_millis(50);
/// How long it is waited for a container that was asked to stop; most need less.
const ENDS: Duration = Duration::from_millis(1200);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Until a call has reached the engine, whose answer comes after the process has ended.
const SENT: Duration = Duration::from_millis(300);

/// What is being saved, so that the end of the command can wait for it.
#[derive(Debug, Clone, Default)]
pub(in crate::targets::compose) struct Rescues(Arc<Mutex<Vec<Saving>>>);

/// What there is to tell, in words.
type Saving = JoinHandle<Result<Option<String>, EngineError>>;

impl Rescues {
    /// Waits until all that is being saved is.
    ///
    /// # Errors
    /// What could not be, and what is still under way.
    pub(in crate::targets::compose) async fn done(&self) -> Result<(), TargetError> {
        let saving = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut told = Vec::new();
        for saved in saving {
            match saved.await {
                Ok(Ok(None)) => (),
                Ok(Ok(Some(what))) => told.push(what),
                Ok(Err(error)) => {
                    let error = error.changing("what was dropped in the middle");
                    told.push(error.to_string());
                }
                Err(error) => told.push(error.to_string()),
            }
        }
        if told.is_empty() {
            return Ok(());
        }
        Err(TargetError::Failed(anyhow!("{}", told.join("; "))))
    }
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Old runs, under its own name or aside.
    Prepared,
    /// Old was asked to stop, and is to run: it could not be put aside, or the change goes back.
    Halting,
    /// Old was asked to stop, and new was not yet started.
    Stopping,
    /// New was started.
    Started,
    /// New is well; those that share the namespaces of old are being moved.
    Moving,
    /// Old is getting its place back.
    Back,
    /// Nothing is to be saved.
    Over,
}

/// One change, as far as it has come.
#[derive(Debug, Clone)]
struct Case {
    engine: Engine,
    old: String,
    name: String,
    new: Option<String>,
    stage: Stage,
    grace: Duration,
    /// Those that share the namespaces of old and ran: ids, and how long each may take to stop.
    sharers: Vec<(String, Duration)>,
}

/// Armed while a change is under way.
#[derive(Debug)]
pub(super) struct Rescue {
    case: Case,
    old_ran: bool,
    rescues: Rescues,
}

impl Rescue {
    pub(super) fn new(site: &Site<'_>, old: &Replica, name: &str, sharers: &[Replica]) -> Self {
        let sharers = sharers.iter().filter(|sharer| sharer.is_running);
        Self {
            case: Case {
                engine: site.engine.clone(),
                old: old.id.clone(),
                name: name.to_owned(),
                new: None,
                stage: Stage::Prepared,
                grace: site.grace(&old.raw),
                sharers: sharers
                    .map(|sharer| (sharer.id.clone(), site.grace(&sharer.raw)))
                    .collect(),
            },
            old_ran: old.is_running,
            rescues: site.compose.rescues.clone(),
        }
    }

    /// The one that was made in place of old.
    pub(super) fn new_id(&self) -> Option<&str> {
        self.case.new.as_deref()
    }

    pub(super) fn created(&mut self, new: &str) {
        self.case.new = Some(new.to_owned());
    }

    pub(super) fn reached(&mut self, stage: Stage) {
        self.case.stage = stage;
    }
}

impl Drop for Rescue {
    fn drop(&mut self) {
        // Without a runtime the process is at its end: the next run finds what is left.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let has_sharers = !self.case.sharers.is_empty();
        match self.case.stage {
            Stage::Over => return,
            Stage::Moving if !has_sharers => return,
            Stage::Moving => (),
            _ if !self.old_ran => return,
            Stage::Prepared | Stage::Halting | Stage::Stopping | Stage::Started | Stage::Back => (),
        }
        let case = self.case.clone();
        let saving = runtime.spawn(async move { save(&case).await });
        let mut rescues = self
            .rescues
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        rescues.push(saving);
    }
}

/// What a look found in place of the old one, with our mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum New {
    None,
    NeverStarted,
    Runs,
    /// It ended, or is unhealthy.
    Bad,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    is_aside: bool,
    runs: bool,
    new: New,
}

/// What is done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Save {
    Nothing,
    /// New is removed, and old has its name back.
    Unmake,
    /// New is removed, old started, and has its name back.
    Back,
    /// New is started; old, when it cannot be.
    StartNew,
    /// Old ends first.
    AwaitOld,
    /// New is stopped, and old started.
    TurnRound,
    /// The same for those that share the namespaces of old, as long as none of them was moved.
    TurnAllRound,
}

fn next(stage: Stage, look: Look) -> Save {
    if stage == Stage::Halting && look.runs {
        return Save::AwaitOld;
    }
    // In its own place with nothing of ours beside it: it was put back, or never was put aside.
    if !look.is_aside {
        return if look.runs { Save::Nothing } else { Save::Back };
    }
    match (stage, look.new) {
        (Stage::Over, _)
        | (Stage::Prepared | Stage::Halting | Stage::Stopping | Stage::Started, New::Runs)
        | (Stage::Moving, New::None | New::NeverStarted | New::Bad) => Save::Nothing,
        (Stage::Prepared, New::NeverStarted | New::Bad) if look.runs => Save::Unmake,
        (Stage::Stopping, _) if look.runs => Save::AwaitOld,
        (Stage::Prepared | Stage::Halting | Stage::Stopping | Stage::Started, New::None)
        | (Stage::Back, _) => Save::Back,
        (Stage::Prepared | Stage::Halting | Stage::Stopping, New::NeverStarted | New::Bad)
        | (Stage::Started, New::NeverStarted) => Save::StartNew,
        (Stage::Started, New::Bad) => Save::TurnRound,
        (Stage::Moving, New::Runs) => Save::TurnAllRound,
    }
}

/// What one look says, and the id of the new one. `None`: this is nobody's to save any more.
async fn look(case: &Case) -> Result<Option<(Look, Option<String>, Value)>, EngineError> {
    let (old, named) = futures_util::future::try_join(
        calls::inspect(&case.engine, &case.old),
        calls::inspect(&case.engine, &case.name),
    )
    .await?;
    let Some(old) = old else { return Ok(None) };
    let text = |raw: &Value, path: &str| {
        let text = raw.pointer(path).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let is_ours = |raw: &Value| {
        let labels = raw.pointer("/Config/Labels");
        labels.and_then(|labels| labels.get(REPLACES)?.as_str()) == Some(&case.old)
    };
    let new = named.filter(is_ours);
    let id = new.as_ref().map(|new| text(new, "/Id"));
    if case.new.is_some() && id.is_some() && case.new != id {
        // Somebody else is at work here.
        return Ok(None);
    }
    let state = |new: &Value| match text(new, "/State/Status").as_str() {
        "created" => New::NeverStarted,
        "running" if text(new, "/State/Health/Status") != "unhealthy" => New::Runs,
        _ => New::Bad,
    };
    let look = Look {
        is_aside: text(&old, "/Name").ends_with(ASIDE),
        runs: old.pointer("/State/Running").and_then(Value::as_bool) == Some(true),
        new: new.as_ref().map_or(New::None, state),
    };
    Ok(Some((look, id, new.unwrap_or_default())))
}

async fn save(case: &Case) -> Result<Option<String>, EngineError> {
    sleep(LANDS).await;
    let engine = &case.engine;
    let ends = Instant::now() + ENDS;
    loop {
        let Some((look, new, raw)) = look(case).await? else {
            return Ok(None);
        };
        let step = next(case.stage, look);
        match (step, &new) {
            (Save::Nothing, _) | (Save::TurnRound | Save::TurnAllRound, None) => return Ok(None),
            (Save::Unmake, _) => {
                if let Some(new) = &new {
                    calls::remove(engine, new).await?;
                }
                name_old(case, look).await?;
            }
            (Save::Back, _) | (Save::StartNew, None) => {
                if let Some(new) = &new {
                    calls::remove(engine, new).await?;
                }
                calls::start(engine, &case.old).await?;
                name_old(case, look).await?;
            }
            (Save::StartNew, Some(new)) => {
                if calls::start(engine, new).await.is_err() {
                    calls::start(engine, &case.old).await?;
                }
            }
            (Save::AwaitOld, _) if Instant::now() < ends => {
                sleep(LOOK_EVERY).await;
                continue;
            }
            (Save::AwaitOld, _) => return Ok(Some(again_by_the_engine(case).await)),
            (Save::TurnRound, Some(new)) => {
                // It came up badly, and there is no time for its grace.
                calls::kill(engine, new).await?;
                calls::start(engine, &case.old).await?;
            }
            (Save::TurnAllRound, Some(new)) => return turn_all_round(case, new, &raw).await,
        }
        return Ok(None);
    }
}

async fn name_old(case: &Case, look: Look) -> Result<(), EngineError> {
    if look.is_aside {
        calls::rename(&case.engine, &case.old, &case.name).await?;
    }
    Ok(())
}

/// Old needs more time to end than there is. One call makes the engine start it again after that; its answer is not waited for.
async fn again_by_the_engine(case: &Case) -> String {
    let (name, grace) = (&case.name, case.grace);
    let asked = calls::restart(&case.engine, &case.old, grace);
    let started = match timeout(SENT, asked).await {
        Ok(Err(error)) => format!("could not be asked to be started again: {error}"),
        Ok(Ok(())) | Err(_) => "is started again by the engine after that".to_owned(),
    };
    format!(
        "{name} is still stopping (up to {} s) and {started}; run the same command again to finish",
        grace.as_secs()
    )
}

/// Those in the namespaces of old have no network while it is stopped.
async fn turn_all_round(
    case: &Case,
    new: &str,
    raw: &Value,
) -> Result<Option<String>, EngineError> {
    let (engine, name) = (&case.engine, &case.name);
    let mode = format!("container:{}", case.old);
    let mut unmoved = Vec::new();
    for (sharer, grace) in &case.sharers {
        let found = calls::inspect(engine, sharer).await?;
        let is_unmoved = found.is_some_and(|raw| {
            let of = |path: &str| raw.pointer(path).and_then(Value::as_str);
            let is_aside = of("/Name").is_some_and(|name| name.ends_with(ASIDE));
            let modes = ["NetworkMode", "PidMode", "IpcMode"];
            let mut modes = modes.iter().map(|key| of(&format!("/HostConfig/{key}")));
            !is_aside && modes.any(|found| found == Some(&mode))
        });
        if is_unmoved {
            unmoved.push((sharer, *grace));
        }
    }
    let told = format!(
        "{name} runs, and not all that share its namespaces do; run the same command again to finish"
    );
    if unmoved.len() < case.sharers.len() || has_data(raw) {
        return Ok(Some(told));
    }
    calls::kill(engine, new).await?;
    calls::start(engine, &case.old).await?;
    for (sharer, grace) in unmoved {
        // The engine goes on with it when we are gone.
        timeout(SENT, calls::restart(engine, sharer, grace))
            .await
            .ok();
    }
    Ok(None)
}

/// Whether a container may be in the middle of writing something that stays.
fn has_data(raw: &Value) -> bool {
    let mounts = raw.get("Mounts").and_then(Value::as_array);
    mounts.into_iter().flatten().any(|mount| {
        let is_temporary = mount.get("Type").and_then(Value::as_str) == Some("tmpfs");
        !is_temporary && mount.get("RW").and_then(Value::as_bool) != Some(false)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stage: Stage, is_aside: bool, runs: bool, new: New, expected: Save) {
        let look = Look {
            is_aside,
            runs,
            new,
        };
        assert_eq!(next(stage, look), expected, "{stage:?} {look:?}");
    }

    #[test]
    fn something_serves_after_every_stage_and_nobody_is_killed_in_its_grace() {
        use New::{Bad, NeverStarted, None, Runs};
        use Stage::{Back, Halting, Moving, Prepared, Started, Stopping};
        let all = [Prepared, Stopping, Started, Moving, Back];
        for stage in all {
            // Whoever took the lease has put it back.
            check(stage, false, true, None, Save::Nothing);
            check(stage, false, false, None, Save::Back);
        }
        // It was asked to stop before it was put aside.
        check(Halting, false, true, None, Save::AwaitOld);
        check(Halting, true, true, None, Save::AwaitOld);
        check(Halting, false, false, None, Save::Back);
        check(Halting, true, false, None, Save::Back);
        check(Prepared, true, true, None, Save::Back);
        check(Prepared, true, true, NeverStarted, Save::Unmake);
        // Its namespace is gone: it could not run any more.
        check(Prepared, true, false, NeverStarted, Save::StartNew);
        check(Stopping, true, true, NeverStarted, Save::AwaitOld);
        check(Stopping, true, true, None, Save::AwaitOld);
        check(Stopping, true, false, NeverStarted, Save::StartNew);
        check(Stopping, true, false, None, Save::Back);
        check(Stopping, true, true, Runs, Save::Nothing);
        check(Started, true, false, Runs, Save::Nothing);
        check(Started, true, false, NeverStarted, Save::StartNew);
        check(Started, true, false, Bad, Save::TurnRound);
        check(Moving, true, false, Runs, Save::TurnAllRound);
        check(Back, true, false, Runs, Save::Back);
        check(Back, true, false, None, Save::Back);
    }
}
