//! Flapping, several signals, latency, wrong rules, and what a watch shows while it runs.

use super::super::check as rules_check;
use super::*;
use crate::model::probe::LogLine;

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
        let found = rules_check(&rules);
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
