//! What a change of one canister needs, gathered from the settings, the release and the payload: the order that `apply` carries
//! out. Nothing is changed here.

use super::apply::{self, New, Order};
use super::conflict;
use super::found;
use super::hazards::{self, Install};
use super::interface::Interface;
use super::module;
use super::{Canisters, look};
use crate::decide::guard;
use crate::model::payload::{Digest, Verified};
use crate::model::plan::Change;
use crate::model::state::{Revision, Slot};
use crate::targets::{ReleaseFacts, TargetError};
use candid_parser::parse_idl_args;

/// The hazard that an operator allows to go without a snapshot.
pub(super) const NO_SNAPSHOT: &str = "no-snapshot";

/// Carries one change out.
pub(super) async fn carry_out(
    canisters: &Canisters,
    change: &Change,
    payload: Option<&Verified>,
    facts: &ReleaseFacts<'_>,
) -> Result<(), TargetError> {
    let (_, caller) = canisters.connected().await?;
    caller.for_change()?;
    let slot = change.slot();
    let operation = operation(facts);
    let order = order(canisters, slot, facts, &operation).await?;
    let secrets = &canisters.base.secrets;
    let to = digest(slot, change.to())?;
    // Side by side: each is a round trip.
    let site = &order.site;
    let looking = async {
        let status = look::just_now(site);
        let (baseline, found) = tokio::join!(
            look::baseline(site, status.clone(), secrets),
            found::at(site, status.as_ref())
        );
        canisters.baselines.keep(slot, baseline);
        found
    };
    let changed = match change {
        Change::Start { .. } => match looking.await {
            Ok(found) => apply::start(&order, &found, to).await,
            Err(error) => Err(apply::give_up(&order, None, error).await),
        },
        Change::Install { from, .. } => {
            let from = from.as_ref().map(|revision| digest(slot, revision));
            let from = from.transpose()?;
            match tokio::join!(looking, new(canisters, &order, from, to, payload)) {
                (Ok(found), Ok(new)) => apply::install(&order, found, from, new).await,
                (Ok(found), Err(error)) => Err(apply::give_up(&order, Some(&found), error).await),
                (Err(error), _) => Err(apply::give_up(&order, None, error).await),
            }
        }
    };
    // The module of before ran, and may have trapped, until it was stopped.
    let ended = look::baseline(&order.site, None, secrets).await;
    canisters.baselines.ended(slot, ended);
    changed
}

/// What is put in place of `from`: the module, how it goes in, and its argument.
async fn new(
    canisters: &Canisters,
    order: &Order<'_>,
    from: Option<Digest>,
    to: Digest,
    payload: Option<&Verified>,
) -> Result<New, TargetError> {
    let slot = order.site.slot;
    let payload = payload.ok_or_else(|| TargetError::BadRelease {
        what: format!("{slot}: there is no module to install"),
        next: "put back a release whose artifact is still there: --run-id or --artifact".to_owned(),
    })?;
    let module = module::read(payload.path()).await?;
    if module.digest != to {
        return Err(TargetError::BadRelease {
            what: format!("{slot}: found a module {}, expected {to}", module.digest),
            next: "run the same command again: the file was changed while it was read".to_owned(),
        });
    }
    let member = canisters.member(slot)?.1;
    let installed = hazards::installed(&order.site, from).await?;
    let install = Install {
        module: Some(&module.facts),
        asked: member.asked(),
        snapshots: None,
    };
    let mode = hazards::mode(installed, &install);
    let interface = module.facts.interface.as_deref();
    let argument = argument(slot, member.settings.argument.as_deref(), interface)?;
    Ok(New {
        to,
        module: module.bytes,
        argument,
        mode,
    })
}

/// What would be done if the state were in the way of a change that is planned.
pub(super) async fn outlook(
    canisters: &Canisters,
    slot: &Slot,
    to: &Revision,
    facts: &ReleaseFacts<'_>,
) -> Result<Option<String>, TargetError> {
    let operation = operation(facts);
    let order = order(canisters, slot, facts, &operation).await?;
    Ok(conflict::outlook(&order, digest(slot, to)?).await)
}

async fn order<'a>(
    canisters: &'a Canisters,
    slot: &Slot,
    facts: &'a ReleaseFacts<'_>,
    operation: &'a str,
) -> Result<Order<'a>, TargetError> {
    Ok(Order {
        site: canisters.site(slot, facts.story).await?,
        notes: &canisters.notes,
        baselines: &canisters.baselines,
        secrets: &canisters.base.secrets,
        stop_deadline: canisters.settings.stop_deadline.0,
        when_stopped: canisters.settings.when_stopped,
        snapshots: canisters.settings.snapshots,
        without_snapshot: canisters.goes_without_snapshot(slot),
        may_lack_snapshot: guard::is_allowed(facts.allowed, NO_SNAPSHOT, slot),
        on_state_conflict: facts.on_state_conflict,
        way: facts.way,
        operation,
    })
}

/// Which command this is, for whoever reads the notes.
fn operation(facts: &ReleaseFacts<'_>) -> String {
    match facts.run {
        Some(run) => format!("{} (release of run {run})", facts.environment),
        None => facts.environment.to_owned(),
    }
}

fn digest(slot: &Slot, revision: &Revision) -> Result<Digest, TargetError> {
    revision.0.parse().map_err(|error| TargetError::BadRelease {
        what: format!("{slot}: {error}"),
        next: "record the release again; the revision of a canister is the sha256 of its module"
            .to_owned(),
    })
}

/// The argument of an install or upgrade, by the types that the module itself gives for it.
fn argument(
    slot: &Slot,
    text: Option<&str>,
    interface: Option<&str>,
) -> Result<Vec<u8>, TargetError> {
    let wrong = |what: String| TargetError::Refused {
        what: format!("{slot}: argument: {what}"),
        allow: None,
        next: "correct `argument` of the canister in the config".to_owned(),
    };
    let values = parse_idl_args(text.unwrap_or("()")).map_err(|error| wrong(error.to_string()))?;
    // An interface that cannot be read is no reason not to install.
    let init = || Interface::read(interface?).ok()?.init();
    match text.and_then(|_given| init()) {
        Some(init) => init.encode(values).map_err(|refusal| wrong(refusal.what)),
        // Without an argument nothing is sent, as other tools do it: a module that needs one says so.
        None => values.to_bytes().map_err(|error| wrong(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: Option<&str>, interface: Option<&str>, expected: Result<&str, &str>) {
        let slot = Slot("api".to_owned());
        let found = argument(&slot, text, interface)
            .map(|bytes| candid::IDLArgs::from_bytes(&bytes).unwrap().to_string())
            .map_err(|error| error.to_string());
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn an_argument_has_the_types_that_the_module_gives() {
        let typed = Some("service : (nat8, opt text) -> { get : () -> (nat) query }");
        check(None, None, Ok("()"));
        check(None, typed, Ok("()"));
        check(Some("(7)"), None, Ok("(7 : int)"));
        check(Some("(7)"), typed, Ok("(7 : nat8, null)"));
        check(Some("(7, opt \"a\")"), typed, Ok("(7 : nat8, opt \"a\")"));
        check(
            Some("(\"a\")"),
            typed,
            Err("api: argument: the arguments do not fit"),
        );
        check(Some("(7)"), Some("not candid"), Ok("(7 : int)"));
        check(Some("(7"), None, Err("api: argument: "));
    }
}
