//! What went wrong with a change of a canister, in the words and the kind of error that a caller acts on. What follows from it
//! is not decided here.

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
            next: "check `network` and `root-key` of the target".to_owned(),
        },
        CallError::Unreadable(why) => TargetError::Failed(anyhow!(what(why))),
    }
}

/// The network said no.
pub(super) fn rejected(site: &Site<'_>, doing: Doing, reject: &Reject) -> TargetError {
    let Explained {
        meaning,
        next,
        retry: _,
    } = reject::explain(
        reject.code.as_deref(),
        reject.class,
        &reject.message,
        doing.0,
    );
    TargetError::Refused {
        what: format!("{}: could not {}: {meaning}", site.slot, doing.1),
        allow: None,
        next,
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
