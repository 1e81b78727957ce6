//! The whole judge on made-up probe logs. `.` ok, `x` failed, `c` answered 401, `-` no probe; one character per second is what every
//! probe of that second got, except `1`: one of them failed.

mod many;

use super::*;
use crate::model::probe::{Aim, Class};

const RATE: u32 = 10;

fn stage_rules(stage: Stage) -> Rules {
    let mut rules = rules(stage, vec!["web".to_owned()], vec![]);
    rules.rate = RATE;
    rules
}

fn probe(signal: &str, second: u64, index: u32, class: Class) -> Probe {
    let status = match &class {
        Class::Ok => Some(200),
        Class::Fail { .. } => None,
        Class::Config { .. } => Some(401),
    };
    Probe {
        signal: signal.to_owned(),
        aim: Aim::Service,
        due_ms: second * 1000 + u64::from(index) * 100,
        latency_ms: 20.0,
        status,
        class,
    }
}

fn fail() -> Class {
    Class::Fail {
        why: "connection refused".to_owned(),
    }
}

/// The probes of one signal, `pattern` one character per second.
fn probes(signal: &str, pattern: &str) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (second, kind) in (0..).zip(pattern.chars()) {
        for index in 0..RATE {
            let class = match kind {
                '.' => Class::Ok,
                '1' if index != 3 => Class::Ok,
                '1' | 'x' => fail(),
                'c' => Class::Config {
                    why: "HTTP 401".to_owned(),
                },
                _ => continue,
            };
            probes.push(probe(signal, second, index, class));
        }
    }
    probes
}

fn control(pattern: &str) -> Vec<Probe> {
    let mut probes = probes("control", pattern);
    for probe in &mut probes {
        probe.aim = Aim::Control;
    }
    probes
}

fn judged(rules: Rules, probes: Vec<Probe>) -> Verdict {
    let mut judge = Judge::new(rules);
    for probe in probes {
        judge.probe(probe);
    }
    judge.finish(false)
}

/// Seconds, call, and what the reason contains.
#[track_caller]
fn expect(verdict: &Verdict, call: Call, at_s: u64, why: &str) {
    assert_eq!(
        (verdict.call, verdict.at_s),
        (call, at_s),
        "{}",
        verdict.why
    );
    assert!(verdict.why.contains(why), "{}", verdict.why);
}

#[track_caller]
fn check(stage: Stage, pattern: &str, call: Call, at_s: u64, why: &str) -> Verdict {
    let verdict = judged(stage_rules(stage), probes("web", pattern));
    expect(&verdict, call, at_s, why);
    verdict
}

fn times(n: usize, pattern: &str) -> String {
    pattern.repeat(n)
}

#[test]
fn healthy_in_19_seconds() {
    let verdict = check(
        Stage::Detect,
        &times(40, "."),
        Call::Healthy,
        19,
        "web: 0 of 190 probes failed (0 %, 95 % interval 0 % to 3.2 %), log-likelihood ratio -7.84 passed -7.59",
    );
    assert_eq!(verdict.severity, Severity::None);
    assert_eq!(verdict.notes, [""; 0]);
    assert_eq!(verdict.evidence[0].llr_path.len(), 19);
    assert_eq!(
        (verdict.evidence[0].counted_seconds, verdict.warm_up_s),
        (19, 0)
    );
}

#[test]
fn a_total_outage_in_11_seconds() {
    let mut rules = stage_rules(Stage::Detect);
    rules.warm_up_s = 0;
    let verdict = judged(rules, probes("web", &times(40, "x")));
    expect(
        &verdict,
        Call::Unhealthy,
        11,
        "web: 110 of 110 probes failed (100 %, 95 % interval 95 % to 100 %), mostly connection refused, \
         log-likelihood ratio +5.74 passed +4.60 in the confirming test",
    );
    assert_eq!(verdict.severity, Severity::Critical);
    assert_eq!(
        verdict.evidence[0].failure_kinds,
        [("connection refused".to_owned(), 110)]
    );
}

