//! Tables of looks and what is seen in them, and what holds for all looks.

use super::*;
use proptest::prelude::*;

const S: u64 = 1_000_000_000;
const T: u128 = 1_000_000_000_000;
/// When the looks of the tables begin, in seconds of the network's clock.
const BEGAN: u64 = 10_000;

fn revision(name: char) -> Revision {
    Revision(format!("sha256:{}", name.to_string().repeat(64)))
}

fn healthy() -> Status {
    Status {
        phase: Some(Phase::Running),
        cycles: 4 * T,
        burn_per_day: T / 100,
        freezing_threshold_s: 30 * 86_400,
        memory_bytes: 100,
        snapshots_bytes: Some(0),
        ..Status::default()
    }
}

/// A look at this second after the beginning.
fn look(at: u64, status: Status) -> Look {
    Look {
        time_ns: (BEGAN + at) * S,
        module: Module::Holds(revision('b')),
        status: Told::Known(status),
        lines: Some(vec![]),
    }
}

fn line(index: u64, at: u64, text: &str) -> Line {
    Line {
        index,
        time_ns: at * S,
        text: text.to_owned(),
    }
}

/// A baseline from 100 s before the looks, of another module.
fn since() -> Since {
    let before = Look {
        time_ns: (BEGAN - 100) * S,
        module: Module::Holds(revision('a')),
        ..look(0, healthy())
    };
    Since {
        baseline: Baseline::of(&before),
        ended: Some(Baseline::of(&before)),
        earlier: None,
        rejected: vec![],
    }
}

fn rules() -> Rules {
    Rules {
        traps_max: 0,
        cycles_days_min: 7,
        may_be_stopped: false,
    }
}

fn judged(since: Option<&Since>, rules: Rules, looks: &[Look]) -> Vec<Sighting> {
    let slot = Slot("api".to_owned());
    let held = revision('b');
    let watched = Watched {
        slot: &slot,
        held: &held,
        since,
        rules,
    };
    standing(&watched, looks)
}

fn words(seen: &[Sighting]) -> Vec<String> {
    seen.iter()
        .map(|one| format!("{} {}: {}", one.severity, one.symptom, one.what))
        .collect()
}

#[track_caller]
fn check_since(since: Option<&Since>, looks: &[Look], expected: &[&str]) {
    assert_eq!(words(&judged(since, rules(), looks)), expected);
}

#[track_caller]
fn check(looks: &[Look], expected: &[&str]) {
    check_since(Some(&since()), looks, expected);
}

fn phase(at: u64, phase: Phase) -> Look {
    let status = Status {
        phase: Some(phase),
        ..healthy()
    };
    look(at, status)
}

fn holding(at: u64, module: Module) -> Look {
    Look {
        module,
        ..look(at, healthy())
    }
}

fn logging(at: u64, lines: Vec<Line>) -> Look {
    Look {
        lines: Some(lines),
        ..look(at, healthy())
    }
}

#[test]
fn what_is_well_is_well() {
    check(&[look(0, healthy()), look(5, healthy())], &[]);
    check_since(None, &[look(0, healthy())], &[]);
    check(&[], &[]);
}

#[test]
fn one_that_does_not_run_is_believed_on_two_looks() {
    let stopped =
        "critical not running: is stopped: it answers nobody, and somebody else stopped it";
    check(&[phase(0, Phase::Stopped)], &[]);
    check(&[phase(0, Phase::Running), phase(5, Phase::Stopped)], &[]);
    check(
        &[phase(0, Phase::Moving), phase(5, Phase::Stopped)],
        &[stopped],
    );
    check(
        &[phase(0, Phase::Stopped), phase(5, Phase::Moving)],
        &[
            "critical not running: is stopping: it takes no new messages, and waits for open calls to end",
        ],
    );
    check(
        &[phase(0, Phase::Stopped), phase(5, Phase::Running)],
        &["monitor not running: was stopped for a while, and runs again"],
    );
    let left = Rules {
        may_be_stopped: true,
        ..rules()
    };
    let looks = [phase(0, Phase::Stopped), phase(5, Phase::Stopped)];
    assert_eq!(judged(None, left, &looks), []);
}

