//! Target `command`: the user's own programs observe, apply and start. Argument lists without a shell, JSON in and out
//! (`protocol`). Not here: starting the programs themselves (`targets::process`).

mod programs;
mod protocol;
mod settings;

pub use settings::{RevisionFrom, Settings};

use super::process::{Program, mask};
use super::settings::{environment, parse, path};
use super::{BadSettings, Base, Finding, ReleaseFacts, Target, TargetError};
use crate::model::payload::{Measured, Payloads, Verified};
use crate::model::plan::{Change, Hazard, PermittedChange, Plan};
use crate::model::state::{Phase, Revision, Slot, State, Wanted};
use anyhow::anyhow;
use async_trait::async_trait;
use protocol::Ask;
use std::path::PathBuf;
use std::time::Duration;

/// JSON Schema of the settings.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Settings)
}

/// Opens a `command` target.
pub fn open(
    name: &str,
    settings: serde_json::Value,
    base: &Base,
) -> Result<Box<dyn Target>, BadSettings> {
    let settings: Settings = parse(settings)?;
    settings::check(&settings)?;
    let env = environment("env", &settings.env, &base.environment)?;
    let slots = match &settings.slots {
        Some(slots) => slots.iter().cloned().map(Slot).collect(),
        None => vec![Slot(name.to_owned())],
    };
    let revision = settings.revision.unwrap_or(match settings.payload {
        Some(_) => RevisionFrom::Digest,
        None => RevisionFrom::Commit,
    });
    let template = Program {
        argv: Vec::new(),
        cwd: path(&base.dir, settings.cwd.as_deref().unwrap_or("")),
        env,
        deadline: Duration::ZERO,
        secrets: base.secrets.clone(),
    };
    Ok(Box::new(Command {
        name: name.to_owned(),
        slots,
        revision,
        settings,
        template,
    }))
}

#[derive(Debug)]
struct Command {
    name: String,
    slots: Vec<Slot>,
    revision: RevisionFrom,
    settings: Settings,
    /// Everything the programs have in common.
    template: Program,
}

#[async_trait]
impl Target for Command {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "command"
    }

    fn slots(&self) -> Vec<Slot> {
        self.slots.clone()
    }

    fn payload(&self) -> Option<String> {
        self.settings.payload.clone()
    }

    async fn wanted(
        &self,
        release: &ReleaseFacts<'_>,
        payloads: &Payloads<Measured>,
    ) -> Result<Wanted, TargetError> {
        let mut wanted = Wanted::new();
        for slot in &self.slots {
            let revision = match release.pinned(slot) {
                Some(pinned) => pinned.clone(),
                None => self.derived(release, payloads.whole())?,
            };
            wanted.insert(slot.clone(), revision);
        }
        Ok(wanted)
    }

    async fn observe(&self) -> Result<State, TargetError> {
        let answer = self.observed().await?;
        Ok(protocol::state(&answer, &self.slots)
            .map_err(|error| anyhow!("observe: {}", mask(&format!("{error:#}"), self.secrets())))?)
    }

    async fn hazards(
        &self,
        _plan: &Plan,
        _facts: &ReleaseFacts<'_>,
    ) -> Result<Vec<Hazard>, TargetError> {
        // What the programs do beyond their slots is known to their author only.
        Ok(Vec::new())
    }

    async fn preflight(&self, payloads: &Payloads<Verified>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (key, argv) in self.programs() {
            findings.push(self.found(key, argv));
        }
        findings.push(match self.observe().await {
            Ok(state) => Finding::ok("observe answers", format!("{} slots", state.len())),
            Err(error) => Finding::bad(
                "observe answers",
                error.to_string(),
                "run the `observe` program by hand and mend what it says",
            ),
        });
        if let Some(argv) = &self.settings.check {
            findings.push(self.checked(argv, payloads.whole()).await);
        }
        findings
    }

    async fn apply(
        &self,
        change: PermittedChange<'_>,
        payload: Option<&Verified>,
        facts: &ReleaseFacts<'_>,
    ) -> Result<(), TargetError> {
        let change = change.change();
        if self.in_place(change).await? {
            return Ok(());
        }
        let (verb, argv, deadline) = match change {
            Change::Install { .. } => ("apply", &self.settings.apply, self.settings.apply_deadline),
            Change::Start { slot, .. } => match &self.settings.start {
                Some(argv) => ("start", argv, self.settings.start_deadline),
                None => return Err(cannot_start(slot)),
            },
        };
        let ask = Ask::change(verb, &self.name, change, facts).with(payload);
        match self.run(argv, deadline, &ask).await {
            Err(TargetError::OutcomeUnknown { what }) => self.resolve(change, what).await,
            Err(error) => Err(error),
            Ok(_ended) => Ok(()),
        }
    }

    async fn retire(&self, _keep: &[Revision]) -> Result<Vec<String>, TargetError> {
        Ok(Vec::new())
    }

    async fn evidence(&self) -> Vec<(String, String)> {
        let text = match self.observed().await {
            Ok(answer) => mask(&String::from_utf8_lossy(&answer), self.secrets()),
            Err(error) => format!("could not be observed: {error}"),
        };
        vec![("observe.json".to_owned(), text)]
    }

    fn lease_path(&self) -> Option<PathBuf> {
        None
    }
}

