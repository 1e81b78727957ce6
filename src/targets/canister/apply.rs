//! One change of one canister, from the first look to the last: look, stop, keep a snapshot, compare, install, start, verify. It
//! is started on every path but those where that would be wrong. How each step is done is in the modules beside.

use super::conflict::{self, Refused};
use super::found::{self, Found};
use super::install::{self, Installed, Parcel, PreUpgrade};
use super::look::Baselines;
use super::notes::Notes;
use super::refusal;
use super::settings::WhenStopped;
use super::site::Site;
use super::snapshot::{self, Wish};
use super::start;
use super::stop;
use super::upload;
use super::wire::Activity;
use crate::decide::canister::mode::Mode;
use crate::model::payload::Digest;
use crate::model::plan::OnStateConflict;
use crate::model::secret::Secret;
use crate::targets::{TargetError, Way};
use std::time::Duration;

/// What a change of one canister is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) site: Site<'a>,
    pub(super) notes: &'a Notes,
    /// Told of a rejected install, whose trap must not count against what runs on.
    pub(super) baselines: &'a Baselines,
    pub(super) secrets: &'a [Secret],
    /// Longest wait for open calls to end.
    pub(super) stop_deadline: Duration,
    pub(super) when_stopped: WhenStopped,
    /// Our own snapshots that are kept; 0: none is taken.
    pub(super) snapshots: u8,
    /// The operator goes without one where none can be taken.
    pub(super) without_snapshot: bool,
    /// The operator goes without one where the network refuses to take it.
    pub(super) may_lack_snapshot: bool,
    pub(super) on_state_conflict: OnStateConflict,
    pub(super) way: Way,
    /// Which command this is, for the notes.
    pub(super) operation: &'a str,
}

/// What is put in place.
#[derive(Debug)]
pub(super) struct New {
    pub(super) to: Digest,
    pub(super) module: Vec<u8>,
    /// Candid.
    pub(super) argument: Vec<u8>,
    pub(super) mode: Mode,
}

/// Whether it is started at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Starts {
    when_done: bool,
    when_failed: bool,
}

/// Puts a module into a canister that was `found` a moment ago, and holds `from`.
///
/// # Errors
/// `Conflict`: it holds something else. `OutcomeUnknown`: the network did not say what became of it; the canister may be stopped.
/// `Unhealthy`: it was done, and its queries are not answered. With any other error nothing was changed.
pub(super) async fn install(
    order: &Order<'_>,
    found: Found,
    from: Option<Digest>,
    new: New,
) -> Result<(), TargetError> {
    let site = &order.site;
    let New {
        to,
        module,
        argument,
        mode,
    } = new;
    let stopped_since = stopped_by_us(order, &found);
    let starts = starts(order, &found, stopped_since);
    if found.hash == Some(to) {
        return finish(order, starts, from, to).await;
    }
    if found.hash != from {
        return Err(refusal::conflict(site, found.hash, from));
    }
    // Before it is stopped: it serves while the chunks travel.
    let load = upload::prepare(site, &module, &argument).await?;
    let parcel = Parcel {
        to,
        module,
        argument,
        mode,
        load,
    };
    let changed = change(order, &found, stopped_since, &parcel).await;
    let ended = match changed {
        Ok(()) => finish(order, starts, from, to).await,
        Err(error) => Err(fail(order, starts, error).await),
    };
    upload::clear(site, &parcel.load).await;
    ended
}

/// Starts a canister that was `found` a moment ago, and holds `holds` already.
///
/// # Errors
/// `Conflict`: it holds something else. `Unhealthy`: its queries are not answered.
pub(super) async fn start(
    order: &Order<'_>,
    found: &Found,
    holds: Digest,
) -> Result<(), TargetError> {
    if found.hash != Some(holds) {
        return Err(refusal::conflict(&order.site, found.hash, Some(holds)));
    }
    let starts = Starts {
        when_done: true,
        when_failed: true,
    };
    finish(order, starts, Some(holds), holds).await
}