#[test]
fn another_module_is_no_longer_the_release() {
    let third = holding(5, Module::Holds(revision('c')));
    check(
        &[look(0, healthy()), third.clone()],
        &[
            "critical drifted back: holds cccccccccccc, but bbbbbbbbbbbb was put in place: somebody else deployed",
        ],
    );
    // A node that is behind shows what was there before: once is not enough.
    let old = |at| holding(at, Module::Holds(revision('a')));
    check(&[old(0), look(5, healthy())], &[]);
    check(
        &[look(0, healthy()), old(5), old(10)],
        &["critical drifted back: holds aaaaaaaaaaaa again, the module of before the change"],
    );
    check_since(None, std::slice::from_ref(&third), &[]);
    check_since(
        None,
        &[third.clone(), third.clone()],
        &[
            "critical drifted back: holds cccccccccccc, but bbbbbbbbbbbb was put in place: somebody else deployed",
        ],
    );
    check(
        &[holding(0, Module::Empty), holding(5, Module::Empty)],
        &["critical drifted back: is empty: somebody uninstalled its module"],
    );
    check(
        &[holding(0, Module::Gone), holding(5, Module::Gone)],
        &["critical drifted back: does not exist any more on this network"],
    );
    // Whatever else it does is said of the other module.
    let stopped = Look {
        lines: Some(vec![line(9, BEGAN + 4, "[TRAP]: x")]),
        ..third
    };
    assert_eq!(judged(Some(&since()), rules(), &[stopped]).len(), 1);
}

#[test]
fn traps_since_the_change_count() {
    let old = line(0, BEGAN - 200, "[TRAP]: of before");
    let mut since = since();
    let ended = since.ended.as_mut().unwrap();
    ended.next_index = 1;
    ended.newest_ns = old.time_ns;
    let one = line(1, BEGAN + 1, "[TRAP]: boom");
    let print = line(2, BEGAN + 2, "printed [TRAP]: no");
    let two = line(3, BEGAN + 6, "[TRAP]: (no message)");
    check_since(Some(&since), &[logging(0, vec![old.clone()])], &[]);
    let looks = [
        logging(0, vec![old.clone()]),
        logging(5, vec![old.clone(), one.clone(), print.clone()]),
        // The log holds little: the first trap is gone from it.
        logging(10, vec![print.clone(), two.clone()]),
    ];
    let what = "2 traps since the change (at most 0), the newest: (no message)";
    check_since(Some(&since), &looks, &[&format!("serious trapped: {what}")]);
    let many = Rules {
        traps_max: 2,
        ..rules()
    };
    let seen = judged(Some(&since), many, &looks);
    assert_eq!(
        words(&seen),
        ["monitor trapped: 2 traps since the change (at most 2), the newest: (no message)"]
    );
    // Lines that nobody saw.
    check_since(
        Some(&since),
        &[logging(0, vec![line(9, BEGAN, "[TRAP]: x")])],
        &[
            "serious trapped: 1 trap since the change (at most 0, 8 lines were not kept), the newest: x",
        ],
    );
    // A log that was purged counts anew.
    since.ended.as_mut().unwrap().next_index = 50;
    check_since(
        Some(&since),
        &[logging(0, vec![line(0, BEGAN, "[TRAP]: x")])],
        &["serious trapped: 1 trap since the change (at most 0), the newest: x"],
    );
}

