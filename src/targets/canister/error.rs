//! A request that did not come to a reply, as the error of a target: what was being done, what the network said, and the one next
//! action. What is done about it is the callers'.

use super::call::{CallError, Reject};
use super::certified;
use super::site::Site;
use crate::decide::canister::reject::{self, Explained, Step};
use crate::targets::TargetError;

/// What to do when an answer is not signed with the key of the network that the settings name.
const UNTRUSTED_NEXT: &str =
    "check `network` and `root-key`: the answer comes from another network, or from nobody's";

/// The error of a request that changes nothing. A change whose outcome is not known is an error of reaching the network here.
pub(super) fn failed(error: CallError, site: &Site<'_>, step: Step) -> TargetError {
    let doing = doing(site, step);
    match error {
        CallError::Unknown { why, submitted: _ } => TargetError::Unreachable {
            what: format!("{doing}: {why}"),
        },
        other => told(other, &doing, step),
    }
}

/// The error of a change: where nobody knows whether it was made, it says so.
pub(super) fn changed_failed(error: CallError, site: &Site<'_>, step: Step) -> TargetError {
    let doing = doing(site, step);
    match error {
        CallError::Unknown { why, submitted: _ } => TargetError::OutcomeUnknown {
            what: format!("{doing}: {why}; whether it was done is not known"),
        },
        other => told(other, &doing, step),
    }
}

/// The same as [`changed_failed`]; where we are no controller it names us and the controllers, which it asks the network for.
pub(super) async fn denied(error: CallError, site: &Site<'_>, step: Step) -> TargetError {
    match error.reject() {
        Some(reject) if is_denied(reject) => not_controller(site, step).await,
        Some(_) | None => changed_failed(error, site, step),
    }
}

/// Whether the network says that we are no controller.
pub(super) fn is_denied(reject: &Reject) -> bool {
    reject::is_not_controller(reject.code.as_deref(), &reject.message)
}

/// What a rejection means.
pub(super) fn explained(reject: &Reject, step: Step) -> Explained {
    reject::explain(reject.code.as_deref(), reject.class, &reject.message, step)
}

/// We are no controller of a canister that must be changed: who we are, who the controllers are, and how to become one.
pub(super) async fn not_controller(site: &Site<'_>, step: Step) -> TargetError {
    let controllers = match certified::controllers(site.network, site.id).await {
        Ok(controllers) if controllers.is_empty() => "it has none".to_owned(),
        Ok(controllers) => {
            let texts: Vec<String> = controllers.iter().map(ToString::to_string).collect();
            format!("its controllers are {}", texts.join(", "))
        }
        Err(error) => format!("its controllers could not be read ({error})"),
    };
    TargetError::Refused {
        what: format!(
            "{}: {} is no controller of it; {controllers} (IC0512)",
            doing(site, step),
            site.network.principal
        ),
        allow: None,
        next: add_controller(site),
    }
}

/// The next action of whoever is no controller.
pub(super) fn add_controller(site: &Site<'_>) -> String {
    let us = site.network.principal;
    if us == candid::Principal::anonymous() {
        return "give the identity of a controller: the input `identity`, or the variable DFX_IDENTITY_PEM"
            .to_owned();
    }
    let id = site.id;
    format!(
        "let a controller run `icp canister settings update --add-controller {us} {id}` or \
         `dfx canister update-settings --add-controller {us} {id}`, or use the identity of a controller"
    )
}

/// What was being done, in a few words.
fn doing(site: &Site<'_>, step: Step) -> String {
    let slot = site.slot;
    match step {
        Step::Install => format!("could not install {slot}"),
        Step::Snapshot => format!("could not keep or list snapshots of {slot}"),
        Step::Load => format!("could not load a snapshot into {slot}"),
        Step::Stop => format!("could not stop {slot}"),
        Step::Start => format!("could not start {slot}"),
        Step::Status => format!("could not read the status of {slot}"),
        Step::Query => format!("could not query {slot}"),
        Step::Chunk => format!("could not upload the module of {slot}"),
    }
}

fn told(error: CallError, doing: &str, step: Step) -> TargetError {
    match error {
        CallError::Rejected {
            certified: _,
            reject,
        } => {
            let explained = explained(&reject, step);
            TargetError::Refused {
                what: format!("{doing}: {}", explained.meaning),
                allow: None,
                next: explained.next,
            }
        }
        CallError::Unreachable(why) => TargetError::Unreachable {
            what: format!("{doing}: {why}"),
        },
        CallError::Unknown { why, submitted: _ } => TargetError::OutcomeUnknown {
            what: format!("{doing}: {why}"),
        },
        CallError::Untrusted(why) => TargetError::Refused {
            what: format!("{doing}: {why}"),
            allow: None,
            next: UNTRUSTED_NEXT.to_owned(),
        },
        CallError::Unreadable(why) => TargetError::Failed(anyhow::anyhow!("{doing}: {why}")),
    }
}
