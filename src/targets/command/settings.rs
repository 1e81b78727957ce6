//! Settings of a `command` target, and what holds of them beyond their types.

use crate::targets::BadSettings;
use crate::targets::settings::{Time, check_argv, check_payload, check_time};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;

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
    /// Longest run of `observe` 1s to 10m. Then its process group is ended, as with the others.
    #[serde(default = "observe_deadline")]
    pub observe_deadline: Time,
    /// Longest run of `apply` 1s to 2h.
    #[serde(default = "apply_deadline")]
    pub apply_deadline: Time,
    /// Longest run of `start` 1s to 2h.
    #[serde(default = "start_deadline")]
    pub start_deadline: Time,
    /// Longest run of `check` 1s to 10m.
    #[serde(default = "check_deadline")]
    pub check_deadline: Time,
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

fn observe_deadline() -> Time {
    Time::seconds(30)
}

fn apply_deadline() -> Time {
    Time::seconds(300)
}

fn start_deadline() -> Time {
    Time::seconds(120)
}

fn check_deadline() -> Time {
    Time::seconds(60)
}

/// Checks what the types cannot say.
pub(super) fn check(settings: &Settings) -> Result<(), BadSettings> {
    check_argv("observe", &settings.observe)?;
    check_argv("apply", &settings.apply)?;
    for (key, argv) in [("start", &settings.start), ("check", &settings.check)] {
        if let Some(argv) = argv {
            check_argv(key, argv)?;
        }
    }
    for (key, found, max) in [
        (
            "observe-deadline",
            settings.observe_deadline,
            Time::seconds(600),
        ),
        (
            "apply-deadline",
            settings.apply_deadline,
            Time::seconds(7200),
        ),
        (
            "start-deadline",
            settings.start_deadline,
            Time::seconds(7200),
        ),
        (
            "check-deadline",
            settings.check_deadline,
            Time::seconds(600),
        ),
    ] {
        check_time(key, found, max)?;
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
