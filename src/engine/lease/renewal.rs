//! A lease is renewed while the work goes on. One that cannot be for as long as it lasts is lost, as one that another operation has taken
//! is: whoever waits for it may be at work by now.

use super::{Held, LENGTH, LENGTH_INSIDE, RENEWAL, RETRY, Renewed, claim, write};
use crate::engine::operation::Operation;
use crate::model::outcome::{Failure, Outcome};
use crate::targets::{Target, TargetError};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

pub(super) async fn renew_file(operation: &Operation, held: &Held) -> Failure {
    loop {
        sleep(RENEWAL).await;
        let Err(error) = write(operation, &held.file) else {
            held.renewed.set(Instant::now());
            continue;
        };
        let text = format!("could not renew the lease: {error:#}");
        if !held.is_locked && LENGTH <= held.renewed.at().elapsed() {
            return outlasted(&text, LENGTH);
        }
        operation.warn(text);
    }
}

pub(super) async fn renew_inside(
    operation: &Operation,
    target: &dyn Target,
    renewed: &Renewed,
) -> Failure {
    let mut next = renewed.at() + RENEWAL;
    let mut trouble: Option<String> = None;
    loop {
        sleep_until(next).await;
        let over = renewed.at() + LENGTH_INSIDE;
        let asked = Instant::now();
        if let Some(trouble) = trouble.as_ref().filter(|_| over <= asked) {
            return outlasted(trouble, LENGTH_INSIDE);
        }
        let claim = claim(operation);
        // Whoever could not ask before it was over (a machine that slept) asks once all the same.
        let until = over.max(asked + RETRY);
        let why = match timeout_at(until, target.lease(&claim)).await {
            Ok(Ok(true)) => {
                renewed.set(asked);
                trouble = None;
                next = asked + RENEWAL;
                continue;
            }
            Ok(Ok(false)) => "the target takes none any more".to_owned(),
            Ok(Err(TargetError::Held { what })) => return lost(&what),
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => "found no answer".to_owned(),
        };
        let what = format!("could not renew the lease of {}: {why}", target.name());
        next = until.min(Instant::now() + RETRY);
        if Instant::now() < over {
            operation.warn(what.clone());
        }
        trouble = Some(what);
    }
}

/// Another operation took over, because this one could not renew in time.
fn lost(what: &str) -> Failure {
    Failure::msg(
        Outcome::Incomplete,
        format!("stopped in the middle: the lease was lost: {what}"),
    )
    .hint("let that operation end, then run the same command again: it observes first")
}

/// It could not be renewed for as long as it lasts: whoever waits for it may have it by now.
fn outlasted(what: &str, length: Duration) -> Failure {
    Failure::msg(
        Outcome::Incomplete,
        format!(
            "stopped in the middle: the lease is over after {} s without a renewal, and another operation may have it: {what}",
            length.as_secs()
        ),
    )
    .hint("run the same command again when the target answers: it observes first")
}
