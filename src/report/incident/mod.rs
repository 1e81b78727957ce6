//! The incident report: a post-mortem draft. What was measured is filled in, with its source; what only a person can
//! know is left to be filled in, and what was not checked is said. Blameless: no commit authors.

mod postmortem;
mod unchecked;

use super::LEFT_PROBES;
use super::lines::meaning;
use super::story::Story;
use super::summary::{
    checks, choice, interval, plan_table, sighted, timeline_rows, verdict_block, verdict_title,
};
use super::untrusted::{code, link, prose};
use super::words;
use crate::model::event::Event;
use crate::model::outcome::Outcome;
use crate::model::probe::Stage;

/// What stands where a person has to write.
pub const TO_FILL: &str = "_TO BE FILLED BY A PERSON_";

/// Passed-over runs listed one by one.
const PASSED_OVER_MAX: usize = 500;

/// The report of one operation, as Markdown. One that neither rolled back nor found anything unhealthy was no incident:
/// its report has no post-mortem.
pub fn render(events: &[Event]) -> String {
    let story = Story::of(events);
    let incident = is_incident(&story);
    let mut out = title(&story, incident);
    let mut add = |name: &str, body: &str| {
        if !body.is_empty() {
            put!(out, "\n## {name}\n\n{body}");
        }
    };
    add("Summary", &summary(&story));
    if incident {
        add("Impact", &impact(&story));
        add("Trigger", &trigger(&story));
        add("Detection", &postmortem::detection(&story));
        add("Resolution", &postmortem::resolution(&story));
        add("What was not checked", &unchecked::list(&story));
        add("Root causes", &format!("{TO_FILL}\n"));
        add(
            "Why it was not caught before",
            &postmortem::why_not_caught(),
        );
        add("Lessons", &postmortem::lessons());
        add("Action items", &postmortem::action_items());
    } else {
        let verdicts: Vec<String> = story
            .verdicts()
            .iter()
            .map(|judged| verdict_block(judged, "###"))
            .collect();
        add("What was seen of it", &sighted(&story));
        add("Verdicts", verdicts.concat().trim_start());
        add("Plan and what became of it", &plan_table(&story));
    }
    add("Timeline", &timeline(&story, incident));
    add("Supporting information", &supporting(&story));
    for part in [checks(&story), choice(&story, PASSED_OVER_MAX)] {
        if !part.is_empty() {
            put!(out, "\n{part}");
        }
    }
    out
}

/// A rehearsal is none; neither is a rollback that found the good release in place.
fn is_incident(story: &Story<'_>) -> bool {
    let real = !story.began().is_some_and(|began| began.dry_run);
    let calm = story.outcome().is_some_and(|outcome| {
        matches!(
            outcome,
            Outcome::AlreadyGood | Outcome::Planned | Outcome::Ready | Outcome::Usage
        )
    });
    real && !calm && (story.is_rollback() || story.found_unhealthy())
}

fn title(story: &Story<'_>, incident: bool) -> String {
    let began = story.began();
    let environment = began.map_or_else(|| "unknown".to_owned(), |began| code(&began.environment));
    let outcome = story.outcome().map_or("unfinished", Outcome::word);
    let date = story
        .began_at()
        .map_or_else(|| "unknown".to_owned(), words::day);
    let what = if incident { "Incident" } else { "Report" };
    let mut out = format!("# {what}: {environment} {outcome}, {date}\n\n");
    let mut row = |name: &str, value: &str| {
        put_line!(out, "- **{name}:** {value}");
    };
    if incident {
        row("Status", "draft");
        row("Authors", TO_FILL);
    }
    row("Date", &format!("{date} (UTC)"));
    if let Some(repository) = began.and_then(|began| began.repository.as_deref()) {
        row("Repository", &code(repository));
    }
    if let Some(began) = began {
        let operation = format!(
            "{} {}, written by {}",
            code(&began.verb),
            code(&began.id),
            code(&began.tool)
        );
        row("Operation", &operation);
        if began.dry_run {
            row("Dry run", "nothing was changed");
        }
    }
    out
}

