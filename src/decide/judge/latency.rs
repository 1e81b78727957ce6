//! Latency: a sequential exceedance test against the latencies before the deploy. It counts slow answers, so it needs no
//! shape of distribution and no outlier moves it far.

use super::sprt::{Bounds, Crossing, Sprt, Weights};
use crate::model::probe::LatencyRule;

/// Probes a baseline needs before slowness may decide: with 100 a heavy-tailed service is falsely called slow in
/// 6 of 100 deploys.
const BASELINE_PROBES_MIN: usize = 300;

/// Below this not even a warning is worth its ink.
const BASELINE_PROBES_USABLE: usize = 50;

/// No call before this many probes.
const PROBES_MIN: u64 = 50;

/// Undecided after this many.
const PROBES_MAX: u64 = 600;

/// At most this many times the baseline's latency is well.
const RATIO_OK: f64 = 1.25;

/// At least this many times is slow.
const RATIO_SLOW: f64 = 2.0;

/// Both error probabilities of the test.
const ERROR: f64 = 0.001;

/// Quantiles of the baseline that are tried as cuts: this many from 0.10 to 0.95.
const QUANTILES: u32 = 35;

/// The cut that tells 1.25 times from 2 times the baseline's latency best, or `None` when the baseline is too short
/// or too scattered for any. `gating` is granted only with 300 baseline probes or more.
pub fn latency_rule(baseline_latencies_ms: &[f64], gating: bool) -> Option<LatencyRule> {
    let mut sorted: Vec<f64> = baseline_latencies_ms
        .iter()
        .copied()
        .filter(|ms| ms.is_finite() && 0.0 < *ms)
        .collect();
    sorted.sort_by(f64::total_cmp);
    if sorted.len() < BASELINE_PROBES_USABLE {
        return None;
    }
    let mut best: Option<(f64, LatencyRule)> = None;
    for ratio in [RATIO_OK, (RATIO_OK * RATIO_SLOW).sqrt(), RATIO_SLOW] {
        for step in 0..QUANTILES {
            let q = 0.10 + 0.85 * f64::from(step) / f64::from(QUANTILES - 1);
            let cut_ms = quantile(&sorted, q) * ratio;
            let (share_ok, share_slow) = shares(&sorted, cut_ms);
            if share_slow <= 1.05 * share_ok + 0.02 {
                continue;
            }
            let score = divergence(share_slow, share_ok).min(divergence(share_ok, share_slow));
            if best.as_ref().is_none_or(|(least, _)| *least < score) {
                let rule = LatencyRule {
                    cut_ms,
                    share_ok,
                    share_slow,
                    baseline_probes: sorted.len() as u64,
                    gating: gating && BASELINE_PROBES_MIN <= sorted.len(),
                };
                best = Some((score, rule));
            }
        }
    }
    best.map(|(_, rule)| rule)
}

/// Deadline of a probe in milliseconds: `min(5 s, max(1 s, 10 x p99))` of the baseline, 5 s without one.
pub fn deadline_ms(baseline_p99_ms: Option<f64>) -> u64 {
    match baseline_p99_ms {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 1000..=5000; a NaN becomes 0 and is clamped too"
        )]
        Some(p99) => ((10.0 * p99).ceil() as u64).clamp(1000, 5000),
        None => 5000,
    }
}

/// Linear interpolation between the order statistics, as numpy and Prometheus do. `sorted` must not be empty.
pub(super) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * super::real((sorted.len() - 1) as u64);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the length"
    )]
    let below = at.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (at - at.floor())
}

/// Share of probes over the cut at 1.25 times the baseline (plus one standard error) and at twice the baseline (minus one).
fn shares(sorted: &[f64], cut_ms: f64) -> (f64, f64) {
    let n = super::real(sorted.len() as u64);
    let over = |limit: f64| {
        let at_most = sorted.partition_point(|ms| *ms <= limit);
        1.0 - super::real(at_most as u64) / n
    };
    let error = |share: f64| ((share * (1.0 - share)).max(1.0 / n) / n).sqrt();
    let ok = over(cut_ms / RATIO_OK);
    let slow = over(cut_ms / RATIO_SLOW);
    (
        (ok + error(ok)).clamp(0.005, 0.97),
        (slow - error(slow)).clamp(0.01, 0.98),
    )
}

/// Kullback-Leibler divergence of two Bernoulli variables.
fn divergence(p: f64, q: f64) -> f64 {
    p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln()
}

