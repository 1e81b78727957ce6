//! What went wrong with a question to a canister or a change of it, in the words and the kind of error that a caller acts on.
//! What follows from it is not decided here.

use super::call::{CallError, Reject};
use super::site::Site;
use crate::decide::canister::reject::{self, Explained, Step};
use crate::model::payload::Digest;
use crate::targets::TargetError;
use anyhow::anyhow;

/// What was being done, for the table of rejections and in the operator's words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doing(pub(super) Step, pub(super) &'static str);

pub(super) const INSTALL: Doing = Doing(Step::Install, "install it");
pub(super) const SNAPSHOT: Doing = Doing(Step::Snapshot, "take a snapshot");
pub(super) const SNAPSHOTS: Doing = Doing(Step::Snapshot, "list its snapshots");
pub(super) const DELETE: Doing = Doing(Step::Snapshot, "delete a snapshot");
pub(super) const LOAD: Doing = Doing(Step::Load, "load the snapshot");
pub(super) const STOP: Doing = Doing(Step::Stop, "stop it");
pub(super) const START: Doing = Doing(Step::Start, "start it");
pub(super) const STATUS: Doing = Doing(Step::Status, "ask for its status");
pub(super) const CERTIFIED: Doing = Doing(Step::Status, "read what is certified of it");
pub(super) const CHUNKS: Doing = Doing(Step::Chunk, "upload the module");

/// A request that did not come to a reply.
pub(super) fn failed(site: &Site<'_>, doing: Doing, error: CallError) -> TargetError {
    let what = |why: String| format!("{}: could not {}: {why}", site.slot, doing.1);
    match error {
        CallError::Rejected {
            certified: _,
            reject,
        } => rejected(site, doing, &reject),
        CallError::Unreachable(why) => TargetError::Unreachable {
            what: what(format!("network {}: {why}", site.network.place())),
        },
        CallError::Unknown { why, submitted: _ } => TargetError::OutcomeUnknown { what: what(why) },
        CallError::Untrusted(why) => TargetError::Refused {
            what: what(why),
            allow: None,
            next: "check `network` and `root-key` of the target: the answer comes from another network, or from nobody's"
                .to_owned(),
        },
        CallError::Unreadable(why) => TargetError::Failed(anyhow!(what(why))),
    }
}

/// The same of a question, which changes nothing: an answer that was lost is one that did not come.
pub(super) fn unanswered(site: &Site<'_>, doing: Doing, error: CallError) -> TargetError {
    let error = match error {
        CallError::Unknown { why, submitted: _ } => CallError::Unreachable(why),
        other => other,
    };
    failed(site, doing, error)
}

/// What a rejection means.
pub(super) fn explained(reject: &Reject, step: Step) -> Explained {
    let code = reject.code.as_deref();
    reject::explain(code, reject.class, &reject.message, step)
}

/// The network said no.
pub(super) fn rejected(site: &Site<'_>, doing: Doing, reject: &Reject) -> TargetError {
    let explained = explained(reject, doing.0);
    TargetError::Refused {
        what: format!(
            "{}: could not {}: {}",
            site.slot, doing.1, explained.meaning
        ),
        allow: None,
        next: explained.next,
    }
}

/// It holds something else than what the plan saw.
pub(super) fn conflict(
    site: &Site<'_>,
    found: Option<Digest>,
    expected: Option<Digest>,
) -> TargetError {
    TargetError::Conflict {
        slot: site.slot.clone(),
        found: name(found),
        expected: name(expected),
    }
}

/// A module hash, or that there is none.
pub(super) fn name(hash: Option<Digest>) -> String {
    hash.map_or("nothing".to_owned(), |hash| hash.to_string())
}

/// The same error, and what else is to be known.
pub(super) fn adding(error: TargetError, more: &str) -> TargetError {
    let add = |what: String| format!("{what}; {more}");
    match error {
        TargetError::Conflict {
            slot,
            found,
            expected,
        } => TargetError::Conflict {
            slot,
            found: format!("{found} ({more})"),
            expected,
        },
        TargetError::Refused { what, allow, next } => TargetError::Refused {
            what: add(what),
            allow,
            next,
        },
        TargetError::Usage { what, next } => TargetError::Usage {
            what: add(what),
            next,
        },
        TargetError::Held { what } => TargetError::Held { what: add(what) },
        TargetError::Unreachable { what } => TargetError::Unreachable { what: add(what) },
        TargetError::OutcomeUnknown { what } => TargetError::OutcomeUnknown { what: add(what) },
        TargetError::Unhealthy { what, advice } => TargetError::Unhealthy {
            what: add(what),
            advice,
        },
        TargetError::BadRelease { what, next } => TargetError::BadRelease {
            what: add(what),
            next,
        },
        TargetError::Failed(cause) => TargetError::Failed(anyhow!("{cause:#}; {more}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::Outcome;
    use crate::model::state::Slot;
    use crate::targets::canister::call::Submitted;
    use crate::targets::canister::controllers;
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
                "api: could not ask for its status: the module is not one that the network takes",
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
            let failure = unanswered(&site, STATUS, error).failure("ic");
            assert_eq!(failure.kind, outcome, "{failure:?}");
            assert!(failure.to_string().contains(text), "{failure:?}");
            assert!(failure.hints[0].contains(hint), "{failure:?}");
        }
        let error = controllers::refused(&site, INSTALL, &[]).to_string();
        assert!(error.contains("(2vxsx-fae) is no controller of it; its controllers are nobody"));
        assert!(controllers::add_us(&site).contains("DFX_IDENTITY_PEM"));
    }
}
