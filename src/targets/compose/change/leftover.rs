//! What a change that did not end leaves behind, and what the next one does about it. Pure: two containers in, one step out.
//!
//! A change makes these calls in this order, and may be killed after each. `old` is the container of before, `new` the one in its place.
//!
//! | after | old | new | what the next run does |
//! |---|---|---|---|
//! | nothing | named, runs | none | the change, from its beginning |
//! | rename | aside, runs | none | names it back, then the change |
//! | create, connect | aside, runs | never started | removes new, names old back, then the change |
//! | stop | aside, stopped | never started | removes new, starts old, names it back, then the change |
//! | start | aside, stopped | runs | waits: healthy → removes old; else removes new, starts old, names it back |
//! | start, of a release that nobody wants now | aside, stopped | runs | the same, by one look: what is well stays until the change replaces it |
//! | stop, dropped while old takes its time | aside, runs, to be started again by the engine | never started | removes new, names old back, then the change; a restart that comes late is stopped once more |
//! | start, and the release of old is wanted | aside, stopped | runs | removes new, starts old, names it back |
//! | start, then new ended | aside, stopped | ended | wanted: starts it again and waits; else removes new, starts old, names it back |
//! | start, then the engine started again | aside, runs (`restart: always`) | runs | waits: healthy → stops and removes old; else removes new, names old back |
//! | start, with `start-first` | aside, runs | runs | the same |
//! | remove | none | runs | nothing: it is done |
//! | putting back: remove new | aside, stopped | none | starts old, names it back, then the change |
//! | putting back: start old | aside, runs | none | names it back, then the change |
//! | start, then the container whose namespace new shares went back | aside | in a namespace that is gone | removes new, starts old, names it back |
//! | somebody else made a container of that name | aside | not ours | runs well → removes old; else refuses, and touches neither |
//!
//! In every row one of the two runs, or is started by the first step. A restart policy of old is left as it is: to take it away would need
//! one more call to forget, and two that run are told apart by who is healthy.

/// The container of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and every combination occurs"
)]
pub(super) struct Old {
    /// Whether it has the name of one that was put aside.
    pub(super) is_aside: bool,
    pub(super) runs: bool,
    /// Whether it is to run: it did before.
    pub(super) ran: bool,
    /// Whether it can: a container that shares the namespace of one that is stopped cannot.
    pub(super) can_run: bool,
}

/// The container in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum New {
    NeverStarted,
    Runs,
    Ended,
    /// It has the name, and no mark of ours.
    NotOurs {
        runs: bool,
    },
}

/// Which of the two has the image that is wanted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Old,
    New,
    Neither,
}

/// What becomes of a leftover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Old gets its place back, step by step ([`back`]).
    Back,
    /// New is started when it does not run, and stays if it gets healthy; else old gets its place back.
    Judge,
    /// New stays if it is healthy; else neither is touched.
    Yield,
    /// Neither is touched.
    Refuse,
}

/// What becomes of a container that was put aside, and of the one in its place.
pub(super) fn fate(new: Option<New>, wanted: Wanted) -> Fate {
    match (new, wanted) {
        (Some(New::NotOurs { runs: true }), _) => Fate::Yield,
        (Some(New::NotOurs { runs: false }), _) => Fate::Refuse,
        (None | Some(New::NeverStarted), _)
        | (Some(New::Runs | New::Ended), Wanted::Old)
        | (Some(New::Ended), Wanted::Neither) => Fate::Back,
        (Some(New::Runs), Wanted::New | Wanted::Neither) | (Some(New::Ended), Wanted::New) => {
            Fate::Judge
        }
    }
}

/// One call on the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// First: it has the name, and may have the ports.
    RemoveNew,
    /// Before its name: who serves needs none.
    StartOld,
    NameOld,
    Done,
}

/// The next call on the way back. `new`: of ours only.
pub(super) fn back(old: Old, has_new: bool) -> Step {
    if has_new {
        return Step::RemoveNew;
    }
    if old.ran && !old.runs && old.can_run {
        return Step::StartOld;
    }
    if old.is_aside {
        return Step::NameOld;
    }
    Step::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(new: Option<New>, wanted: Wanted, expected: Fate) {
        assert_eq!(fate(new, wanted), expected);
    }

    #[test]
    fn every_leftover_has_one_fate() {
        for wanted in [Wanted::Old, Wanted::New, Wanted::Neither] {
            check(None, wanted, Fate::Back);
            check(Some(New::NeverStarted), wanted, Fate::Back);
            check(Some(New::NotOurs { runs: true }), wanted, Fate::Yield);
            check(Some(New::NotOurs { runs: false }), wanted, Fate::Refuse);
        }
        check(Some(New::Runs), Wanted::Old, Fate::Back);
        check(Some(New::Runs), Wanted::New, Fate::Judge);
        check(Some(New::Runs), Wanted::Neither, Fate::Judge);
        check(Some(New::Ended), Wanted::Old, Fate::Back);
        check(Some(New::Ended), Wanted::New, Fate::Judge);
        check(Some(New::Ended), Wanted::Neither, Fate::Back);
    }

    /// The calls from a state to the end, each of which may be the last of a run that is killed.
    fn calls(mut old: Old, mut has_new: bool) -> Vec<Step> {
        let mut calls = Vec::new();
        for _ in 0..9 {
            let step = back(old, has_new);
            match step {
                Step::RemoveNew => has_new = false,
                Step::StartOld => old.runs = true,
                Step::NameOld => old.is_aside = false,
                Step::Done => return calls,
            }
            calls.push(step);
        }
        panic!("the way back does not end: {calls:?}");
    }

    #[test]
    fn the_way_back_is_the_same_from_wherever_it_begins() {
        let old = |is_aside, runs, ran, can_run| Old {
            is_aside,
            runs,
            ran,
            can_run,
        };
        use Step::{NameOld, RemoveNew, StartOld};
        let table: &[(Old, bool, &[Step])] = &[
            (old(false, true, true, true), false, &[]),
            (old(true, true, true, true), false, &[NameOld]),
            (old(true, true, true, true), true, &[RemoveNew, NameOld]),
            (
                old(true, false, true, true),
                true,
                &[RemoveNew, StartOld, NameOld],
            ),
            (old(true, false, true, true), false, &[StartOld, NameOld]),
            (old(false, false, true, true), false, &[StartOld]),
            (old(true, false, false, true), true, &[RemoveNew, NameOld]),
            (old(true, false, true, false), true, &[RemoveNew, NameOld]),
        ];
        for (old, has_new, expected) in table {
            assert_eq!(calls(*old, *has_new), *expected, "{old:?}, new: {has_new}");
        }
    }
}
