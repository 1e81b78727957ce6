//! The way back: the container of before gets its place again. Each call is chosen by a look, so it does not matter where the way begins,
//! whether an answer was lost, or who walked a part of it before.

use super::calls;
use super::leftover::{Beside, Old, Step, back};
use super::site::{Site, short};
use crate::targets::compose::body::{FOUND, REPLACES};
use crate::targets::compose::engine::{Engine, EngineError};
use crate::targets::compose::project::{ASIDE, Replica};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// An engine that does not answer may be away for as long as its host takes to be reached again.
const GIVE_UP: Duration = Duration::from_mins(1);
/// How often it may refuse one call: the looks between show that it really is not done.
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
    /// Whether it was asked to stop, and may end at any time.
    pub(super) is_ending: bool,
    /// The one that was made in its place. `None`: not known, and our mark is enough.
    pub(super) new: Option<&'a str>,
    /// Containers that share its namespaces, and ran: they are started anew, since the namespaces are.
    pub(super) sharers: &'a [Replica],
}

/// What has its place back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Back {
    /// It runs, or is stopped as it was.
    AsItWas,
    /// It has its name, and does not run: why, in words.
    Fallen(String),
}

/// Gives the container of before its place back. Whatever fails is looked at, and gone on from.
///
/// # Errors
/// Why it could not be done, in words: the state is as the last look found it.
pub(super) async fn put_back(site: &Site<'_>, place: &Place<'_>) -> Result<Back, String> {
    let mut way = Way {
        place,
        ran: place.ran,
        is_ending: place.is_ending,
        is_anew: false,
        was_started: false,
        is_stuck: false,
        runs: false,
        refused: BTreeMap::new(),
        fallen: None,
    };
    let mut since = Instant::now();
    let mut pause = PAUSE_FIRST;
    loop {
        let (step, error) = match way.step(site).await {
            Ok(Step::Done) => break,
            Ok(_) => {
                since = Instant::now();
                continue;
            }
            Err(Stumble::Final(what)) => return Err(what),
            Err(Stumble::Call(step, error)) => (step, error),
        };
        if takes_long(step) {
            since = Instant::now();
        }
        let refusals = way.count(step, &error);
        let is_over = REFUSALS_MAX <= refusals && step != Some(Step::StartOld);
        if is_over || GIVE_UP <= since.elapsed() {
            return Err(way.why(step, &error));
        }
        if step == Some(Step::StartOld) && REFUSALS_MAX <= refusals {
            way.fallen = Some(format!("cannot be started: {error}"));
        }
        site.say(&format!("putting {} back: {error}", place.name));
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_LAST);
    }
    if way.is_anew {
        for sharer in place.sharers.iter().filter(|sharer| sharer.is_running) {
            let grace = site.grace(&sharer.raw);
            match calls::restart(site.engine, &sharer.id, grace).await {
                Err(error) if !error.is_absent() => {
                    site.warn(&format!("{} does not start again: {error}", sharer.name));
                }
                // Another one is in its place.
                Err(_) | Ok(()) => (),
            }
        }
    }
    Ok(way.fallen.map_or(Back::AsItWas, Back::Fallen))
}

/// These wait for a container to end: an engine that answers nothing meanwhile is not away.
fn takes_long(step: Option<Step>) -> bool {
    matches!(step, Some(Step::RestartOld | Step::StopNew | Step::StopOld))
}

/// Why a step was not made.
#[derive(Debug)]
enum Stumble {
    /// There is nothing more to be done here.
    Final(String),
    /// This call failed; `None`: the look.
    Call(Option<Step>, EngineError),
}

impl From<EngineError> for Stumble {
    fn from(error: EngineError) -> Self {
        Self::Call(None, error)
    }
}

/// How far a way back has come.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and every combination occurs"
)]
struct Way<'a> {
    place: &'a Place<'a>,
    ran: Option<bool>,
    is_ending: bool,
    /// Whether the container of before was started: its namespaces are new.
    is_anew: bool,
    /// The same, with nobody having stopped it since.
    was_started: bool,
    is_stuck: bool,
    /// Whether it ran when it was last looked at.
    runs: bool,
    refused: BTreeMap<Step, usize>,
    fallen: Option<String>,
}

