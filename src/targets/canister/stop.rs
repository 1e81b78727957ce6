//! Stopping a canister, bounded in time. That it is started again is its caller's.

use super::call::{CallError, Reject};
use super::found;
use super::refusal;
use super::site::Site;
use super::wire::Activity;
use crate::decide::canister::reject;
use crate::targets::TargetError;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Between two looks at whether it has stopped.
const PAUSE: Duration = Duration::from_secs(1);

/// Stops it: no message is taken any more, and every call that it made has been answered. Stopping twice does no harm, so an
/// answer that was lost is followed by a look, and by asking again.
///
/// # Errors
/// `Refused` when it has not stopped within `deadline`; it may be stopping then.
pub(super) async fn stop(site: &Site<'_>, deadline: Duration) -> Result<(), TargetError> {
    site.tell("stopping");
    let end = Instant::now() + deadline;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(still_open(site, deadline));
        }
        match site.management().stop(left).await {
            Ok(()) => return Ok(()),
            Err(CallError::Rejected { reject, .. }) if timed_out(&reject) => {
                return Err(still_open(site, deadline));
            }
            Err(error @ (CallError::Rejected { .. } | CallError::Untrusted(_))) => {
                return Err(refusal::failed(site, refusal::STOP, error));
            }
            Err(
                error @ (CallError::Unreachable(_)
                | CallError::Unknown { .. }
                | CallError::Unreadable(_)),
            ) => match wait(site, end).await {
                Ok(Some(Activity::Stopped)) => return Ok(()),
                Ok(Some(Activity::Stopping)) => return Err(still_open(site, deadline)),
                Err(_) if end <= Instant::now() => return Err(silent(site, &error)),
                Ok(Some(Activity::Running) | None) | Err(_) => (),
            },
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

fn timed_out(reject: &Reject) -> bool {
    let code = reject.code.as_deref();
    reject.is("IC0510") || reject::is_stop_timeout(code, &reject.message)
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

/// Whatever became of it, nothing was installed.
fn silent(site: &Site<'_>, error: &CallError) -> TargetError {
    TargetError::Unreachable {
        what: format!("{}: could not stop it: {error}", site.slot),
    }
}