fn summary(story: &Story<'_>) -> String {
    let Some(ended) = story.ended() else {
        return "The operation was stopped before its end; running the same command again resumes it. What follows is what the journal holds.\n".to_owned();
    };
    let mut out = format!("{}\n", words::capital(&prose(&ended.message)));
    if let Some(meaning) = meaning(ended) {
        put_line!(out, "\n{}.", words::capital(meaning));
    }
    let mut times = vec![format!(
        "The whole operation took {}.",
        words::duration(ended.took_ms)
    )];
    if let Some(found) = story.detection() {
        times.push(format!(
            "Time to detect: {} after {}.",
            words::duration(found.took_ms),
            found.since
        ));
    }
    if let Some(ms) = story.time_to_restore_ms() {
        times.push(format!(
            "Time to restore: {} from the start of the rollback to the verdict that the service is well.",
            words::duration(ms)
        ));
    }
    put_line!(out, "\n{}", times.join(" "));
    if !ended.hints.is_empty() {
        out.push_str("\nNext:\n\n");
        for hint in &ended.hints {
            put_line!(out, "- {}", prose(hint));
        }
    }
    out
}

/// Only as measured.
fn impact(story: &Story<'_>) -> String {
    let mut out = String::new();
    for judged in story.verdicts() {
        if judged.stage == Stage::Baseline {
            continue;
        }
        for evidence in judged
            .verdict
            .evidence
            .iter()
            .filter(|evidence| evidence.failures > 0)
        {
            put_line!(
                out,
                "- {}, {}: {} of {} failed (share {} at 95 %), in the {} s before {}.",
                words::capital(&verdict_title(&judged)),
                code(&evidence.signal),
                evidence.failures,
                words::count(evidence.probes, "probe"),
                interval(evidence),
                judged.verdict.at_s,
                words::second(judged.at),
            );
        }
    }
    if out.is_empty() {
        out.push_str("- No failed probe was counted by this operation.\n");
    }
    out.push_str("- Users affected: unknown.\n- Data affected: unknown.\n");
    put_line!(out, "- {TO_FILL}");
    out
}

fn trigger(story: &Story<'_>) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: &str| {
        put_line!(out, "- {name}: {value}");
    };
    let began = story.began();
    let ended = story.ended();
    if let Some(run) = began.and_then(|began| began.run) {
        let attempt = began
            .and_then(|began| began.attempt)
            .map_or_else(String::new, |attempt| format!(", attempt {attempt}"));
        let url = began
            .and_then(|began| began.run_url.as_deref())
            .unwrap_or_default();
        row(
            "Run that asked",
            &format!("{}{attempt}", link(&format!("run {run}"), url)),
        );
    }
    if let Some(actor) = began.and_then(|began| began.actor.as_deref()) {
        row("Asked by", &code(actor));
    }
    if let Some(reason) = began.and_then(|began| began.reason.as_deref()) {
        row("Reason given", &prose(reason));
    }
    if let Some(run) = ended.and_then(|ended| ended.bad_run) {
        row("Release rolled back from", &format!("run {run}"));
    }
    let (bad, good) = story.commits();
    if let Some(bad) = bad {
        row("Commit being deployed or rolled back from", &code(bad));
    }
    if let Some(good) = good {
        row("Commit of the good release", &code(good));
    }
    if let Some(url) = story.compare_url() {
        row("Difference", &link(&url, &url));
    }
    if out.is_empty() {
        out.push_str("- Not known.\n");
    }
    out
}

fn timeline(story: &Story<'_>, incident: bool) -> String {
    let Some(at) = story.began_at() else {
        return "The journal is empty.\n".to_owned();
    };
    let noticed = if incident {
        format!(" When the bad release was first noticed by a person: {TO_FILL}")
    } else {
        String::new()
    };
    let mut out = format!(
        "UTC, {}.{noticed}\n\n| time | after | what | source |\n|---|---|---|---|\n",
        words::day(at)
    );
    for row in timeline_rows(story) {
        put_line!(
            out,
            "| {} | {} | {} | {} |",
            row.time,
            row.after,
            row.what,
            row.source
        );
    }
    out
}

fn supporting(story: &Story<'_>) -> String {
    let mut out = String::new();
    for (what, path) in story.all_left() {
        put_line!(out, "- {}: {}", prose(what), code(path));
    }
    if let Some(log) = story.left(LEFT_PROBES) {
        put_line!(
            out,
            "- To get the verdicts again from the probes: {}",
            code(&format!("lastgood watch --replay {log}"))
        );
    }
    for warning in story.warnings() {
        put_line!(out, "- Warning: {}", prose(warning));
    }
    if out.is_empty() {
        out.push_str("- None.\n");
    }
    out
}