/// A module that traps until it is stopped is not what is judged after it.
#[test]
fn traps_of_the_module_of_before_are_not_the_release_s() {
    let mut since = since();
    let while_changed = line(0, BEGAN - 50, "[TRAP]: of the old one");
    let ended = logging(0, vec![while_changed.clone()]);
    since.ended = Some(Baseline::of(&ended));
    let told = "monitor trapped: 1 trap while it was changed, perhaps of the module of before; the newest: of the old one";
    check_since(
        Some(&since),
        &[logging(5, vec![while_changed.clone()])],
        &[told],
    );
    // It could not be looked at after the change: the first look it is.
    since.ended = None;
    check_since(
        Some(&since),
        &[logging(5, vec![while_changed.clone()])],
        &[told],
    );
    let own = line(1, BEGAN + 7, "[TRAP]: own");
    check_since(
        Some(&since),
        &[
            logging(5, vec![while_changed.clone()]),
            logging(10, vec![while_changed, own]),
        ],
        &[
            "serious trapped: 1 trap since the change (at most 0), the newest: own",
            told,
        ],
    );
}

#[test]
fn traps_as_often_as_before_are_no_news() {
    let trap = |index, at| line(index, at, "[TRAP]: bad input");
    let mut lines: Vec<Line> = (0..4).map(|n| trap(n + 7, BEGAN - 140 + n * 10)).collect();
    let before = Look {
        time_ns: (BEGAN - 100) * S,
        ..logging(0, lines.clone())
    };
    let mut since = since();
    since.baseline = Baseline::of(&before);
    assert_eq!(since.baseline.trapped.traps, 4);
    assert_eq!(
        since.baseline.trapped.over_ns,
        40 * S,
        "as far as the log reaches"
    );
    since.ended = Some(Baseline::of(&logging(0, lines.clone())));
    lines.extend((0..5).map(|n| trap(n + 11, BEGAN + 1 + n * 5)));
    let looks = [logging(30, lines.clone())];
    check_since(
        Some(&since),
        &looks,
        &[
            "monitor trapped: 5 traps since the change (at most 0), hardly more often than before: 4 in 40 s, the newest: bad input",
        ],
    );
    lines.extend((0..10).map(|n| trap(n + 16, BEGAN + 26)));
    check_since(
        Some(&since),
        &[logging(30, lines.clone())],
        &["serious trapped: 15 traps since the change (at most 0), the newest: bad input"],
    );
    // A log that was quiet for ten minutes: more than the limit is enough.
    since.baseline = Baseline::of(&look(0, healthy()));
    assert_eq!(since.baseline.trapped.over_ns, 600 * S);
    let seen = judged(Some(&since), rules(), &looks);
    assert_eq!(seen[0].severity, Severity::Serious);
}

#[test]
fn the_trap_of_a_rejected_install_is_not_told() {
    let long = "x".repeat(1000);
    for (rejected, trap) in [
        ("with message: 'cannot decode'", "cannot decode"),
        (
            "with message: 'cannot decode'.",
            "cannot decode Canister Backtrace: post_upgrade",
        ),
        ("with message: ''", "(no message)"),
        ("with message: ''", "(no message) Canister Backtrace: x"),
        (
            "with message: 'Panicked at src/lib.rs:",
            "Panicked at src/lib.rs: it's over",
        ),
        ("Canister trapped: unreachable.", "unreachable"),
        (
            &format!("with message: '{long}"),
            &format!("{}…", long.get(..900).unwrap()),
        ),
    ] {
        let mut since = since();
        since.rejected.push(format!(
            "Error from Canister x: Canister called `ic0.trap` {rejected}"
        ));
        let first = line(0, BEGAN - 50, &format!("[TRAP]: {trap}"));
        since.ended = Some(Baseline::of(&logging(0, vec![first.clone()])));
        check_since(Some(&since), &[logging(0, vec![first.clone()])], &[]);
        // Once: the same again is another's.
        let again = line(1, BEGAN - 49, &first.text);
        since.ended = Some(Baseline::of(&logging(0, vec![again.clone()])));
        assert_eq!(
            judged(Some(&since), rules(), &[logging(0, vec![first, again])]).len(),
            1,
            "{trap}"
        );
    }
    let mut since = since();
    since.rejected.push("with message: 'boo'".to_owned());
    since.ended = None;
    let other = line(0, BEGAN - 50, "[TRAP]: boom");
    assert_eq!(
        judged(Some(&since), rules(), &[logging(0, vec![other])]).len(),
        1
    );
}

