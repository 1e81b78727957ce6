//! The tables that the summary and the incident report share: the choice, the plan, the timeline.

use super::super::lines::{self, by_reason};
use super::super::story::{Step, StepEnd, Story};
use super::super::untrusted::{code, code_of, link, prose, prose_of};
use super::super::words;
use crate::model::candidate::PassedOver;
use crate::model::event::{Event, EventKind};
use crate::model::plan::Change;
use crate::model::verdict::Severity;

/// Changes shown one by one.
const CHANGES_MAX: usize = 200;

/// Rows of a timeline.
const TIMELINE_MAX: usize = 300;

/// What was chosen and why, and every run that was passed over: `rows_max` one by one, the rest counted by reason.
pub(in crate::report) fn choice(story: &Story<'_>, rows_max: usize) -> String {
    let Some(search) = story.search() else {
        return String::new();
    };
    let mut out = String::from("### The last good release\n\n");
    match search.chosen {
        Some(good) => {
            let started = good
                .run
                .started_at
                .map_or_else(|| "not known".to_owned(), words::minute);
            let job = good.deploy_job.as_deref().map_or_else(String::new, |job| {
                format!(", its deploy job {} succeeded", code(job))
            });
            put!(
                out,
                "{} of {started}, commit {}, event {}{job}. Artifact {} ({}). Found through: {}.\n\n",
                link(&format!("run {}", good.run.id), &good.run.url),
                code(good.run.sha.short()),
                code(&good.run.event),
                code(&good.artifact.name),
                words::bytes(good.artifact.size_bytes),
                good.via
            );
            for warning in &good.warnings {
                put!(out, "- {}\n", prose(warning));
            }
            if !good.warnings.is_empty() {
                out.push('\n');
            }
        }
        None => out.push_str("There is none.\n\n"),
    }
    if search.passed_over.is_empty() {
        put!(
            out,
            "No run was passed over; {}.\n",
            words::count(u64::from(search.requests), "request")
        );
        return out;
    }
    put!(
        out,
        "Passed over {} ({}) in {}:\n\n| run | commit | started | why not |\n|---|---|---|---|\n",
        words::count(search.passed_over.len() as u64, "run"),
        by_reason(search.passed_over),
        words::count(u64::from(search.requests), "request")
    );
    for run in search.passed_over.iter().take(rows_max) {
        out.push_str(&passed_over_row(run));
    }
    if let Some(rest) = search.passed_over.get(rows_max..)
        && !rest.is_empty()
    {
        put!(out, "| {} more | | | {} |\n", rest.len(), by_reason(rest));
    }
    out
}

fn passed_over_row(run: &PassedOver) -> String {
    format!(
        "| {} | {} | {} | {} |\n",
        link(&run.run.to_string(), &run.url),
        code(run.sha.short()),
        run.started_at
            .map_or_else(|| "not known".to_owned(), words::minute),
        prose_of(&run.why.to_string(), 300),
    )
}

/// One row for each planned change and what became of it; hazards below. Empty when there is no plan.
pub(in crate::report) fn plan_table(story: &Story<'_>) -> String {
    let plans = story.plans();
    if plans.is_empty() {
        return String::new();
    }
    let mut steps = story.steps();
    let mut rows = String::new();
    let mut below = String::new();
    let mut count = 0_usize;
    for (target, plan, of_rollback) in &plans {
        let purpose = if *of_rollback { "rollback" } else { "deploy" };
        if plan.changes.is_empty() {
            put!(
                below,
                "- {} ({purpose}): nothing to change.\n",
                code(target)
            );
        }
        for change in &plan.changes {
            count += 1;
            if count > CHANGES_MAX {
                continue;
            }
            let at = steps.iter().position(|step| {
                step.target == *target && step.of_rollback == *of_rollback && step.change == change
            });
            let became = at.map_or_else(|| "not begun".to_owned(), |at| became(&steps.remove(at)));
            put!(
                rows,
                "| {purpose} | {} | {} | {became} |\n",
                code(target),
                change_cells(change)
            );
        }
        for hazard in &plan.hazards {
            put!(
                below,
                "- Hazard {} on {}: {}\n",
                code(&hazard.name),
                code(&hazard.slot.0),
                prose(&hazard.what)
            );
        }
    }
    let mut out = String::new();
    if !rows.is_empty() {
        out.push_str(
            "| for | target | slot | from | to | what became of it |\n|---|---|---|---|---|---|\n",
        );
        out.push_str(&rows);
    }
    if count > CHANGES_MAX {
        put!(
            out,
            "\n{} more changes are in the journal.\n",
            count - CHANGES_MAX
        );
    }
    if !rows.is_empty() && !below.is_empty() {
        out.push('\n');
    }
    out.push_str(&below);
    out
}

fn change_cells(change: &Change) -> String {
    match change {
        Change::Install { slot, from, to } => {
            let from = from
                .as_ref()
                .map_or_else(|| "(empty)".to_owned(), |from| code_of(&from.short(), 60));
            format!("{} | {from} | {}", code(&slot.0), code_of(&to.short(), 60))
        }
        Change::Start { slot, revision } => {
            let revision = code_of(&revision.short(), 60);
            format!(
                "{} | {revision} (stopped) | {revision} (running)",
                code(&slot.0)
            )
        }
    }
}

