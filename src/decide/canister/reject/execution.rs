//! What the codes of the execution mean (IC0502 to IC0529): the module, its code and its methods. The other codes are in `table`.

use super::table::{ADD_CONTROLLER, AGAIN, Known, TOP_UP, later, never, plain};
use super::{Retry, Step, text};
use std::time::Duration;

const MEND_MODULE: &str = "mend the module, then release it again";

pub(super) const fn trap(step: Step) -> Known {
    match step {
        Step::Install => never(
            "code of the module trapped during the install; nothing was changed",
            "mend the module; if the `pre_upgrade` of the installed one traps, see `on-state-conflict`",
        ),
        Step::Query => never("the method trapped", "read the canister's log and the text"),
        Step::Snapshot | Step::Load | Step::Stop | Step::Start | Step::Status | Step::Chunk => {
            never("code of the canister trapped", "read the canister's log")
        }
    }
}

pub(super) fn contract(said: &str) -> Known {
    if text::is_upgrade_option(said) {
        return never(
            "the module and the installed one do not agree on what becomes of the main memory",
            "release a module with the same kind of persistence as the installed one",
        );
    }
    if text::is_chunk_store(said) {
        return Known {
            meaning: "the parts of the module in the canister's store are not those of the module",
            next: AGAIN,
            retry: Retry::OnceAfterReupload,
            says_it_all: false,
        };
    }
    never(
        "what the canister did or was asked is forbidden by its system",
        MEND_MODULE,
    )
}

pub(super) fn canister(number: u16, step: Step) -> Option<Known> {
    Some(match number {
        505 => never(
            "the module is not one that the network takes; nothing was changed",
            "build it again, and shrink it with `ic-wasm` if it is too large",
        ),
        506 => never(
            "the method ended without an answer",
            "query another method, or mend this one",
        ),
        507 => never("the canister cannot have more memory", MEND_MODULE),
        508 => later(
            "the canister is stopped",
            "start it with `icp canister start` or `dfx canister start`",
            Duration::from_secs(1),
        ),
        509 => later(
            "the canister is stopping",
            "start it with `icp canister start` or `dfx canister start`",
            Duration::from_secs(1),
        ),
        510 => later("the canister is not stopped", AGAIN, Duration::from_secs(5)),
        511 => later(
            "somebody started the canister while it was stopping",
            "find out who did, then run the same command again",
            Duration::from_secs(5),
        ),
        512 => plain(
            "this identity is no controller of the canister",
            ADD_CONTROLLER,
        ),
        513 => never("the module lacks a function", MEND_MODULE),
        514 => plain(
            "the canister is not empty",
            "run the same command again: it upgrades what is installed and keeps the state",
        ),
        517 | 525 | 526 | 529 => never(
            "the query calls too many other queries",
            "query a method that does not",
        ),
        520 => never(
            "a call of the canister was sent with too few cycles",
            TOP_UP,
        ),
        521 => never(
            "the engine of the network failed on the module",
            "ask in the developer forum with this text",
        ),
        522 => never(too_many_instructions(step), instructions_next(step)),
        524 => never(
            "the canister touched more stable memory than one message may",
            MEND_MODULE,
        ),
        527 => never(
            "a composite query cannot be called like this",
            "query a method that is a plain query",
        ),
        528 => later(
            "the query took too long",
            "query a method that answers sooner",
            Duration::from_secs(5),
        ),
        _ => return None,
    })
}

const fn too_many_instructions(step: Step) -> &'static str {
    match step {
        Step::Install => {
            "the install needs more instructions than one may have; nothing was changed"
        }
        Step::Snapshot
        | Step::Load
        | Step::Stop
        | Step::Start
        | Step::Status
        | Step::Query
        | Step::Chunk => "the canister needed more instructions than one message may have",
    }
}

const fn instructions_next(step: Step) -> &'static str {
    match step {
        Step::Install => {
            "make `pre_upgrade` and `post_upgrade` do less; if it is the installed module's, see `on-state-conflict`"
        }
        Step::Snapshot
        | Step::Load
        | Step::Stop
        | Step::Start
        | Step::Status
        | Step::Query
        | Step::Chunk => "query a method that does less",
    }
}
