//! The way back that the state is in the way of: what the operator's policy leads to is done here, and what is lost by it is told
//! first. What it leads to is decided in `decide::canister::conflict`.

use super::apply::Order;
use super::call::Reject;
use super::change::NO_SNAPSHOT;
use super::found;
use super::install::{self, Installed, Parcel, PreUpgrade};
use super::refusal;
use super::settle::Step;
use super::site::Site;
use super::snapshot::{self, Wish};
use crate::decide::canister::conflict::{self, Candidate, Choice, Next};
use crate::decide::canister::mode::Mode;
use crate::model::payload::{Digest, hex};
use crate::model::plan::OnStateConflict;
use crate::targets::{TargetError, Way};
use ic_management_canister_types::Snapshot;

/// What is lost without `pre_upgrade`.
const HEAP_IS_LOST: &str =
    "everything that the installed module holds on its heap alone, and not in stable memory";

/// A refused install, and what the canister held.
#[derive(Debug)]
pub(super) struct Refused<'a> {
    pub(super) before: Option<Digest>,
    pub(super) parcel: &'a Parcel,
    pub(super) reject: Reject,
    /// There is a snapshot of the state as it is.
    pub(super) kept: bool,
}

/// A snapshot that is known to hold the module that is to be put back.
struct Proven {
    id: String,
    raw: Vec<u8>,
    taken_at_ns: u64,
}

/// What follows a refused install: usually that it is reported, and nothing was changed.
pub(super) async fn follow(order: &Order<'_>, refused: &Refused<'_>) -> Result<(), TargetError> {
    let reject = &refused.reject;
    let next = match (order.way, refused.parcel.mode) {
        (Way::Back, Mode::Upgrade { memory: _ }) => {
            let code = reject.code.as_deref();
            conflict::next(code, &reject.message, order.on_state_conflict)
        }
        (Way::Forward, _) | (Way::Back, Mode::Install | Mode::Reinstall) => Next::Report,
    };
    match next {
        Next::Report => Err(unchanged(&order.site, reject)),
        Next::Ask => Err(ask(order, refused).await),
        Next::SkippingIsNoHelp => Err(in_the_way(
            &order.site,
            reject,
            "it is the module to be put back that cannot take the state, so leaving out pre_upgrade would lose the heap and help nothing",
            "decide whether its writes since the last snapshot may be lost; then run the same command again with --on-state-conflict snapshot",
        )),
        Next::SkipPreUpgrade => skip(&order.site, refused).await,
        Next::LoadSnapshot => load(order, refused).await,
    }
}

/// What would be done if the state were in the way, for a dry run. `None`: the operator would be asked.
pub(super) async fn outlook(order: &Order<'_>, to: Digest) -> Option<String> {
    let site = &order.site;
    match order.on_state_conflict {
        OnStateConflict::Stop => None,
        OnStateConflict::SkipPreUpgrade => Some(format!(
            "if the upgrade is refused over the state, it is made without pre_upgrade: {HEAP_IS_LOST} would be lost"
        )),
        OnStateConflict::Snapshot => {
            let listed = snapshot::list(site).await.ok()?;
            let choice = choose(order, &listed, to);
            let now_ns = found::certified(site).await.ok()?.time_ns;
            let what = match (&choice.proven, choice.to_look_into.len()) {
                (Some(proven), _) => {
                    let span = conflict::span(proven.taken_at_ns, now_ns);
                    let id = &proven.id;
                    format!(
                        "snapshot {id} would be loaded: writes of the last {span} would be lost"
                    )
                }
                (None, 0) => "there is no snapshot that could be loaded".to_owned(),
                (None, count) => format!(
                    "no snapshot is known to hold {}; the newest {count} would be looked into",
                    to.short()
                ),
            };
            Some(format!("if the upgrade is refused over the state, {what}"))
        }
    }
}

/// The network refused it.
fn unchanged(site: &Site<'_>, reject: &Reject) -> TargetError {
    let error = refusal::rejected(site, refusal::INSTALL, reject);
    refusal::adding(error, "it holds what it held before")
}

