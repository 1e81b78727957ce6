//! The rules a stage is judged by: their defaults with reasons, what a baseline changes in them, and the misconfigurations that
//! would make a verdict impossible or meaningless.

use super::flap::EPISODES_MAX;
use super::interval;
use super::sprt::{Bounds, Weights};
use crate::model::probe::{Rules, Stage};
use crate::model::verdict::{Call, Verdict};
use std::collections::BTreeSet;

/// The only version of [`Rules`] so far.
pub const RULES_SCHEMA: u32 = 1;

/// More gating signals than this would make the correction for several of them too blunt.
pub const GATING_MAX: usize = 4;

/// A verdict that takes longer than this is named as slow by [`advice`].
const SLOW_VERDICT_S: u64 = 60;

/// Longest stage that is accepted: a day.
const CAP_S_MAX: u64 = 86_400;

/// The default rules of a stage. Change fields freely, then ask [`check`].
pub fn rules(stage: Stage, gating: Vec<String>, observing: Vec<String>) -> Rules {
    let (rate, cap_s, warm_up_s) = match stage {
        // 300 probes: the least with which slowness may decide, and the rule of three then bounds the error rate by 1 %.
        Stage::Baseline => (10, 30, 0),
        Stage::Detect => (10, 180, 60),
        Stage::Bake => (2, 900, 0),
    };
    Rules {
        schema: RULES_SCHEMA,
        stage,
        gating,
        observing,
        rate,
        healthy_error_rate: 0.01,
        unhealthy_error_rate: 0.05,
        alpha: 0.01,
        beta: 0.0005,
        gap_s: 3,
        warm_up_s,
        cap_s,
        cusum_h: 8.5,
        flap_episodes: 3,
        flap_apart_s: 5,
        flap_window_s: 180,
        latency: None,
        deadline_ms: 5000,
        has_control: false,
    }
}

/// Takes a service's usual error rate into account: p0 becomes the upper end of what the baseline allows, p1 at least three
/// times that. A baseline without a failure changes nothing, however short: not having looked long is no reason to expect
/// failures. Nor does one that is already unhealthy: the new release is then judged as any other.
#[must_use]
pub fn with_baseline(mut rules: Rules, baseline: &Verdict) -> Rules {
    match baseline.call {
        Call::Healthy => (),
        Call::Unhealthy | Call::AlreadyUnhealthy | Call::Inconclusive => return rules,
    }
    for evidence in baseline.evidence.iter().filter(|e| e.gating) {
        if evidence.failures == 0 {
            continue;
        }
        let usual = interval::upper(evidence.failures, evidence.probes).min(0.3);
        rules.healthy_error_rate = rules.healthy_error_rate.max(usual);
    }
    rules.unhealthy_error_rate = rules
        .unhealthy_error_rate
        .max(3.0 * rules.healthy_error_rate);
    rules
}

/// Seconds in which a service without a failure passes the detect stage.
pub fn healthy_seconds(rules: &Rules) -> u64 {
    let share = if rules.gating.len() > 1 { 4.0 } else { 1.0 };
    let bounds = Bounds::wald(rules.alpha / share, rules.beta / share);
    let weights = Weights::of_second(
        rules.healthy_error_rate,
        rules.unhealthy_error_rate,
        rules.rate,
    );
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a quotient of two negative numbers; a NaN becomes 0"
    )]
    let seconds = (bounds.down / weights.clean).ceil() as u64;
    seconds
}

/// Misconfigurations, each a sentence with what was found and what is expected. Rules with any are never judged by.
pub fn check(rules: &Rules) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut demand = |ok: bool, text: String| {
        if !ok {
            wrong.push(text);
        }
    };
    demand(
        rules.schema == RULES_SCHEMA,
        format!(
            "found rules of schema {}, expected {RULES_SCHEMA}",
            rules.schema
        ),
    );
    check_signals(rules, &mut demand);
    demand(
        (1..=50).contains(&rules.rate),
        format!("found {} probes per second, expected 1 to 50", rules.rate),
    );
    let (p0, p1) = (rules.healthy_error_rate, rules.unhealthy_error_rate);
    demand(
        0.0 < p0 && p0 < p1 && p1 < 1.0,
        format!(
            "found error rates {p0} (healthy) and {p1} (unhealthy), expected 0 < healthy < unhealthy < 1"
        ),
    );
    for (name, bound) in [("alpha", rules.alpha), ("beta", rules.beta)] {
        demand(
            0.0 < bound && bound < 0.5,
            format!("found {name} {bound}, expected more than 0 and less than 0.5"),
        );
    }
    check_times(rules, &mut demand);
    if wrong.is_empty() {
        wrong.extend(check_length(rules));
    }
    wrong
}