#[test]
fn blips_pass_and_are_noted() {
    let pattern = format!("...xxxxx{}", times(60, "."));
    let verdict = check(Stage::Detect, &pattern, Call::Healthy, 30, "50 of 300");
    assert_eq!(verdict.notes, ["web: 1 transient outage"]);
    assert_eq!(verdict.severity, Severity::Monitor);
    assert_eq!(verdict.evidence[0].test_stage, 2);
}

#[test]
fn warm_up_ignores_failures_until_the_first_success() {
    let pattern = format!("{}1{}", times(30, "x"), times(40, "."));
    let verdict = check(Stage::Detect, &pattern, Call::Healthy, 50, "0 of 190");
    assert_eq!(verdict.warm_up_s, 31);
    assert_eq!(
        verdict.notes,
        ["web: 301 probes failed in the first 31 s and were not counted"]
    );
}

#[test]
fn never_up_is_critical_at_the_end_of_the_warm_up() {
    let verdict = check(
        Stage::Detect,
        &times(100, "x"),
        Call::Unhealthy,
        60,
        "web: not one success in the 60 s of warm-up, 600 probes failed, mostly connection refused",
    );
    assert_eq!(verdict.severity, Severity::Critical);
    let mut short = stage_rules(Stage::Detect);
    short.warm_up_s = 5; // too short to condemn by itself: the test follows
    let verdict = judged(short, probes("web", &times(100, "x")));
    expect(&verdict, Call::Unhealthy, 16, "in the confirming test");
}

#[test]
fn between_the_rates_is_inconclusive_at_the_cap() {
    let verdict = check(
        Stage::Detect,
        &times(60, "....1...1"),
        Call::Inconclusive,
        180,
        "undecided after 180 s: web: 40 of 1800 probes failed (2.2 %, 95 % interval ",
    );
    assert!(
        verdict
            .why
            .ends_with("healthy is at most 1.0 %, unhealthy at least 5.0 %")
    );
}

#[test]
fn configuration_answers_are_never_a_rollback() {
    let verdict = check(
        Stage::Detect,
        &times(100, "c"),
        Call::Inconclusive,
        60,
        "web: every one of 600 answers was about the probe itself (HTTP 401); check its URL and credentials",
    );
    assert_eq!(verdict.evidence[0].config_answers, 600);
    let mut rules = stage_rules(Stage::Detect);
    rules.warm_up_s = 0;
    let verdict = judged(rules, probes("web", &times(300, "c")));
    expect(&verdict, Call::Inconclusive, 180, "about the probe itself");
    let mixed = check(
        Stage::Detect,
        &times(60, ".c"),
        Call::Healthy,
        37,
        "0 of 190",
    );
    assert_eq!(
        mixed.notes,
        ["web: 180 answers were about the probe itself (HTTP 401) and were not counted"]
    );
}

#[test]
fn no_data_is_no_verdict() {
    check(
        Stage::Detect,
        "",
        Call::Inconclusive,
        240,
        "web: no data in 240 s, not one probe",
    );
    check(Stage::Baseline, "", Call::Inconclusive, 30, "no data");
    check(Stage::Bake, "", Call::Inconclusive, 900, "no data");
    check(
        Stage::Bake,
        &times(400, "."),
        Call::Inconclusive,
        900,
        "only 400 of 900 s could be measured",
    );
}

#[test]
fn thinner_seconds_weigh_less() {
    let mut few = probes("web", &times(100, "."));
    few.retain(|probe| probe.due_ms % 1000 < 100); // 1 of 10 per second
    let verdict = judged(stage_rules(Stage::Detect), few);
    expect(&verdict, Call::Inconclusive, 180, "0 of 100 probes failed");
}