/// The state is in the way: what could be done about it is the next action.
fn in_the_way(site: &Site<'_>, reject: &Reject, more: &str, next: &str) -> TargetError {
    TargetError::Refused {
        what: format!("{}; {more}", unchanged(site, reject)),
        allow: None,
        next: next.to_owned(),
    }
}

async fn ask(order: &Order<'_>, refused: &Refused<'_>) -> TargetError {
    let site = &order.site;
    let wanted = refused.parcel.to;
    let (snapshot, may_load) = match newest(order, wanted).await {
        Ok(Found::Known { id, span }) => (
            format!(
                "with `snapshot`, snapshot {id} of {wanted}, taken {span} ago, would be loaded: writes of the last {span} would be lost"
            ),
            true,
        ),
        Ok(Found::ToLookInto) => (
            format!(
                "with `snapshot`, one that holds {wanted} would be looked for among its snapshots"
            ),
            true,
        ),
        Ok(Found::Nothing) => (format!("it has no snapshot that holds {wanted}"), false),
        Err(error) => (format!("its snapshots are not known: {error}"), true),
    };
    let next = if may_load {
        "decide which loss is acceptable, then run the same command again with --on-state-conflict snapshot or --on-state-conflict skip-pre-upgrade"
    } else {
        "decide whether that loss is acceptable, then run the same command again with --on-state-conflict skip-pre-upgrade; or fix forward"
    };
    in_the_way(
        site,
        &refused.reject,
        &format!("{snapshot}; with `skip-pre-upgrade`, {HEAP_IS_LOST} would be lost"),
        next,
    )
}

/// Which snapshots could put a module back.
enum Found {
    /// The newest that is known to hold it, and how long ago it was taken.
    Known {
        id: String,
        span: String,
    },
    /// Some whose module nobody noted.
    ToLookInto,
    Nothing,
}

/// The newest snapshot that holds a module, as far as that is known without looking into any.
async fn newest(order: &Order<'_>, wanted: Digest) -> Result<Found, TargetError> {
    let listed = snapshot::list(&order.site).await?;
    let choice = choose(order, &listed, wanted);
    let Some(proven) = choice.proven else {
        return Ok(if choice.to_look_into.is_empty() {
            Found::Nothing
        } else {
            Found::ToLookInto
        });
    };
    let now_ns = found::certified(&order.site).await?.time_ns;
    let span = conflict::span(proven.taken_at_ns, now_ns);
    Ok(Found::Known {
        id: proven.id,
        span,
    })
}

async fn skip(site: &Site<'_>, refused: &Refused<'_>) -> Result<(), TargetError> {
    site.warn(&format!(
        "the upgrade was refused over the state; making it without pre_upgrade, which loses {HEAP_IS_LOST}"
    ));
    match install::install(site, refused.before, refused.parcel, PreUpgrade::Skip).await? {
        Installed::Done => Ok(()),
        Installed::Rejected(reject) => Err(in_the_way(
            site,
            &reject,
            "it was refused without pre_upgrade as well",
            "decide whether its writes since the last snapshot may be lost; then run the same command again with --on-state-conflict snapshot",
        )),
    }
}