/// Times, thresholds and the latency rule.
fn check_times(rules: &Rules, demand: &mut impl FnMut(bool, String)) {
    demand(
        (1..=CAP_S_MAX).contains(&rules.cap_s),
        format!(
            "found a cap of {} s, expected 1 to {CAP_S_MAX}",
            rules.cap_s
        ),
    );
    demand(
        rules.warm_up_s <= 600,
        format!(
            "found a warm-up of {} s, expected 0 to 600",
            rules.warm_up_s
        ),
    );
    demand(
        rules.gap_s <= 60,
        format!("found a gap of {} s, expected 0 to 60", rules.gap_s),
    );
    demand(
        rules.cusum_h.is_finite() && 0.0 < rules.cusum_h,
        format!(
            "found a CUSUM threshold of {}, expected more than 0",
            rules.cusum_h
        ),
    );
    demand(
        rules.flap_episodes == 0 || (2..=EPISODES_MAX).contains(&rules.flap_episodes),
        format!(
            "found flapping at {} episodes, expected 0 (off) or 2 to {EPISODES_MAX}",
            rules.flap_episodes
        ),
    );
    if let Some(latency) = &rules.latency {
        let (ok, slow) = (latency.share_ok, latency.share_slow);
        demand(
            0.0 < ok && ok < slow && slow < 1.0 && latency.cut_ms.is_finite(),
            format!("found a latency rule with shares {ok} and {slow}, expected 0 < ok < slow < 1"),
        );
    }
}

fn check_signals(rules: &Rules, demand: &mut impl FnMut(bool, String)) {
    let gating = rules.gating.len();
    demand(
        gating != 0,
        "found no gating probe, expected 1 to 4: without one nothing would be judged".to_owned(),
    );
    demand(
        gating <= GATING_MAX,
        format!(
            "found {gating} gating probes, expected at most {GATING_MAX}: let the others observe"
        ),
    );
    let mut seen = BTreeSet::new();
    for name in rules.gating.iter().chain(&rules.observing) {
        demand(
            seen.insert(name),
            format!("found two probes named {name}, expected each name once"),
        );
    }
}

/// Whether the stage is long enough for what it has to say.
fn check_length(rules: &Rules) -> Option<String> {
    match rules.stage {
        Stage::Detect => {
            let needed = healthy_seconds(rules);
            (rules.cap_s < needed).then(|| {
                format!(
                    "at {} probes per second a healthy service needs {needed} s to pass, and the cap is {} s: \
                     nothing could ever pass; raise the rate or the cap",
                    rules.rate, rules.cap_s
                )
            })
        }
        Stage::Baseline => {
            let probes = rules.cap_s.saturating_mul(u64::from(rules.rate));
            (probes < super::BASELINE_PROBES_MIN).then(|| {
                format!(
                    "a baseline of {} s at {} per second has {probes} probes, expected at least {}",
                    rules.cap_s,
                    rules.rate,
                    super::BASELINE_PROBES_MIN
                )
            })
        }
        Stage::Bake => None,
    }
}

/// What works, but not as well as it could: sentences with numbers.
pub fn advice(rules: &Rules) -> Vec<String> {
    let mut advice = Vec::new();
    if !check(rules).is_empty() {
        return advice;
    }
    let needed = healthy_seconds(rules);
    if rules.stage == Stage::Detect && SLOW_VERDICT_S < needed {
        advice.push(format!(
            "at {} probes per second a healthy service needs {needed} s to pass; 4 or more per second bring it under a minute",
            rules.rate
        ));
    }
    if (1..super::NEVER_UP_S_MIN).contains(&rules.warm_up_s) {
        advice.push(format!(
            "a warm-up of {} s is shorter than the {} s of failures that make an outage; at its end the test begins anew",
            rules.warm_up_s,
            super::NEVER_UP_S_MIN
        ));
    }
    advice
}
