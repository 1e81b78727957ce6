//! The whole judge on made-up probe logs. `.` ok, `x` failed, `c` answered 401, `-` no probe; one character per second is what every
//! probe of that second got, except `1`: one of them failed.

use super::*;
use crate::model::probe::{Aim, Class, LogLine};

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

#[test]
fn flapping() {
    let pattern = times(10, &format!("{}xx", times(18, ".")));
    check(
        Stage::Bake,
        &pattern,
        Call::Unhealthy,
        59,
        "web: flapping, 3 total outages within 180 s",
    );
    let partial = times(10, &format!("{}11", times(18, ".")));
    check(
        Stage::Bake,
        &format!("{partial}{}", times(700, ".")),
        Call::Healthy,
        900,
        "no alarm",
    );
    let mut off = stage_rules(Stage::Bake);
    off.flap_episodes = 0;
    let verdict = judged(off, probes("web", &format!("{pattern}{}", times(700, "."))));
    expect(&verdict, Call::Healthy, 900, "no alarm");
}

#[test]
fn several_signals() {
    let mut rules = stage_rules(Stage::Detect);
    rules.gating = vec!["web".to_owned(), "api".to_owned()];
    rules.observing = vec!["ads".to_owned()];
    let judge = |web: &str, api: &str, ads: &str| {
        let mut all = probes("web", web);
        all.extend(probes("api", api));
        all.extend(probes("ads", ads));
        judged(rules.clone(), all)
    };
    let well = times(60, ".");
    let ill = format!(".{}", times(59, "x"));
    let verdict = judge(&well, &well, &well);
    expect(&verdict, Call::Healthy, 22, "web: 0 of 220"); // a quarter of both error bounds
    assert_eq!(verdict.evidence.len(), 3);
    expect(&judge(&well, &ill, &well), Call::Unhealthy, 14, "api: ");
    let verdict = judge(&well, &well, &ill);
    expect(&verdict, Call::Healthy, 22, "api: 0 of 220");
    assert!(
        verdict
            .notes
            .contains(&"ads: would be unhealthy (observed only)".to_owned())
    );
    // One passes, the other is still tested: the first is guarded meanwhile.
    let verdict = judge(
        &format!("{}{}", times(40, "."), times(40, "x")),
        &times(60, "....1...1"),
        &well,
    );
    expect(&verdict, Call::Unhealthy, 54, "web: ");
    // A signal that does not exist is never a pass.
    let verdict = judge(&well, "", &well);
    expect(&verdict, Call::Inconclusive, 240, "api: no data");
}

fn latency_rules(gating: bool) -> Rules {
    let baseline: Vec<f64> = (0..300).map(|i| 100.0 + f64::from(i % 50)).collect();
    let mut rules = stage_rules(Stage::Detect);
    rules.latency = latency_rule(&baseline, gating);
    rules
}

fn with_latency(rules: Rules, ms: impl Fn(u64) -> f64) -> Verdict {
    let mut all = probes("web", &times(120, "."));
    for probe in &mut all {
        probe.latency_ms =
            ms(probe.due_ms / 1000) + f64::from(u32::try_from(probe.due_ms % 50).unwrap());
    }
    judged(rules, all)
}

#[test]
fn latency() {
    let well = with_latency(latency_rules(true), |_| 100.0);
    expect(&well, Call::Healthy, 19, "0 of 190");
    let slow = with_latency(latency_rules(true), |_| 250.0);
    expect(
        &slow,
        Call::Unhealthy,
        13,
        "web: latency at least doubled, 50 of 50 answers over",
    );
    assert_eq!(slow.severity, Severity::Serious);
    let warned = with_latency(latency_rules(false), |_| 250.0);
    expect(&warned, Call::Healthy, 19, "0 of 190");
    assert!(
        warned
            .notes
            .iter()
            .any(|note| note.starts_with("latency at least doubled"))
    );
    let moment = with_latency(
        latency_rules(true),
        |second| if second < 5 { 250.0 } else { 100.0 },
    );
    expect(&moment, Call::Healthy, 19, "0 of 190");
}

