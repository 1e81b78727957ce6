//! What must hold of every probe log, whatever is in it.

use lastgood::decide::judge::detector::{Detector, Ruling, Second, Setup};
use lastgood::decide::judge::sprt::Weights;
use lastgood::decide::judge::{Judge, replay, rules};
use lastgood::model::probe::{Aim, Class, LogLine, Probe, Rules, Stage};
use lastgood::model::verdict::{Call, Verdict};
use proptest::prelude::*;

/// What a probe found: 0 to 5 ok, 6 and 7 failed, 8 answered 401, 9 missing.
type Found = u8;

const RATE: u64 = 4;

fn probe(signal: &str, aim: Aim, due_ms: u64, found: Found, latency_ms: f64) -> Option<Probe> {
    let (status, class) = match found {
        0..=5 => (Some(200), Class::Ok),
        6 => (
            Some(503),
            Class::Fail {
                why: "HTTP 503".to_owned(),
            },
        ),
        7 => (
            None,
            Class::Fail {
                why: "connection refused".to_owned(),
            },
        ),
        8 => (
            Some(401),
            Class::Config {
                why: "HTTP 401".to_owned(),
            },
        ),
        _ => return None,
    };
    Some(Probe {
        signal: signal.to_owned(),
        aim,
        due_ms,
        latency_ms,
        status,
        class,
    })
}

/// Probes of two gating signals and the control URL; `found` is read in the order of time.
fn probes(found: &[Found], with_control: bool) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (index, chunk) in (0_u64..).zip(found.chunks(3)) {
        let due_ms = index * 1000 / RATE;
        for (aim, signal, found) in [
            (Aim::Service, "web", chunk.first()),
            (Aim::Service, "api", chunk.get(1)),
            (
                Aim::Control,
                "control",
                chunk.get(2).filter(|_| with_control),
            ),
        ] {
            let latency_ms =
                10.0 + f64::from(u8::try_from(index % 50).expect("small numbers")) / 7.0;
            probes.extend(found.and_then(|found| probe(signal, aim, due_ms, *found, latency_ms)));
        }
    }
    probes
}

fn two_signals(stage: Stage, warm_up_s: u64) -> Rules {
    let mut rules = rules(stage, vec!["web".to_owned(), "api".to_owned()], vec![]);
    rules.rate = u32::try_from(RATE).expect("small numbers");
    rules.cap_s = 60;
    rules.warm_up_s = warm_up_s;
    rules
}

/// As the engine does it: second by second, with the log that it writes. `cut_s`: cancelled in this second.
fn live(rules: &Rules, probes: &[Probe], cut_s: Option<u64>) -> (Verdict, Vec<LogLine>) {
    let mut judge = Judge::new(rules.clone());
    let mut log = vec![LogLine::Rules(rules.clone())];
    let mut left = probes.to_vec();
    let last = rules.cap_s + rules.warm_up_s;
    for second in 0..last {
        let (now, later): (Vec<Probe>, Vec<Probe>) = left
            .into_iter()
            .partition(|probe| probe.due_ms / 1000 <= second);
        left = later;
        for probe in now {
            judge.probe(probe.clone());
            log.push(LogLine::Probe(probe));
        }
        if cut_s == Some(second) {
            log.push(LogLine::Cut {
                due_ms: judge.cut_at_ms(),
            });
            return (judge.finish(true), log);
        }
        if judge.close_second(second).is_some() {
            break;
        }
    }
    // Answers of later seconds that were under way come too late for the verdict, and still get into the log.
    log.extend(left.into_iter().take(5).map(LogLine::Probe));
    (judge.finish(false), log)
}

fn any_stage() -> impl Strategy<Value = Stage> {
    prop_oneof![
        Just(Stage::Baseline),
        Just(Stage::Detect),
        Just(Stage::Bake)
    ]
}

/// Long stretches of one weather, so that verdicts of every kind come up.
fn any_found() -> impl Strategy<Value = Vec<Found>> {
    let stretch = (
        prop_oneof![4 => Just(6_u8), 2 => Just(7), 2 => Just(8), 1 => Just(10), 1 => Just(255)],
        1..120_usize,
        any::<u64>(),
    );
    proptest::collection::vec(stretch, 1..10).prop_map(|stretches| {
        let mut found = Vec::new();
        for (weather, length, seed) in stretches {
            let mut dice = super::sim::Dice::new(seed);
            for _ in 0..length {
                found.push(match weather {
                    255 => 7, // a total outage
                    worst => u8::try_from(dice.bits() % u64::from(worst)).expect("small numbers"),
                });
            }
        }
        found
    })
}

fn shuffled<T: Clone>(entries: &[T], seed: u64) -> Vec<T> {
    let mut dice = super::sim::Dice::new(seed);
    let mut keyed: Vec<(u64, T)> = entries
        .iter()
        .map(|entry| (dice.bits(), entry.clone()))
        .collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, entry)| entry).collect()
}