/// Since when it has been stopped by an earlier run that did not come to its end.
fn stopped_by_us(order: &Order<'_>, found: &Found) -> Option<u64> {
    match found.running {
        Some(Activity::Running) | None => None,
        Some(Activity::Stopping | Activity::Stopped) => order.notes.stopped_since(&order.site),
    }
}

fn starts(order: &Order<'_>, found: &Found, stopped_since: Option<u64>) -> Starts {
    let theirs = found.running == Some(Activity::Stopped) && stopped_since.is_none();
    Starts {
        when_done: match order.when_stopped {
            WhenStopped::Start => true,
            WhenStopped::Leave => !theirs,
        },
        when_failed: !theirs,
    }
}

/// Everything between the first look and the start.
async fn change(
    order: &Order<'_>,
    found: &Found,
    stopped_since: Option<u64>,
    parcel: &Parcel,
) -> Result<(), TargetError> {
    let site = &order.site;
    let keeps = 0 < order.snapshots && !order.without_snapshot;
    let mut kept = false;
    if let Some(holds) = found.hash {
        if found.running != Some(Activity::Stopped) {
            if stopped_since.is_none() {
                order.notes.stops(site, found.time_ns, order.operation);
            }
            stop::stop(site, order.stop_deadline).await?;
        }
        if keeps {
            let wish = Wish {
                holds,
                operation: order.operation,
                stopped_since,
                spare: match order.way {
                    Way::Forward => None,
                    Way::Back => Some(parcel.to),
                },
                optional: order.may_lack_snapshot,
            };
            kept = snapshot::take(site, order.notes, &wish).await?;
        }
    }
    let now = found::certified(site).await?.module_hash;
    if now == Some(parcel.to) {
        return Ok(());
    }
    if now != found.hash {
        return Err(refusal::conflict(site, now, found.hash));
    }
    match install::install(site, now, parcel, PreUpgrade::Run).await? {
        Installed::Done => Ok(()),
        Installed::Rejected(reject) => {
            order
                .baselines
                .rejected(site.slot, &reject.message, order.secrets);
            let refused = Refused {
                before: now,
                parcel,
                reject,
                kept,
            };
            conflict::follow(order, &refused).await
        }
    }
}

/// It holds what it should: it is started, and verified.
async fn finish(
    order: &Order<'_>,
    starts: Starts,
    before: Option<Digest>,
    to: Digest,
) -> Result<(), TargetError> {
    let site = &order.site;
    if !starts.when_done {
        start::certified(site, before, to).await?;
        site.tell("left stopped, as it was found");
        return Ok(());
    }
    let started = start::start(site).await;
    if started.is_ok() {
        order.notes.started(site);
    }
    let certified = start::certified(site, before, to).await;
    match (certified, started) {
        (Ok(()), Ok(())) => start::serving(site).await,
        (Ok(()), Err(error)) => Err(refusal::adding(
            refusal::failed(site, refusal::START, error),
            &format!("it holds {to} and is not started"),
        )),
        (Err(first), Ok(())) => Err(first),
        (Err(first), Err(second)) => {
            let more = format!("it was not started: {second}");
            Err(refusal::adding(first, &more))
        }
    }
}

/// It was not done: it is started again, unless others had stopped it, or the change may still begin.
async fn fail(order: &Order<'_>, starts: Starts, error: TargetError) -> TargetError {
    let site = &order.site;
    if let TargetError::OutcomeUnknown { .. } = error {
        let more = "it is stopped until that is known: run the same command again";
        return refusal::adding(error, more);
    }
    if !starts.when_failed {
        return refusal::adding(error, "it is stopped, as it was found");
    }
    match start::start(site).await {
        Ok(()) => {
            order.notes.started(site);
            refusal::adding(error, "it runs")
        }
        Err(second) => {
            let more = format!("it could not be started again: {second}");
            refusal::adding(error, &more)
        }
    }
}
