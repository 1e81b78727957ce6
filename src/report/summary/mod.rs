//! The step summary: Markdown that says, from the top down, how it ended, what to do, and the evidence for it.
//! It never exceeds the runner's limit: the least important parts are left out first, and that is said.

mod evidence;
mod mermaid;
mod tables;

use super::LEFT_REPORT;
use super::lines::stage_words;
use super::story::{Judged, Story};
use super::untrusted::{code, link, prose};
use super::words;
use crate::model::event::Event;

pub(super) use evidence::{interval, table as evidence_table};
pub(super) use tables::{plan_table, timeline_rows};

/// The runner drops a larger summary with an error (actions/runner, `FileCommandManager`).
pub const SUMMARY_BYTES_MAX: usize = 1024 * 1024;

/// A part of the summary. `rank` 0 is the most important one and is never left out.
struct Section {
    rank: u8,
    name: &'static str,
    text: String,
}

/// The summary of one operation, at most 1 MiB.
pub fn render(events: &[Event]) -> String {
    render_within(events, SUMMARY_BYTES_MAX)
}

fn render_within(events: &[Event], bytes_max: usize) -> String {
    let story = Story::of(events);
    let sections = [
        (0, "headline", headline(&story)),
        (1, "checks", tables::checks(&story)),
        (1, "verdicts", verdicts(&story)),
        (4, "charts", charts(&story)),
        (2, "plan", plan(&story)),
        (3, "choice", tables::choice(&story)),
        (5, "timeline", timeline(&story)),
    ];
    let sections: Vec<Section> = sections
        .into_iter()
        .filter(|(_rank, _name, text)| !text.is_empty())
        .map(|(rank, name, text)| Section { rank, name, text })
        .collect();
    fitted(sections, bytes_max)
}

/// Leaves out the least important section until the rest fits.
fn fitted(mut sections: Vec<Section>, bytes_max: usize) -> String {
    let mut left_out: Vec<&'static str> = Vec::new();
    loop {
        let mut text = String::new();
        for section in &sections {
            text.push_str(&section.text);
            text.push('\n');
        }
        if !left_out.is_empty() {
            put!(
                text,
                "_Left out to stay within {}: {}. The incident report and the journal have everything._\n",
                words::bytes(bytes_max as u64),
                left_out.join(", ")
            );
        }
        let least = sections
            .iter()
            .enumerate()
            .max_by_key(|(_at, section)| section.rank)
            .filter(|(_at, section)| section.rank > 0)
            .map(|(at, _section)| at);
        match least {
            Some(at) if text.len() > bytes_max => left_out.push(sections.remove(at).name),
            Some(_) | None => return text,
        }
    }
}

fn headline(story: &Story<'_>) -> String {
    let began = story.began();
    let environment = began.map_or_else(String::new, |began| {
        format!(" · {} {}", code(&began.verb), code(&began.environment))
    });
    let Some(ended) = story.ended() else {
        return format!(
            "## lastgood: unfinished{environment}\n\nThe operation has no end in its journal: it was stopped. Running the same command again resumes it.\n"
        );
    };
    let outcome = ended.outcome;
    let mut out = format!(
        "## lastgood: {outcome}{environment}\n\n**{}**\n\n",
        prose(&ended.message)
    );
    for hint in &ended.hints {
        put!(out, "- **Next:** {}\n", prose(hint));
    }
    if !ended.hints.is_empty() {
        out.push('\n');
    }
    out.push_str("| | |\n|---|---|\n");
    let mut row = |name: &str, value: String| put!(out, "| {name} | {value} |\n");
    row(
        "Outcome",
        format!(
            "`{outcome}`, exit code {}: {}",
            outcome.exit_code(),
            prose(outcome.meaning())
        ),
    );
    let changed = if story.changed() {
        "yes"
    } else {
        "no, nothing was begun"
    };
    row("Changed", changed.to_owned());
    if let Some(in_place) = in_place(story) {
        row("In place now", in_place);
    }
    if ended.bad_run.is_some() || ended.bad_commit.is_some() {
        row("Rolled back from", bad_release(story));
    }
    row("Took", took(story, ended.took_ms));
    if let Some(reason) = began.and_then(|began| began.reason.as_deref()) {
        row("Asked because", prose(reason));
    }
    if let Some(path) = story.left(LEFT_REPORT) {
        row("Incident report", code(path));
    }
    if let Some(url) = story.compare_url() {
        row(
            "What changed",
            link("compare the good commit with the bad one", &url),
        );
    }
    for warning in story.warnings().iter().take(10) {
        row("Warning", prose(warning));
    }
    out
}

