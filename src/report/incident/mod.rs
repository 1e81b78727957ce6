//! The incident report: a post-mortem draft. What was measured is filled in, with its source; what only a person can
//! know is left to be filled in, and what was not checked is said. Blameless: no commit authors.

mod unchecked;

use super::LEFT_PROBES;
use super::lines::held_words;
use super::story::Story;
use super::summary::{evidence_table, interval, plan_table, timeline_rows, verdict_title};
use super::untrusted::{code, link, prose};
use super::words;
use crate::model::event::{Event, EventKind};
use crate::model::outcome::Outcome;
use crate::model::probe::Stage;

/// What stands where a person has to write.
pub const TO_FILL: &str = "_TO BE FILLED BY A PERSON_";

/// The report of one operation, as Markdown.
pub fn render(events: &[Event]) -> String {
    let story = Story::of(events);
    let sections = [
        title(&story),
        section("Summary", &summary(&story)),
        section("Impact", &impact(&story)),
        section("Trigger", &trigger(&story)),
        section("Detection", &detection(&story)),
        section("Resolution", &resolution(&story)),
        section("What was not checked", &unchecked::list(&story)),
        section("Root causes", &format!("{TO_FILL}\n")),
        section("Why it was not caught before", &why_not_caught()),
        section("Lessons", &lessons()),
        section("Action items", &action_items()),
        section("Timeline", &timeline(&story)),
        section("Supporting information", &supporting(&story)),
    ];
    sections.concat()
}

fn section(name: &str, body: &str) -> String {
    format!("\n## {name}\n\n{body}")
}

fn title(story: &Story<'_>) -> String {
    let began = story.began();
    let environment = began.map_or_else(|| "unknown".to_owned(), |began| code(&began.environment));
    let outcome = story.outcome().map_or("unfinished", Outcome::word);
    let date = story
        .began_at()
        .map_or_else(|| "unknown".to_owned(), words::day);
    let mut out = format!("# Incident: {environment} {outcome}, {date}\n\n");
    let mut row = |name: &str, value: &str| {
        put_line!(out, "- **{name}:** {value}");
    };
    row("Status", "draft");
    row("Date", &format!("{date} (UTC)"));
    row("Authors", TO_FILL);
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
    let mut out = format!(
        "{}\n\n{}\n",
        prose(&ended.message),
        sentence(ended.outcome.meaning())
    );
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

fn sentence(fragment: &str) -> String {
    let mut chars = fragment.chars();
    let first = chars
        .next()
        .map_or_else(String::new, |c| c.to_uppercase().to_string());
    format!("{first}{}.", chars.as_str())
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
                verdict_title(&judged),
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

fn detection(story: &Story<'_>) -> String {
    let mut out = String::new();
    if let Some(found) = story.detection() {
        put_line!(
            out,
            "Found out by probes, {} after {}: {}.",
            words::duration(found.took_ms),
            found.since,
            prose(&found.judged.verdict.why),
        );
    } else {
        put_line!(
            out,
            "Not found out by this operation: a person or another system asked for it. When it was noticed: {TO_FILL}",
        );
    }
    for judged in story.verdicts() {
        put_line!(
            out,
            "\n### {}\n\n{}\n",
            verdict_title(&judged),
            prose(&judged.verdict.why)
        );
        out.push_str(&evidence_table(&judged.verdict.evidence));
        for note in &judged.verdict.notes {
            put_line!(out, "- {}", prose(note));
        }
    }
    out
}

fn resolution(story: &Story<'_>) -> String {
    let mut out = String::new();
    if let Some((event, why)) = story.rolling_back() {
        put_line!(
            out,
            "Rolled back automatically at {}: {}.\n",
            words::second(event.at),
            prose(why)
        );
    }
    if let Some(good) = story.chosen() {
        put_line!(
            out,
            "The good release is {} (commit {}), found by {}.\n",
            link(&format!("run {}", good.run.id), &good.run.url),
            code(good.run.sha.short()),
            good.via,
        );
    }
    for event in story.events {
        if let EventKind::Fetched {
            name,
            digest,
            promised_by,
            ..
        } = &event.kind
        {
            put_line!(
                out,
                "Artifact {} has `{digest}`, as {promised_by} promised.\n",
                code(name)
            );
        }
    }
    out.push_str(&plan_table(story));
    put_line!(out, "\n{}", verified_words(story));
    if let Some(ended) = story.ended().filter(|ended| !ended.after.is_empty()) {
        out.push_str("\n| slot | before the operation | now |\n|---|---|---|\n");
        for (slot, held) in ended.after.iter().take(200) {
            let before = ended
                .before
                .get(slot)
                .map_or_else(|| "not known".to_owned(), |held| code(&held_words(held)));
            put_line!(
                out,
                "| {} | {before} | {} |",
                code(&slot.0),
                code(&held_words(held))
            );
        }
    }
    out
}

/// Whether the rollback was verified, and how.
fn verified_words(story: &Story<'_>) -> String {
    if !story.is_rollback() {
        return "No rollback was made.".to_owned();
    }
    let steps = story.steps();
    let of_rollback = || steps.iter().filter(|step| step.of_rollback);
    let (changes, verified) = (
        of_rollback().count(),
        of_rollback().filter(|step| step.verified).count(),
    );
    let slots = match changes {
        0 => "No change was begun.".to_owned(),
        _ if verified == changes => format!(
            "Every one of {} was observed to hold the good revision afterwards.",
            words::count(changes as u64, "changed slot")
        ),
        _ => format!(
            "**{verified} of {} were observed to hold the good revision afterwards.**",
            words::count(changes as u64, "changed slot")
        ),
    };
    let judged = story
        .verdicts()
        .into_iter()
        .rfind(|judged| judged.of_rollback)
        .map_or_else(
            || "The service was **not judged** after the rollback.".to_owned(),
            |judged| {
                format!(
                    "The service was last judged {} at {} ({}).",
                    judged.verdict.call,
                    words::second(judged.at),
                    prose(&judged.verdict.why)
                )
            },
        );
    format!("{slots} {judged}")
}

/// Unchecked on purpose: a person decides.
fn why_not_caught() -> String {
    "- [ ] Testing was incomplete\n- [ ] The configuration was not validated\n- [ ] Monitoring missed it\n- [ ] Staging differs from this environment\n- [ ] Other: \n".to_owned()
}

fn lessons() -> String {
    format!(
        "- What went well: {TO_FILL}\n- What went wrong: {TO_FILL}\n- Where we were lucky: {TO_FILL}\n"
    )
}

fn action_items() -> String {
    format!("| action | owner | deadline |\n|---|---|---|\n| {TO_FILL} | {TO_FILL} | {TO_FILL} |\n")
}

fn timeline(story: &Story<'_>) -> String {
    let Some(at) = story.began_at() else {
        return "The journal is empty.\n".to_owned();
    };
    let mut out = format!(
        "UTC, {}. When the bad release was first noticed by a person: {TO_FILL}\n\n| time | after | what | source |\n|---|---|---|---|\n",
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
    if let Some(search) = story.search() {
        put_line!(
            out,
            "- {} passed over in the search for the good release.",
            words::count(search.passed_over.len() as u64, "run")
        );
    }
    if out.is_empty() {
        out.push_str("- None.\n");
    }
    out
}
