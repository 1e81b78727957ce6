//! Target `command`: the user's own programs observe, apply and start. Argument lists without a shell, JSON in and out
//! ([`protocol`]). Not here: starting the programs themselves (`targets::process`).

mod protocol;

use super::process::{self, Ended, Program, RunError, mask};
use super::settings::{self, check_argv, check_payload, check_seconds};
use super::{BadSettings, Base, Finding, ReleaseFacts, Target, TargetError};
use crate::model::payload::{Measured, Verified};
use crate::model::plan::{Change, Hazard, PermittedChange, Plan};
use crate::model::state::{Phase, Revision, Slot, State, Wanted};
use anyhow::anyhow;
use async_trait::async_trait;
use protocol::Ask;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a `command` target. Programs are lists of a program and its arguments; there is no shell.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Prints what the slots hold, as JSON. Must change nothing.
    pub observe: Vec<String>,
    /// Puts one revision into one slot. Told to do it again, it must do no harm.
    pub apply: Vec<String>,
    /// Starts a slot that holds the right revision and is stopped. Needed only if `observe` ever says `stopped`.
    #[serde(default)]
    pub start: Option<Vec<String>>,
    /// Says with exit code 0 that a change could be made now. Must change nothing.
    #[serde(default)]
    pub check: Option<Vec<String>>,
    /// The slots, in the order of changes. Default: one slot, named like the target.
    #[serde(default)]
    pub slots: Option<Vec<String>>,
    /// What of the artifact the programs need: `.` for the whole tree, or the path or wildcard of one file. Default:
    /// nothing.
    #[serde(default)]
    pub payload: Option<String>,
    /// What names a release when `lastgood.json` does not say it. Default: `digest` with a payload, else `commit`.
    #[serde(default)]
    pub revision: Option<RevisionFrom>,
    /// Where the programs run. A relative path starts at the repository. Default: the repository.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Environment variables that the programs may see, besides `PATH`.
    #[serde(default)]
    pub env: Vec<String>,
    /// Longest run of `observe` in seconds, 1 to 600. Then its process group is ended, as with the others.
    #[serde(default = "observe_deadline_seconds")]
    pub observe_deadline_seconds: u64,
    /// Longest run of `apply` in seconds, 1 to 7200.
    #[serde(default = "apply_deadline_seconds")]
    pub apply_deadline_seconds: u64,
    /// Longest run of `start` in seconds, 1 to 7200.
    #[serde(default = "start_deadline_seconds")]
    pub start_deadline_seconds: u64,
    /// Longest run of `check` in seconds, 1 to 600.
    #[serde(default = "check_deadline_seconds")]
    pub check_deadline_seconds: u64,
}

/// What a revision is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RevisionFrom {
    /// The digest of the payload, `sha256:` and 64 hex digits.
    Digest,
    /// The full id of the commit.
    Commit,
    /// The id of the workflow run.
    RunId,
}

fn observe_deadline_seconds() -> u64 {
    30
}

fn apply_deadline_seconds() -> u64 {
    300
}

fn start_deadline_seconds() -> u64 {
    120
}

fn check_deadline_seconds() -> u64 {
    60
}

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
    let settings: Settings = settings::parse(settings)?;
    check(&settings)?;
    let env = settings::environment("env", &settings.env, &base.environment)?;
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
        cwd: settings::path(&base.dir, settings.cwd.as_deref().unwrap_or("")),
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

