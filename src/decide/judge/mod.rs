//! The verdict: a pure function of the rules and the probe log. Seconds are closed in order, and a verdict at second k depends
//! on nothing after it; there is no clock here. `docs/verdict.md` says the same for people, with the error rates.

mod control;
pub mod detector;
pub mod flap;
pub mod interval;
mod latency;
mod replay;
mod rules;
mod signal;
pub mod sprt;
mod tally;
#[cfg(test)]
mod tests;
mod thin;
mod watch_latency;
mod words;

pub use latency::{LatencyCall, LatencyTest, deadline_ms, latency_rule};
pub use replay::replay;
pub use rules::{GATING_MAX, RULES_SCHEMA, advice, check, healthy_seconds, rules, with_baseline};
pub use words::{headline, is_network};

use crate::model::probe::{Probe, Rules, Stage};
use crate::model::release::Baseline;
use crate::model::verdict::{Call, Evidence, Severity, Standing, Verdict};
use control::Control;
use signal::{Constants, Ground, Signal, Step};
use std::collections::BTreeMap;
use tally::{Count, canonical};
use watch_latency::LatencyWatch;

/// Least probes of a signal in a baseline that says something.
const BASELINE_PROBES_MIN: u64 = 20;

/// An outage shorter than this is a blip, also at the start: a warm-up must be at least this long to condemn a release that
/// never answered in it.
const NEVER_UP_S_MIN: u64 = 15;

/// Judges one stage of a watch.
#[derive(Debug, Clone)]
pub struct Judge {
    rules: Rules,
    constants: Constants,
    signals: Vec<Signal>,
    latency: Option<LatencyWatch>,
    control: Control,
    pending: BTreeMap<u64, Vec<Probe>>,
    /// The next second to close.
    next: u64,
    void_s: u64,
    /// Alarms that were dropped because the network was in doubt.
    doubted: u32,
    decided: Option<Verdict>,
}

impl Judge {
    /// Rules with a misconfiguration (see [`check`]) are inconclusive at once.
    pub fn new(rules: Rules) -> Self {
        let constants = Constants::of(&rules);
        let wrong = check(&rules);
        let named = |names: &[String], gating| -> Vec<Signal> {
            names
                .iter()
                .map(|name| Signal::new(name, gating, &constants))
                .collect()
        };
        let mut signals = named(&rules.gating, true);
        signals.extend(named(&rules.observing, false));
        let latency = match (rules.stage, &rules.latency) {
            (Stage::Detect, Some(rule)) => Some(LatencyWatch::new(rule, rules.gap_s)),
            (Stage::Baseline | Stage::Bake, _) | (Stage::Detect, None) => None,
        };
        let mut judge = Self {
            rules,
            constants,
            signals,
            latency,
            control: Control::default(),
            pending: BTreeMap::new(),
            next: 0,
            void_s: 0,
            doubted: 0,
            decided: None,
        };
        if !wrong.is_empty() {
            let why = format!("the rules cannot be judged by: {}", wrong.join("; "));
            judge.decide(Call::Inconclusive, why, Severity::None);
        }
        judge
    }

    /// Takes a probe, in any order. One of a second that is closed already comes too late and is ignored.
    pub fn probe(&mut self, probe: Probe) {
        let second = probe.due_ms / 1000;
        if self.next <= second && self.decided.is_none() {
            self.pending.entry(second).or_default().push(probe);
        }
    }

    /// Every probe due in `[second * 1000, +1000)` has been given: the second is judged. Seconds before it that were not
    /// closed are closed first. `Some` is the verdict, from then on always the same.
    pub fn close_second(&mut self, second: u64) -> Option<Verdict> {
        while self.decided.is_none() && self.next <= second {
            self.close_next();
        }
        self.decided.clone()
    }

    /// When the first second that is not closed begins: what [`LogLine::Cut`](crate::model::probe::LogLine::Cut) must say
    /// for the replay to be the same.
    pub const fn cut_at_ms(&self) -> u64 {
        self.next * 1000
    }