#[test]
fn traps_from_before_a_watch_are_told_and_decide_nothing() {
    let long_ago = line(0, BEGAN - 700, "[TRAP]: long ago");
    let recent = line(1, BEGAN - 60, "[TRAP]: recent");
    let both = vec![long_ago.clone(), recent.clone()];
    check_since(None, &[logging(0, vec![long_ago.clone()])], &[]);
    check_since(
        None,
        &[logging(0, both.clone()), logging(5, both.clone())],
        &[
            "monitor trapped: 1 trap in the 10 minutes before it was watched, perhaps of the module of before; the newest: recent",
        ],
    );
    let mut now = both.clone();
    now.push(line(2, BEGAN + 3, "[TRAP]: now"));
    let seen = judged(None, rules(), &[logging(0, both), logging(5, now)]);
    assert_eq!(seen.len(), 2);
    assert_eq!(
        words(&seen)[0],
        "serious trapped: 1 trap since it is watched (at most 0), the newest: now"
    );
}

#[test]
fn a_log_that_may_not_be_read_is_no_sighting() {
    let mut look = look(0, healthy());
    look.lines = None;
    check(&[look], &[]);
}

#[test]
fn frozen_is_frozen() {
    let poor = |cycles| Status {
        cycles,
        ..healthy()
    };
    let limit = healthy().freezing_limit();
    assert_eq!(limit, 3 * T / 10);
    check(
        &[look(0, poor(limit - 1))],
        &["critical frozen: is frozen: 299 B cycles, below the freezing limit of 300 B"],
    );
    let reserved = Status {
        reserved_cycles: T / 5,
        ..poor(limit - 1)
    };
    assert_eq!(reserved.freezing_limit(), T / 10);
    let asked = Look {
        status: Told::OutOfCycles,
        ..look(0, healthy())
    };
    check(
        &[asked],
        &["critical frozen: is frozen: it has not the cycles to be asked for its status"],
    );
}

#[test]
fn an_old_debt_is_told_and_a_new_one_counts() {
    // 5 days above the freezing limit.
    let low = Status {
        cycles: 35 * T / 100,
        ..healthy()
    };
    let mut since = since();
    since.baseline.status = Some(low.clone());
    let what = "5 days until frozen (at least 7): 350 B cycles, 10 B burned a day";
    check_since(
        Some(&since),
        &[look(0, low.clone()), look(5, low.clone())],
        &[&format!("monitor cycles low: {what}")],
    );
    // Burned half of it before.
    since.baseline.status = Some(Status {
        burn_per_day: T / 200,
        ..low.clone()
    });
    check_since(
        Some(&since),
        &[look(0, low.clone())],
        &[&format!(
            "serious cycles low: {what}, and it burns more than before"
        )],
    );
    // It burns more because of a snapshot, which is ours.
    let with_snapshot = Status {
        memory_bytes: 200,
        snapshots_bytes: Some(100),
        ..low.clone()
    };
    check_since(
        Some(&since),
        &[look(0, with_snapshot)],
        &[&format!("monitor cycles low: {what}")],
    );
    // Above the rule at the first look, and below it by more than time takes.
    let above = Status {
        cycles: 38 * T / 100,
        ..healthy()
    };
    since.baseline.status = Some(above.clone());
    check_since(
        Some(&since),
        &[look(0, above), look(5, low)],
        &[&format!(
            "serious cycles low: {what}, fewer with every look"
        )],
    );
}