fn in_place(story: &Story<'_>) -> Option<String> {
    let ended = story.ended()?;
    let run = ended.run.map(|run| {
        let chosen = story.chosen().filter(|chosen| chosen.run.id == run);
        let name = format!("run {run}");
        chosen.map_or_else(|| name.clone(), |chosen| link(&name, &chosen.run.url))
    });
    let commit = ended
        .commit
        .as_deref()
        .map(|commit| format!("commit {}", code(commit.get(..12).unwrap_or(commit))));
    let digest = ended
        .digest
        .map(|digest| format!("sha256 `{}`", digest.short()));
    let parts: Vec<String> = [run, commit, digest].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn bad_release(story: &Story<'_>) -> String {
    let Some(ended) = story.ended() else {
        return String::new();
    };
    let run = ended.bad_run.map(|run| {
        let began = story.began().filter(|began| began.run == Some(run));
        let url = began
            .and_then(|began| began.run_url.as_deref())
            .unwrap_or_default();
        link(&format!("run {run}"), url)
    });
    let commit = ended
        .bad_commit
        .as_deref()
        .map(|commit| format!("commit {}", code(commit.get(..12).unwrap_or(commit))));
    let parts: Vec<String> = [run, commit].into_iter().flatten().collect();
    parts.join(", ")
}

fn took(story: &Story<'_>, took_ms: u64) -> String {
    let mut out = words::duration(took_ms);
    if let Some(found) = story.detection() {
        put!(
            out,
            "; found out {} after {}",
            words::duration(found.took_ms),
            found.since
        );
    }
    if let Some(ms) = story.time_to_restore_ms() {
        put!(
            out,
            "; judged well again {} after the rollback began",
            words::duration(ms)
        );
    }
    out
}

/// `Detect, the release that was put back: healthy after 19 s`.
pub(super) fn verdict_title(judged: &Judged<'_>) -> String {
    use crate::model::probe::Stage;
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

fn verdicts(story: &Story<'_>) -> String {
    let mut out = String::new();
    for judged in story.verdicts() {
        if out.is_empty() {
            out.push_str("### Verdicts\n");
        }
        put!(
            out,
            "\n#### {}\n\n{}\n\n",
            verdict_title(&judged),
            prose(&judged.verdict.why)
        );
        out.push_str(&evidence::table(&judged.verdict.evidence));
        for note in judged.verdict.notes.iter().take(10) {
            put!(out, "- {}\n", prose(note));
        }
    }
    out
}

fn charts(story: &Story<'_>) -> String {
    let mut out = String::new();
    for judged in story.verdicts() {
        for evidence in judged
            .verdict
            .evidence
            .iter()
            .filter(|evidence| evidence.gating)
            .take(4)
        {
            let Some(chart) = mermaid::llr_chart(evidence) else {
                continue;
            };
            if out.is_empty() {
                out.push_str(
                    "### Evidence over time\n\nThe line that moves is the log-likelihood ratio. At the upper level line the service is \
                     suspected or unhealthy, at the lower one healthy.\n",
                );
            }
            put!(
                out,
                "\n{}, {}:\n\n{chart}",
                verdict_title(&judged),
                code(&evidence.signal)
            );
        }
    }
    out
}

fn plan(story: &Story<'_>) -> String {
    let table = plan_table(story);
    if table.is_empty() {
        return String::new();
    }
    format!("### Plan and what became of it\n\n{table}")
}

fn timeline(story: &Story<'_>) -> String {
    let Some(at) = story.began_at() else {
        return String::new();
    };
    let mut out = format!(
        "### Timeline\n\nUTC, {}.\n\n| time | after | what |\n|---|---|---|\n",
        words::day(at)
    );
    for row in timeline_rows(story) {
        put!(out, "| {} | {} | {} |\n", row.time, row.after, row.what);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections() -> Vec<Section> {
        [(0, "headline"), (2, "plan"), (5, "timeline")]
            .into_iter()
            .map(|(rank, name)| Section {
                rank,
                name,
                text: name.repeat(100),
            })
            .collect()
    }

    #[test]
    fn the_least_important_part_goes_first_and_that_is_said() {
        let whole = fitted(sections(), 10_000);
        assert!(whole.contains("timeline") && !whole.contains("Left out"));
        let text = fitted(sections(), 1500);
        assert!(
            text.contains("planplan") && !text.contains("timelinetimeline"),
            "{text}"
        );
        assert!(
            text.contains("_Left out to stay within 1.4 KiB: timeline."),
            "{text}"
        );
        assert!(text.len() <= 1500);
        let text = fitted(sections(), 1100);
        assert!(
            text.contains("Left out to stay within 1.0 KiB: timeline, plan."),
            "{text}"
        );
    }
}
