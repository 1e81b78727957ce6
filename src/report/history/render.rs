//! The answer of `history`: a table for people, one document for machines.

use super::super::untrusted::line;
use super::super::words;
use super::{Entry, Figures, History, PastRelease, Rollback, figures};
use crate::model::outcome::Outcome;
use serde_json::{Value, json};

/// Version of the document: it changes when a field changes its meaning or goes away.
const HISTORY_SCHEMA: u32 = 1;

/// Rollbacks as a table, newest first, then the figures with their definitions.
pub fn render_text(history: &History, limit: usize) -> String {
    let mut rows = vec![
        [
            "when (UTC)",
            "environment",
            "from",
            "to",
            "took",
            "outcome",
            "why",
        ]
        .map(str::to_owned),
    ];
    let rollbacks: Vec<&Entry> = history
        .entries
        .iter()
        .rev()
        .filter(|entry| entry.rollback != Rollback::No)
        .collect();
    rows.extend(rollbacks.iter().take(limit).map(|entry| row(entry)));
    let mut out = String::new();
    if rollbacks.is_empty() {
        out.push_str("No rollback is on record here.\n");
    } else {
        out.push_str(&columns(&rows));
        if rollbacks.len() > limit {
            put!(
                out,
                "and {} older ones (--json shows all)\n",
                rollbacks.len() - limit
            );
        }
    }
    out.push('\n');
    out.push_str(&figure_lines(&figures(history)));
    for unfinished in history
        .entries
        .iter()
        .filter(|entry| history.is_open(entry))
    {
        put!(
            out,
            "unfinished: {} of {} at {} ({}): run the same command again to resume it\n",
            line(&unfinished.verb, 20),
            line(&unfinished.environment, 60),
            words::minute(unfinished.at),
            line(&unfinished.journal.display().to_string(), 200)
        );
    }
    for skipped in &history.skipped {
        put!(out, "not read: {}\n", line(&skipped.why, 400));
    }
    out
}

fn row(entry: &Entry) -> [String; 7] {
    let dry = if entry.dry_run { " (dry run)" } else { "" };
    let by = if entry.rollback == Rollback::Automatic {
        "automatic: "
    } else {
        ""
    };
    [
        entry.at.strftime("%Y-%m-%d %H:%M").to_string(),
        line(&entry.environment, 24),
        release(&entry.bad),
        release(&entry.good),
        words::duration(entry.took_ms),
        format!("{}{dry}", entry.outcome.map_or("unfinished", Outcome::word)),
        format!("{by}{}", line(&entry.why, 80)),
    ]
}

/// `run 46 (b2c3d4e)`, or as much of it as is known.
fn release(release: &PastRelease) -> String {
    let commit = release
        .commit
        .as_deref()
        .map(|commit| line(commit.get(..7).unwrap_or(commit), 12));
    match (release.run, commit, release.digest) {
        (Some(run), Some(commit), _) => format!("run {run} ({commit})"),
        (Some(run), None, _) => format!("run {run}"),
        (None, Some(commit), _) => commit,
        (None, None, Some(digest)) => digest.short(),
        (None, None, None) => "-".to_owned(),
    }
}

/// Columns padded to their widest cell; the last one is not padded.
fn columns(rows: &[[String; 7]]) -> String {
    let mut widths = [0; 7];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

fn figure_lines(figures: &Figures) -> String {
    let time = |p50: Option<u64>, p95: Option<u64>| match (p50, p95) {
        (Some(p50), Some(p95)) => {
            format!("p50 {}, p95 {}", words::duration(p50), words::duration(p95))
        }
        (Some(_) | None, _) => "not measured yet".to_owned(),
    };
    let rate = |share: Option<f64>, part: usize, whole: usize| {
        share.map_or_else(
            || "none yet".to_owned(),
            |share| format!("{} ({part} of {whole})", words::percent(share)),
        )
    };
    format!(
        "rollback success     {} ended restored or rolled-back\n\
         recovery time (RTO)  {} from the start of the command to its end, of the successful ones\n\
         time to detect       {} from the change to the verdict against it\n\
         change failure rate  {} of the deploys ended rolled-back, unhealthy or still-unhealthy\n",
        rate(figures.success_rate(), figures.succeeded, figures.rollbacks),
        time(figures.rto_ms_p50, figures.rto_ms_p95),
        time(figures.ttd_ms_p50, figures.ttd_ms_p95),
        rate(
            figures.change_failure_rate(),
            figures.deploys_failed,
            figures.deploys
        ),
    )
}

/// Every operation, oldest first, with the figures. Fields as documented in `docs/outcomes.md`.
pub fn render_json(history: &History) -> Value {
    let figures = figures(history);
    json!({
        "schema": HISTORY_SCHEMA,
        "operations": history.entries.iter().map(entry).collect::<Vec<_>>(),
        "figures": {
            "rollbacks": figures.rollbacks,
            "rollbacks_succeeded": figures.succeeded,
            "success_rate": figures.success_rate(),
            "rto_seconds_p50": figures.rto_ms_p50.map(words::seconds),
            "rto_seconds_p95": figures.rto_ms_p95.map(words::seconds),
            "ttd_seconds_p50": figures.ttd_ms_p50.map(words::seconds),
            "ttd_seconds_p95": figures.ttd_ms_p95.map(words::seconds),
            "deploys": figures.deploys,
            "deploys_failed": figures.deploys_failed,
            "change_failure_rate": figures.change_failure_rate(),
            "unfinished": figures.unfinished,
        },
        "skipped": history.skipped.iter().map(|skipped| json!({
            "path": skipped.path.display().to_string(),
            "why": skipped.why,
        })).collect::<Vec<_>>(),
    })
}

fn entry(entry: &Entry) -> Value {
    let past = |release: &PastRelease| json!({"run": release.run, "commit": release.commit, "digest": release.digest});
    json!({
        "id": entry.id,
        "at": entry.at,
        "verb": entry.verb,
        "environment": entry.environment,
        "repository": entry.repository,
        "actor": entry.actor,
        "dry_run": entry.dry_run,
        "rollback": entry.rollback != Rollback::No,
        "automatic": entry.rollback == Rollback::Automatic,
        "changed": entry.changed,
        "from": past(&entry.bad),
        "to": past(&entry.good),
        "before": entry.before,
        "after": entry.after,
        "why": entry.why,
        "duration_seconds": words::seconds(entry.took_ms),
        "time_to_detect_seconds": entry.time_to_detect_ms.map(words::seconds),
        "time_to_restore_seconds": entry.time_to_restore_ms.map(words::seconds),
        "outcome": entry.outcome,
        "exit_code": entry.outcome.map(Outcome::exit_code),
        "journal": entry.journal.display().to_string(),
    })
}
