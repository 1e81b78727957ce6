//! Settings of targets as the config gives them: parsed with the key that does not hold, checked, never guessed.

pub(crate) use super::time::Time;

use super::REGISTRY;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Settings that do not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", key_prefix(.key))]
pub struct BadSettings {
    /// Where, relative to the target's settings: `restart[0]`; empty for the settings as a whole.
    pub key: String,
    /// What was found and what was expected.
    pub what: String,
}

fn key_prefix(key: &str) -> String {
    match key {
        "" => String::new(),
        key => format!("{key}: "),
    }
}

impl BadSettings {
    pub(crate) fn new(key: &str, what: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            what: what.into(),
        }
    }
}

/// Reads settings; the error carries the key path.
pub(crate) fn parse<T: DeserializeOwned>(settings: serde_json::Value) -> Result<T, BadSettings> {
    serde_path_to_error::deserialize(settings).map_err(|error| {
        let key = match error.path().to_string() {
            whole if whole == "." => String::new(),
            key => key,
        };
        BadSettings {
            key,
            what: in_words(&error.into_inner().to_string()),
        }
    })
}

/// A user of a config file knows no types of ours.
fn in_words(error: &str) -> String {
    ["usize", "u64", "u32", "u16", "u8"]
        .iter()
        .fold(error.to_owned(), |text, kind| {
            text.replace(
                &format!("expected {kind}"),
                "expected a whole number from 0 on",
            )
        })
}

/// The top-level keys of a settings schema.
pub(crate) fn keys(schema: &schemars::Schema) -> Vec<String> {
    schema
        .get("properties")
        .and_then(serde_json::Value::as_object)
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

pub(crate) fn unknown_kind(kind: &str) -> BadSettings {
    let nearest = REGISTRY
        .iter()
        .map(|entry| entry.kind)
        .max_by(|a, b| strsim::jaro(kind, a).total_cmp(&strsim::jaro(kind, b)))
        .expect("the registry is not empty");
    let known: Vec<&str> = REGISTRY.iter().map(|entry| entry.kind).collect();
    BadSettings::new(
        "kind",
        format!(
            "found target kind {kind:?}, expected one of {}; did you mean {nearest}?",
            known.join(", ")
        ),
    )
}

/// A program as an argument list: at least the program itself, no empty name, no NUL.
pub(crate) fn check_argv(key: &str, argv: &[String]) -> Result<(), BadSettings> {
    match argv.first() {
        None => Err(BadSettings::new(
            key,
            "found an empty list, expected a program and its arguments",
        )),
        Some(program) if program.is_empty() => Err(BadSettings::new(
            key,
            "found an empty program name, expected a program and its arguments",
        )),
        Some(_) if argv.iter().any(|arg| arg.contains('\0')) => Err(BadSettings::new(
            key,
            "found a NUL character, expected plain text",
        )),
        Some(_) => Ok(()),
    }
}

/// A deadline from one second to `max`.
pub(crate) fn check_time(key: &str, found: Time, max: Time) -> Result<(), BadSettings> {
    if (Time::seconds(1)..=max).contains(&found) {
        return Ok(());
    }
    Err(BadSettings::new(
        key,
        format!("found {found}, expected 1s to {max}"),
    ))
}

/// The windows in which what is in place is watched: each up to an hour, none is fine.
pub(crate) fn check_windows(stable: Time, drift: &[Time]) -> Result<(), BadSettings> {
    check_window("stable", stable)?;
    let mut drift = drift.iter().enumerate();
    drift.try_for_each(|(index, time)| check_window(&format!("drift[{index}]"), *time))
}

/// Up to an hour.
pub(crate) fn check_window(key: &str, found: Time) -> Result<(), BadSettings> {
    if found <= Time::seconds(3600) {
        return Ok(());
    }
    Err(BadSettings::new(
        key,
        format!("found {found}, expected at most 1h"),
    ))
}

/// What lines of logs are searched for.
pub(crate) fn check_pattern(key: &str, pattern: Option<&str>) -> Result<(), BadSettings> {
    match pattern.map(regex_lite::Regex::new) {
        None | Some(Ok(_)) => Ok(()),
        Some(Err(error)) => Err(BadSettings::new(
            key,
            format!(
                "found {:?}, expected a regular expression that can be read ({error})",
                pattern.unwrap_or_default()
            ),
        )),
    }
}

/// A path or wildcard inside an artifact: relative, no `..`, `/`-separated.
pub(crate) fn check_payload(key: &str, payload: &str) -> Result<(), BadSettings> {
    let ok = !payload.is_empty()
        && !payload.starts_with('/')
        && !payload.contains('\\')
        && !payload.contains('\0')
        && payload.split('/').all(|part| part != "..");
    if ok {
        return Ok(());
    }
    Err(BadSettings::new(
        key,
        format!(
            "found {payload:?}, expected a path or wildcard inside the artifact, or `.` for all of it"
        ),
    ))
}

/// The part of the process environment that a program gets: `PATH`, and what the settings list.
pub(crate) fn environment(
    key: &str,
    listed: &[String],
    all: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, BadSettings> {
    for name in listed {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(BadSettings::new(
                key,
                format!("found {name:?}, expected the name of an environment variable"),
            ));
        }
    }
    Ok(all
        .iter()
        .filter(|(name, _)| *name == "PATH" || listed.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect())
}

/// A path of the settings: relative ones start at the base directory.
pub(crate) fn path(base: &Path, written: &str) -> PathBuf {
    base.join(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::{Base, open};
    use serde_json::json;

    #[track_caller]
    fn refused(kind: &str, settings: serde_json::Value, expected: &str) {
        let error = open(kind, "web", settings, &Base::default()).expect_err("must be refused");
        let text = error.to_string();
        assert!(text.contains(expected), "{text:?} lacks {expected:?}");
    }

    #[test]
    fn what_does_not_hold_is_named_with_its_key() {
        refused("directroy", json!({}), "did you mean directory?");
        refused("directory", json!({}), "missing field `path`");
        refused(
            "directory",
            json!({"path": "/srv", "rstart": []}),
            "unknown field `rstart`",
        );
        refused(
            "directory",
            json!({"path": "/srv", "keep": "many"}),
            "keep: invalid type: string \"many\"",
        );
        refused(
            "directory",
            json!({"path": "/srv", "restart": []}),
            "restart: found an empty list",
        );
        refused(
            "directory",
            json!({"path": "/srv", "payload": "../x"}),
            "payload: found \"../x\"",
        );
        refused(
            "command",
            json!({"observe": ["a"], "apply": ["b"], "apply-deadline": 60}),
            "apply-deadline: invalid type: integer `60`, expected a duration such as 90s",
        );
        refused(
            "command",
            json!({"observe": ["a"], "apply": ["b"], "observe-deadline": "1h"}),
            "observe-deadline: found 60m, expected 1s to 10m",
        );
        refused(
            "command",
            json!({"observe": ["a"], "apply": ["b"], "env": ["A=B"]}),
            "env: found \"A=B\"",
        );
        refused(
            "command",
            json!({"observe": ["a"], "apply": [1]}),
            "apply[0]: invalid type: integer `1`",
        );
        refused(
            "command",
            json!({"observe": ["a"], "apply": ["b"], "slots": []}),
            "slots: found none",
        );
    }

    #[test]
    fn only_listed_variables_pass() {
        let all = [("PATH", "/bin"), ("HOME", "/root"), ("TOKEN", "x")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let passed = environment("env", &["HOME".to_owned()], &all).unwrap();
        assert_eq!(passed.keys().collect::<Vec<_>>(), ["HOME", "PATH"]);
    }
}
