//! What a rejection of the Internet Computer means, and the one next action. The code decides, then the reject class, then the
//! text; the codes are those of `rs/types/error_types` in dfinity/ic, whose documentation calls them subject to change.
//! The hint of the replica to reinstall a canister, which would wipe its state, is never repeated.

mod execution;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::time::Duration;
pub use text::cut;

/// What was being done when it was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Installing or upgrading a module.
    Install,
    /// Taking, listing or deleting a snapshot.
    Snapshot,
    /// Loading a snapshot.
    Load,
    Stop,
    Start,
    /// Reading its status.
    Status,
    /// A query of one of its methods.
    Query,
    /// Uploading or listing chunks of a module.
    Chunk,
}

/// Whether the same request may come to something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    Never,
    /// Only after the certified hash was looked at: it may have been done.
    AfterCheck,
    /// Not before this long.
    Later(Duration),
    /// Once, after the chunks were uploaded again.
    OnceAfterReupload,
}

/// A rejection in the operator's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// One line, with the code and what the network said.
    pub meaning: String,
    /// The one next action.
    pub next: String,
    pub retry: Retry,
}

/// The part of a canister's life that failed, where the rejection names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Of a new module, at its first install.
    Init,
    /// Of the module that is installed, before it is replaced.
    PreUpgrade,
    /// Of the module that is being installed.
    PostUpgrade,
}

/// What `code` (`IC0503`), the reject class (1 to 6, as in the interface specification) and the text mean, when `step` was being
/// done. What is not known is passed on raw, with what its class advises.
pub fn explain(code: Option<&str>, class: u8, message: &str, step: Step) -> Explained {
    let number = number(code, message);
    let said = cut(message);
    let Some(known) = number.and_then(|number| table::known(number, &said, step)) else {
        return unknown(code, class, &said);
    };
    let code = code.map_or_else(|| format!("IC{:04}", number.unwrap_or(0)), cut);
    let meaning = if said.is_empty() || known.says_it_all {
        format!("{} ({code})", known.meaning)
    } else {
        format!("{} ({code}: {said})", known.meaning)
    };
    Explained {
        meaning,
        next: known.next.to_owned(),
        retry: known.retry,
    }
}

fn unknown(code: Option<&str>, class: u8, said: &str) -> Explained {
    let name = match code {
        Some(code) => cut(code),
        None => format!("rejected, class {class}"),
    };
    let meaning = if said.is_empty() {
        name
    } else {
        format!("{name}: {said}")
    };
    let (next, retry) = table::by_class(class);
    Explained {
        meaning,
        next: next.to_owned(),
        retry,
    }
}

/// The number of a code: the one that is given, else the one that the text begins with, else the one that the text is known by.
fn number(code: Option<&str>, message: &str) -> Option<u16> {
    let digits = |text: &str| -> Option<u16> {
        let digits = text.strip_prefix("IC")?.get(..4)?;
        digits.parse().ok()
    };
    match code {
        Some(code) => digits(code.trim()),
        None => digits(message.trim_start()).or_else(|| text::recognised(message)),
    }
}

fn is_one_of(code: Option<&str>, message: &str, numbers: &[u16]) -> bool {
    number(code, message).is_some_and(|found| numbers.contains(&found))
}

/// The code of a canister trapped, or did what its system forbids.
pub fn is_trap(code: Option<&str>, message: &str) -> bool {
    is_one_of(code, message, &[502, 503])
}

/// A limit of instructions or memory ended the execution.
pub fn is_limit(code: Option<&str>, message: &str) -> bool {
    is_one_of(code, message, &[507, 522, 524, 539])
}

/// The canister is stopped or stopping, so that it answers nothing.
pub fn is_not_serving(code: Option<&str>, message: &str) -> bool {
    is_one_of(code, message, &[508, 509])
}

/// It answers, and has no such method, or no module at all: whoever says so serves.
pub fn is_no_method(code: Option<&str>, message: &str) -> bool {
    is_one_of(code, message, &[536])
}

/// Chunks are missing, or are not those of the module.
pub fn is_chunk(code: Option<&str>, message: &str) -> bool {
    is_one_of(code, message, &[504]) && text::is_chunk_store(message)
}

/// An upgrade of a module with enhanced orthogonal persistence does not say what becomes of its main memory, or says it wrongly.
pub fn is_upgrade_option(code: Option<&str>, message: &str) -> bool {
    is_one_of(code, message, &[504]) && text::is_upgrade_option(message)
}

/// We are no controller: nothing can be changed.
pub fn is_not_controller(code: Option<&str>, message: &str) -> bool {
    is_one_of(code, message, &[512, 541])
}

/// The status may not be read by us; what is certified may.
pub fn is_status_denied(code: Option<&str>, message: &str) -> bool {
    is_one_of(code, message, &[512, 541, 542])
}

/// Too few cycles for what was asked.
pub fn is_out_of_cycles(code: Option<&str>, message: &str) -> bool {
    is_one_of(code, message, &[207, 530, 531, 532, 535])
}

/// The network has no such canister.
pub fn is_no_canister(code: Option<&str>, message: &str) -> bool {
    is_one_of(code, message, &[301])
}

/// There is no such snapshot, or it is another canister's.
pub fn is_no_snapshot(code: Option<&str>, message: &str) -> bool {
    is_one_of(code, message, &[305])
        || is_one_of(code, message, &[406]) && text::is_foreign_snapshot(message)
}

/// The canister has as many snapshots as it may.
pub fn is_snapshot_limit(code: Option<&str>, message: &str) -> bool {
    is_one_of(code, message, &[406]) && text::is_snapshot_limit(message)
}

/// A snapshot, or a canister, that will be ready in a while.
pub fn is_not_ready_yet(code: Option<&str>, message: &str) -> bool {
    is_one_of(code, message, &[406]) && text::is_not_ready_yet(message)
}

/// Which hook of a module failed, when the text or its backtrace names one.
pub fn hook(message: &str) -> Option<Hook> {
    [
        ("pre_upgrade", Hook::PreUpgrade),
        ("post_upgrade", Hook::PostUpgrade),
        ("canister_init", Hook::Init),
    ]
    .into_iter()
    .find_map(|(name, hook)| message.contains(name).then_some(hook))
}