    /// Latencies of the good answers of the first gating signal so far, in milliseconds: what [`latency_rule`] wants.
    pub fn latencies_ms(&self) -> &[f64] {
        self.signals
            .first()
            .map_or(&[], |signal| signal.tally.latencies_ms())
    }

    /// Where the watch stands, for the live line.
    pub fn standing(&self) -> Standing {
        let mut standing = Standing {
            second: self.next,
            warming_up: false,
            probes: 0,
            failures: 0,
            towards_pass: 1.0,
            towards_fail: 0.0,
            suspected: false,
        };
        for signal in self.signals.iter().filter(|signal| signal.gating) {
            let (pass, fail) = self.progress(signal);
            standing.warming_up |= signal.warm_up_s.is_none();
            standing.probes += signal.tally.probes;
            standing.failures += signal.tally.failures;
            standing.towards_pass = standing.towards_pass.min(pass);
            standing.towards_fail = standing.towards_fail.max(fail);
            standing.suspected |= signal.detector.stage() == 2;
        }
        standing
    }

    fn progress(&self, signal: &Signal) -> (f64, f64) {
        let llr = signal.detector.llr();
        let stage = signal.detector.stage();
        let (down, up) = self.constants.bounds(stage);
        let fail = match self.rules.stage {
            Stage::Baseline => 0.0,
            Stage::Detect | Stage::Bake => {
                0.5 * (f64::from(stage) - 1.0 + (llr / up).clamp(0.0, 1.0))
            }
        };
        let pass = match self.rules.stage {
            Stage::Detect if signal.passed() => 1.0,
            Stage::Detect => (llr / down).clamp(0.0, 1.0),
            Stage::Baseline | Stage::Bake => real(self.next) / real(self.rules.cap_s),
        };
        (pass.clamp(0.0, 1.0), fail)
    }

    /// Ends the stage. `cut`: something else than the verdict ended it (a cancel), and an undecided stage is inconclusive.
    /// Otherwise there are no more probes, and the time up to the cap passes without any.
    pub fn finish(mut self, cut: bool) -> Verdict {
        if cut && self.decided.is_none() {
            let why = words::cut(&self);
            self.decide(Call::Inconclusive, why, Severity::None);
        }
        loop {
            if let Some(verdict) = self.decided {
                return verdict;
            }
            // Ends: a stage is decided at the latest `warm_up_s + cap_s` seconds after its start.
            self.close_next();
        }
    }

    fn close_next(&mut self) {
        let second = self.next;
        self.next += 1;
        let mut probes = self.pending.remove(&second).unwrap_or_default();
        probes.sort_by(canonical);
        let void = self.control.second(&probes);
        self.void_s += u64::from(void);
        let mut alarm = None;
        let mut only_config = None;
        for (index, signal) in self.signals.iter_mut().enumerate() {
            let count = Count::of(&probes, &signal.name);
            if signal.gating && !void && 0 < count.failed {
                self.control.service_errored();
            }
            let step = signal.close(second, &count, void, &self.constants);
            if let (0, Some(latency)) = (index, &mut self.latency)
                && signal.warm_up_s.is_some_and(|end| end <= second)
            {
                latency.second(if void { &[] } else { &count.latencies_ms });
            }
            match step {
                Step::Unhealthy(ground) if signal.gating => {
                    alarm = alarm.or(Some((index, ground)));
                }
                Step::OnlyConfig if signal.gating => only_config = Some(index),
                Step::Unhealthy(_) => signal.condemned = true,
                Step::OnlyConfig | Step::Nothing | Step::Passed => (),
            }
        }
        self.rule(alarm, only_config);
    }

