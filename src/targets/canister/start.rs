//! Starting a canister, and finding out that it runs what it should. Why it was stopped is not known here.

use super::call::CallError;
use super::certified;
use super::found;
use super::refusal;
use super::serving::{self, Silent};
use super::site::Site;
use super::wire::Activity;
use crate::decide::canister::reject::{Retry, Step};
use crate::model::payload::Digest;
use crate::targets::TargetError;
use anyhow::anyhow;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long starting may take, lost answers included.
const START_MAX: Duration = Duration::from_mins(1);

/// How long a node may lag behind with what it certifies.
const CERTIFIED_MAX: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_secs(1);

/// Starts it. Starting twice does no harm, so an answer that was lost, and a refusal that may pass, is followed by a look, and by
/// asking again.
pub(super) async fn start(site: &Site<'_>) -> Result<(), CallError> {
    let end = Instant::now() + START_MAX;
    loop {
        let error = match site.management().start().await {
            Ok(()) => break,
            Err(error) if is_final(&error) => return Err(error),
            Err(error) => error,
        };
        if matches!(found::running(site).await, Ok(Some(Activity::Running))) {
            break;
        }
        if end <= Instant::now() {
            return Err(error);
        }
        sleep(PAUSE).await;
    }
    site.tell("started");
    Ok(())
}

/// Whether asking again comes to nothing else: the subnet said so, and not one node alone.
fn is_final(error: &CallError) -> bool {
    match error {
        CallError::Rejected { certified, reject } => {
            let explained = refusal::explained(reject, Step::Start);
            *certified && matches!(explained.retry, Retry::Never | Retry::OnceAfterReupload)
        }
        CallError::Untrusted(_) => true,
        CallError::Unreachable(_) | CallError::Unknown { .. } | CallError::Unreadable(_) => false,
    }
}

/// Waits until the network certifies `holds`.
///
/// # Errors
/// `Conflict` when it certifies a module that is neither `holds` nor what was there `before`. `OutcomeUnknown` when what it
/// certifies could not be read.
pub(super) async fn certified(
    site: &Site<'_>,
    before: Option<Digest>,
    holds: Digest,
) -> Result<(), TargetError> {
    let end = Instant::now() + CERTIFIED_MAX;
    loop {
        let found = certified::read(site.network, site.id).await;
        let error = match found {
            Ok(Some(now)) if now.module_hash == Some(holds) => {
                site.tell("certified hash equals the payload");
                return Ok(());
            }
            Ok(Some(now)) if now.module_hash != before => {
                return Err(refusal::conflict(site, now.module_hash, before));
            }
            Ok(now) => TargetError::Failed(anyhow!(
                "{}: the network answered that {holds} is installed, and certifies {}",
                site.slot,
                refusal::name(now.and_then(|now| now.module_hash))
            )),
            Err(error) => TargetError::OutcomeUnknown {
                what: format!(
                    "{}: could not verify that it holds {holds}: {error}",
                    site.slot
                ),
            },
        };
        if end <= Instant::now() {
            return Err(error);
        }
        sleep(PAUSE).await;
    }
}

/// Waits until its queries are answered by a canister that runs. One that was stopped once more, as by a stop that was late, is
/// started once more.
///
/// # Errors
/// `Unhealthy` when they are answered with that it does not run. `OutcomeUnknown` when no answer came that could be trusted: that
/// says nothing of the canister.
pub(super) async fn serving(site: &Site<'_>) -> Result<(), TargetError> {
    let Err(silent) = serving::wait(site).await else {
        site.tell("serves queries");
        return Ok(());
    };
    let stopped = matches!(
        found::running(site).await,
        Ok(Some(Activity::Stopped | Activity::Stopping))
    );
    let again = if stopped {
        start(site)
            .await
            .map_err(|error| refusal::failed(site, refusal::START, error))?;
        serving::wait(site).await
    } else {
        Err(silent)
    };
    again.map_err(|silent| match silent {
        Silent::NotServing { why } => TargetError::Unhealthy {
            what: format!(
                "{}: it was started, and its queries are not answered: {why}",
                site.slot
            ),
            advice: "look at its status and logs, then run the same command again".to_owned(),
        },
        Silent::Unheard { why } => TargetError::OutcomeUnknown {
            what: format!(
                "{}: it was started, and whether its queries are answered could not be verified: {why}",
                site.slot
            ),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::canister::call::Reject;

    #[track_caller]
    fn check(certified: bool, code: Option<&str>, class: u8, expected: bool) {
        let reject = Reject {
            code: code.map(str::to_owned),
            class,
            message: "no".to_owned(),
        };
        let error = CallError::Rejected { certified, reject };
        assert_eq!(is_final(&error), expected, "{error:?}");
    }

    #[test]
    fn a_refusal_that_may_pass_is_asked_again() {
        for code in ["IC0201", "IC0202", "IC0203", "IC0204", "IC0208"] {
            check(true, Some(code), 2, false);
        }
        check(true, None, 2, false);
        check(true, Some("IC0299"), 2, false);
        check(false, Some("IC0301"), 3, false);
        check(true, Some("IC0207"), 2, true);
        check(true, Some("IC0512"), 5, true);
        check(true, None, 4, true);
        assert!(!is_final(&CallError::Unreachable("gone".to_owned())));
    }
}