fn check(settings: &Settings) -> Result<(), BadSettings> {
    check_argv("observe", &settings.observe)?;
    check_argv("apply", &settings.apply)?;
    for (key, argv) in [("start", &settings.start), ("check", &settings.check)] {
        if let Some(argv) = argv {
            check_argv(key, argv)?;
        }
    }
    for (key, found, max) in [
        (
            "observe-deadline-seconds",
            settings.observe_deadline_seconds,
            600,
        ),
        (
            "apply-deadline-seconds",
            settings.apply_deadline_seconds,
            7200,
        ),
        (
            "start-deadline-seconds",
            settings.start_deadline_seconds,
            7200,
        ),
        (
            "check-deadline-seconds",
            settings.check_deadline_seconds,
            600,
        ),
    ] {
        check_seconds(key, found, max)?;
    }
    if let Some(payload) = &settings.payload {
        check_payload("payload", payload)?;
    }
    if settings.payload.is_none() && settings.revision == Some(RevisionFrom::Digest) {
        return Err(BadSettings::new(
            "revision",
            "found digest, expected commit or run-id: there is no payload to make a digest of",
        ));
    }
    let slots = settings.slots.as_deref();
    let distinct: BTreeSet<&String> = slots.unwrap_or_default().iter().collect();
    match slots {
        Some([]) => Err(BadSettings::new(
            "slots",
            "found none, expected at least one name",
        )),
        Some(slots) if slots.iter().any(String::is_empty) => Err(BadSettings::new(
            "slots",
            "found an empty name, expected one",
        )),
        Some(slots) if distinct.len() < slots.len() => Err(BadSettings::new(
            "slots",
            "found a name twice, expected each once",
        )),
        Some(_) | None => Ok(()),
    }
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
        payload: Option<&Measured>,
    ) -> Result<Wanted, TargetError> {
        let mut wanted = Wanted::new();
        for slot in &self.slots {
            let revision = match release.pinned(slot) {
                Some(pinned) => pinned.clone(),
                None => self.derived(release, payload)?,
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

    async fn hazards(&self, _plan: &Plan) -> Result<Vec<Hazard>, TargetError> {
        // What the programs do beyond their slots is known to their author only.
        Ok(Vec::new())
    }

    async fn preflight(&self, payload: Option<&Verified>) -> Vec<Finding> {
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
            findings.push(self.checked(argv, payload).await);
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
        let (verb, argv, seconds) = match change {
            Change::Install {
                slot: _,
                from: _,
                to: _,
            } => (
                "apply",
                &self.settings.apply,
                self.settings.apply_deadline_seconds,
            ),
            Change::Start { slot, revision: _ } => match &self.settings.start {
                Some(argv) => ("start", argv, self.settings.start_deadline_seconds),
                None => return Err(cannot_start(slot)),
            },
        };
        let ask = Ask::change(verb, &self.name, change, facts).with(payload);
        match self.run(argv, seconds, &ask).await {
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

    fn programs(&self) -> Vec<(&'static str, &[String])> {
        let optional = [
            ("start", &self.settings.start),
            ("check", &self.settings.check),
        ];
        [
            ("observe", &self.settings.observe),
            ("apply", &self.settings.apply),
        ]
        .into_iter()
        .chain(
            optional
                .into_iter()
                .filter_map(|(key, argv)| Some((key, argv.as_ref()?))),
        )
        .map(|(key, argv)| (key, argv.as_slice()))
        .collect()
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

    async fn observed(&self) -> Result<Vec<u8>, TargetError> {
        let ask = Ask::about("observe", &self.name, &self.slots);
        let seconds = self.settings.observe_deadline_seconds;
        let ended = match self.run(&self.settings.observe, seconds, &ask).await {
            // Nothing was submitted: it simply did not answer.
            Err(TargetError::OutcomeUnknown { what }) => {
                return Err(TargetError::Unreachable { what });
            }
            other => other?,
        };
        ended.stdout.whole().ok_or_else(|| {
            anyhow!("observe printed more than 64 KiB, expected one JSON document").into()
        })
    }

    /// Runs a program and reads its exit code: 0, 75 (try again), others (failed).
    async fn run(
        &self,
        argv: &[String],
        seconds: u64,
        ask: &Ask<'_>,
    ) -> Result<Ended, TargetError> {
        let program = Program {
            argv: argv.to_vec(),
            deadline: Duration::from_secs(seconds),
            ..self.template.clone()
        };
        let verb = ask.verb;
        let ended = match process::run(&program, ask.line()).await {
            Ok(ended) => ended,
            Err(error @ RunError::NotStarted { program: _, why: _ }) => {
                return Err(anyhow!("{verb}: {error}").into());
            }
            Err(error) => {
                return Err(TargetError::OutcomeUnknown {
                    what: format!("{verb}: {error}"),
                });
            }
        };
        let how = || format!("{verb}: {}", ended.describe(self.secrets()));
        match ended.status.code() {
            Some(0) => Ok(ended),
            Some(protocol::TRY_AGAIN) => Err(TargetError::Unreachable { what: how() }),
            Some(_) | None => Err(anyhow!("{}", how()).into()),
        }
    }

    fn found(&self, key: &str, argv: &[String]) -> Finding {
        let check = format!("{key} program");
        let argv0 = argv.first().map_or("", String::as_str);
        match process::locate(argv0, &self.template.cwd, &self.template.env) {
            Ok(path) => Finding::ok(&check, path.display().to_string()),
            Err(why) => Finding::bad(
                &check,
                why,
                format!("install the program, or correct `{key}`"),
            ),
        }
    }

    async fn checked(&self, argv: &[String], payload: Option<&Verified>) -> Finding {
        let ask = Ask::about("check", &self.name, &self.slots).with(payload);
        match self
            .run(argv, self.settings.check_deadline_seconds, &ask)
            .await
        {
            Ok(_ended) => Finding::ok("check program agrees", "exit code 0"),
            Err(error) => Finding::bad(
                "check program agrees",
                error.to_string(),
                "mend what the `check` program says",
            ),
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
