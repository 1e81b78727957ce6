//! A mark on the engine that keeps two operations apart, where every runner sees it: a container that never starts on a plain
//! engine, a config object in a swarm. Both carry a name that only one can have. Whether one is over is told by the clock of the
//! engine alone, never by comparing ours with that of another runner; in a swarm of several managers by theirs, which they keep
//! together. When it is taken, renewed and given back is the engine's of this program.

mod config;
mod container;

use super::Compose;
use super::engine::{Engine, EngineError};
use crate::model::payload::Digest;
use crate::targets::{Claim, TargetError};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Whose it is.
const OPERATION: &str = "lastgood.operation";
/// The same in words, for whoever finds it held.
const HOLDER: &str = "lastgood.holder";
/// For how long it is held since it was written, in seconds.
const SECONDS: &str = "lastgood.seconds";

/// Tries when others took or renewed it between our look and our change.
const TRIES: usize = 4;

/// Nobody holds one for longer without renewing it: what says so is not ours, or damaged.
const SECONDS_MAX: i64 = 3600;

/// Takes the lease of the project or the stack, or renews it when it is ours. `false`: the settings say that there is none, or there is
/// nothing yet that could be changed by two.
///
/// # Errors
/// `Held` when another operation holds it; `Refused` when the engine lets nobody write it.
pub(super) async fn take(compose: &Compose, claim: &Claim) -> Result<bool, TargetError> {
    if !compose.settings.lease {
        return Ok(false);
    }
    let engine = compose.engine().await?;
    match (&compose.settings.project, &compose.settings.stack) {
        (Some(project), _) => container::take(engine, project, claim).await,
        (None, Some(stack)) => config::take(engine, stack, claim).await,
        (None, None) => Ok(false),
    }
}

/// Gives it back when it is ours. It expires by itself when this fails.
pub(super) async fn give_back(compose: &Compose, claim: &Claim) {
    if !compose.settings.lease {
        return;
    }
    let Ok(engine) = compose.engine().await else {
        return;
    };
    let given = match (&compose.settings.project, &compose.settings.stack) {
        (Some(project), _) => container::give_back(engine, project, claim).await,
        (None, Some(stack)) => config::give_back(engine, stack, claim).await,
        (None, None) => Ok(()),
    };
    if let Err(error) = given {
        tracing::debug!(%error, "the lease expires by itself");
    }
}

/// What a mark says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    operation: String,
    holder: String,
    /// When it was last written, by the clock of the engine.
    written: Timestamp,
    length: SignedDuration,
}

impl Mark {
    /// `None`: it holds nothing for anybody.
    fn read(labels: &BTreeMap<String, String>, written: &str) -> Option<Self> {
        let operation = labels.get(OPERATION).filter(|it| !it.is_empty())?.clone();
        let seconds: i64 = labels.get(SECONDS)?.parse().ok()?;
        Some(Self {
            operation,
            holder: labels.get(HOLDER).cloned().unwrap_or_default(),
            written: written.parse().ok()?,
            length: SignedDuration::from_secs(seconds.clamp(0, SECONDS_MAX)),
        })
    }

    /// The labels of a mark of this claim.
    fn labels(claim: &Claim) -> BTreeMap<String, String> {
        let seconds = claim.length.as_secs().max(1);
        BTreeMap::from([
            (OPERATION.to_owned(), claim.operation.clone()),
            (HOLDER.to_owned(), claim.holder.clone()),
            (SECONDS.to_owned(), seconds.to_string()),
        ])
    }

    fn standing(&self, claim: &Claim, now: Timestamp) -> Standing {
        if self.operation == claim.operation {
            return Standing::Ours;
        }
        if claim.dead.contains(&self.operation) {
            return Standing::Free;
        }
        let end = self.written.checked_add(self.length);
        let end = end.unwrap_or(Timestamp::MAX);
        if end <= now {
            return Standing::Free;
        }
        Standing::Held
    }

    fn held(&self, what: &str) -> TargetError {
        let Self {
            operation,
            holder,
            written,
            length,
        } = self;
        let until = written.checked_add(*length).unwrap_or(Timestamp::MAX);
        TargetError::Held {
            what: format!(
                "{what} is held by {operation} ({holder}), until {until:.0} by the engine's clock unless renewed"
            ),
        }
    }
}

