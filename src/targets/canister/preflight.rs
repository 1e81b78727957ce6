//! What `ready` tells of canisters: who we are, whether we may change them, how they stand, what the module is like and how it would
//! go in, cycles, snapshots, memory. Never fails: what cannot be looked at is a finding. Changes nothing.

use super::certified;
use super::controllers;
use super::guard;
use super::hazards::{self, Install, cycles_line};
use super::module::{self, Module, megabytes};
use super::observe::{self, Seen, Told};
use super::refusal;
use super::site::Site;
use super::snapshot::{Counted, Own, Room, SNAPSHOTS_MAX};
use super::wire::{self, Activity, Status};
use crate::decide::canister::cycles::{Cycles, Pays};
use crate::decide::canister::mode::Asked;
use crate::model::payload::Verified;
use crate::model::state::Revision;
use crate::targets::{Finding, TargetError};
use candid::Principal;
use futures_util::stream::{self, StreamExt as _};

/// Canisters that are looked at at once.
const PARALLEL: usize = 8;

/// One canister, and what it would be given.
#[derive(Debug, Clone)]
pub(super) struct Examined<'a> {
    pub(super) site: Site<'a>,
    pub(super) payload: Option<&'a Verified>,
    pub(super) asked: Asked,
    /// The snapshots that we took of it. `None`: none is to be taken.
    pub(super) snapshots: Option<Own>,
    /// Fewer days of cycles than this are not ready.
    pub(super) days_min: u32,
}

