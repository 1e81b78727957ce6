//! One file per verb. What they share (locate, fetch, restore, health) is one floor of steps below them.

pub(super) mod deploy;
pub(super) mod history;
pub(super) mod list;
pub(super) mod ready;
pub(super) mod record;
pub(super) mod replay;
pub(super) mod report;
pub(super) mod rollback;
mod turn_back;
pub(super) mod watch;

use super::Ending;
use super::operation::Operation;
use super::request::{Request, Verb};
use crate::model::outcome::{Failure, Outcome};

/// The verbs that have a journal. The guard is checked before anything is contacted.
pub(super) async fn carry_out(operation: &Operation) -> Result<Ending, Failure> {
    check_guard(&operation.request)?;
    for target in &operation.targets {
        let guarded = target.guard().await;
        guarded.map_err(|error| error.failure(target.name()))?;
    }
    match &operation.request.verb {
        Verb::Rollback {
            from,
            expected_sha256: _,
            slots: _,
            emergency: _,
        } => rollback::run(operation, from).await,
        Verb::Deploy {
            release,
            expected_sha256: _,
            slots: _,
        } => deploy::run(operation, release).await,
        Verb::Watch { slots: _ } => watch::run(operation).await,
        Verb::Ready {
            from,
            expected_sha256: _,
        } => ready::run(operation, from).await,
        Verb::List => list::run(operation).await,
        Verb::Replay { probes: _ }
        | Verb::Record {
            dir: _,
            revisions: _,
        }
        | Verb::History { limit: _ }
        | Verb::Report { journal: _ } => {
            unreachable!("verbs without a journal are answered in engine::run")
        }
    }
}

/// The place is the one the config names, or nothing happens.
fn check_guard(request: &Request) -> Result<(), Failure> {
    let guard = &request.environment.guard;
    let refused = |what: &str, found: Option<String>, expected: &str| {
        let found = found.unwrap_or_else(|| "none".to_owned());
        Failure::msg(
            Outcome::Refused,
            format!("guard: found {what} {found}, expected {expected}"),
        )
        .hint(format!(
            "run it where the {what} is {expected}, or correct guard.{what} of this environment"
        ))
    };
    if let Some(expected) = &guard.hostname
        && request.context.hostname.as_ref() != Some(expected)
    {
        return Err(refused(
            "hostname",
            request.context.hostname.clone(),
            expected,
        ));
    }
    if let Some(expected) = &guard.repository
        && request.context.repository.as_ref() != Some(expected)
    {
        let found = request.context.repository.as_ref().map(ToString::to_string);
        return Err(refused("repository", found, &expected.to_string()));
    }
    Ok(())
}