/// What the test says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatencyCall {
    Open,
    /// At most 1.25 times as slow as before.
    Ok,
    /// At least twice as slow.
    Slow,
    /// In between after 600 probes.
    Undecided,
}

/// One running latency test: one vote per answered probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatencyTest {
    weights: Weights,
    bounds: Bounds,
    cut_ms: f64,
    test: Sprt,
    probes: u64,
    slow: u64,
}

impl LatencyTest {
    /// The test of the published tables.
    pub fn new(rule: &LatencyRule) -> Self {
        Self::with(rule, Bounds::wald(ERROR, ERROR))
    }

    /// The confirming test: it need not find slowness out, only exclude a slow moment, so it gives up later.
    pub fn confirming(rule: &LatencyRule) -> Self {
        Self::with(rule, Bounds::wald(0.01, 1e-5))
    }

    fn with(rule: &LatencyRule, bounds: Bounds) -> Self {
        Self {
            weights: Weights::of_trial(rule.share_ok, rule.share_slow),
            bounds,
            cut_ms: rule.cut_ms,
            test: Sprt::default(),
            probes: 0,
            slow: 0,
        }
    }

    /// Takes one answer. The caller stops at the first call that is not [`LatencyCall::Open`].
    pub fn probe(&mut self, latency_ms: f64) -> LatencyCall {
        let slow = self.cut_ms < latency_ms;
        self.probes += 1;
        self.slow += u64::from(slow);
        let crossing = self.test.step(slow, &self.weights, &self.bounds);
        if self.probes < PROBES_MIN {
            return LatencyCall::Open;
        }
        match crossing {
            Crossing::Up => LatencyCall::Slow,
            Crossing::Down => LatencyCall::Ok,
            Crossing::Open if PROBES_MAX <= self.probes => LatencyCall::Undecided,
            Crossing::Open => LatencyCall::Open,
        }
    }

    /// Slow answers, and all of them.
    pub const fn counts(&self) -> (u64, u64) {
        (self.slow, self.probes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(n: u32) -> Vec<f64> {
        (0..n).map(|i| 100.0 + f64::from(i % 50)).collect()
    }

    #[test]
    fn quantiles_interpolate() {
        let sorted = [1.0, 2.0, 4.0];
        assert!((quantile(&sorted, 0.0) - 1.0).abs() < 1e-12);
        assert!((quantile(&sorted, 0.75) - 3.0).abs() < 1e-12);
        assert!((quantile(&sorted, 1.0) - 4.0).abs() < 1e-12);
        assert!((quantile(&[7.0], 0.5) - 7.0).abs() < 1e-12);
    }

    #[test]
    fn a_short_baseline_only_warns() {
        assert_eq!(latency_rule(&ramp(49), true), None);
        assert!(!latency_rule(&ramp(299), true).unwrap().gating);
        let rule = latency_rule(&ramp(300), true).unwrap();
        assert!(rule.gating);
        assert_eq!(rule.baseline_probes, 300);
        assert!(!latency_rule(&ramp(300), false).unwrap().gating);
    }

    #[test]
    fn nonsense_latencies_are_left_out() {
        let mut latencies = ramp(300);
        latencies.extend([f64::NAN, f64::INFINITY, -1.0, 0.0]);
        assert_eq!(latency_rule(&latencies, true).unwrap().baseline_probes, 300);
    }

    #[track_caller]
    fn check(factor: f64, expected: LatencyCall) {
        let mut test = LatencyTest::new(&latency_rule(&ramp(300), true).unwrap());
        let called = ramp(600)
            .into_iter()
            .map(|ms| test.probe(ms * factor))
            .find(|call| *call != LatencyCall::Open);
        assert_eq!(called, Some(expected), "{factor} times the baseline");
    }

    #[test]
    fn doubled_latency_is_slow_and_a_quarter_more_is_not() {
        check(0.5, LatencyCall::Ok);
        check(1.0, LatencyCall::Ok);
        check(1.25, LatencyCall::Ok);
        check(2.0, LatencyCall::Slow);
        check(10.0, LatencyCall::Slow);
    }

    #[test]
    fn deadlines_are_bounded() {
        assert_eq!(deadline_ms(None), 5000);
        assert_eq!(deadline_ms(Some(3.0)), 1000);
        assert_eq!(deadline_ms(Some(250.0)), 2500);
        assert_eq!(deadline_ms(Some(9e9)), 5000);
        assert_eq!(deadline_ms(Some(f64::NAN)), 1000);
    }
}