impl Way<'_> {
    /// Looks, and makes the one call that comes next.
    async fn step(&mut self, site: &Site<'_>) -> Result<Step, Stumble> {
        let (engine, place) = (site.engine, self.place);
        let (old, named) = futures_util::future::try_join(
            calls::inspect(engine, place.old),
            calls::inspect(engine, place.name),
        )
        .await?;
        let Some(old) = old else {
            let what = format!("container {} is gone", short(place.old));
            return Err(Stumble::Final(what));
        };
        let new = named.filter(|raw| label(raw, REPLACES).as_deref() == Some(place.old));
        let id = new.as_ref().and_then(|new| new.get("Id")?.as_str());
        if let (Some(ours), Some(found)) = (place.new, id)
            && ours != found
        {
            return Err(Stumble::Final(format!(
                "{} is container {} by now, which somebody else made; {} was to be there",
                place.name,
                short(found),
                short(ours)
            )));
        }
        if let (None, Some(new)) = (&self.ran, &new) {
            self.ran = label(new, FOUND).map(|found| found == "running");
        }
        let state = self.seen(&old, can_run(engine, &old).await?);
        let beside = new.as_ref().map(|new| Beside {
            is_to_stop: runs(new) && self.refusals(Step::StopNew) == 0,
            stays: self.refusals(Step::StartOld) < self.refusals(Step::RemoveNew),
        });
        let next = back(state, beside);
        let made = match (next, &new) {
            (Step::RestartOld, _) => {
                calls::restarted(engine, place.old, site.grace(&old), &old).await
            }
            (Step::StopNew, Some(new)) => {
                let grace = site.grace(new);
                let seconds = grace.as_secs();
                site.say(&format!(
                    "stopping the new {} (up to {seconds} s)",
                    place.name
                ));
                let stopped = calls::stopped(engine, id.unwrap_or(place.name), grace).await;
                stopped.map_err(|not| not.error)
            }
            (Step::RemoveNew, _) => calls::remove(engine, id.unwrap_or(place.name)).await,
            (Step::StartOld, _) => calls::start(engine, place.old).await,
            (Step::StopOld, _) => calls::stopped(engine, place.old, site.grace(&old))
                .await
                .map_err(|not| not.error),
            (Step::NameOld, _) => calls::rename(engine, place.old, place.name).await,
            (Step::StopNew, None) | (Step::Done, _) => Ok(()),
        };
        match made {
            Ok(()) => self.made(next),
            Err(error) => {
                if next == Step::NameOld && calls::is_stumble(&error) {
                    self.is_stuck |= calls::is_shaky(&old);
                }
                return Err(Stumble::Call(Some(next), error));
            }
        }
        Ok(next)
    }

    /// What a look says of the container of before.
    fn seen(&mut self, old: &Value, can_run: bool) -> Old {
        self.runs = runs(old);
        if !self.runs {
            self.is_ending = false;
            if self.was_started && self.fallen.is_none() {
                self.fallen = Some("does not stay up".to_owned());
            }
        }
        let name = old.get("Name").and_then(Value::as_str).unwrap_or_default();
        Old {
            is_aside: name.ends_with(ASIDE),
            runs: self.runs,
            ran: self.ran.unwrap_or(true),
            can_run,
            is_ending: self.is_ending,
            falls: self.fallen.is_some(),
            is_stuck: self.is_stuck,
        }
    }

    fn made(&mut self, step: Step) {
        match step {
            Step::RestartOld | Step::StartOld => {
                (self.is_ending, self.is_anew, self.was_started) = (false, true, true);
            }
            Step::StopOld => self.was_started = false,
            Step::StopNew | Step::RemoveNew | Step::NameOld | Step::Done => (),
        }
    }

    fn refusals(&self, step: Step) -> usize {
        self.refused.get(&step).copied().unwrap_or_default()
    }

    /// How often this was refused by now. What was lost is tried again until the engine has been away for too long.
    fn count(&mut self, step: Option<Step>, error: &EngineError) -> usize {
        // The look counts as what ends it.
        let counted = self.refused.entry(step.unwrap_or(Step::Done)).or_default();
        if error.code().is_some() || takes_long(step) {
            *counted += 1;
        }
        *counted
    }

    fn why(&self, step: Option<Step>, error: &EngineError) -> String {
        let name = self.place.name;
        let what = match step {
            Some(Step::RestartOld) => "was asked to stop, and cannot be restarted",
            Some(Step::StopNew | Step::RemoveNew) => {
                "is still there as the new container, which cannot be removed"
            }
            Some(Step::StartOld) => "cannot be started",
            Some(Step::StopOld) => "cannot be stopped",
            Some(Step::NameOld) => "cannot get its name back",
            Some(Step::Done) | None => "cannot be looked at",
        };
        let now = if self.runs {
            format!(
                "; the container of before runs, as {}",
                short(self.place.old)
            )
        } else {
            String::new()
        };
        format!("{name} {what}: {error}{now}")
    }
}

fn runs(raw: &Value) -> bool {
    raw.pointer("/State/Running").and_then(Value::as_bool) == Some(true)
}

fn label(raw: &Value, name: &str) -> Option<String> {
    let labels = raw.pointer("/Config/Labels")?;
    Some(labels.get(name)?.as_str()?.to_owned())
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
