//! Floor 3: the runbook. Each verb is one file that reads like the steps an engineer would follow by hand:
//! locate, fetch, verify, plan, permit, apply, watch, report. Judgment is asked of `decide`, effects of floor 2.
//! No argument, variable or config file is read here.

mod attend;
mod fetch;
mod forward;
mod gradual;
mod health;
mod keep;
mod lease;
mod locate;
mod numbered;
mod opened;
mod operation;
mod prepare;
mod question;
pub mod request;
mod restore;
mod share;
mod signals;
#[cfg(test)]
mod tests;
mod transfer;
mod verbs;

use crate::model::event::{Ended, EventKind};
use crate::model::outcome::{Failure, Outcome};
use futures_util::FutureExt as _;
use operation::Operation;
use request::{Request, Verb};
use signals::Signals;
use std::panic::AssertUnwindSafe;

/// What a command leaves for its caller.
#[derive(Debug)]
pub struct Finished {
    pub outcome: Outcome,
    /// The answer for standard output; empty when there is none.
    pub stdout: String,
}

/// Carries out one command: every ending, also a panic, is reported and has its outcome.
///
/// # Errors
/// What kept the command from beginning: nothing was contacted, and there is no journal.
pub async fn run(request: Request) -> Result<Finished, Failure> {
    match &request.verb {
        Verb::History { limit } => return Ok(verbs::history::run(&request, *limit)),
        Verb::Report { journal } => return verbs::report::run(&request, journal.as_deref()),
        Verb::Replay { probes } => return verbs::replay::run(&request, probes),
        Verb::Record { dir, revisions } => {
            return verbs::record::run(&request, dir, revisions).await;
        }
        Verb::Rollback { .. }
        | Verb::Deploy { .. }
        | Verb::Watch { .. }
        | Verb::Ready { .. }
        | Verb::List => (),
    }
    // First of all: whoever reads in the journal that it began may send a signal.
    let signals = Signals::catch();
    let operation = Operation::begin(request)?;
    let work = AssertUnwindSafe(verbs::carry_out(&operation)).catch_unwind();
    let ended = tokio::select! {
        biased;
        worked = work => match worked {
            Ok(Ok(ending)) => operation.ended(ending),
            Ok(Err(failure)) => operation.failed(failure),
            Err(panic) => operation.failed(panicked(panic.as_ref())),
        },
        () = signals.listen(&operation) => operation.failed(signals::given_up(&operation).await),
    };
    Ok(operation.finish(ended))
}

/// How a verb ended when nothing failed.
#[derive(Debug)]
struct Ending {
    outcome: Outcome,
    message: String,
    hints: Vec<String>,
}

impl Ending {
    fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            outcome,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let what = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Failure::msg(
        Outcome::Error,
        format!("a defect of lastgood stopped the command: {what}"),
    )
    .hint("run the same command again: it resumes; and report the defect with the journal")
}

/// The event that ends a journal.
fn ended_event(ended: Ended) -> EventKind {
    EventKind::Ended(Box::new(ended))
}
