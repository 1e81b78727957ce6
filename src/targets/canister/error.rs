//! A question that did not come to a reply, as the error of a target: what was being done, what the network said, and the one next
//! action; and who may change a canister when we may not. Changes that failed are in `refusal`.

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
        CallError::Unreachable(why) | CallError::Unknown { why, submitted: _ } => {
            TargetError::Unreachable {
                what: format!("{doing}: network {}: {why}", site.network.place()),
            }
        }
        other => told(other, &doing, step),
    }
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
    let us = site.network.principal;
    let whose = if us == candid::Principal::anonymous() {
        format!("no identity was given, and nobody ({us})")
    } else {
        us.to_text()
    };
    TargetError::Refused {
        what: format!(
            "{}: {whose} is no controller of it; {controllers} (IC0512)",
            doing(site, step)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::Outcome;
    use crate::model::state::Slot;
    use crate::targets::canister::call::Submitted;
    use crate::targets::canister::network::{Network, RootKey};
    use candid::Principal;
    use ic_agent::identity::AnonymousIdentity;
    use std::sync::Arc;

    fn rejected(code: &str, message: &str) -> CallError {
        CallError::Rejected {
            certified: true,
            reject: Reject {
                code: Some(code.to_owned()),
                class: 5,
                message: message.to_owned(),
            },
        }
    }

    /// Connecting with a key that is known contacts nothing.
    async fn network() -> Network {
        Network::connect(
            "local",
            &"http://127.0.0.1:1".parse().unwrap(),
            &RootKey::Mainnet,
            Arc::new(AnonymousIdentity),
            &crate::net::Settings::default(),
        )
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn each_error_has_its_outcome_and_next_action() {
        let network = network().await;
        let slot = Slot("api".to_owned());
        let site = Site {
            network: &network,
            slot: &slot,
            id: Principal::management_canister(),
            story: None,
        };
        let submitted = Submitted {
            request: ic_agent::RequestId::new(&[0; 32]),
            expires_ns: 0,
        };
        let why = || "no answer".to_owned();
        for (error, outcome, text, hint) in [
            (
                rejected("IC0505", "Wasm module is not valid"),
                Outcome::Refused,
                "could not read the status of api: the module is not one that the network takes",
                "build it again",
            ),
            (
                CallError::Untrusted(why()),
                Outcome::Refused,
                "no answer",
                "root-key",
            ),
            (
                CallError::Unreachable(why()),
                Outcome::Unreachable,
                "no answer",
                "again",
            ),
            (
                CallError::Unknown {
                    why: why(),
                    submitted,
                },
                Outcome::Unreachable,
                "no answer",
                "again",
            ),
        ] {
            let failure = failed(error, &site, Step::Status).failure("ic");
            assert_eq!(failure.kind, outcome, "{failure:?}");
            assert!(failure.to_string().contains(text), "{failure:?}");
            assert!(failure.hints[0].contains(hint), "{failure:?}");
        }
        // Nobody answers there, and still both sides are named as far as they are known.
        let error = not_controller(&site, Step::Install).await;
        assert!(error.to_string().contains("(2vxsx-fae) is no controller"));
        assert!(add_controller(&site).contains("DFX_IDENTITY_PEM"));
    }
}
