//! The search for the last good release, as lines: what was chosen, and why each other run was passed over.

use super::super::untrusted::line;
use super::super::words;
use super::{Line, Tone, detail, head, toned};
use crate::model::candidate::{KnownGood, PassedOver, Via};
use std::collections::BTreeMap;

/// Lines about passed-over runs; the rest are counted by reason.
const PASSED_OVER_MAX: usize = 20;

/// The answer of a search; `list` prints it as its answer.
pub fn located_lines(
    chosen: Option<&KnownGood>,
    passed_over: &[PassedOver],
    requests: u32,
) -> Vec<Line> {
    let tail = format!(
        "passed over {}, {}",
        words::count(passed_over.len() as u64, "run"),
        words::count(u64::from(requests), "request")
    );
    let mut out = Vec::new();
    match chosen {
        Some(good) => {
            out.push(head("located", format!("{}, {tail}", known_good(good))));
            if let Some(title) = &good.run.title {
                out.push(detail(format!("title: {}", line(title, 100))));
            }
        }
        None => out.push(toned(
            "located",
            format!("no release that was proven good, {tail}"),
            Tone::Bad,
        )),
    }
    out.extend(passed_over_lines(passed_over));
    out
}

/// One line for each run, or for a row of neighbours with the same reason: forty failed runs are one thing to know.
fn passed_over_lines(passed_over: &[PassedOver]) -> Vec<Line> {
    let mut out = Vec::new();
    let mut shown = 0;
    for same in passed_over.chunk_by(|a, b| a.why == b.why) {
        if PASSED_OVER_MAX <= out.len() {
            break;
        }
        let why = |run: &PassedOver| line(&run.why.to_string(), 200);
        match same {
            [first, _, .., last] => out.push(detail(format!(
                "not {} from run {} back to run {}: {}",
                words::count(same.len() as u64, "run"),
                first.run,
                last.run,
                why(first),
            ))),
            few => {
                for run in few {
                    out.push(detail(format!("not {}: {}", one(run), why(run))));
                }
            }
        }
        shown += same.len();
    }
    if let Some(rest) = passed_over.get(shown..)
        && !rest.is_empty()
    {
        out.push(detail(format!(
            "not {} more: {}",
            rest.len(),
            by_reason(rest)
        )));
    }
    out
}

fn one(run: &PassedOver) -> String {
    let started = run
        .started_at
        .map_or_else(String::new, |at| format!(", {}", words::minute(at)));
    format!("run {} ({}{started})", run.run, line(run.sha.short(), 12))
}

/// `run 41 (a1b2c3d, 2026-11-20 14:02 UTC)`, and how it was found when that matters.
fn known_good(good: &KnownGood) -> String {
    let started = good
        .run
        .started_at
        .map_or_else(String::new, |at| format!(", {}", words::minute(at)));
    let via = match good.via {
        Via::RunList => String::new(),
        Via::SearchIndex | Via::RunId | Via::File => format!(" by {}", good.via),
    };
    format!(
        "run {} ({}{started}){via}",
        good.run.id,
        line(good.run.sha.short(), 12)
    )
}

/// `8 not successful, 4 older`: the most frequent reason first.
pub fn by_reason(passed_over: &[PassedOver]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for run in passed_over {
        *counts.entry(run.why.word()).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let counts: Vec<String> = counts
        .iter()
        .map(|(word, n)| format!("{n} {word}"))
        .collect();
    counts.join(", ")
}
