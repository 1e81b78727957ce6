//! The numbers that a verdict rests on, as a table that can be checked against the probe log.

use super::super::lines::stage_words;
use super::super::story::Judged;
use super::super::untrusted::{code_of, prose};
use super::super::words;
use crate::model::probe::Stage;
use crate::model::verdict::Evidence;

/// Signals shown, at most: four gating ones and a few that only observe.
const SIGNALS_MAX: usize = 16;

/// Notes of a verdict shown, at most.
const NOTES_MAX: usize = 20;

/// A verdict under a heading of the given level: why, the table, the notes.
pub(in crate::report) fn verdict_block(judged: &Judged<'_>, level: &str) -> String {
    let verdict = judged.verdict;
    let title = words::capital(&verdict_title(judged));
    let mut out = format!(
        "\n{level} {title}\n\n{}\n",
        words::capital(&prose(&verdict.why))
    );
    let table = table(&verdict.evidence);
    if !table.is_empty() {
        put!(out, "\n{table}");
    }
    if !verdict.notes.is_empty() {
        out.push('\n');
    }
    for note in verdict.notes.iter().take(NOTES_MAX) {
        put_line!(out, "- {}", prose(note));
    }
    out
}

/// `detect, the release that was put back: healthy after 19 s (severity none)`.
pub(in crate::report) fn verdict_title(judged: &Judged<'_>) -> String {
    let of = match (judged.stage, judged.of_rollback) {
        (Stage::Baseline, _) => "before the change",
        (Stage::Detect | Stage::Bake, true) => "the release that was put back",
        (Stage::Detect | Stage::Bake, false) => "the new release",
    };
    format!(
        "{}, {of}: {} after {} s (severity {})",
        stage_words(judged.stage),
        judged.verdict.call,
        judged.verdict.at_s,
        judged.verdict.severity,
    )
}

/// One row for each signal; empty when there is no evidence.
fn table(evidence: &[Evidence]) -> String {
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
