//! What is said of a canister before it is changed, in lines. Nothing is asked here.

use super::super::module::{Facts, megabytes};
use super::super::site::Site;
use crate::decide::canister::cycles::{Account, Cycles};
use crate::decide::canister::mode::{Memory, Mode};

/// How the module goes in, and how large it is.
pub(super) fn mode_line(mode: Mode, module: Option<&Facts>) -> String {
    let how = match module {
        Some(facts) => format!("{mode}; the module has {}", megabytes(facts.size_bytes)),
        None => mode.to_string(),
    };
    match mode {
        // It serves nobody.
        Mode::Install => how,
        Mode::Upgrade { memory: _ } | Mode::Reinstall => {
            format!("{how}; it is stopped while this lasts")
        }
    }
}

/// What would be lost.
pub(super) const fn loss(mode: Mode) -> &'static str {
    match mode {
        Mode::Reinstall => {
            "all of its state would be wiped, stable memory and log included, as the setting `reinstall` asks"
        }
        Mode::Upgrade {
            memory: Memory::Replace,
        } => {
            "its state is in the main memory, which this module cannot take over: it would be lost"
        }
        Mode::Install
        | Mode::Upgrade {
            memory: Memory::Default | Memory::Keep,
        } => "nothing would be lost",
    }
}

/// How many cycles there are, and for how long.
pub(in super::super) fn cycles_line(account: &Account) -> String {
    let balance = Cycles(account.balance);
    match account.days_until_frozen() {
        Some(1) => format!("{balance} cycles, 1 day until it freezes"),
        Some(days) => format!("{balance} cycles, {days} days until it freezes"),
        None => format!("{balance} cycles, and it burns none"),
    }
}

/// The next action when there are too few.
pub(in super::super) fn top_up(site: &Site<'_>) -> String {
    let id = site.id;
    format!("top it up: `icp canister top-up --amount 1t {id}` or `dfx cycles top-up {id} 1t`")
}
