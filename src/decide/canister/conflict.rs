//! What follows when an earlier module cannot be put back over the state that the later one has left, and which snapshot could
//! take its place. Nothing is upgraded or loaded here.

use super::reject::{self, Hook};
use crate::model::payload::Digest;
use crate::model::plan::OnStateConflict;

/// How many snapshots of unknown content are looked into: each costs the reading of a module.
pub const LOOKED_INTO_MAX: usize = 3;

/// What a refused upgrade leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It was not about the state: the refusal is the answer.
    Report,
    /// The operator decides.
    Ask,
    /// One more upgrade, without `pre_upgrade` of the installed module.
    SkipPreUpgrade,
    /// The module that is put back refuses the state: skipping the other's `pre_upgrade` would lose its heap and help nothing.
    SkippingIsNoHelp,
    LoadSnapshot,
}

/// What a refused upgrade to an earlier module leads to, by the error code (`IC0503`), its text and the operator's policy.
pub fn next(code: Option<&str>, message: &str, policy: OnStateConflict) -> Next {
    if !is_over_state(code, message) {
        return Next::Report;
    }
    match policy {
        OnStateConflict::Stop => Next::Ask,
        OnStateConflict::Snapshot => Next::LoadSnapshot,
        OnStateConflict::SkipPreUpgrade if is_of_new_module(message) => Next::SkippingIsNoHelp,
        OnStateConflict::SkipPreUpgrade => Next::SkipPreUpgrade,
    }
}

/// Whether an upgrade was refused over the state: by a trap or a limit in one of its two hooks, or because the two modules keep
/// their memory in different ways.
fn is_over_state(code: Option<&str>, message: &str) -> bool {
    reject::is_trap(code, message)
        || reject::is_limit(code, message)
        || reject::is_upgrade_option(code, message)
        || says_incompatible(message)
}

/// Whether it is said that the module to be put back would not take the state. A text that names both hooks says nothing.
fn is_of_new_module(message: &str) -> bool {
    let both = message.contains("pre_upgrade") && message.contains("post_upgrade");
    let named = reject::hook(message) == Some(Hook::PostUpgrade) && !both;
    named || says_incompatible(message)
}

/// What Motoko's runtime traps with when the types of the state do not fit.
fn says_incompatible(message: &str) -> bool {
    let text = message.to_ascii_lowercase();
    text.contains("memory-incompatible program upgrade")
}

/// A snapshot of a canister, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Hex.
    pub id: String,
    /// Nanoseconds since 1970 by the network's clock.
    pub taken_at_ns: u64,
    /// The module it holds. `None`: nobody noted that.
    pub holds: Option<Digest>,
}

/// Which snapshots could put `wanted` back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// The newest one that is known to hold it.
    pub proven: Option<Candidate>,
    /// Those whose module would have to be read, newest first, and no more than [`LOOKED_INTO_MAX`].
    pub to_look_into: Vec<Candidate>,
}

/// Chooses among the snapshots of a canister. One that is known to hold another module is none.
pub fn choose(mut candidates: Vec<Candidate>, wanted: Digest) -> Choice {
    candidates.sort_by(|a, b| (b.taken_at_ns, &b.id).cmp(&(a.taken_at_ns, &a.id)));
    let proven = candidates
        .iter()
        .find(|candidate| candidate.holds == Some(wanted))
        .cloned();
    candidates.retain(|candidate| candidate.holds.is_none());
    candidates.truncate(LOOKED_INTO_MAX);
    Choice {
        proven,
        to_look_into: candidates,
    }
}

