//! Starting a canister, and finding out that it runs what it should. Why it was stopped is not known here.

use super::call::CallError;
use super::certified;
use super::found;
use super::refusal;
use super::serving::{self, Silent};
use super::site::Site;
use super::wire::Activity;
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

/// Starts it. Starting twice does no harm, so an answer that was lost is followed by a look, and by asking again.
pub(super) async fn start(site: &Site<'_>) -> Result<(), CallError> {
    let end = Instant::now() + START_MAX;
    loop {
        let error = match site.management().start().await {
            Ok(()) => break,
            Err(error @ (CallError::Rejected { .. } | CallError::Untrusted(_))) => {
                return Err(error);
            }
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

/// Waits until the network certifies `holds`.
///
/// # Errors
/// `Conflict` when it certifies a module that is neither `holds` nor what was there `before`.
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
            Err(error) => refusal::failed(site, refusal::HASH, error),
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
/// `Unhealthy` when they are not.
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
    again.map_err(|Silent { why }| TargetError::Unhealthy {
        what: format!(
            "{}: it holds the right module, and its queries are not answered: {why}",
            site.slot
        ),
        advice: "look at its status and logs, then run the same command again".to_owned(),
    })
}