fn became(step: &Step<'_>) -> String {
    let end = match step.end {
        StepEnd::Applied { took_ms } => format!("applied in {}", words::duration(took_ms)),
        StepEnd::Failed { why } => format!("**failed**: {}", prose_of(why, 300)),
        StepEnd::Unknown => "**begun, its end is not known**".to_owned(),
    };
    if step.verified {
        format!("{end}, verified")
    } else {
        end
    }
}

/// What `ready` found, the missing ones first. Empty when nothing was checked.
pub(in crate::report) fn checks(story: &Story<'_>) -> String {
    let mut checks = story.checks();
    if checks.is_empty() {
        return String::new();
    }
    checks.sort_by_key(|check| check.ok);
    let mut out = String::from(
        "### What a rollback needs\n\n| | target | what | found | next |\n|---|---|---|---|---|\n",
    );
    for check in checks.iter().take(CHANGES_MAX) {
        let mark = if check.ok { "ok" } else { "**missing**" };
        let next = check.next.map_or_else(String::new, prose);
        put!(
            out,
            "| {mark} | {} | {} | {} | {next} |\n",
            code(check.target),
            prose(check.check),
            prose_of(check.detail, 300)
        );
    }
    out
}

/// What the targets saw of what was in place, the worst first. Empty when nothing was seen.
pub(in crate::report) fn sighted(story: &Story<'_>) -> String {
    let sighted = story.sighted();
    if sighted.is_empty() {
        return String::new();
    }
    let is_rollback = story.is_rollback();
    let mut out = String::from("| slot | severity | what | next |\n|---|---|---|---|\n");
    for seen in sighted.iter().take(CHANGES_MAX) {
        let one = seen.sighting;
        let severity = match one.severity {
            Severity::Critical | Severity::Serious => format!("**{}**", one.severity),
            Severity::Monitor | Severity::None => one.severity.to_string(),
        };
        let of = match (is_rollback, seen.of_rollback) {
            (false, _) => "",
            (true, false) => " (the new release)",
            (true, true) => " (the release that was put back)",
        };
        put!(
            out,
            "| {} | {severity} | {}: {}{of} | {} |\n",
            code(&one.slot.0),
            one.symptom,
            prose_of(&one.what, 300),
            prose_of(&one.advice, 300)
        );
    }
    if sighted.len() > CHANGES_MAX {
        put!(
            out,
            "\n{} more are in the journal.\n",
            sighted.len() - CHANGES_MAX
        );
    }
    out
}

/// One row of a timeline; every cell is Markdown already.
pub(in crate::report) struct Row {
    pub time: String,
    pub after: String,
    pub what: String,
    /// Who says so.
    pub source: &'static str,
}

/// One row for each event. The first and the last ones are kept when there are too many.
pub(in crate::report) fn timeline_rows(story: &Story<'_>) -> Vec<Row> {
    // Where files lie is said elsewhere; how a rollout goes is for the log and the journal.
    let is_told =
        |kind: &EventKind| !matches!(kind, EventKind::Left { .. } | EventKind::Progress { .. });
    let events: Vec<&Event> = story
        .events
        .iter()
        .filter(|event| is_told(&event.kind))
        .collect();
    let left_out = events.len().saturating_sub(TIMELINE_MAX);
    let head = TIMELINE_MAX / 2;
    let mut rows = Vec::new();
    for (at, event) in events.iter().enumerate() {
        if left_out > 0 && at == head {
            rows.push(Row {
                time: String::new(),
                after: String::new(),
                what: format!("{left_out} events left out here: see the journal"),
                source: "lastgood",
            });
        }
        if left_out > 0 && (head..head + left_out).contains(&at) {
            continue;
        }
        let Some(line) = lines::of(event, None).into_iter().next() else {
            continue;
        };
        let what = if line.label.is_empty() {
            line.text
        } else {
            format!("{}: {}", line.label, line.text)
        };
        rows.push(Row {
            time: words::clock(event.at),
            after: words::duration(event.elapsed_ms),
            what: prose_of(&what, 300),
            source: source(&event.kind),
        });
    }
    rows
}

/// Where what an event says comes from.
fn source(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Located { .. } => "GitHub API",
        EventKind::Fetched { .. } => "digest of the downloaded bytes",
        EventKind::Observed { .. }
        | EventKind::Verified { .. }
        | EventKind::Progress { .. }
        | EventKind::Sighted { .. } => "observed at the target",
        EventKind::Applied { .. } | EventKind::ApplyFailed { .. } => "answer of the target",
        EventKind::Judged { verdict, .. } if verdict.evidence.is_empty() => {
            "observed at the target"
        }
        EventKind::Judged { .. } => "probe log",
        EventKind::Interrupted { .. } => "signal",
        EventKind::Began(_)
        | EventKind::Planned { .. }
        | EventKind::Intent { .. }
        | EventKind::Watching { .. }
        | EventKind::RollingBack { .. }
        | EventKind::Checked { .. }
        | EventKind::Note { .. }
        | EventKind::Warned { .. }
        | EventKind::Left { .. }
        | EventKind::Ended(_) => "lastgood",
    }
}