impl Command {
    fn secrets(&self) -> &[crate::model::secret::Secret] {
        &self.template.secrets
    }

    fn derived(
        &self,
        release: &ReleaseFacts<'_>,
        payload: Option<&Measured>,
    ) -> Result<Revision, TargetError> {
        let (named, what) = match self.revision {
            RevisionFrom::Digest => (payload.map(|payload| payload.digest.to_string()), "payload"),
            RevisionFrom::Commit => (release.commit.map(ToString::to_string), "commit"),
            RevisionFrom::RunId => (release.run.map(|run| run.to_string()), "run id"),
        };
        named.map(Revision).ok_or_else(|| TargetError::BadRelease {
            what: format!("the release has no {what} to name its revision by"),
            next: "add a `lastgood record` step to the deploy workflow, which writes the revisions down".to_owned(),
        })
    }

    /// Compares before set. `true`: there is nothing to do any more.
    async fn in_place(&self, change: &Change) -> Result<bool, TargetError> {
        let state = self.observe().await?;
        let held = state.get(change.slot());
        let found = held.and_then(|held| held.revision.as_ref());
        let running = held.is_some_and(|held| held.phase == Phase::Running);
        if running && found == Some(change.to()) {
            return Ok(true);
        }
        // What is on its way to the wanted revision, stopped on it or stuck on it may be told again.
        if found == change.from() || found == Some(change.to()) {
            return Ok(false);
        }
        let shown = |revision: Option<&Revision>| {
            revision.map_or_else(|| "nothing".to_owned(), ToString::to_string)
        };
        Err(TargetError::Conflict {
            slot: change.slot().clone(),
            found: shown(found),
            expected: shown(change.from()),
        })
    }

    /// A change nobody knows the outcome of: the slot itself says it.
    async fn resolve(&self, change: &Change, what: String) -> Result<(), TargetError> {
        let unknown = |what| Err(TargetError::OutcomeUnknown { what });
        match self.observe().await {
            Ok(state) => match state.get(change.slot()) {
                Some(held)
                    if held.revision.as_ref() == Some(change.to())
                        && held.phase == Phase::Running =>
                {
                    Ok(())
                }
                Some(held) => unknown(format!(
                    "{what}; the slot now holds {}",
                    held.revision
                        .as_ref()
                        .map_or("nothing", |revision| &revision.0)
                )),
                None => unknown(what),
            },
            Err(error) => unknown(format!("{what}; and it could not be observed: {error}")),
        }
    }
}

fn cannot_start(slot: &Slot) -> TargetError {
    TargetError::Refused {
        what: format!("slot {slot} is stopped, and the target has no `start` program"),
        allow: None,
        next: "add `start` to the target, or start the service by hand and run again".to_owned(),
    }
}

#[cfg(test)]
mod tests;