#[test]
fn cycles_that_go_within_a_day_are_serious_when_they_did_not_before() {
    let with = |cycles| Status {
        cycles,
        ..healthy()
    };
    // 1 billion every 5 seconds: 17 T a day, of 3.7 that are left.
    let looks = |falls: [u128; 3]| {
        let at = |index: u64, cycles: u128| look(index * 5, with(4 * T - cycles * T / 1000));
        [at(0, falls[0]), at(1, falls[1]), at(2, falls[2])]
    };
    check(
        &looks([0, 1, 2]),
        &[
            "monitor cycles fall: loses 17.1 T cycles a day at this rate, and has 3.6 T until it is frozen",
        ],
    );
    let mut since = since();
    let mut measured = |before: u128| {
        let cycles = since.baseline.status.as_ref().unwrap().cycles;
        since.earlier = Some(Supply {
            time_ns: since.baseline.time_ns - 5 * S,
            cycles: cycles + before,
        });
        words(&judged(Some(&since), rules(), &looks([0, 1, 2])))
    };
    let seen = "cycles fall: loses 17.1 T cycles a day at this rate,";
    assert_eq!(
        measured(0),
        [format!(
            "serious {seen} 0 before, and has 3.6 T until it is frozen"
        )]
    );
    let busy = format!("monitor {seen} 17.1 T before, and has 3.6 T until it is frozen");
    assert_eq!(measured(T / 1000), [busy]);
    // Once is no habit.
    check(&looks([0, 1, 1]), &[]);
    check(&looks([0, 0, 1]), &[]);
    check(&looks([0, 1, 2])[..2], &[]);
    // It came back: prepaid for a call.
    check(&looks([0, 1, 0]), &[]);
}

#[test]
fn burning_twice_as_much_is_told() {
    let more = Status {
        burn_per_day: 21 * T / 1000,
        ..healthy()
    };
    check(
        &[look(0, more)],
        &["monitor cycles fall: burns 21 B cycles a day without any message, 10 B before"],
    );
    let unknown = Status {
        burn_per_day: 21 * T / 1000,
        snapshots_bytes: None,
        ..healthy()
    };
    check(&[look(0, unknown)], &[]);
}

#[test]
fn memory_near_its_limit_is_told() {
    let at = |bytes: u128| Status {
        wasm_bytes: Some(bytes),
        wasm_bytes_max: Some(100),
        ..healthy()
    };
    check(&[look(0, at(89))], &[]);
    let what = |now: &str| {
        format!("memory full: Wasm memory is at {now} of its limit: past it, updates fail")
    };
    check(&[look(0, at(90))], &[&format!("monitor {}", what("90 %"))]);
    check(&[look(0, at(99))], &[&format!("monitor {}", what("99 %"))]);
    let mut since = since();
    since.baseline.status = Some(at(50));
    check_since(
        Some(&since),
        &[look(0, at(99))],
        &[&format!(
            "serious {}",
            what("99 %").replace("limit:", "limit, 50 % before:")
        )],
    );
    let none = Status {
        wasm_bytes_max: Some(0),
        ..at(99)
    };
    check(&[look(0, none)], &[]);
}

#[test]
fn a_status_that_is_not_told_leaves_it_open() {
    let unread = Look {
        status: Told::Unread("IC0542: no".to_owned()),
        ..look(0, healthy())
    };
    check(
        std::slice::from_ref(&unread),
        &["monitor unseen: could not be watched: its status could not be read: IC0542: no"],
    );
    check(&[unread, look(5, healthy())], &[]);
}

#[test]
fn a_doubt_is_what_one_more_look_would_settle() {
    let slot = Slot("api".to_owned());
    let held = revision('b');
    let since = since();
    let watched = Watched {
        slot: &slot,
        held: &held,
        since: Some(&since),
        rules: rules(),
    };
    let doubt = |looks: &[Look]| is_in_doubt(&watched, looks);
    assert!(!doubt(&[]));
    assert!(!doubt(&[look(0, healthy())]));
    assert!(doubt(&[look(0, healthy()), phase(5, Phase::Stopped)]));
    assert!(doubt(&[holding(0, Module::Holds(revision('a')))]));
    assert!(!doubt(&[
        phase(0, Phase::Stopped),
        phase(5, Phase::Stopped)
    ]));
}

