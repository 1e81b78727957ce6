//! A watch as lines: what is probed, where it stands, what was judged.

use super::super::untrusted::{line, text};
use super::super::words;
use super::{Line, Tone, detail, toned};
use crate::model::probe::Stage;
use crate::model::verdict::{Call, Evidence, Standing, Verdict};

/// The stage as people call it.
pub const fn stage_words(stage: Stage) -> &'static str {
    match stage {
        Stage::Baseline => "baseline",
        Stage::Detect => "detect",
        Stage::Bake => "bake",
    }
}

pub(super) fn watching(stage: Stage, signals: &[String], rate: u32, cap_s: u64) -> String {
    let signals: Vec<String> = signals.iter().map(|signal| line(signal, 40)).collect();
    let bound = match stage {
        Stage::Baseline | Stage::Bake => "for",
        Stage::Detect => "for at most",
    };
    format!(
        "{}: {} at {rate}/s {bound} {}",
        stage_words(stage),
        line(&signals.join(", "), 200),
        words::duration(cap_s.saturating_mul(1000)),
    )
}

/// The live line of a watch.
pub fn standing(stage: Stage, standing: &Standing, cap_s: u64) -> String {
    let counts = format!(
        "{} {} s of {cap_s} s: {}, {}",
        stage_words(stage),
        standing.second,
        words::count(standing.probes, "probe"),
        words::count(standing.failures, "failure"),
    );
    let towards = |share: f64| words::percent(share.clamp(0.0, 1.0) + 0.0); // no "-0 %"
    if standing.warming_up {
        format!("{counts}; warming up")
    } else {
        let suspected = if standing.suspected {
            "; suspected, confirming"
        } else {
            ""
        };
        format!(
            "{counts}; towards healthy {}, towards unhealthy {}{suspected}",
            towards(standing.towards_pass),
            towards(standing.towards_fail),
        )
    }
}

/// The live line of a download.
pub fn download(got: u64, total: Option<u64>) -> String {
    match total {
        Some(total) if total > 0 => {
            let percent = u128::from(got) * 100 / u128::from(total);
            format!(
                "downloading {} of {} ({percent} %)",
                words::bytes(got),
                words::bytes(total)
            )
        }
        Some(_) | None => format!("downloading {}", words::bytes(got)),
    }
}

pub(super) fn verdict_lines(stage: Stage, verdict: &Verdict) -> Vec<Line> {
    let tone = match verdict.call {
        Call::Healthy => Tone::Good,
        Call::Unhealthy => Tone::Bad,
        Call::AlreadyUnhealthy | Call::Inconclusive => Tone::Caution,
    };
    let mut out = vec![toned(
        "judged",
        format!(
            "{}: {} after {} s: {}",
            stage_words(stage),
            verdict.call,
            verdict.at_s,
            text(&verdict.why)
        ),
        tone,
    )];
    // With one signal the sentence above has said it all.
    let told = if verdict.evidence.len() < 2 {
        &[][..]
    } else {
        &verdict.evidence
    };
    for evidence in told.iter().filter(|evidence| evidence.failures > 0) {
        out.push(detail(evidence_words(evidence)));
    }
    for note in &verdict.notes {
        out.push(detail(text(note)));
    }
    out
}

/// `health: 12 of 110 probes failed [6.1 % to 18 %]: 12x status 503`.
pub(in crate::report) fn evidence_words(evidence: &Evidence) -> String {
    let kinds: Vec<String> = evidence
        .failure_kinds
        .iter()
        .take(3)
        .map(|(why, n)| format!("{n}x {}", line(why, 80)))
        .collect();
    let kinds = if kinds.is_empty() {
        String::new()
    } else {
        format!(": {}", kinds.join(", "))
    };
    format!(
        "{}: {} of {} failed [{} to {}]{kinds}",
        line(&evidence.signal, 60),
        evidence.failures,
        words::count(evidence.probes, "probe"),
        words::percent(evidence.share_low),
        words::percent(evidence.share_high),
    )
}