/// Through the very text of the log file.
fn through_text(log: Vec<LogLine>) -> Vec<LogLine> {
    log.into_iter()
        .map(|line| {
            let text = serde_json::to_string(&line).expect("a log line is JSON");
            serde_json::from_str(&text).expect("what was written is read")
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_replay_of_a_log_is_the_live_verdict(
        stage in any_stage(), found in any_found(), with_control in any::<bool>(),
        warm_up_s in prop_oneof![Just(0_u64), Just(5), Just(20)], cut_s in proptest::option::of(0..70_u64)
    ) {
        let mut rules = two_signals(stage, warm_up_s);
        rules.has_control = with_control;
        rules.healthy_error_rate = 0.1_f64.powi(2) + 1e-17;
        let (verdict, log) = live(&rules, &probes(&found, with_control), cut_s);
        let replayed = replay(through_text(log));
        prop_assert_eq!(replayed, vec![(stage, verdict)]);
    }

    #[test]
    fn the_order_of_answers_is_irrelevant(found in any_found(), stage in any_stage(), seed in any::<u64>()) {
        let rules = two_signals(stage, 20);
        let probes = probes(&found, true);
        let all_at_once = |probes: Vec<Probe>| {
            let mut judge = Judge::new(rules.clone());
            for probe in probes {
                judge.probe(probe);
            }
            judge.finish(false)
        };
        prop_assert_eq!(all_at_once(shuffled(&probes, seed)), all_at_once(probes));
    }

    #[test]
    fn which_probe_of_a_second_failed_is_irrelevant(found in any_found(), seed in any::<u64>()) {
        let rules = two_signals(Stage::Detect, 20);
        let (before, _) = live(&rules, &probes(&found, true), None);
        // Shuffle what was found among the probes of each second and aim; when they were due stays.
        let mut mixed = found.clone();
        for second in mixed.chunks_mut(3 * usize::try_from(RATE).expect("small numbers")) {
            for aim in 0..3 {
                let old: Vec<Found> = second.iter().skip(aim).step_by(3).copied().collect();
                for (into, from) in second.iter_mut().skip(aim).step_by(3).zip(shuffled(&old, seed)) {
                    *into = from;
                }
            }
        }
        let (after, _) = live(&rules, &probes(&mixed, true), None);
        prop_assert_eq!((before.call, before.at_s, before.severity), (after.call, after.at_s, after.severity));
        let llr = |verdict: &Verdict| verdict.evidence.iter().map(|e| e.llr).collect::<Vec<_>>();
        prop_assert_eq!(llr(&before), llr(&after));
    }

    #[test]
    fn nothing_after_the_verdict_matters(found in any_found(), more in any_found()) {
        let rules = two_signals(Stage::Detect, 5);
        let (before, _) = live(&rules, &probes(&found, true), None);
        let end = usize::try_from(before.at_s * RATE * 3).expect("small numbers");
        let mut changed: Vec<Found> = found.iter().copied().take(end).collect();
        if found.len() < end {
            return Ok(()); // no more probes: the verdict came of the silence
        }
        changed.extend(more);
        let (after, _) = live(&rules, &probes(&changed, true), None);
        prop_assert_eq!(before, after);
    }

    #[test]
    fn more_failures_never_make_a_rollback_an_unremarked_pass(
        found in any_found(), flips in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
        stage in prop_oneof![Just(Stage::Detect), Just(Stage::Bake)], warm_up_s in prop_oneof![Just(0_u64), Just(20)]
    ) {
        let rules = two_signals(stage, warm_up_s);
        let (before, _) = live(&rules, &probes(&found, false), None);
        let mut worse = found.clone();
        for flip in flips {
            let at = flip.index(worse.len());
            if worse[at] <= 5 {
                worse[at] = 6;
            }
        }
        let (after, _) = live(&rules, &probes(&worse, false), None);
        if before.call == Call::Unhealthy && after.call == Call::Healthy {
            prop_assert!(!after.notes.is_empty(), "{} became {}", before.why, after.why);
        }
    }

    #[test]
    fn an_outage_that_lasts_never_passes(found in any_found(), from in any::<prop::sample::Index>()) {
        let rules = two_signals(Stage::Detect, 20);
        let (before, _) = live(&rules, &probes(&found, false), None);
        let from = from.index(usize::try_from(before.at_s.max(1) * RATE * 3).expect("small numbers").min(found.len()));
        let mut worse: Vec<Found> = found.iter().copied().take(from).collect();
        worse.resize(3 * usize::try_from(RATE).expect("small numbers") * 90, 7);
        let (after, _) = live(&rules, &probes(&worse, false), None);
        prop_assert_ne!(after.call, Call::Healthy);
    }
}

fn ruling(pattern: &str) -> Ruling {
    let mut rules = rules(Stage::Detect, vec!["web".to_owned()], vec![]);
    rules.rate = 10;
    let setup = Setup::of(&rules);
    let weights = Weights::of_second(0.01, 0.05, 10);
    let mut detector = Detector::new(&setup);
    pattern
        .chars()
        .map(|c| {
            let second = if c == 'x' {
                Second::Errored
            } else {
                Second::Clean
            };
            detector.second(&setup, &weights, second)
        })
        .find(|ruling| *ruling != Ruling::Open)
        .unwrap_or(Ruling::Open)
}

/// Why the property above says "unremarked": one failure more can bring the suspicion forward, so that the failures after it fall into the
/// gap or are outweighed when the confirming test begins at zero. The price of a test that a blip cannot cross twice.
#[test]
fn an_earlier_suspicion_can_miss_what_a_later_one_confirms() {
    let rest = ".".repeat(40);
    let later = ruling(&format!("xx.xx.x.xx..xx{rest}"));
    let earlier = ruling(&format!("xxxxx.x.xx..xx{rest}"));
    assert_eq!(later, Ruling::Confirmed);
    assert_eq!(earlier, Ruling::Pass { transient: true });
}
