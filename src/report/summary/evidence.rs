//! The numbers that a verdict rests on, as a table that can be checked against the probe log.

use super::super::untrusted::code_of;
use super::super::words;
use crate::model::verdict::Evidence;

/// Signals shown, at most: four gating ones and a few that only observe.
const SIGNALS_MAX: usize = 16;

/// One row for each signal; empty when there is no evidence.
pub(in crate::report) fn table(evidence: &[Evidence]) -> String {
    if evidence.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "| signal | failed (k of n) | failure share, 95 % | errored seconds | LLR (pass at, fail at) | latency p50, p99 | what failed |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for one in evidence.iter().take(SIGNALS_MAX) {
        let observed = if one.gating { "" } else { " (observed only)" };
        put!(
            out,
            "| {}{observed} | {} of {} | {} | {} of {} | {} ({}, {}){} | {} | {} |\n",
            code_of(&one.signal, 60),
            one.failures,
            one.probes,
            interval(one),
            one.errored_seconds,
            one.counted_seconds,
            words::llr(one.llr),
            words::llr(one.llr_pass),
            words::llr(one.llr_fail),
            if one.test_stage >= 2 {
                ", confirmed twice"
            } else {
                ""
            },
            latency(one),
            kinds(one)
        );
    }
    if evidence.len() > SIGNALS_MAX {
        put!(
            out,
            "\n{} more signals are in the journal.\n",
            evidence.len() - SIGNALS_MAX
        );
    }
    out.push('\n');
    out
}

/// `41 % to 100 %`, or that nothing was counted.
pub(in crate::report) fn interval(evidence: &Evidence) -> String {
    if evidence.probes == 0 {
        return "not known".to_owned();
    }
    format!(
        "{} to {}",
        words::percent(evidence.share_low),
        words::percent(evidence.share_high)
    )
}

fn latency(evidence: &Evidence) -> String {
    if evidence.probes == 0 {
        return "not known".to_owned();
    }
    format!(
        "{}, {}",
        words::latency(evidence.latency_ms_p50),
        words::latency(evidence.latency_ms_p99)
    )
}

fn kinds(evidence: &Evidence) -> String {
    let mut kinds: Vec<String> = evidence
        .failure_kinds
        .iter()
        .take(5)
        .map(|(why, n)| format!("{n}× {}", code_of(why, 80)))
        .collect();
    if evidence.config_answers > 0 {
        kinds.push(format!(
            "{} not counted (401, 403, 404 or 429: the probe's configuration)",
            words::count(evidence.config_answers, "answer")
        ));
    }
    if kinds.is_empty() {
        "nothing".to_owned()
    } else {
        kinds.join(", ")
    }
}