#[test]
fn the_last_look_is_told_in_one_line() {
    let slot = Slot("api".to_owned());
    let held = revision('b');
    let watched = Watched {
        slot: &slot,
        held: &held,
        since: None,
        rules: rules(),
    };
    let mut one = look(0, healthy());
    assert_eq!(
        summary(&watched, &[one.clone()]),
        "runs sha256:bbbbbbbbbbbb, 4 T cycles, 370 days until frozen, no new traps"
    );
    let trapped = logging(5, vec![line(0, BEGAN + 2, "[TRAP]: x")]);
    assert_eq!(
        summary(&watched, &[one.clone(), trapped]),
        "runs sha256:bbbbbbbbbbbb, 4 T cycles, 370 days until frozen, 1 new trap"
    );
    one.lines = None;
    one.status = Told::Unread("no".to_owned());
    assert_eq!(
        summary(&watched, &[one]),
        "holds sha256:bbbbbbbbbbbb, its status cannot be read, log not readable"
    );
}

#[test]
fn cycles_are_counted_as_everywhere() {
    for (count, text) in [
        (0, "0"),
        (999_999, "999999"),
        (1_500_000, "1.5 M"),
        (3_140_000_000_000, "3.1 T"),
        (250 * T, "250 T"),
        (12_000_000_000, "12 B"),
    ] {
        assert_eq!(cycles(count), text);
    }
}

fn any_look() -> impl Strategy<Value = Look> {
    let status = (
        prop_oneof![
            Just(None),
            Just(Some(Phase::Running)),
            Just(Some(Phase::Moving)),
            Just(Some(Phase::Stopped))
        ],
        any::<u128>(),
        any::<u128>(),
        any::<u128>(),
        any::<Option<u64>>(),
    );
    let told = prop_oneof![
        Just(Told::OutOfCycles),
        Just(Told::Unread("no".to_owned())),
        status.prop_map(
            |(phase, cycles, burn, threshold, bytes)| Told::Known(Status {
                phase,
                cycles,
                reserved_cycles: threshold / 7,
                burn_per_day: burn,
                freezing_threshold_s: threshold,
                memory_bytes: cycles,
                snapshots_bytes: bytes.map(u128::from),
                wasm_bytes: bytes.map(u128::from),
                wasm_bytes_max: Some(burn),
            })
        ),
    ];
    let module = prop_oneof![
        Just(Module::Holds(revision('a'))),
        Just(Module::Holds(revision('b'))),
        Just(Module::Empty),
        Just(Module::Gone),
    ];
    let lines = prop::option::of(prop::collection::vec(
        (any::<u64>(), any::<u64>(), "(\\[TRAP\\]: )?.{0,300}").prop_map(
            |(index, time_ns, text)| Line {
                index,
                time_ns,
                text,
            },
        ),
        0..5,
    ));
    (any::<u64>(), module, told, lines).prop_map(|(time_ns, module, status, lines)| Look {
        time_ns,
        module,
        status,
        lines,
    })
}

proptest! {
    /// Whatever the network answers is judged, in bounded words, each symptom once, the worst first.
    #[test]
    fn any_looks_are_judged(looks in prop::collection::vec(any_look(), 0..6)) {
        for since in [None, Some(&since())] {
            let seen = judged(since, rules(), &looks);
            for one in &seen {
                prop_assert!(one.what.chars().count() <= crate::model::sighting::WHAT_CHARS_MAX);
                prop_assert!(!one.advice.is_empty() && !one.advice.ends_with('.'));
            }
            prop_assert!(seen.windows(2).all(|pair| pair[1].severity <= pair[0].severity));
        }
    }

    /// Looking again at the same takes nothing back.
    #[test]
    fn the_same_again_is_no_better(looks in prop::collection::vec(any_look(), 1..5)) {
        let worst = |looks: &[Look]| judged(Some(&since()), rules(), looks)
            .into_iter()
            .filter(|one| one.symptom != Symptom::CyclesFall && one.symptom != Symptom::CyclesLow)
            .map(|one| one.severity)
            .max();
        let mut again = looks.clone();
        again.extend(looks.last().cloned());
        prop_assert!(worst(&looks) <= worst(&again));
    }
}