#[test]
fn wrong_rules_are_never_judged_by() {
    let wrong = |change: fn(&mut Rules), text: &str| {
        let mut rules = stage_rules(Stage::Detect);
        change(&mut rules);
        let found = check_rules(&rules);
        assert!(found.iter().any(|wrong| wrong.contains(text)), "{found:?}");
        let verdict = judged(rules, probes("web", &times(40, ".")));
        expect(&verdict, Call::Inconclusive, 0, text);
    };
    wrong(|r| r.gating.clear(), "no gating probe");
    wrong(
        |r| r.gating = (0..5).map(|i| i.to_string()).collect(),
        "5 gating probes",
    );
    wrong(
        |r| r.observing = vec!["web".to_owned()],
        "two probes named web",
    );
    wrong(|r| r.rate = 0, "0 probes per second");
    wrong(|r| r.rate = u32::MAX, "expected 1 to 50");
    wrong(
        |r| (r.rate, r.cap_s) = (1, 180),
        "needs 185 s to pass, and the cap is 180 s",
    );
    wrong(
        |r| r.healthy_error_rate = 0.05,
        "expected 0 < healthy < unhealthy < 1",
    );
    wrong(
        |r| r.unhealthy_error_rate = f64::NAN,
        "expected 0 < healthy",
    );
    wrong(|r| r.alpha = 0.0, "alpha 0");
    wrong(|r| r.beta = 0.5, "beta 0.5");
    wrong(|r| r.cap_s = u64::MAX, "a cap of");
    wrong(|r| r.warm_up_s = 601, "a warm-up of 601 s");
    wrong(|r| r.gap_s = 61, "a gap of 61 s");
    wrong(|r| r.cusum_h = f64::INFINITY, "CUSUM");
    wrong(|r| r.flap_episodes = 1, "flapping at 1");
    wrong(|r| r.schema = 2, "schema 2");
}

#[test]
fn slow_settings_are_advised_of() {
    let advised = |change: fn(&mut Rules)| {
        let mut rules = stage_rules(Stage::Detect);
        change(&mut rules);
        advice(&rules).join(" ")
    };
    assert_eq!(advised(|_| ()), "");
    assert!(advised(|r| r.rate = 2).contains("needs 93 s"));
    assert!(advised(|r| r.warm_up_s = 5).contains("warm-up of 5 s"));
}

use super::check as check_rules;

#[test]
fn standing_moves_towards_a_verdict() {
    let mut judge = Judge::new(stage_rules(Stage::Detect));
    assert!(judge.standing().warming_up);
    for probe in probes("web", &times(10, ".")) {
        judge.probe(probe);
    }
    assert_eq!(judge.close_second(9), None);
    let standing = judge.standing();
    assert_eq!(
        (standing.second, standing.probes, standing.failures),
        (10, 100, 0)
    );
    assert!((standing.towards_pass - 10.0 * 0.412_429_59 / 7.590_852).abs() < 1e-6);
    assert!(!standing.warming_up && !standing.suspected && standing.towards_fail.abs() < 1e-9);
    for probe in probes("web", &times(30, "x")) {
        judge.probe(probe); // those of closed seconds are too late
    }
    assert_eq!(judge.close_second(18), None);
    assert!(judge.standing().suspected && judge.standing().towards_fail >= 0.5);
    assert_eq!(judge.standing().probes, 190);
}

#[test]
fn a_cut_stage_is_inconclusive_and_replays() {
    let rules = stage_rules(Stage::Detect);
    let mut judge = Judge::new(rules.clone());
    let mut log = vec![LogLine::Rules(rules)];
    for probe in probes("web", "......x1..") {
        judge.probe(probe.clone());
        log.push(LogLine::Probe(probe));
    }
    assert_eq!(judge.close_second(7), None); // seconds 8 and 9 were still open
    log.push(LogLine::Cut {
        due_ms: judge.cut_at_ms(),
    });
    let verdict = judge.finish(true);
    expect(
        &verdict,
        Call::Inconclusive,
        8,
        "cut short after 8 s; web: 11 of 80",
    );
    assert_eq!(replay(log), [(Stage::Detect, verdict)]);
}