async fn load(order: &Order<'_>, refused: &Refused<'_>) -> Result<(), TargetError> {
    let (site, wanted) = (&order.site, refused.parcel.to);
    let Some(proven) = find(order, refused).await? else {
        return Err(in_the_way(
            site,
            &refused.reject,
            &format!("no snapshot of it is known to hold {wanted}, so none was loaded"),
            "decide whether what is on its heap alone may be lost; then run the same command again with --on-state-conflict skip-pre-upgrade",
        ));
    };
    if let Some(holds) = refused.before
        && !refused.kept
        && !order.without_snapshot
    {
        let wish = Wish {
            holds,
            operation: order.operation,
            stopped_since: None,
            spare: Some(wanted),
            optional: order.may_lack_snapshot,
        };
        let kept = snapshot::take(site, order.notes, &wish).await?;
        if !kept && !order.may_lack_snapshot {
            return Err(no_undo(site, &refused.reject, &proven.id));
        }
    }
    let now_ns = found::certified(site).await?.time_ns;
    let span = conflict::span(proven.taken_at_ns, now_ns);
    site.warn(&format!(
        "the upgrade was refused over the state; loading snapshot {} of {wanted}, taken {span} ago: writes of the last {span} are lost",
        proven.id
    ));
    let sent = site.management().load_snapshot(proven.raw).await;
    let step = Step {
        before: refused.before,
        after: wanted,
    };
    match install::settled(site, refusal::LOAD, sent, step).await? {
        Installed::Done => Ok(()),
        Installed::Rejected(reject) => {
            let error = refusal::rejected(site, refusal::LOAD, &reject);
            Err(refusal::adding(error, "it holds what it held before"))
        }
    }
}

/// What is there would be overwritten, and nothing keeps it.
fn no_undo(site: &Site<'_>, reject: &Reject, snapshot: &str) -> TargetError {
    TargetError::Refused {
        what: format!(
            "{}; snapshot {snapshot} was not loaded: there is no room for one of the state as it is, which would be lost",
            unchanged(site, reject)
        ),
        allow: Some(NO_SNAPSHOT.to_owned()),
        next: "delete a snapshot of it that is no longer needed, then run the same command again"
            .to_owned(),
    }
}

/// The snapshot to load: the newest that was noted with the module and is not found to hold another, else the newest whose module
/// turns out to be it.
async fn find(order: &Order<'_>, refused: &Refused<'_>) -> Result<Option<Proven>, TargetError> {
    let (site, wanted) = (&order.site, refused.parcel.to);
    let listed = snapshot::list(site).await?;
    let mut candidates = candidates(order, &listed);
    let of = |candidate: &Candidate| {
        let there = listed.iter().find(|one| hex(&one.id) == candidate.id)?;
        Some(Proven {
            id: candidate.id.clone(),
            raw: there.id.clone(),
            taken_at_ns: candidate.taken_at_ns,
        })
    };
    let bytes = refused.parcel.module.len() as u64;
    while let Some(noted) = conflict::choose(candidates.clone(), wanted).proven {
        candidates.retain(|one| one.id != noted.id);
        let Some(noted) = of(&noted) else {
            continue;
        };
        match snapshot::holds(site, &noted.raw, wanted, bytes).await {
            Ok(true) => return Ok(Some(noted)),
            Ok(false) => site.tell(&format!(
                "snapshot {} holds another module than was noted",
                noted.id
            )),
            // Not every network lets a snapshot be read.
            Err(error) => {
                site.tell(&format!(
                    "could not read snapshot {}: {error}; it was noted with this module",
                    noted.id
                ));
                return Ok(Some(noted));
            }
        }
    }
    for candidate in conflict::choose(candidates, wanted).to_look_into {
        let Some(unproven) = of(&candidate) else {
            continue;
        };
        site.tell(&format!("looking into snapshot {}", unproven.id));
        match snapshot::holds(site, &unproven.raw, wanted, bytes).await {
            Ok(true) => return Ok(Some(unproven)),
            Ok(false) => (),
            Err(error) => site.tell(&format!("could not read it: {error}")),
        }
    }
    Ok(None)
}

fn choose(order: &Order<'_>, listed: &[Snapshot], wanted: Digest) -> Choice {
    conflict::choose(candidates(order, listed), wanted)
}

fn candidates(order: &Order<'_>, listed: &[Snapshot]) -> Vec<Candidate> {
    let noted = order.notes.snapshots(&order.site);
    let candidates = listed.iter().map(|one| {
        let id = hex(&one.id);
        let noted = noted.iter().find(|noted| noted.id == id);
        Candidate {
            holds: noted.and_then(|noted| noted.revision.parse().ok()),
            taken_at_ns: one.taken_at_timestamp,
            id,
        }
    });
    candidates.collect()
}
