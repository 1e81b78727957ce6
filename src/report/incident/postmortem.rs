//! The parts of a post-mortem: what was measured is filled in, the rest is left to a person.

use super::super::lines::promised;
use super::super::story::Story;
use super::super::summary::{plan_table, sighted, verdict_block};
use super::super::untrusted::{code, link, prose};
use super::super::words;
use super::TO_FILL;
use crate::model::event::EventKind;
use crate::model::state::{Held, Phase};
use crate::model::verdict::Verdict;

pub(super) fn detection(story: &Story<'_>) -> String {
    let mut out = String::new();
    if let Some(found) = story.detection() {
        let by = if is_of_probes(found.judged.verdict) {
            "by probes"
        } else {
            "by watching what is in place"
        };
        put_line!(
            out,
            "Found out {by}, {} after {}: {}.",
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
    let seen = sighted(story);
    if !seen.is_empty() {
        put_line!(out, "\n### What was seen of it\n\n{}", seen.trim_end());
    }
    for judged in story.verdicts() {
        out.push_str(&verdict_block(&judged, "###"));
    }
    out
}

/// Whether a verdict rests on failures that probes counted, and not on what the targets saw alone.
fn is_of_probes(verdict: &Verdict) -> bool {
    verdict
        .evidence
        .iter()
        .any(|evidence| evidence.gating && 0 < evidence.failures)
}

pub(super) fn resolution(story: &Story<'_>) -> String {
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
            "The good release is {} (commit {}), found through: {}.\n",
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
                "Artifact {} has `{digest}`{}.\n",
                code(name),
                promised(*promised_by)
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
                .map_or_else(|| "not known".to_owned(), held_in_full);
            put_line!(
                out,
                "| {} | {before} | {} |",
                code(&slot.0),
                held_in_full(held)
            );
        }
    }
    out
}

/// The whole revision: this is the page it is copied from.
fn held_in_full(held: &Held) -> String {
    let revision = held
        .revision
        .as_ref()
        .map_or_else(|| "(empty)".to_owned(), |revision| code(&revision.0));
    match held.phase {
        Phase::Running => revision,
        Phase::Stopped => format!("{revision} (stopped)"),
        Phase::Moving => format!("{revision} (a change is under way)"),
    }
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
            "After each of {} the slot was observed to hold the good revision.",
            words::count(changes as u64, "change")
        ),
        _ => format!(
            "**After {verified} of {} the slot was observed to hold the good revision.**",
            words::count(changes as u64, "change")
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
pub(super) fn why_not_caught() -> String {
    "- [ ] Testing was incomplete\n- [ ] The configuration was not validated\n- [ ] Monitoring missed it\n- [ ] Staging differs from this environment\n- [ ] Other: \n".to_owned()
}

pub(super) fn lessons() -> String {
    format!(
        "- What went well: {TO_FILL}\n- What went wrong: {TO_FILL}\n- Where we were lucky: {TO_FILL}\n"
    )
}

pub(super) fn action_items() -> String {
    format!("| action | owner | deadline |\n|---|---|---|\n| {TO_FILL} | {TO_FILL} | {TO_FILL} |\n")
}
