//! Stopping a canister, bounded in time. That it is started again is its caller's.

use super::call::{CallError, Submitted};
use super::found;
use super::refusal;
use super::site::Site;
use super::wire::Activity;
use crate::targets::TargetError;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Between two looks at whether it has stopped.
const PAUSE: Duration = Duration::from_secs(1);

/// Stops it: no message is taken any more, and every call that it made has been answered. Stopping twice does no harm, so an
/// answer that was lost is followed by a look, and by asking again. Messages whose answers were lost are added to `lost`: they may
/// arrive later.
///
/// # Errors
/// `Refused` when it has not stopped within `deadline`, and may be stopping then, or was started by somebody meanwhile.
/// `Unreachable` when no stop was heard of.
pub(super) async fn stop(
    site: &Site<'_>,
    deadline: Duration,
    lost: &mut Vec<Submitted>,
) -> Result<(), TargetError> {
    site.tell("stopping");
    let end = Instant::now() + deadline;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let error = match site.management().stop(left).await {
            Ok(()) => return Ok(()),
            Err(error) if is_final(&error) => {
                return Err(refusal::failed(site, refusal::STOP, error));
            }
            Err(error) => error,
        };
        if let CallError::Unknown { why: _, submitted } = &error {
            lost.push(submitted.clone());
        }
        match wait(site, end).await {
            Ok(Some(Activity::Stopped)) => return Ok(()),
            Ok(Some(Activity::Stopping)) => return Err(still_open(site, deadline)),
            Ok(Some(Activity::Running) | None) | Err(_) => (),
        }
        if end <= Instant::now() + PAUSE {
            return Err(not_stopped(site, error));
        }
        sleep(PAUSE).await;
    }
}

/// Looks until it is no longer stopping, or time is up.
async fn wait(site: &Site<'_>, end: Instant) -> Result<Option<Activity>, CallError> {
    loop {
        let seen = found::running(site).await?;
        if seen != Some(Activity::Stopping) || end <= Instant::now() {
            return Ok(seen);
        }
        sleep(PAUSE).await;
    }
}

/// Whether asking again comes to nothing else. That the network itself waits no longer is not the end: `stop-deadline` is.
fn is_final(error: &CallError) -> bool {
    match error {
        CallError::Rejected {
            certified: _,
            reject,
        } => !(reject.is("IC0510") || reject.is("IC0206")),
        CallError::Untrusted(_) => true,
        CallError::Unreachable(_) | CallError::Unknown { .. } | CallError::Unreadable(_) => false,
    }
}

fn still_open(site: &Site<'_>, deadline: Duration) -> TargetError {
    TargetError::Refused {
        what: format!(
            "{}: it has not stopped within {} s, because calls that it made are still open; nothing was changed",
            site.slot,
            deadline.as_secs()
        ),
        allow: None,
        next: "wait until those calls are answered, or set `stop-deadline` higher, then run the same command again"
            .to_owned(),
    }
}

/// It runs, or nobody knows. Whatever became of it, nothing was installed.
fn not_stopped(site: &Site<'_>, error: CallError) -> TargetError {
    match error {
        error @ CallError::Rejected { .. } => refusal::failed(site, refusal::STOP, error),
        error => TargetError::Unreachable {
            what: format!("{}: could not stop it: {error}", site.slot),
        },
    }
}