/// Who has a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Free,
    Ours,
    Held,
}

/// What time the engine has.
async fn now(engine: &Engine) -> Result<Timestamp, TargetError> {
    let of = "the clock of the engine";
    let info = engine.get("/info").await;
    let info = info.map_err(|error| error.reading(of))?;
    let said = info.get("SystemTime").and_then(Value::as_str);
    said.and_then(|said| said.parse().ok())
        .ok_or_else(|| TargetError::Refused {
            what: format!("{of}: found {said:?}, expected a time"),
            allow: None,
            next: "set `lease: false` when nothing else changes this target at the same time"
                .to_owned(),
        })
}

/// The name of what marks `of`, as engines take it: of at most 64 characters, letters, digits, `.`, `_` and `-`.
fn name(of: &str) -> String {
    const CHARS_MAX: usize = 40;
    if of.len() <= CHARS_MAX {
        return format!("lastgood-lease-{of}");
    }
    let head: String = of.chars().take(CHARS_MAX - 9).collect();
    let digest = Digest::from_bytes(Sha256::digest(of.as_bytes()).into()).hex();
    let digest: String = digest.chars().take(8).collect();
    format!("lastgood-lease-{head}-{digest}")
}

/// What it means when writing a lease is refused.
fn denied(error: EngineError, what: &str) -> TargetError {
    match error.code() {
        Some(401 | 403 | 405) => TargetError::Refused {
            what: format!("{what}: {error}"),
            allow: None,
            next: "let the proxy of the engine's socket pass this request; or set `lease: false` when nothing else changes this target at the same time".to_owned(),
        },
        Some(_) | None => error.changing(what),
    }
}

fn crowded(what: &str) -> TargetError {
    TargetError::Unreachable {
        what: format!("{what}: others took or renewed it {TRIES} times while it was looked at"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn claim(operation: &str) -> Claim {
        Claim {
            operation: operation.to_owned(),
            holder: "run 7 attempt 1".to_owned(),
            now: "2020-01-01T00:00:00Z".parse().unwrap(),
            length: Duration::from_secs(30),
            dead: vec!["dead".to_owned()],
        }
    }

    fn mark(operation: &str) -> Mark {
        let labels = Mark::labels(&claim(operation));
        Mark::read(&labels, "2026-01-01T00:00:00.5Z").unwrap()
    }

    #[track_caller]
    fn check(holder: &str, now: &str, expected: Standing) {
        let now = now.parse().unwrap();
        assert_eq!(mark(holder).standing(&claim("b"), now), expected);
    }

    #[test]
    fn a_mark_holds_until_it_is_over_by_the_clock_that_wrote_it() {
        check("a", "2026-01-01T00:00:30Z", Standing::Held);
        check("a", "2026-01-01T00:00:31Z", Standing::Free);
        check("b", "2026-01-01T00:09:00Z", Standing::Ours);
        check("dead", "2026-01-01T00:00:01Z", Standing::Free);
    }

    #[test]
    fn what_names_nobody_or_no_time_holds_nothing() {
        let labels = Mark::labels(&claim("a"));
        assert_eq!(Mark::read(&labels, "yesterday"), None);
        for key in [OPERATION, SECONDS] {
            let mut less = labels.clone();
            less.insert(key.to_owned(), String::new());
            assert_eq!(Mark::read(&less, "2026-01-01T00:00:00Z"), None);
        }
        let mut long = labels;
        long.insert(SECONDS.to_owned(), i64::MAX.to_string());
        let mark = Mark::read(&long, "2026-01-01T00:00:00Z").unwrap();
        assert_eq!(mark.length, SignedDuration::from_secs(SECONDS_MAX));
    }

    #[test]
    fn whoever_finds_it_held_is_told_by_whom() {
        let TargetError::Held { what } = mark("a").held("the lease x") else {
            panic!("not held");
        };
        assert_eq!(
            what,
            "the lease x is held by a (run 7 attempt 1), until 2026-01-01T00:00:30Z by the engine's clock unless renewed"
        );
    }

    #[test]
    fn every_project_has_a_name_that_fits() {
        assert_eq!(name("shop"), "lastgood-lease-shop");
        let long = name(&"x".repeat(200));
        assert!(long.len() <= 64, "{long}");
        assert_ne!(long, name(&"x".repeat(201)));
    }
}
