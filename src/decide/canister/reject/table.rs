//! One sentence and one next action for every code of `rs/types/error_types` in dfinity/ic (IC0101 to IC0602), from the meanings
//! in `docs/reference/execution-errors.md` of dfinity/developer-docs. The texts of one code are told apart where it has several.

use super::{Retry, Step, execution, text};
use std::time::Duration;

/// What one code means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) meaning: &'static str,
    pub(super) next: &'static str,
    pub(super) retry: Retry,
    /// What the network says beyond it is of no use.
    pub(super) says_it_all: bool,
}

pub(super) const fn never(meaning: &'static str, next: &'static str) -> Known {
    Known {
        meaning,
        next,
        retry: Retry::Never,
        says_it_all: false,
    }
}

pub(super) const fn plain(meaning: &'static str, next: &'static str) -> Known {
    Known {
        meaning,
        next,
        retry: Retry::Never,
        says_it_all: true,
    }
}

pub(super) const fn later(meaning: &'static str, next: &'static str, wait: Duration) -> Known {
    Known {
        meaning,
        next,
        retry: Retry::Later(wait),
        says_it_all: false,
    }
}

const fn after_check(meaning: &'static str, next: &'static str) -> Known {
    Known {
        meaning,
        next,
        retry: Retry::AfterCheck,
        says_it_all: false,
    }
}

pub(super) const AGAIN: &str = "run the same command again: it looks first";
pub(super) const TOP_UP: &str = "top up the canister with `icp canister top-up` or `dfx cycles top-up`, then run the same command again";
pub(super) const ADD_CONTROLLER: &str = "use the identity of a controller, or add this one with `icp canister settings update --add-controller` \
                              or `dfx canister update-settings --add-controller`";
const REPORT: &str =
    "report this with the text: the request was not made as this network expects it";

/// The number without `IC0`; `None`: a code that is not known here. `said` is the text, [`text::cut`].
pub(super) fn known(number: u16, said: &str, step: Step) -> Option<Known> {
    match number {
        100..=199 => fatal(number),
        200..=299 => transient(number, step),
        300..=399 => missing(number),
        400..=499 => rejected(number, said),
        502 | 503 => Some(execution::trap(step)),
        504 => Some(execution::contract(said)),
        505..=529 => execution::canister(number, step),
        530..=535 | 539 | 540 => resources(number),
        536..=538 | 541 | 542 => access(number),
        601 | 602 => answer(number),
        _ => None,
    }
}

/// What to do, and whether to try again, for a rejection of which only the class is known.
pub(super) fn by_class(class: u8) -> (&'static str, Retry) {
    match class {
        1 => (
            "ask in the developer forum with this text: the network itself cannot do it",
            Retry::Never,
        ),
        2 | 6 => (AGAIN, Retry::AfterCheck),
        3 => (
            "check the canister's id and the network it is on",
            Retry::Never,
        ),
        4 => (
            "read the text: the canister or the network would not",
            Retry::Never,
        ),
        5 => (
            "read the text: the canister failed; nothing was changed",
            Retry::Never,
        ),
        _ => (
            "look the code up in the documentation of the Internet Computer",
            Retry::Never,
        ),
    }
}

fn fatal(number: u16) -> Option<Known> {
    Some(match number {
        101 => never(
            "the subnet has too little memory or computing left",
            "make the module smaller, or move the canister to another subnet",
        ),
        102 => never(
            "the subnet holds as many canisters as it may",
            "use another subnet",
        ),
        _ => return None,
    })
}

fn transient(number: u16, step: Step) -> Option<Known> {
    Some(match number {
        201 => after_check("the queue of the canister is full", AGAIN),
        202 => after_check("the request waited too long and was dropped", AGAIN),
        203 => later(
            "the canister still has messages in its queues",
            AGAIN,
            Duration::from_mins(1),
        ),
        204 => after_check("the network takes no more requests for the moment", AGAIN),
        205 => never(
            "a canister with this id exists already",
            "name another id in the settings",
        ),
        206 => later(
            "the canister did not stop in time: calls that it made are still open",
            "wait until those calls are answered, or raise `stop-deadline`",
            Duration::from_secs(30),
        ),
        207 => never(out_of_cycles(step), TOP_UP),
        208 => later(
            "this node has no certified state yet",
            AGAIN,
            Duration::from_secs(10),
        ),
        209 => later(
            "the canister was installed too often or too expensively just now",
            "wait some minutes, then run the same command again",
            Duration::from_mins(5),
        ),
        210 => later(
            "the canister wrote too much just now for another snapshot",
            "wait a minute, then run the same command again",
            Duration::from_secs(30),
        ),
        _ => return None,
    })
}

