//! One change of one canister, from the first look to the last: look, stop, keep a snapshot, compare, install, start, verify. It
//! is started on every path but those where that would be wrong. How each step is done is in the modules beside.

use super::call::Submitted;
use super::conflict::{self, Refused};
use super::found::{self, Found};
use super::install::{self, Installed, Parcel, PreUpgrade, UnderWay};
use super::look::Baselines;
use super::notes::Notes;
use super::refusal;
use super::settings::WhenStopped;
use super::settle;
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

/// How often it is stopped again when somebody starts it meanwhile.
const ROUNDS_MAX: u32 = 3;

/// How a change stands.
#[derive(Debug)]
struct Course {
    /// It is started at the end, whatever that is.
    starts: bool,
    /// Since when it has been stopped by an earlier run that did not come to its end.
    stopped_since: Option<u64>,
    /// Stops whose answers were lost.
    lost: Vec<Submitted>,
}

impl Course {
    fn of(order: &Order<'_>, found: &Found) -> Self {
        let stopped_since = match found.running {
            Some(Activity::Running) | None => None,
            Some(Activity::Stopping | Activity::Stopped) => order.notes.stopped_since(&order.site),
        };
        let theirs = found.running == Some(Activity::Stopped) && stopped_since.is_none();
        Self {
            starts: match order.when_stopped {
                // The notes may be another runner's: who stopped it does not matter.
                WhenStopped::Start => true,
                WhenStopped::Leave => !theirs,
            },
            stopped_since,
            lost: Vec::new(),
        }
    }
}

/// Puts a module into a canister that was `found` a moment ago, and holds `from`.
///
/// # Errors
/// `Conflict`: it holds something else. `OutcomeUnknown`: the network did not say what became of it. [`UnderWay`] as `Failed`: it
/// is stopped. `Unhealthy`: it was done, and its queries are not answered. With any other error nothing was changed.
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
    let mut course = Course::of(order, &found);
    if found.hash == Some(to) {
        return finish(order, course.starts, from, to).await;
    }
    if found.hash != from {
        let error = refusal::conflict(site, found.hash, from);
        return Err(give_up(order, Some(&found), error).await);
    }
    // Before it is stopped: it serves while the chunks travel.
    let load = match upload::prepare(site, &module, &argument).await {
        Ok(load) => load,
        Err(error) => return Err(give_up(order, Some(&found), error).await),
    };
    let parcel = Parcel {
        to,
        module,
        argument,
        mode,
        load,
    };
    let changed = change(order, &found, &mut course, &parcel).await;
    let ended = match changed {
        Ok(()) => finish(order, course.starts, from, to).await,
        Err(error) => Err(fail(order, &course, error).await),
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
        let error = refusal::conflict(&order.site, found.hash, Some(holds));
        return Err(give_up(order, Some(found), error).await);
    }
    finish(order, true, Some(holds), holds).await
}

/// Ends a change before its first step. A canister that an earlier run of ours stopped is started all the same, whoever deployed
/// since. `found`: `None` when it could not be looked at.
pub(super) async fn give_up(
    order: &Order<'_>,
    found: Option<&Found>,
    error: TargetError,
) -> TargetError {
    let runs = found.is_some_and(|found| found.running == Some(Activity::Running));
    if runs || order.notes.stopped_since(&order.site).is_none() {
        return error;
    }
    let course = Course {
        starts: true,
        stopped_since: None,
        lost: Vec::new(),
    };
    fail(order, &course, error).await
}

/// Everything between the first look and the start. Nothing keeps others from starting it: it is looked at right before it is
/// changed.
async fn change(
    order: &Order<'_>,
    found: &Found,
    course: &mut Course,
    parcel: &Parcel,
) -> Result<(), TargetError> {
    let site = &order.site;
    let mut seen = match found.running {
        // Uploading may have taken long.
        Some(Activity::Stopped) => found::at(site, None).await?,
        Some(Activity::Running | Activity::Stopping) | None => found.clone(),
    };
    for _round in 0..ROUNDS_MAX {
        let kept = keep_still(order, &seen, course, parcel).await?;
        seen = found::at(site, None).await?;
        if seen.hash == Some(parcel.to) {
            return Ok(());
        }
        if seen.hash != found.hash {
            return Err(refusal::conflict(site, seen.hash, found.hash));
        }
        let is_up = matches!(seen.running, Some(Activity::Running | Activity::Stopping));
        if seen.hash.is_none() || !is_up {
            return put(order, seen.hash, parcel, kept).await;
        }
        site.tell("somebody started it meanwhile; stopping it again");
    }
    Err(TargetError::Refused {
        what: format!(
            "{}: somebody started it {ROUNDS_MAX} times while it was stopped for the change; nothing was changed",
            site.slot
        ),
        allow: None,
        next: "find out who starts it, then run the same command again".to_owned(),
    })
}

/// Stops it unless it is stopped, and keeps a snapshot. Whether there is one now.
async fn keep_still(
    order: &Order<'_>,
    seen: &Found,
    course: &mut Course,
    parcel: &Parcel,
) -> Result<bool, TargetError> {
    let site = &order.site;
    let Some(holds) = seen.hash else {
        return Ok(false);
    };
    if seen.running != Some(Activity::Stopped) {
        if seen.running != Some(Activity::Stopping) {
            // It has run since: an older snapshot is not of its state.
            course.stopped_since = None;
        }
        if course.stopped_since.is_none() {
            order.notes.stops(site, seen.time_ns, order.operation);
        }
        course.starts = true;
        stop::stop(site, order.stop_deadline, &mut course.lost).await?;
    }
    let keeps = 0 < order.snapshots && !order.without_snapshot;
    if !keeps {
        return Ok(false);
    }
    let wish = Wish {
        holds,
        operation: order.operation,
        stopped_since: course.stopped_since,
        spare: match order.way {
            Way::Forward => None,
            Way::Back => Some(parcel.to),
        },
        optional: order.may_lack_snapshot,
    };
    snapshot::take(site, order.notes, &wish).await
}

/// The change itself.
async fn put(
    order: &Order<'_>,
    before: Option<Digest>,
    parcel: &Parcel,
    kept: bool,
) -> Result<(), TargetError> {
    let site = &order.site;
    match install::install(site, before, parcel, PreUpgrade::Run).await? {
        Installed::Done => Ok(()),
        Installed::Rejected(reject) => {
            order
                .baselines
                .rejected(site.slot, &reject.message, order.secrets);
            let refused = Refused {
                before,
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
    starts: bool,
    before: Option<Digest>,
    to: Digest,
) -> Result<(), TargetError> {
    let site = &order.site;
    if !starts {
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

/// It was not done: it is started again, unless others had stopped it and the settings say to leave it, or the change is under
/// way.
async fn fail(order: &Order<'_>, course: &Course, error: TargetError) -> TargetError {
    let site = &order.site;
    if matches!(&error, TargetError::Failed(cause) if cause.is::<UnderWay>()) {
        let more = "it is stopped until that has come to its end: run the same command again";
        return refusal::adding(error, more);
    }
    if !course.starts {
        return refusal::adding(error, "it is stopped, as it was found");
    }
    if let Err(second) = start::start(site).await {
        let more = format!("it could not be started again: {second}");
        return refusal::adding(error, &more);
    }
    order.notes.started(site);
    if !course.lost.is_empty() {
        site.tell("waiting until no stop whose answer was lost can come late");
        settle::taken_up(site, &course.lost).await;
    }
    match start::serving(site).await {
        Ok(()) => refusal::adding(error, "it runs"),
        Err(second) => refusal::adding(error, &second.to_string()),
    }
}
