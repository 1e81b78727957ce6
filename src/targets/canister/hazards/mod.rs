//! The last look before canisters are changed: whether we may, whether they can pay, how each module goes in, whether a snapshot
//! can be taken first. What would lose data is a hazard, what cannot work is refused, everything else is told. Changes nothing.

mod story;

use super::call::CallError;
use super::certified::{self, Section};
use super::controllers;
use super::module::Facts;
use super::observe::{self, Seen, Told};
use super::refusal::{self, Doing};
use super::site::Site;
use super::snapshot::{Counted, Own, Room};
use super::wire::{self, Status};
use crate::decide::canister::cycles::{Cycles, Needs, Pays, Snapshot};
use crate::decide::canister::mode::{self, Asked, Mode, Persistence};
use crate::decide::canister::reject;
use crate::model::payload::Digest;
use crate::model::plan::Hazard;
use crate::targets::{TargetError, Way};
use futures_util::stream::{self, StreamExt as _};
pub(super) use story::{cycles_line, top_up};

/// The custom section by which modules of the two kinds of persistence are told apart.
const ENHANCED: &str = "enhanced-orthogonal-persistence";

/// Canisters that are looked at at once.
const PARALLEL: usize = 8;

/// A canister that a plan would change.
#[derive(Debug, Clone)]
pub(super) struct Prospect<'a> {
    pub(super) site: Site<'a>,
    pub(super) change: Planned<'a>,
    pub(super) way: Way,
}

/// What the plan does with it.
#[derive(Debug, Clone)]
pub(super) enum Planned<'a> {
    Start,
    Install(Install<'a>),
}

/// What is known of an install before it is made.
#[derive(Debug, Clone)]
pub(super) struct Install<'a> {
    /// What the module is like. `None`: it is not at hand.
    pub(super) module: Option<&'a Facts>,
    pub(super) asked: Asked,
    /// The snapshots that we took of this canister. `None`: none is to be taken.
    pub(super) snapshots: Option<Own>,
}

/// Looks at every canister that a plan would change, and tells their stories in the order of the plan.
///
/// # Errors
/// `Refused` when one cannot be changed: we are no controller, or it is below its freezing limit.
pub(super) async fn hazards(prospects: &[Prospect<'_>]) -> Result<Vec<Hazard>, TargetError> {
    let mut looks = Vec::new();
    for prospect in prospects {
        looks.push(look(prospect));
    }
    let found: Vec<_> = stream::iter(looks).buffered(PARALLEL).collect().await;
    let mut hazards = Vec::new();
    for (prospect, found) in prospects.iter().zip(found) {
        let found = found?;
        for line in &found.lines {
            prospect.site.tell(line);
        }
        hazards.extend(found.hazards);
    }
    Ok(hazards)
}

#[derive(Debug, Default)]
struct Found {
    hazards: Vec<Hazard>,
    lines: Vec<String>,
}

impl Found {
    fn hazard(&mut self, site: &Site<'_>, name: &str, what: impl Into<String>) {
        self.hazards.push(Hazard {
            slot: site.slot.clone(),
            name: name.to_owned(),
            what: what.into(),
        });
    }
}

async fn look(prospect: &Prospect<'_>) -> Result<Found, TargetError> {
    let site = &prospect.site;
    let seen = changeable(site, prospect.change.doing()).await?;
    let mut found = Found::default();
    found.lines.extend(seen.note());
    match &prospect.change {
        Planned::Start => {
            found.lines.push("it is started".to_owned());
            if let Some(status) = seen.status() {
                let needs = Needs {
                    install: false,
                    snapshot: None,
                };
                cycles(site, status, needs, &mut found)?;
            }
        }
        Planned::Install(install) => {
            look_at_install(site, install, &seen, prospect.way, &mut found).await?;
        }
    }
    Ok(found)
}

impl Planned<'_> {
    const fn doing(&self) -> Doing {
        match self {
            Self::Start => refusal::START,
            Self::Install(_) => refusal::INSTALL,
        }
    }
}

/// How a canister stands that we may change and that can pay for an answer.
async fn changeable(site: &Site<'_>, doing: Doing) -> Result<Seen, TargetError> {
    let looking = async {
        match site.network.planned.take(site.id) {
            Some(seen) => Ok(seen),
            None => observe::one(site).await,
        }
    };
    let (seen, controllers) = tokio::join!(looking, certified::controllers(site.network, site.id));
    let seen = seen?;
    let controllers =
        controllers.map_err(|error| refusal::unanswered(site, refusal::CERTIFIED, error))?;
    if !controllers.contains(&site.network.principal) {
        return Err(controllers::refused(site, doing, &controllers));
    }
    match &seen.told {
        Told::Frozen(said) => Err(TargetError::Refused {
            what: format!("{}: it is frozen: {said}", site.slot),
            allow: None,
            next: top_up(site),
        }),
        Told::Status(_) | Told::Denied | Told::Unreadable(_) => Ok(seen),
    }
}

