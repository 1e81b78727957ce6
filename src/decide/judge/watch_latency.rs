//! Latency through a detect stage: a suspicion, the same gap, and a confirming test, so that a slow moment (a collection
//! of garbage, a noisy neighbour) is not taken for a slow release.

use super::latency::{LatencyCall, LatencyTest};
use crate::model::probe::LatencyRule;

#[derive(Debug, Clone)]
enum Phase {
    Testing(LatencyTest),
    Gap(u64),
    Confirming(LatencyTest),
    /// `true`: slow was suspected on the way.
    Ok(bool),
    Slow,
    Undecided,
}

/// The latency of the first gating signal.
#[derive(Debug, Clone)]
pub(super) struct LatencyWatch {
    pub(super) rule: LatencyRule,
    gap_s: u64,
    phase: Phase,
    /// Of the test that ran last: slow answers, and all.
    pub(super) counts: (u64, u64),
}

impl LatencyWatch {
    pub(super) fn new(rule: &LatencyRule, gap_s: u64) -> Self {
        Self {
            rule: rule.clone(),
            gap_s,
            phase: Phase::Testing(LatencyTest::new(rule)),
            counts: (0, 0),
        }
    }

    /// Takes the good answers of one second, in due order. A failed probe has no latency: the error test counts it.
    pub(super) fn second(&mut self, latencies_ms: &[f64]) {
        if let Phase::Gap(left) = self.phase {
            self.phase = match left {
                0 | 1 => Phase::Confirming(LatencyTest::confirming(&self.rule)),
                left => Phase::Gap(left - 1),
            };
            return;
        }
        for latency_ms in latencies_ms {
            let (call, confirming) = match &mut self.phase {
                Phase::Testing(test) => (take(test, *latency_ms, &mut self.counts), false),
                Phase::Confirming(test) => (take(test, *latency_ms, &mut self.counts), true),
                Phase::Gap(_) | Phase::Ok(_) | Phase::Slow | Phase::Undecided => return,
            };
            match call {
                LatencyCall::Open => (),
                LatencyCall::Ok => self.phase = Phase::Ok(confirming),
                LatencyCall::Undecided => self.phase = Phase::Undecided,
                LatencyCall::Slow if confirming => self.phase = Phase::Slow,
                LatencyCall::Slow => self.phase = Phase::Gap(self.gap_s),
            }
        }
    }

    /// Slow, and entitled to decide.
    pub(super) const fn condemns(&self) -> bool {
        self.rule.gating && matches!(self.phase, Phase::Slow)
    }

    /// Whether latency stands in the way of a pass.
    pub(super) const fn allows(&self) -> bool {
        !self.rule.gating || matches!(self.phase, Phase::Ok(_))
    }

    pub(super) const fn undecided(&self) -> bool {
        !matches!(self.phase, Phase::Ok(_) | Phase::Slow)
    }

    /// What a person should know of it.
    pub(super) fn note(&self) -> Option<String> {
        let (slow, probes) = self.counts;
        let numbers = format!("{slow} of {probes} answers over {:.0} ms", self.rule.cut_ms);
        match self.phase {
            Phase::Slow => Some(format!("latency at least doubled: {numbers}")),
            Phase::Undecided => Some(format!("latency undecided: {numbers}")),
            Phase::Ok(true) => Some(format!("slow for a moment, then well: {numbers}")),
            Phase::Gap(_) | Phase::Confirming(_) => {
                Some(format!("latency suspected to have doubled: {numbers}"))
            }
            Phase::Testing(_) | Phase::Ok(false) => None,
        }
    }
}

fn take(test: &mut LatencyTest, latency_ms: f64, counts: &mut (u64, u64)) -> LatencyCall {
    let call = test.probe(latency_ms);
    *counts = test.counts();
    call
}