const fn out_of_cycles(step: Step) -> &'static str {
    match step {
        Step::Install => {
            "the canister has too few cycles for the install; what was installed is still there"
        }
        Step::Snapshot => "the canister has too few cycles for a snapshot",
        Step::Load => "the canister has too few cycles to load a snapshot; its state is as it was",
        Step::Chunk => "the canister has too few cycles to take the module in parts",
        Step::Stop | Step::Start | Step::Status | Step::Query => {
            "the canister is frozen: it has too few cycles to do anything"
        }
    }
}

fn missing(number: u16) -> Option<Known> {
    Some(match number {
        301 => never(
            "this network has no such canister",
            "check the canister's id and the network it is on",
        ),
        305 => never(
            "the canister has no such snapshot",
            "list them with `icp canister snapshot list` or `dfx canister snapshot list`",
        ),
        _ => return None,
    })
}

fn rejected(number: u16, said: &str) -> Option<Known> {
    Some(match number {
        402 => never(
            "the memory allocation of the canister is too small for this",
            "raise `memory-allocation` in the canister's settings",
        ),
        403 => never("too few cycles to make a canister", TOP_UP),
        404 => never("there is no such subnet", "check the network's address"),
        405 => never(
            "the canister is not on this subnet",
            "check the canister's id and the network it is on",
        ),
        406 => by_text(said),
        407 => never(
            "this network does not know the request",
            "use a newer version of the local network, or leave out what it cannot do (`snapshots: 0`)",
        ),
        408 => never("the network cannot read the request", REPORT),
        409 => never(
            "this snapshot cannot be changed",
            "take a new one: only uploaded snapshots can be changed",
        ),
        410 => plain(
            "only an administrator of the subnet may do this",
            ADD_CONTROLLER,
        ),
        _ => return None,
    })
}

fn by_text(said: &str) -> Known {
    if text::is_snapshot_limit(said) {
        return never(
            "the canister has as many snapshots as it may",
            "delete one that nobody needs with `icp canister snapshot delete` or `dfx canister snapshot delete`",
        );
    }
    if text::is_not_ready_yet(said) {
        return later(
            "the snapshot cannot be loaded yet",
            "wait ten minutes, then run the same command again",
            Duration::from_mins(10),
        );
    }
    if text::is_foreign_snapshot(said) || text::is_snapshot_owner(said) {
        return never(
            "the snapshot is another canister's",
            "list those of this canister with `icp canister snapshot list` or `dfx canister snapshot list`",
        );
    }
    if text::is_empty_canister(said) {
        return never(
            "the canister is empty: there is nothing to keep",
            "install it without a snapshot (`snapshots: 0`)",
        );
    }
    never(
        "the canister or the network would not",
        "read the text: it says why",
    )
}

fn resources(number: u16) -> Option<Known> {
    Some(match number {
        530 => never(
            "the canister has too few cycles for its compute allocation",
            TOP_UP,
        ),
        531 => never(
            "the canister has too few cycles for its memory allocation",
            TOP_UP,
        ),
        532 => never("the canister has too few cycles for more memory", TOP_UP),
        533 | 534 => never(
            "more memory would reserve more cycles than the canister's settings permit",
            "raise `reserved-cycles-limit` in the canister's settings",
        ),
        535 => never("the canister has too few cycles to send messages", TOP_UP),
        539 => never(
            "the canister needs more main memory than its settings permit",
            "raise `wasm-memory-limit` in the canister's settings",
        ),
        540 => never(
            "the limit of reserved cycles is below what is reserved",
            "raise `reserved-cycles-limit` in the canister's settings",
        ),
        _ => return None,
    })
}

fn access(number: u16) -> Option<Known> {
    Some(match number {
        536 => never(
            "the canister has no such method",
            "name one that its interface has",
        ),
        537 => plain(
            "the canister is empty",
            "run the same command again: it installs into an empty canister",
        ),
        538 => plain("there is such a canister already", AGAIN),
        541 => plain(
            "this identity is neither a controller of the canister nor an administrator of the subnet",
            ADD_CONTROLLER,
        ),
        542 => plain(
            "this identity may not read the status of the canister",
            ADD_CONTROLLER,
        ),
        _ => return None,
    })
}

fn answer(number: u16) -> Option<Known> {
    Some(match number {
        601 => after_check("no answer came before the deadline of the call", AGAIN),
        602 => after_check("the answer was dropped by the network", AGAIN),
        _ => return None,
    })
}