/// Everything a change needs of each canister, in their order.
pub(super) async fn findings(examined: &[Examined<'_>]) -> Vec<Finding> {
    let mut looks = Vec::new();
    for one in examined {
        looks.push(canister(one));
    }
    let found: Vec<Vec<Finding>> = stream::iter(looks).buffered(PARALLEL).collect().await;
    found.into_iter().flatten().collect()
}

/// Who asks. `from`: where the key was found, in words; `None`: nobody said who.
pub(super) fn identity(us: Principal, from: Option<&str>) -> Finding {
    const CHECK: &str = "identity";
    match from {
        Some(from) => Finding::ok(CHECK, format!("{us}, the key is from {from}")),
        None => Finding::bad(
            CHECK,
            "found none, expected the identity of a controller: nobody else can change a canister",
            "give the input `identity`, or set the variable DFX_IDENTITY_PEM",
        ),
    }
}

/// What could not be looked at.
pub(super) fn finding_of(check: &str, error: TargetError) -> Finding {
    let failure = error.failure("");
    let detail = format!("{:#}", failure.cause);
    let detail = detail.trim_start_matches("target : ").to_owned();
    let next = failure.hints.into_iter().next();
    Finding {
        check: check.to_owned(),
        ok: false,
        detail,
        next,
    }
}

async fn canister(examined: &Examined<'_>) -> Vec<Finding> {
    let site = &examined.site;
    let slot = site.slot;
    let (payload, module) = payload(examined).await;
    let mut findings: Vec<Finding> = payload.into_iter().collect();
    let seen = match observe::one(site).await {
        Ok(seen) => seen,
        Err(error) => {
            findings.push(finding_of(&format!("canister {slot}"), error));
            return findings;
        }
    };
    findings.push(Finding::ok(&format!("canister {slot}"), guard::line(site)));
    findings.push(controller(site).await);
    findings.push(status(site, &seen));
    findings.push(change(examined, &seen, module.as_ref()).await);
    if let Some(status) = seen.status() {
        let counted = match &examined.snapshots {
            Some(own) if seen.certified.module_hash.is_some() => {
                Some(hazards::count(site, own).await)
            }
            Some(_) | None => None,
        };
        let room = counted.as_ref().and_then(|counted| match counted {
            Ok(Some(counted)) if counted.room != Room::Full => Some(counted),
            Ok(_) | Err(_) => None,
        });
        findings.push(cycles(examined, status, room));
        findings.push(memory(site, status));
        findings.extend(counted.map(|counted| snapshots(site, counted)));
    }
    findings
}

/// The payload as a module; it is what was promised already.
async fn payload(examined: &Examined<'_>) -> (Option<Finding>, Option<Module>) {
    let check = format!("module {}", examined.site.slot);
    let Some(payload) = examined.payload else {
        return (None, None);
    };
    match module::read(payload.path()).await {
        Ok(module) if module.digest == payload.digest() => {
            let detail = format!("valid, {}, {}", module.size(), module.digest);
            let mut finding = Finding::ok(&check, detail);
            for doubt in &module.facts.doubts {
                finding.detail.push_str("; ");
                finding.detail.push_str(doubt);
            }
            (Some(finding), Some(module))
        }
        Ok(module) => {
            let finding = Finding::bad(
                &check,
                format!(
                    "found {}, expected {}: the file was changed after it was verified",
                    module.digest,
                    payload.digest()
                ),
                "run the same command again",
            );
            (Some(finding), None)
        }
        Err(error) => (Some(finding_of(&check, error)), None),
    }
}

async fn controller(site: &Site<'_>) -> Finding {
    let check = format!("controller of {}", site.slot);
    let us = site.network.principal;
    let controllers = match certified::controllers(site.network, site.id).await {
        Ok(controllers) => controllers,
        Err(error) => {
            return finding_of(&check, refusal::unanswered(site, refusal::CERTIFIED, error));
        }
    };
    if controllers.contains(&us) {
        return Finding::ok(&check, us.to_text());
    }
    Finding::bad(
        &check,
        format!(
            "found {}, expected {us} among them",
            controllers::named(&controllers)
        ),
        controllers::add_us(site),
    )
}

fn status(site: &Site<'_>, seen: &Seen) -> Finding {
    let check = format!("status of {}", site.slot);
    if let Some(note) = seen.note() {
        return match seen.told {
            // What counts is certified; a network may be newer than this program.
            Told::Status(_) | Told::Unreadable(_) => Finding::ok(&check, note),
            Told::Denied => Finding::bad(&check, note, controllers::add_us(site)),
            Told::Frozen(_) => Finding::bad(&check, note, hazards::top_up(site)),
        };
    }
    let running = seen.status().and_then(|status| status.activity);
    let detail = match running {
        Some(Activity::Running) | None => "running",
        Some(Activity::Stopping) => "stopping: it would be started after the change",
        Some(Activity::Stopped) => "stopped",
    };
    Finding::ok(&check, detail)
}

/// What is installed, and what would be done.
async fn change(examined: &Examined<'_>, seen: &Seen, module: Option<&Module>) -> Finding {
    let site = &examined.site;
    let check = format!("change of {}", site.slot);
    let installed = match hazards::installed(site, seen.certified.module_hash).await {
        Ok(installed) => installed,
        Err(error) => return finding_of(&check, error),
    };
    let holds = seen
        .revision()
        .map_or_else(|| "empty".to_owned(), |held| held.short());
    let wanted = examined
        .payload
        .map(|payload| Revision(payload.digest().to_string()));
    if wanted.is_some() && wanted == seen.revision() {
        return Finding::ok(&check, format!("none: it holds {holds} already"));
    }
    let install = Install {
        module: module.map(|module| &module.facts),
        asked: examined.asked,
        snapshots: None,
    };
    let mode = hazards::mode(installed, &install);
    let to = wanted.map_or_else(|| "another module".to_owned(), |wanted| wanted.short());
    Finding::ok(&check, format!("{holds} -> {to}: {mode}"))
}

fn cycles(examined: &Examined<'_>, status: &Status, room: Option<&Counted>) -> Finding {
    let site = &examined.site;
    let check = format!("cycles of {}", site.slot);
    let account = observe::account(status);
    let line = cycles_line(&account);
    let needs = hazards::needs(status, room);
    let what = match room {
        Some(_) => "a snapshot and an upgrade",
        None => "an upgrade",
    };
    let top_up = || hazards::top_up(site);
    match account.pays(needs) {
        Pays::No { missing } => {
            let missing = Cycles(missing);
            let detail = format!("{line}: {missing} are missing for its freezing limit alone");
            Finding::bad(&check, detail, top_up())
        }
        Pays::MayFail { missing } => {
            let missing = Cycles(missing);
            let detail = format!("{line}: about {missing} more would be safe for {what}");
            Finding::bad(&check, detail, top_up())
        }
        Pays::Enough => match account.days_until_frozen() {
            Some(days) if days < u128::from(examined.days_min) => {
                let detail = format!("{line}, expected {} days at least", examined.days_min);
                Finding::bad(&check, detail, top_up())
            }
            Some(_) | None => Finding::ok(&check, line),
        },
    }
}

fn memory(site: &Site<'_>, status: &Status) -> Finding {
    let bytes = |nat| u64::try_from(wire::number(nat)).unwrap_or(u64::MAX);
    let mut detail = megabytes(bytes(&status.memory_size));
    let limits = [
        (&status.settings.memory_allocation, "allocated"),
        (
            &status.settings.wasm_memory_limit,
            "of main memory permitted",
        ),
    ];
    for (limit, what) in limits {
        if let Some(limit) = limit.as_ref().map(bytes).filter(|limit| 0 < *limit) {
            detail = format!("{detail}, {} {what}", megabytes(limit));
        }
    }
    Finding::ok(&format!("memory of {}", site.slot), detail)
}

fn snapshots(site: &Site<'_>, counted: Result<Option<Counted>, TargetError>) -> Finding {
    let check = format!("snapshots of {}", site.slot);
    match counted {
        Ok(Some(counted)) => {
            let detail = format!("{} of {SNAPSHOTS_MAX}, {} ours", counted.all, counted.ours);
            if counted.room == Room::Full {
                let next = format!(
                    "delete one that nobody needs: `icp canister snapshot delete {} ID` or `dfx canister snapshot delete {} ID`",
                    site.id, site.id
                );
                return Finding::bad(
                    &check,
                    format!("{detail}: there is no place for ours"),
                    next,
                );
            }
            Finding::ok(&check, detail)
        }
        Ok(None) => Finding::bad(
            &check,
            "this network keeps none",
            "use a newer local network, or set `snapshots: 0`",
        ),
        Err(error) => finding_of(&check, error),
    }
}
