//! What is still done for a container when its change is dropped: the command was asked to stop and its time is over, or its lease is lost.
//! The process lives for two seconds then, so these are the fewest calls after which something serves. The next run does the rest.

use super::calls;
use super::site::Site;
use crate::targets::compose::body::REPLACES;
use crate::targets::compose::engine::{Engine, EngineError};
use crate::targets::compose::project::Replica;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// What is being saved, so that the end of the command can wait for it.
#[derive(Debug, Clone, Default)]
pub(in crate::targets::compose) struct Rescues(Arc<Mutex<Vec<Saving>>>);

type Saving = JoinHandle<Result<(), EngineError>>;

impl Rescues {
    /// Waits until all that is being saved is.
    ///
    /// # Errors
    /// The first that could not be.
    pub(in crate::targets::compose) async fn done(&self) -> Result<(), EngineError> {
        let saving = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut all = Ok(());
        for saved in saving {
            let saved = saved.await.map_err(|error| EngineError::Broken {
                what: error.to_string(),
            });
            all = all.and(saved.and_then(|saved| saved));
        }
        all
    }
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Old runs, under its own name or aside.
    Prepared,
    /// Old was asked to stop, and new was not yet started.
    Stopping,
    /// New was started.
    Started,
    /// Old is getting its place back.
    Back,
    /// Nothing is to be saved.
    Over,
}

/// Armed while a change is under way.
#[derive(Debug)]
pub(super) struct Rescue {
    engine: Engine,
    old: String,
    name: String,
    new: Option<String>,
    stage: Stage,
    old_ran: bool,
    rescues: Rescues,
}

impl Rescue {
    pub(super) fn new(site: &Site<'_>, old: &Replica) -> Self {
        Self {
            engine: site.engine.clone(),
            old: old.id.clone(),
            name: old.name.clone(),
            new: None,
            stage: Stage::Prepared,
            old_ran: old.is_running,
            rescues: site.compose.rescues.clone(),
        }
    }

    pub(super) fn created(&mut self, new: &str) {
        self.new = Some(new.to_owned());
    }

    pub(super) fn reached(&mut self, stage: Stage) {
        self.stage = stage;
    }
}

impl Drop for Rescue {
    fn drop(&mut self) {
        let (engine, old, name) = (self.engine.clone(), self.old.clone(), self.name.clone());
        let (stage, new, old_ran) = (self.stage, self.new.take(), self.old_ran);
        // Without a runtime the process is at its end: the next run finds what is left.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if stage == Stage::Over || !old_ran {
            return;
        }
        let saving =
            runtime.spawn(async move { save(&engine, stage, &old, &name, new.as_deref()).await });
        let mut rescues = self
            .rescues
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        rescues.push(saving);
    }
}

async fn save(
    engine: &Engine,
    stage: Stage,
    old: &str,
    name: &str,
    new: Option<&str>,
) -> Result<(), EngineError> {
    // The answer to its creation may be what was not waited for.
    let found = match new {
        Some(new) => Some(new.to_owned()),
        None => in_place_of(engine, old, name).await?,
    };
    match (stage, found.as_deref()) {
        (Stage::Over, _) => Ok(()),
        (Stage::Prepared, Some(new)) => {
            calls::remove(engine, new).await?;
            calls::rename(engine, old, name).await
        }
        (Stage::Prepared | Stage::Started, None) => calls::rename(engine, old, name).await,
        // Its grace is over: both may want the same port.
        (Stage::Stopping, Some(new)) => {
            calls::kill(engine, old).await?;
            calls::start(engine, new).await
        }
        (Stage::Stopping, None) => calls::start(engine, old).await,
        (Stage::Started, Some(new)) => {
            let raw = calls::inspect(engine, new).await?;
            let is_bad = raw.as_ref().is_none_or(|raw| {
                let status = |path| raw.pointer(path).and_then(Value::as_str);
                status("/State/Status") != Some("running")
                    || status("/State/Health/Status") == Some("unhealthy")
            });
            if !is_bad {
                return Ok(());
            }
            calls::kill(engine, new).await?;
            calls::start(engine, old).await
        }
        (Stage::Back, new) => {
            if let Some(new) = new {
                calls::remove(engine, new).await?;
            }
            calls::start(engine, old).await?;
            calls::rename(engine, old, name).await
        }
    }
}

/// The container that has the name and our mark.
async fn in_place_of(
    engine: &Engine,
    old: &str,
    name: &str,
) -> Result<Option<String>, EngineError> {
    let raw = calls::inspect(engine, name).await?;
    Ok(raw.and_then(|raw| {
        let labels = raw.pointer("/Config/Labels")?;
        let is_ours = labels.get(REPLACES)?.as_str() == Some(old);
        let id = raw.get("Id")?.as_str()?;
        is_ours.then(|| id.to_owned())
    }))
}
