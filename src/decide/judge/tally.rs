//! What the probes of one second say of one signal, and the sums of a whole stage that the evidence is made of.

use super::interval;
use super::latency::quantile;
use super::thin::Thinned;
use crate::model::probe::{Aim, Class, Probe};
use crate::model::verdict::Evidence;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Points of the chart of the log-likelihood ratio, without the last one.
const PATH_POINTS_MAX: usize = 119;

/// Latencies kept for the quantiles.
const LATENCIES_MAX: usize = 65_536;

/// Failure texts that are told apart; the rest is counted as `other`.
const KINDS_MAX: usize = 64;

/// Failure texts that are reported.
const KINDS_REPORTED: usize = 5;

/// One signal in one second.
#[derive(Debug, Clone, Default)]
pub(super) struct Count {
    pub(super) failed: u64,
    pub(super) config: u64,
    /// Of the probes that were answered well, in due order.
    pub(super) latencies_ms: Vec<f64>,
    kinds: Vec<String>,
    config_kinds: Vec<String>,
}

impl Count {
    /// `probes`: all of one second, in canonical order.
    pub(super) fn of(probes: &[Probe], signal: &str) -> Self {
        let mut count = Self::default();
        for probe in probes {
            if probe.aim != Aim::Service || probe.signal != signal {
                continue;
            }
            match &probe.class {
                Class::Ok => count.latencies_ms.push(probe.latency_ms),
                Class::Fail { why } => {
                    count.failed += 1;
                    count.kinds.push(why.clone());
                }
                Class::Config { why } => {
                    count.config += 1;
                    count.config_kinds.push(why.clone());
                }
            }
        }
        count
    }

    pub(super) const fn ok(&self) -> u64 {
        self.latencies_ms.len() as u64
    }

    /// Probes that count: those that say something of the service.
    pub(super) const fn probes(&self) -> u64 {
        self.ok() + self.failed
    }
}

/// The order in which a second's probes are looked at, whatever the order they were answered in.
pub(super) fn canonical(a: &Probe, b: &Probe) -> std::cmp::Ordering {
    let class = |probe: &Probe| match &probe.class {
        Class::Ok => (0, String::new()),
        Class::Fail { why } => (1, why.clone()),
        Class::Config { why } => (2, why.clone()),
    };
    (a.due_ms, a.aim, &a.signal, a.status)
        .cmp(&(b.due_ms, b.aim, &b.signal, b.status))
        .then_with(|| a.latency_ms.total_cmp(&b.latency_ms))
        .then_with(|| class(a).cmp(&class(b)))
}

/// Sums of one signal over a stage.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) probes: u64,
    pub(super) failures: u64,
    pub(super) errored_s: u64,
    pub(super) counted_s: u64,
    pub(super) config: u64,
    pub(super) warm_up_failures: u64,
    kinds: BTreeMap<String, u64>,
    config_kinds: BTreeMap<String, u64>,
    latencies_ms: Thinned<f64>,
    path: Thinned<(u64, f64)>,
    path_end: Option<(u64, f64)>,
}

impl Tally {
    pub(super) const fn new() -> Self {
        Self {
            probes: 0,
            failures: 0,
            errored_s: 0,
            counted_s: 0,
            config: 0,
            warm_up_failures: 0,
            kinds: BTreeMap::new(),
            config_kinds: BTreeMap::new(),
            latencies_ms: Thinned::new(LATENCIES_MAX),
            path: Thinned::new(PATH_POINTS_MAX),
            path_end: None,
        }
    }

    /// Answers that are the probe's own fault: always noted, never counted.
    pub(super) fn add_config(&mut self, count: &Count) {
        self.config += count.config;
        for kind in &count.config_kinds {
            add_kind(&mut self.config_kinds, kind);
        }
    }

    /// Failures before the first success: reported, not counted.
    pub(super) fn add_warm_up(&mut self, count: &Count) {
        self.warm_up_failures += count.failed;
        for kind in &count.kinds {
            add_kind(&mut self.kinds, kind);
        }
    }

    /// The warm-up is over: what failed in it is no evidence against the release.
    pub(super) fn forget_warm_up(&mut self) {
        self.kinds.clear();
    }

    pub(super) fn add(&mut self, count: &Count) {
        self.probes += count.probes();
        self.failures += count.failed;
        self.counted_s += 1;
        self.errored_s += u64::from(0 < count.failed);
        for kind in &count.kinds {
            add_kind(&mut self.kinds, kind);
        }
        for latency_ms in &count.latencies_ms {
            self.latencies_ms.push(*latency_ms);
        }
    }

    pub(super) fn add_point(&mut self, second: u64, llr: f64) {
        self.path.push((second, llr));
        self.path_end = Some((second, llr));
    }

    /// Latencies of good answers, in order.
    pub(super) fn latencies_ms(&self) -> &[f64] {
        self.latencies_ms.kept()
    }

    /// The most frequent failure, or failure of the probe itself.
    pub(super) fn main_kind(&self) -> Option<String> {
        top(&self.kinds).into_iter().next().map(|(kind, _)| kind)
    }

    pub(super) fn main_config_kind(&self) -> Option<String> {
        top(&self.config_kinds)
            .into_iter()
            .next()
            .map(|(kind, _)| kind)
    }

    /// Everything but the test's own numbers.
    pub(super) fn evidence(&self, signal: &str, gating: bool) -> Evidence {
        let (share_low, share_high) = interval::anytime(self.failures, self.probes);
        let mut sorted = self.latencies_ms.kept().to_vec();
        sorted.sort_by(f64::total_cmp);
        let latency = |q| match sorted.as_slice() {
            [] => 0.0,
            sorted => quantile(sorted, q),
        };
        let mut llr_path = self.path.kept().to_vec();
        if llr_path.last() != self.path_end.as_ref() {
            llr_path.extend(self.path_end);
        }
        Evidence {
            signal: signal.to_owned(),
            gating,
            probes: self.probes,
            failures: self.failures,
            errored_seconds: self.errored_s,
            counted_seconds: self.counted_s,
            llr: 0.0,
            llr_pass: 0.0,
            llr_fail: 0.0,
            test_stage: 1,
            share_low,
            share_high,
            latency_ms_p50: latency(0.5),
            latency_ms_p99: latency(0.99),
            failure_kinds: top(&self.kinds),
            config_answers: self.config,
            llr_path,
        }
    }
}

fn add_kind(kinds: &mut BTreeMap<String, u64>, kind: &str) {
    let known = kinds.contains_key(kind) || kinds.len() < KINDS_MAX;
    let kind = if known { kind } else { "other" };
    *kinds.entry(kind.to_owned()).or_default() += 1;
}

/// Most frequent first, then by text.
fn top(kinds: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut top: Vec<_> = kinds.iter().map(|(kind, n)| (kind.clone(), *n)).collect();
    top.sort_by_key(|(_, n)| Reverse(*n));
    top.truncate(KINDS_REPORTED);
    top
}