async fn look_at_install(
    site: &Site<'_>,
    install: &Install<'_>,
    seen: &Seen,
    way: Way,
    found: &mut Found,
) -> Result<(), TargetError> {
    let hash = seen.certified.module_hash;
    let counting = async {
        match &install.snapshots {
            Some(own) if hash.is_some() => count(site, own).await.map(Some),
            Some(_) | None => Ok(None),
        }
    };
    let (installed, counted) = tokio::join!(installed(site, hash), counting);
    let (installed, counted) = (installed?, counted?);
    let mode = mode(installed, install);
    found.lines.push(story::mode_line(mode, install.module));
    if let Some(name) = mode.hazard() {
        found.hazard(site, name, story::loss(mode));
    }
    if let Some(facts) = install.module {
        found.lines.extend(facts.doubts.iter().cloned());
    }
    if let (Mode::Upgrade { .. }, Way::Back) = (mode, way) {
        found.lines.push(
            "the code goes back, the state does not: what the newer release wrote stays".to_owned(),
        );
    }
    let room = counted.and_then(|counted| snapshot_room(site, counted, found));
    if let Some(status) = seen.status() {
        let needs = needs(status, room.as_ref());
        let without = Needs {
            install: true,
            snapshot: None,
        };
        let pays = cycles(site, status, needs, found)?;
        let account = observe::account(status);
        if let (Pays::MayFail { missing }, Pays::Enough) = (pays, account.pays(without)) {
            let missing = Cycles(missing);
            found.hazard(
                site,
                "no-snapshot",
                format!("a snapshot would take about {missing} cycles more than it has"),
            );
        }
    }
    Ok(())
}

/// What kind of module is in a canister that is certified to hold `hash`. `None`: it is empty.
pub(super) async fn installed(
    site: &Site<'_>,
    hash: Option<Digest>,
) -> Result<Option<Persistence>, TargetError> {
    if hash.is_none() {
        return Ok(None);
    }
    match certified::metadata(site.network, site.id, ENHANCED).await {
        Ok(section) => Ok(Some(Persistence::of_section(section != Section::Absent))),
        Err(error) => Err(refusal::unanswered(site, refusal::CERTIFIED, error)),
    }
}

/// How the module would go in. A module that is not at hand is taken for one of the installed one's kind.
pub(super) fn mode(installed: Option<Persistence>, install: &Install<'_>) -> Mode {
    let new = match install.module {
        Some(facts) => facts.persistence(),
        None => installed.unwrap_or(Persistence::Classical),
    };
    mode::decide(installed, new, install.asked)
}

/// Counts the snapshots of a canister. `None`: this network has none at all.
pub(super) async fn count(site: &Site<'_>, own: &Own) -> Result<Option<Counted>, TargetError> {
    match site.management().snapshots().await {
        Ok(listed) => Ok(Some(own.count(&listed))),
        Err(error) if is_unknown(&error) => Ok(None),
        Err(error) => Err(refusal::unanswered(site, refusal::SNAPSHOTS, error)),
    }
}

/// An older network knows no such method.
fn is_unknown(error: &CallError) -> bool {
    error.reject().is_some_and(|reject| {
        reject.is("IC0407") || reject::is_no_method(reject.code.as_deref(), &reject.message)
    })
}

/// Whether there is a place for one more snapshot, or one of ours to replace. `None`: there is not, and that is a hazard.
/// `counted`: as [`count`] answers.
fn snapshot_room(site: &Site<'_>, counted: Option<Counted>, found: &mut Found) -> Option<Counted> {
    let Some(counted) = counted else {
        found.hazard(
            site,
            "no-snapshot",
            "this network keeps no snapshots: the state of now could not be brought back",
        );
        return None;
    };
    match counted.room {
        Room::Free | Room::Replace(_) => Some(counted),
        // What is put back may need it, and is more urgent than a snapshot of what is bad.
        Room::Spared => {
            found.lines.push(format!(
                "it has {} snapshots, as many as it may, and the one of ours may be needed: none is taken of the state of now, and none is loaded over it unless `no-snapshot` is allowed",
                counted.all
            ));
            None
        }
        Room::Full => {
            found.hazard(
                site,
                "no-snapshot",
                format!(
                    "it has {} snapshots, as many as it may, and none is ours: the state of now could not be brought back",
                    counted.all
                ),
            );
            None
        }
    }
}

/// What an upgrade with a snapshot takes.
pub(super) fn needs(status: &Status, room: Option<&Counted>) -> Needs {
    Needs {
        install: true,
        snapshot: room.map(|counted| Snapshot {
            bytes: without_snapshots(status, counted.all),
            replaces: matches!(counted.room, Room::Replace(_)),
        }),
    }
}

/// About as many bytes as a snapshot would have. `memory_size` counts the snapshots that there are; a network that does not say how
/// much of it they are is taken to have snapshots as large as the canister.
fn without_snapshots(status: &Status, snapshots: usize) -> u128 {
    let memory = wire::number(&status.memory_size);
    match &status.memory_metrics {
        Some(metrics) => memory.saturating_sub(wire::number(&metrics.snapshots_size)),
        None => memory / (1 + snapshots as u128),
    }
}

/// Tells how many cycles there are, and refuses what cannot be paid for on any network.
fn cycles(
    site: &Site<'_>,
    status: &Status,
    needs: Needs,
    found: &mut Found,
) -> Result<Pays, TargetError> {
    let account = observe::account(status);
    let pays = account.pays(needs);
    found.lines.push(cycles_line(&account));
    match pays {
        Pays::Enough => (),
        Pays::MayFail { missing } => found.lines.push(format!(
            "it may be too few: about {} more cycles would be safe",
            Cycles(missing)
        )),
        Pays::No { missing } => {
            return Err(TargetError::Refused {
                what: format!(
                    "{}: found {} cycles, expected at least {}: below its freezing limit nothing can be done with it ({} are missing)",
                    site.slot,
                    Cycles(account.balance),
                    Cycles(account.freezing_limit()),
                    Cycles(missing)
                ),
                allow: None,
                next: top_up(site),
            });
        }
    }
    Ok(pays)
}
