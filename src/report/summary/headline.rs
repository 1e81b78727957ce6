//! The top of the summary: how it ended, what to do next, and the few facts that decide what happens now.

use super::super::LEFT_REPORT;
use super::super::lines::{meaning, short_commit};
use super::super::story::{StepEnd, Story};
use super::super::untrusted::{code, link, prose};
use super::super::words;
use crate::model::event::Ended;
use crate::model::outcome::Outcome;

/// Warnings shown at the top, at most: all of them are in the timeline.
const WARNINGS_MAX: usize = 10;

pub(super) fn render(story: &Story<'_>) -> String {
    let began = story.began();
    let environment = began.map_or_else(String::new, |began| {
        format!(" · {} {}", code(&began.verb), code(&began.environment))
    });
    let Some(ended) = story.ended() else {
        return format!(
            "## lastgood: unfinished{environment}\n\nThe operation has no end in its journal: it was stopped. \
             Running the same command again resumes it.\n"
        );
    };
    let mut out = format!(
        "## lastgood: {}{environment}\n\n**{}**\n\n",
        ended.outcome,
        words::capital(&prose(&ended.message))
    );
    for hint in &ended.hints {
        put_line!(out, "- **Next:** {}", prose(hint));
    }
    if !ended.hints.is_empty() {
        out.push('\n');
    }
    out.push_str("| | |\n|---|---|\n");
    for (name, value) in rows(story, ended) {
        put_line!(out, "| {name} | {value} |");
    }
    out
}

fn rows(story: &Story<'_>, ended: &Ended) -> Vec<(&'static str, String)> {
    let outcome = ended.outcome;
    let meaning =
        meaning(ended).map_or_else(String::new, |meaning| format!(": {}", prose(meaning)));
    let code_and_meaning = format!("`{outcome}`, exit code {}{meaning}", outcome.exit_code());
    let mut rows = vec![("Outcome", code_and_meaning), ("Changed", changed(story))];
    if let Some(release) = release(story, ended) {
        let failed = story
            .steps()
            .iter()
            .any(|step| matches!(step.end, StepEnd::Failed { .. }));
        // A change that failed may have been taken back.
        let name = if is_in_place(outcome) && !failed {
            "In place now"
        } else {
            "Release that was chosen"
        };
        rows.push((name, release));
    }
    if ended.bad_run.is_some() || ended.bad_commit.is_some() {
        rows.push(("Bad release", bad_release(story, ended)));
    }
    rows.push(("Took", took(story, ended.took_ms)));
    if let Some(reason) = story.began().and_then(|began| began.reason.as_deref()) {
        rows.push(("Asked because", prose(reason)));
    }
    if let Some(path) = story.left(LEFT_REPORT) {
        rows.push(("Report", code(path)));
    }
    if let Some(url) = story.compare_url() {
        let text = "compare the good commit with the bad one";
        rows.push(("What changed", link(text, &url)));
    }
    for warning in story.warnings().iter().take(WARNINGS_MAX) {
        rows.push(("Warning", prose(warning)));
    }
    rows
}

/// Whether the outcome says that the release it names is in place; others name what was only found or begun.
const fn is_in_place(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Healthy
        | Outcome::Restored
        | Outcome::AlreadyGood
        | Outcome::RolledBack
        | Outcome::Unhealthy
        | Outcome::StillUnhealthy => true,
        Outcome::Planned
        | Outcome::Ready
        | Outcome::Error
        | Outcome::Usage
        | Outcome::NoKnownGood
        | Outcome::ArtifactRefused
        | Outcome::Refused
        | Outcome::Inconclusive
        | Outcome::Incomplete
        | Outcome::Unreachable
        | Outcome::NotReady => false,
    }
}

fn changed(story: &Story<'_>) -> String {
    let steps = story.steps();
    if steps.is_empty() {
        return "no, nothing was begun".to_owned();
    }
    let verified = steps.iter().filter(|step| step.verified).count();
    let failed = steps
        .iter()
        .filter(|step| matches!(step.end, StepEnd::Failed { .. }))
        .count();
    let begun = words::count(steps.len() as u64, "change");
    match failed {
        0 => format!("yes, {begun} begun, {verified} verified"),
        failed => format!("yes, {begun} begun, {verified} verified, **{failed} failed**"),
    }
}

fn release(story: &Story<'_>, ended: &Ended) -> Option<String> {
    let run = ended.run.map(|run| {
        let name = format!("run {run}");
        let chosen = story.chosen().filter(|chosen| chosen.run.id == run);
        chosen.map_or_else(|| name.clone(), |chosen| link(&name, &chosen.run.url))
    });
    let commit = ended.commit.as_deref().map(commit);
    let digest = ended
        .digest
        .map(|digest| format!("sha256 `{}`", digest.short()));
    let parts: Vec<String> = [run, commit, digest].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn bad_release(story: &Story<'_>, ended: &Ended) -> String {
    let run = ended.bad_run.map(|run| {
        let began = story.began().filter(|began| began.run == Some(run));
        let url = began.and_then(|began| began.run_url.as_deref());
        link(&format!("run {run}"), url.unwrap_or_default())
    });
    let commit = ended.bad_commit.as_deref().map(commit);
    let parts: Vec<String> = [run, commit].into_iter().flatten().collect();
    parts.join(", ")
}

fn commit(sha: &str) -> String {
    format!("commit {}", code(short_commit(sha)))
}

fn took(story: &Story<'_>, took_ms: u64) -> String {
    let mut out = words::duration(took_ms);
    if let Some(found) = story.detection() {
        let took = words::duration(found.took_ms);
        put!(out, "; found out {took} after {}", found.since);
    }
    if let Some(ms) = story.time_to_restore_ms() {
        let took = words::duration(ms);
        put!(out, "; judged well again {took} after the rollback began");
    }
    out
}
