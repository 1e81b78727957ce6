//! What a change that did not end leaves behind, and what the next one does about it. Pure: two containers in, one step out.
//!
//! A change makes these calls in this order, and may be killed after each. `old` is the container of before, `new` the one in its place.
//!
//! | after | old | new | what the next run does |
//! |---|---|---|---|
//! | nothing | named, runs | none | the change, from its beginning |
//! | rename | aside, runs | none | names it back, then the change |
//! | create, connect | aside, runs | never started | removes new, names old back, then the change |
//! | stop, whose answer is lost | aside, to end | never started | (the same run) waits until old is down, and goes on; else asks the engine to restart old before anything else |
//! | stop | aside, stopped | never started | removes new, starts old, names it back, then the change |
//! | start | aside, stopped | runs | waits: healthy → removes old; else removes new, starts old, names it back |
//! | start, of a release that nobody wants now | aside, stopped | runs | the same, by one look: what is well stays until the change replaces it |
//! | stop, dropped while old takes its time | aside, runs, to be started again by the engine | never started | removes new, names old back, then the change; a restart that comes late is stopped once more |
//! | start, and the release of old is wanted | aside, stopped | runs | removes new, starts old, names it back |
//! | start, then new ended | aside, stopped | ended | wanted: starts it again and waits; else removes new, starts old, names it back |
//! | start, then the engine started again | aside, runs (`restart: always`) | runs | waits: healthy → stops and removes old; else removes new, names old back |
//! | start, with `start-first` | aside, runs | runs | the same |
//! | remove | none | runs | nothing: it is done |
//! | putting back: the engine refuses to remove new | aside, stopped | stopped | (the same run) starts old, and tells that new is in its way; the next one removes new, names old back |
//! | putting back: remove new | aside, stopped | none | starts old, names it back, then the change |
//! | putting back: start old | aside, runs | none | names it back, then the change |
//! | putting back: old does not stay up, or cannot be started | aside, stopped | none | names it back all the same, and tells it: the change does not need it |
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
    /// Whether it was asked to stop: that it still runs says nothing, and nobody starts it again.
    pub(super) is_ending: bool,
    /// Whether it was started on this way and did not stay up, or cannot be started.
    pub(super) falls: bool,
    /// Whether the engine refused to rename it while its policy starts it over and over.
    pub(super) is_stuck: bool,
}

/// The container in its place, of ours, on the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beside {
    /// It runs, and the engine has not refused to stop it.
    pub(super) is_to_stop: bool,
    /// The engine refused to remove it.
    pub(super) stays: bool,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Before anything else: a container that was asked to stop ends, whatever else is done.
    RestartOld,
    /// It may be writing what the container of before reads next: it has its grace.
    StopNew,
    /// It has the name, and may have the ports.
    RemoveNew,
    /// Before its name: who serves needs none.
    StartOld,
    /// It serves nobody, and has no name while it runs.
    StopOld,
    NameOld,
    Done,
}

/// The next call on the way back. `new`: of ours only.
pub(super) fn back(old: Old, new: Option<Beside>) -> Step {
    let starts = old.ran && !old.runs && old.can_run && !old.falls;
    match new {
        _ if old.ran && old.runs && old.is_ending => Step::RestartOld,
        Some(new) if new.is_to_stop => Step::StopNew,
        // Its ports are free, and it need not be gone for that.
        Some(new) if new.stays && starts => Step::StartOld,
        Some(_) => Step::RemoveNew,
        None if old.is_aside && old.is_stuck && old.runs => Step::StopOld,
        None if old.is_aside && old.is_stuck => Step::NameOld,
        None if starts => Step::StartOld,
        None if old.is_aside => Step::NameOld,
        None => Step::Done,
    }
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

    const OLD: Old = Old {
        is_aside: true,
        runs: false,
        ran: true,
        can_run: true,
        is_ending: false,
        falls: false,
        is_stuck: false,
    };
    const RUNS: Option<Beside> = Some(Beside {
        is_to_stop: true,
        stays: false,
    });
    const IDLE: Option<Beside> = Some(Beside {
        is_to_stop: false,
        stays: false,
    });

    /// The calls from a state to the end, each of which may be the last of a run that is killed.
    fn calls(mut old: Old, mut new: Option<Beside>) -> Vec<Step> {
        let mut calls = Vec::new();
        for _ in 0..9 {
            let step = back(old, new);
            match step {
                Step::RestartOld => old.is_ending = false,
                Step::StopNew => new = IDLE,
                Step::RemoveNew => new = None,
                Step::StartOld => old.runs = true,
                Step::StopOld => old.runs = false,
                Step::NameOld => old.is_aside = false,
                Step::Done => return calls,
            }
            calls.push(step);
        }
        panic!("the way back does not end: {calls:?}");
    }

    #[track_caller]
    fn check_way(old: Old, new: Option<Beside>, expected: &[Step]) {
        assert_eq!(calls(old, new), *expected, "{old:?}, new: {new:?}");
    }

    #[test]
    fn the_way_back_is_the_same_from_wherever_it_begins() {
        use Step::{NameOld, RemoveNew, StartOld, StopNew};
        let aside = OLD;
        let up = Old { runs: true, ..OLD };
        let named = Old {
            is_aside: false,
            ..OLD
        };
        let idle = Old { ran: false, ..OLD };
        let bound = Old {
            can_run: false,
            ..OLD
        };
        check_way(
            Old {
                runs: true,
                ..named
            },
            None,
            &[],
        );
        check_way(up, None, &[NameOld]);
        check_way(up, IDLE, &[RemoveNew, NameOld]);
        check_way(up, RUNS, &[StopNew, RemoveNew, NameOld]);
        check_way(aside, RUNS, &[StopNew, RemoveNew, StartOld, NameOld]);
        check_way(aside, IDLE, &[RemoveNew, StartOld, NameOld]);
        check_way(aside, None, &[StartOld, NameOld]);
        check_way(named, None, &[StartOld]);
        check_way(idle, IDLE, &[RemoveNew, NameOld]);
        check_way(bound, IDLE, &[RemoveNew, NameOld]);
    }

    #[test]
    fn one_that_was_asked_to_stop_does_not_count_as_running() {
        use Step::{NameOld, RemoveNew, RestartOld, StopNew};
        let ending = Old {
            runs: true,
            is_ending: true,
            ..OLD
        };
        // Also before a new one goes that serves meanwhile.
        check_way(ending, RUNS, &[RestartOld, StopNew, RemoveNew, NameOld]);
        check_way(ending, IDLE, &[RestartOld, RemoveNew, NameOld]);
        let named = Old {
            is_aside: false,
            ..ending
        };
        check_way(named, None, &[RestartOld]);
    }

    #[test]
    fn one_that_cannot_be_removed_keeps_nobody_from_running() {
        let stays = Some(Beside {
            is_to_stop: false,
            stays: true,
        });
        assert_eq!(back(OLD, stays), Step::StartOld);
        assert_eq!(back(Old { runs: true, ..OLD }, stays), Step::RemoveNew);
    }

    #[test]
    fn one_that_does_not_stay_up_gets_its_name_all_the_same() {
        use Step::{NameOld, RemoveNew, StartOld, StopOld};
        let falls = Old { falls: true, ..OLD };
        check_way(falls, IDLE, &[RemoveNew, NameOld]);
        let stuck = Old {
            runs: true,
            is_stuck: true,
            ..OLD
        };
        check_way(stuck, None, &[StopOld, NameOld, StartOld]);
    }
}