    /// What the second that was just closed means for the stage.
    fn rule(&mut self, alarm: Option<(usize, Ground)>, only_config: Option<usize>) {
        if let Some((index, ground)) = alarm {
            if !self.control.in_doubt() {
                let why = words::unhealthy(self, &self.signals[index], ground);
                let severity = self.severity(ground == Ground::NeverUp);
                return self.decide(Call::Unhealthy, why, severity);
            }
            self.doubted += 1;
            for signal in &mut self.signals {
                signal.restart(&self.constants);
            }
        }
        if let Some(index) = only_config {
            let why = words::only_config(&self.signals[index]);
            return self.decide(Call::Inconclusive, why, Severity::None);
        }
        if let Some(latency) = &self.latency
            && latency.condemns()
            && !self.control.in_doubt()
        {
            let why = words::slow(self, latency);
            let severity = self.severity(false).max(Severity::Serious);
            return self.decide(Call::Unhealthy, why, severity);
        }
        match self.rules.stage {
            Stage::Detect if self.all_passed() => {
                let why = words::healthy(self);
                let severity = self.severity(false).min(Severity::Monitor);
                self.decide(Call::Healthy, why, severity);
            }
            Stage::Baseline | Stage::Detect | Stage::Bake if self.at_cap() => self.decide_at_cap(),
            Stage::Baseline | Stage::Detect | Stage::Bake => (),
        }
    }

    fn gating(&self) -> impl Iterator<Item = &Signal> {
        self.signals.iter().filter(|signal| signal.gating)
    }

    fn all_passed(&self) -> bool {
        self.gating().all(Signal::passed) && self.latency.as_ref().is_none_or(LatencyWatch::allows)
    }

    /// The cap runs from the end of the last gating signal's warm-up.
    fn at_cap(&self) -> bool {
        let mut end = 0;
        for signal in self.gating() {
            match signal.warm_up_s {
                Some(warm_up_s) => end = end.max(warm_up_s),
                None => return false,
            }
        }
        self.rules.cap_s <= self.next.saturating_sub(end)
    }

    fn decide_at_cap(&mut self) {
        let (call, why) = match self.rules.stage {
            Stage::Baseline => words::baseline(self),
            Stage::Detect => (Call::Inconclusive, words::undecided(self)),
            Stage::Bake => words::bake(self),
        };
        let severity = match call {
            Call::Healthy => self.severity(false).min(Severity::Monitor),
            Call::Unhealthy | Call::AlreadyUnhealthy | Call::Inconclusive => self.severity(false),
        };
        self.decide(call, why, severity);
    }

    /// From the lower ends of the failure shares of the gating signals.
    fn severity(&self, never_up: bool) -> Severity {
        if never_up {
            return Severity::Critical;
        }
        self.gating()
            .map(|signal| {
                let (low, _) = interval::anytime(signal.tally.failures, signal.tally.probes);
                if 0.5 < low {
                    Severity::Critical
                } else if 0.1 < low {
                    Severity::Serious
                } else if 0 < signal.tally.failures {
                    Severity::Monitor
                } else {
                    Severity::None
                }
            })
            .max()
            .unwrap_or(Severity::None)
    }

    fn decide(&mut self, call: Call, why: String, severity: Severity) {
        let evidence: Vec<Evidence> = self
            .signals
            .iter()
            .map(|signal| signal.evidence(&self.constants))
            .collect();
        self.decided = Some(Verdict {
            call,
            why,
            severity,
            at_s: self.next,
            warm_up_s: self
                .gating()
                .map(|signal| signal.warm_up_s.unwrap_or(self.next))
                .max()
                .unwrap_or(0),
            evidence,
            notes: words::notes(self, call),
        });
        self.pending.clear();
    }
}

/// How healthy the service was by this verdict: the sums of the gating signals, and the latencies of the slowest one.
pub fn measured(verdict: &Verdict) -> Baseline {
    let mut baseline = Baseline {
        probes: 0,
        failures: 0,
        latency_ms_p50: 0.0,
        latency_ms_p99: 0.0,
    };
    for evidence in verdict.evidence.iter().filter(|e| e.gating) {
        baseline.probes += evidence.probes;
        baseline.failures += evidence.failures;
        baseline.latency_ms_p50 = baseline.latency_ms_p50.max(evidence.latency_ms_p50);
        baseline.latency_ms_p99 = baseline.latency_ms_p99.max(evidence.latency_ms_p99);
    }
    baseline
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of probes and seconds stay far below 2^52"
)]
pub(crate) const fn real(count: u64) -> f64 {
    count as f64
}