/// A length of time for people, in the two units that matter: `2 h 13 min`. Nothing for a clock that went back.
pub fn span(from_ns: u64, to_ns: u64) -> String {
    let seconds = to_ns.saturating_sub(from_ns) / 1_000_000_000;
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (_, _, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: &str, message: &str, expected: bool) {
        let code = (!code.is_empty()).then_some(code);
        assert_eq!(is_over_state(code, message), expected, "{code:?} {message}");
    }

    #[test]
    fn traps_and_limits_are_about_the_state() {
        check("IC0502", "heap out of bounds", true);
        check("IC0503", "Panicked at 'x'", true);
        check(
            "IC0503",
            "RTS error: Memory-incompatible program upgrade",
            true,
        );
        check(
            "IC0522",
            "exceeded the limit of 300000000000 instructions",
            true,
        );
        check("IC0539", "memory limit", true);
        check(
            "IC0504",
            "Missing upgrade option: Enhanced orthogonal persistence requires the `wasm_memory_persistence` upgrade option.",
            true,
        );
        check("IC0504", "Chunk 0 was not found in the chunk store", false);
        check(
            "IC0207",
            "Canister installation failed: out of cycles",
            false,
        );
        check("IC0505", "invalid module", false);
        check("IC0512", "Only controllers", false);
        check("IC0209", "rate limited", false);
        check("", "something new", false);
        check("", "RTS error: Memory-incompatible program upgrade", true);
    }

    #[track_caller]
    fn follows(message: &str, policy: OnStateConflict, expected: Next) {
        assert_eq!(next(Some("IC0503"), message, policy), expected);
    }

    #[test]
    fn the_policy_decides_what_follows() {
        use OnStateConflict::{SkipPreUpgrade, Snapshot, Stop};
        follows("x", Stop, Next::Ask);
        follows("pre_upgrade", Stop, Next::Ask);
        follows("x", Snapshot, Next::LoadSnapshot);
        follows("post_upgrade", Snapshot, Next::LoadSnapshot);
        follows("x", SkipPreUpgrade, Next::SkipPreUpgrade);
        follows(
            "in canister_pre_upgrade",
            SkipPreUpgrade,
            Next::SkipPreUpgrade,
        );
        follows(
            "in canister_post_upgrade",
            SkipPreUpgrade,
            Next::SkippingIsNoHelp,
        );
        follows(
            "pre_upgrade, post_upgrade",
            SkipPreUpgrade,
            Next::SkipPreUpgrade,
        );
        follows(
            "Memory-incompatible program upgrade",
            SkipPreUpgrade,
            Next::SkippingIsNoHelp,
        );
    }

    #[test]
    fn the_newest_that_is_known_to_hold_it_comes_first() {
        let [good, other] = [1, 2].map(|byte| Digest::from_bytes([byte; 32]));
        let of = |id: &str, taken_at_ns, holds| Candidate {
            id: id.to_owned(),
            taken_at_ns,
            holds,
        };
        #[track_caller]
        fn check(choice: &Choice, proven: Option<&str>, others: &[&str]) {
            let found = choice
                .proven
                .as_ref()
                .map(|candidate| candidate.id.as_str());
            assert_eq!(found, proven);
            let found: Vec<&str> = choice
                .to_look_into
                .iter()
                .map(|one| one.id.as_str())
                .collect();
            assert_eq!(found, others);
        }
        let all = vec![
            of("a", 1, Some(good)),
            of("b", 5, Some(other)),
            of("c", 3, Some(good)),
            of("d", 9, None),
            of("e", 7, None),
            of("f", 8, None),
            of("g", 6, None),
        ];
        check(&choose(all, good), Some("c"), &["d", "f", "e"]);
        check(&choose(vec![of("b", 5, Some(other))], good), None, &[]);
        check(&choose(Vec::new(), good), None, &[]);
    }

    #[test]
    fn a_span_is_told_in_two_units() {
        #[track_caller]
        fn check(seconds: u64, expected: &str) {
            let start = 1_700_000_000_000_000_000;
            assert_eq!(span(start, start + seconds * 1_000_000_000), expected);
        }
        check(0, "0 s");
        check(59, "59 s");
        check(60, "1 min 0 s");
        check(3599, "59 min 59 s");
        check(7980, "2 h 13 min");
        check(86_399, "23 h 59 min");
        check(266_400, "3 d 2 h");
        assert_eq!(span(2, 1), "0 s");
    }
}