#[test]
fn the_runners_network_is_told_from_the_service() {
    let mut rules = stage_rules(Stage::Detect);
    rules.has_control = true;
    let both = |service: &str, control_pattern: &str| {
        let mut all = probes("web", service);
        all.extend(control(control_pattern));
        judged(rules.clone(), all)
    };
    let dead = both(&times(300, "x"), &times(300, "x"));
    expect(
        &dead,
        Call::Inconclusive,
        240,
        "the runner's own network is in doubt",
    );
    assert!(is_network(&dead));
    let service = both(&format!(".{}", times(100, "x")), &times(100, "."));
    expect(&service, Call::Unhealthy, 12, "confirming");
    let hole = both(
        &format!("....{}{}", times(20, "x"), times(40, ".")),
        &format!("....{}{}", times(20, "x"), times(40, ".")),
    );
    expect(&hole, Call::Healthy, 39, "0 of 190");
    assert_eq!(
        hole.notes,
        ["20 s were not counted: the control URL did not answer in them"]
    );
    let lossy = both(&format!(".{}", times(200, "11x")), &times(200, ".x."));
    expect(
        &lossy,
        Call::Inconclusive,
        180,
        "the runner's own network is in doubt",
    );
    let recovered = both(
        &format!("{}{}", times(70, "x"), times(60, "x")),
        &format!("{}{}", times(70, "x"), times(60, ".")),
    );
    assert_eq!(recovered.call, Call::Unhealthy);
}

#[test]
fn an_error_answer_of_the_control_shows_a_working_network() {
    let mut all = probes("web", &format!(".{}", times(40, "x")));
    for mut probe in control(&times(40, "x")) {
        probe.status = Some(503);
        all.push(probe);
    }
    expect(
        &judged(stage_rules(Stage::Detect), all),
        Call::Unhealthy,
        12,
        "confirming",
    );
}

#[test]
fn baselines() {
    let verdict = check(
        Stage::Baseline,
        &times(30, "."),
        Call::Healthy,
        30,
        "0 of 300",
    );
    assert_eq!(measured(&verdict).probes, 300);
    check(
        Stage::Baseline,
        &times(15, ".1"),
        Call::AlreadyUnhealthy,
        30,
        "15 of 300",
    );
    check(
        Stage::Baseline,
        &times(10, "..1"),
        Call::Healthy,
        30,
        "10 of 300",
    );
    check(
        Stage::Baseline,
        &times(30, "x"),
        Call::AlreadyUnhealthy,
        30,
        "before anything was changed; the limit is 5.0 %",
    );
    check(
        Stage::Baseline,
        &times(30, "c"),
        Call::Inconclusive,
        30,
        "about the probe itself",
    );
    check(
        Stage::Baseline,
        "1",
        Call::Inconclusive,
        30,
        "10 probes in 30 s, expected at least 20",
    );
}

#[test]
fn a_baseline_raises_the_rates() {
    let raised = |pattern: &str| {
        let baseline = judged(stage_rules(Stage::Baseline), probes("web", pattern));
        let rules = with_baseline(stage_rules(Stage::Detect), &baseline);
        (rules.healthy_error_rate, rules.unhealthy_error_rate)
    };
    assert_eq!(raised(&times(30, ".")), (0.01, 0.05));
    assert_eq!(raised(&times(10, ".")), (0.01, 0.05)); // no failure: nothing to expect
    assert_eq!(raised(&times(30, "x")), (0.01, 0.05)); // already unhealthy
    let (healthy, unhealthy) = raised(&times(3, ".........1"));
    assert!((healthy - 0.0256).abs() < 1e-4 && (unhealthy - 3.0 * healthy).abs() < 1e-12);
}

#[test]
fn bakes() {
    let long = times(900, ".");
    check(
        Stage::Bake,
        &long,
        Call::Healthy,
        900,
        "no alarm in 900 s: web: 0 of 9000",
    );
    let outage = |length: usize| {
        format!(
            "{}{}{}",
            times(500, "."),
            times(length, "x"),
            times(500, ".")
        )
    };
    let verdict = check(Stage::Bake, &outage(10), Call::Healthy, 900, "no alarm");
    assert_eq!(verdict.notes, ["web: 1 transient outage"]);
    check(Stage::Bake, &outage(15), Call::Unhealthy, 513, "confirming");
}
