//! The step summary: Markdown that says, from the top down, how it ended, what to do, and the evidence for it.
//! It never exceeds the runner's limit: the least important parts are left out first, and that is said.

mod evidence;
mod headline;
mod mermaid;
mod tables;

pub(super) use evidence::{interval, verdict_block, verdict_title};
pub(super) use tables::{checks, choice, plan_table, sighted, timeline_rows};

use super::story::Story;
use super::untrusted::code;
use super::words;
use crate::model::event::Event;
use crate::model::probe::Stage;

/// Passed-over runs shown one by one.
const PASSED_OVER_MAX: usize = 50;

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
        (0, "headline", headline::render(&story)),
        (1, "checks", checks(&story)),
        (1, "what was seen", seen(&story)),
        (1, "verdicts", verdicts(&story)),
        (4, "charts", charts(&story)),
        (2, "plan", plan(&story)),
        (3, "choice", choice(&story, PASSED_OVER_MAX)),
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

fn verdicts(story: &Story<'_>) -> String {
    let blocks: Vec<String> = story
        .verdicts()
        .iter()
        .map(|judged| verdict_block(judged, "####"))
        .collect();
    if blocks.is_empty() {
        return String::new();
    }
    format!("### Verdicts\n{}", blocks.concat())
}

fn seen(story: &Story<'_>) -> String {
    let table = sighted(story);
    if table.is_empty() {
        return String::new();
    }
    format!("### What was seen of it\n\n{table}")
}

fn charts(story: &Story<'_>) -> String {
    let mut out = String::new();
    for judged in story.verdicts() {
        // A baseline decides nothing later on.
        if judged.stage == Stage::Baseline {
            continue;
        }
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
