//! What the programs are told (one line of JSON on standard input) and what `observe` answers (JSON on standard
//! output). Documented in `docs/targets/command.md`; version 1.

use super::ReleaseFacts;
use crate::model::ids::{CommitSha, RunId};
use crate::model::payload::{Shape, Verified};
use crate::model::plan::Change;
use crate::model::state::{Held, Phase, Revision, Slot, State};
use anyhow::{Context as _, bail};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The only version so far.
const PROTOCOL: u32 = 1;

/// `EX_TEMPFAIL` of `sysexits.h`: try again later.
pub(super) const TRY_AGAIN: i32 = 75;

/// Longest revision that is taken: more is not a name but a document.
const REVISION_BYTES_MAX: usize = 500;

/// What a program is told. `observe` and `check` get `slots`; `apply` and `start` get one `slot` and the release.
#[derive(Debug, Serialize)]
pub(super) struct Ask<'a> {
    protocol: u32,
    pub(super) verb: &'static str,
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    slots: Option<&'a [Slot]>,
    #[serde(flatten)]
    change: Option<ChangeSent<'a>>,
    payload: Option<PayloadSent<'a>>,
}

#[derive(Debug, Serialize)]
struct ChangeSent<'a> {
    slot: &'a Slot,
    from: Option<&'a Revision>,
    to: &'a Revision,
    run: Option<RunId>,
    commit: Option<&'a CommitSha>,
    environment: &'a str,
}

/// A verified payload, as the programs see it.
#[derive(Debug, Serialize)]
struct PayloadSent<'a> {
    path: &'a Path,
    shape: Shape,
    /// Hex digits alone, as `sha256sum` prints them.
    sha256: String,
    size: u64,
}

impl<'a> Ask<'a> {
    pub(super) fn about(verb: &'static str, target: &'a str, slots: &'a [Slot]) -> Self {
        Self {
            protocol: PROTOCOL,
            verb,
            target,
            slots: Some(slots),
            change: None,
            payload: None,
        }
    }

    pub(super) fn change(
        verb: &'static str,
        target: &'a str,
        change: &'a Change,
        facts: &'a ReleaseFacts<'_>,
    ) -> Self {
        Self {
            slots: None,
            change: Some(ChangeSent {
                slot: change.slot(),
                from: change.from(),
                to: change.to(),
                run: facts.run,
                commit: facts.commit,
                environment: facts.environment,
            }),
            ..Self::about(verb, target, &[])
        }
    }

    pub(super) fn with(mut self, payload: Option<&'a Verified>) -> Self {
        self.payload = payload.map(|verified| PayloadSent {
            path: verified.path(),
            shape: verified.shape(),
            sha256: verified.digest().hex(),
            size: verified.size_bytes(),
        });
        self
    }

    /// One line: a program without a JSON parser can read it with `sed`.
    pub(super) fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("plain values are always JSON");
        line.push(b'\n');
        line
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    slots: IndexMap<Slot, Told>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    /// Must be there; `null` is an empty slot.
    #[serde(deserialize_with = "Option::deserialize")]
    revision: Option<Revision>,
    #[serde(default = "running")]
    phase: Phase,
}

fn running() -> Phase {
    Phase::Running
}

/// Reads an answer of `observe`: every slot must be told of, others are left out.
pub(super) fn state(answer: &[u8], slots: &[Slot]) -> anyhow::Result<State> {
    const EXPECTED: &str =
        r#"expected {"slots": {"<name>": {"revision": "<text>", "phase": "running"}}}"#;
    if answer.trim_ascii().is_empty() {
        bail!("found no output, {EXPECTED}");
    }
    let mut json = serde_json::Deserializer::from_slice(answer);
    let told: Answer = serde_path_to_error::deserialize(&mut json)
        .and_then(|told| {
            let end = json.end();
            end.map(|()| told).map_err(|error| {
                serde_path_to_error::Error::new(serde_path_to_error::Track::new().path(), error)
            })
        })
        .context(EXPECTED)?;
    let mut state = State::new();
    for slot in slots {
        let Some(found) = told.slots.get(slot) else {
            let names: Vec<&str> = told.slots.keys().map(|slot| slot.0.as_str()).collect();
            bail!("slot {slot} is missing; found {}", names.join(", "));
        };
        if let Some(revision) = &found.revision
            && (revision.0.is_empty()
                || REVISION_BYTES_MAX < revision.0.len()
                || revision.0.contains(char::is_control))
        {
            bail!(
                "the revision of slot {slot} is empty, longer than {REVISION_BYTES_MAX} bytes, or has control characters"
            );
        }
        state.insert(
            slot.clone(),
            Held {
                revision: found.revision.clone(),
                phase: found.phase,
            },
        );
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &str, expected: &str) {
        let slots = [Slot("api".to_owned())];
        let text = match state(answer.as_bytes(), &slots) {
            Ok(state) => format!("{:?}", state.first().unwrap().1),
            Err(error) => format!("{error:#}"),
        };
        assert!(text.contains(expected), "{text:?} lacks {expected:?}");
    }

    #[test]
    fn answers_are_read_strictly() {
        check(
            r#"{"slots": {"api": {"revision": "v1"}}}"#,
            r#"Held { revision: Some(Revision("v1")), phase: Running }"#,
        );
        check(
            r#"{"slots": {"other": {"revision": "x"}, "api": {"revision": null, "phase": "stopped"}}}"#,
            "Held { revision: None, phase: Stopped }",
        );
        check("", "found no output, expected {\"slots\"");
        check("v1", "expected value at line 1");
        check(r#"{"slots": {"api": {}}}"#, "missing field `revision`");
        check(
            r#"{"slots": {"api": {"revision": 7}}}"#,
            "slots.api.revision",
        );
        check(
            r#"{"slots": {"api": {"revision": "a", "phase": "up"}}}"#,
            "unknown variant `up`",
        );
        check(
            r#"{"slots": {"api": {"revision": "a", "fase": "x"}}}"#,
            "unknown field `fase`",
        );
        check(
            r#"{"slots": {"web": {"revision": "a"}}}"#,
            "slot api is missing; found web",
        );
        check(r#"{"slots": {"api": {"revision": ""}}}"#, "is empty");
        check(
            r#"{"slots": {"api": {"revision": "a"}}} {}"#,
            "trailing characters",
        );
    }
}
