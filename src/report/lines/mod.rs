//! Each event as one short line that a person reads at 3 a.m., with details below it where they decide something.
//! Every text is already neutralised here. How a line is coloured and where it goes is for the sink.

mod search;
mod watch;

pub use search::{by_reason, located_lines};
pub(super) use watch::evidence_words;
pub use watch::{download, stage_words, standing};
use watch::{verdict_lines, watching};

use super::untrusted::{line, text};
use super::words;
use super::{LEFT_JOURNAL, LEFT_REPORT};
use crate::model::event::{Began, Ended, Event, EventKind};
use crate::model::outcome::Outcome;
use crate::model::payload::Promise;
use crate::model::plan::Plan;
use crate::model::sighting::Sighting;
use crate::model::state::{Held, Phase, Slot, State};
use crate::model::verdict::Severity;

/// Changes, hazards and slots that are shown one by one.
const ITEMS_MAX: usize = 40;

/// One line: a label in the first column (empty for a detail below), and the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub label: String,
    pub text: String,
    pub tone: Tone,
}

/// How a line may be coloured. The label says the same, so nothing is told by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Bad,
    Caution,
    /// A detail.
    Faint,
}

fn head(label: &str, text: impl Into<String>) -> Line {
    toned(label, text, Tone::Plain)
}

fn toned(label: &str, text: impl Into<String>, tone: Tone) -> Line {
    Line {
        label: label.to_owned(),
        text: text.into(),
        tone,
    }
}

fn detail(text: impl Into<String>) -> Line {
    toned("", text, Tone::Faint)
}

/// The lines of one event. `report` is the path of the incident report, for the last event.
pub fn of(event: &Event, report: Option<&str>) -> Vec<Line> {
    match &event.kind {
        EventKind::Began(began) => began_lines(began, event),
        EventKind::Located {
            chosen,
            passed_over,
            requests,
        } => located_lines(chosen.as_deref(), passed_over, *requests),
        EventKind::Fetched {
            name,
            size_bytes,
            digest,
            took_ms,
            promised_by,
        } => vec![head(
            "fetched",
            format!(
                "{}, {} in {}; sha256 {}{}",
                line(name, 80),
                words::bytes(*size_bytes),
                words::duration(*took_ms),
                digest.short(),
                promised(*promised_by),
            ),
        )],
        EventKind::Observed { target, state } => state_lines(target, state),
        EventKind::Planned { target, plan } => plan_lines(target, plan),
        EventKind::Intent { .. }
        | EventKind::Applied { .. }
        | EventKind::Verified { .. }
        | EventKind::ApplyFailed { .. }
        | EventKind::Progress { .. } => change_line(&event.kind).into_iter().collect(),
        EventKind::Sighted { target, sighting } => sighted_lines(target, sighting),
        EventKind::Watching {
            stage,
            signals,
            rate,
            cap_s,
        } => vec![head("watching", watching(*stage, signals, *rate, *cap_s))],
        EventKind::Judged { stage, verdict } => verdict_lines(*stage, verdict),
        EventKind::RollingBack { why } => vec![toned("rolling back", text(why), Tone::Caution)],
        EventKind::Checked { .. } => checked_lines(&event.kind),
        EventKind::Note { text: note } => vec![head("note", text(note))],
        EventKind::Warned { text: warning } => vec![toned("warning", text(warning), Tone::Caution)],
        // The end names the report, and the journal lies beside it.
        EventKind::Left { what, .. } if what == LEFT_REPORT || what == LEFT_JOURNAL => Vec::new(),
        EventKind::Left { what, path } => {
            vec![detail(format!("{}: {}", line(what, 60), text(path)))]
        }
        EventKind::Interrupted { signal } => vec![toned(
            "interrupted",
            format!(
                "{}: finishing what is under way, then stopping",
                line(signal, 20)
            ),
            Tone::Caution,
        )],
        EventKind::Ended(ended) => ended_lines(ended, report),
    }
}

/// Whose word was held against what was fetched.
pub(super) fn promised(by: Option<Promise>) -> String {
    match by {
        Some(by) => format!(", verified against {by}"),
        None => ", which nobody promised".to_owned(),
    }
}

fn change_line(kind: &EventKind) -> Option<Line> {
    let place = |target: &str, slot: &Slot| format!("{}: {}", line(target, 60), line(&slot.0, 80));
    if let EventKind::Intent { target, change, .. } = kind {
        return Some(head("applying", place(target, change.slot())));
    }
    if let EventKind::Progress {
        target,
        slot,
        text: how,
    } = kind
    {
        return Some(toned(
            "rollout",
            format!("{}: {}", place(target, slot), text(how)),
            Tone::Faint,
        ));
    }
    if let EventKind::Applied {
        target,
        slot,
        took_ms,
        ..
    } = kind
    {
        let what = format!("{} in {}", place(target, slot), words::duration(*took_ms));
        return Some(head("applied", what));
    }
    if let EventKind::Verified {
        target,
        slot,
        revision,
        ..
    } = kind
    {
        let what = format!("{} holds {}", place(target, slot), text(&revision.short()));
        return Some(toned("verified", what, Tone::Good));
    }
    if let EventKind::ApplyFailed {
        target, slot, why, ..
    } = kind
    {
        let what = format!("{}: {}", place(target, slot), text(why));
        return Some(toned("failed", what, Tone::Bad));
    }
    None
}

fn sighted_lines(target: &str, sighting: &Sighting) -> Vec<Line> {
    let tone = match sighting.severity {
        Severity::Critical | Severity::Serious => Tone::Bad,
        Severity::Monitor => Tone::Caution,
        Severity::None => Tone::Plain,
    };
    let what = format!("{}: {}", line(target, 60), text(&sighting.to_string()));
    vec![
        toned(&sighting.severity.to_string(), what, tone),
        detail(format!("next: {}", text(&sighting.advice))),
    ]
}

fn checked_lines(kind: &EventKind) -> Vec<Line> {
    let EventKind::Checked {
        target,
        check,
        ok,
        detail: found,
        next,
    } = kind
    else {
        return Vec::new();
    };
    let (label, tone) = if *ok {
        ("ok", Tone::Good)
    } else {
        ("missing", Tone::Bad)
    };
    let what = format!("{}: {}: {}", line(target, 60), line(check, 80), text(found));
    let mut out = vec![toned(label, what, tone)];
    if let Some(next) = next {
        out.push(detail(format!("next: {}", text(next))));
    }
    out
}

fn began_lines(began: &Began, event: &Event) -> Vec<Line> {
    let dry = if began.dry_run { " (dry run)" } else { "" };
    let mut out = vec![head(
        &line(&began.verb, 12),
        format!(
            "{}{dry}, {}, operation {}",
            line(&began.environment, 60),
            words::second(event.at),
            line(&began.id, 60),
        ),
    )];
    if let Some(commit) = &began.commit {
        out.push(detail(format!("commit {}", line(short_commit(commit), 12))));
    }
    if let Some(reason) = &began.reason {
        let actor = began.actor.as_deref().map_or_else(String::new, |actor| {
            format!(" (asked by {})", line(actor, 60))
        });
        out.push(detail(format!("because {}{actor}", text(reason))));
    }
    out
}

fn state_lines(target: &str, state: &State) -> Vec<Line> {
    let slots: Vec<String> = state
        .iter()
        .take(ITEMS_MAX)
        .map(|(slot, held)| format!("{} = {}", line(&slot.0, 80), held_words(held)))
        .collect();
    let more = match state.len().saturating_sub(ITEMS_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let slots = if slots.is_empty() {
        "no slots".to_owned()
    } else {
        slots.join(", ")
    };
    vec![head(
        "observed",
        format!("{}: {slots}{more}", line(target, 60)),
    )]
}

/// `0123456789ab`, `0123456789ab (stopped)`, `(empty)`.
pub fn held_words(held: &Held) -> String {
    let revision = match &held.revision {
        Some(revision) => text(&revision.short()),
        None => "(empty)".to_owned(),
    };
    match held.phase {
        Phase::Running => revision,
        Phase::Stopped => format!("{revision} (stopped)"),
        Phase::Moving => format!("{revision} (a change is under way)"),
    }
}

fn plan_lines(target: &str, plan: &Plan) -> Vec<Line> {
    let target = line(target, 60);
    let mut out = Vec::new();
    match plan.changes.as_slice() {
        [] => out.push(head("planned", format!("{target}: nothing to change"))),
        [one] => out.push(head(
            "planned",
            format!("{target}: {}", text(&one.to_string())),
        )),
        many => {
            out.push(head(
                "planned",
                format!("{target}: {}", words::count(many.len() as u64, "change")),
            ));
            for change in many.iter().take(ITEMS_MAX) {
                out.push(detail(text(&change.to_string())));
            }
            if many.len() > ITEMS_MAX {
                out.push(detail(format!("and {} more", many.len() - ITEMS_MAX)));
            }
        }
    }
    for hazard in plan.hazards.iter().take(ITEMS_MAX) {
        out.push(toned(
            "hazard",
            format!(
                "{} on {}: {}",
                line(&hazard.name, 60),
                line(&hazard.slot.0, 80),
                text(&hazard.what)
            ),
            Tone::Caution,
        ));
    }
    out
}

/// Good, bad, or good with a job that fails.
pub const fn outcome_tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Healthy
        | Outcome::Restored
        | Outcome::AlreadyGood
        | Outcome::Planned
        | Outcome::Ready => Tone::Good,
        Outcome::RolledBack | Outcome::Inconclusive | Outcome::Incomplete => Tone::Caution,
        Outcome::Error
        | Outcome::Usage
        | Outcome::Unhealthy
        | Outcome::StillUnhealthy
        | Outcome::NoKnownGood
        | Outcome::ArtifactRefused
        | Outcome::Refused
        | Outcome::Unreachable
        | Outcome::NotReady => Tone::Bad,
    }
}

fn ended_lines(ended: &Ended, report: Option<&str>) -> Vec<Line> {
    let outcome = ended.outcome;
    let mut first = format!(
        "in {}, exit code {}",
        words::duration(ended.took_ms),
        outcome.exit_code()
    );
    if let Some(meaning) = meaning(ended) {
        first.push_str(": ");
        first.push_str(meaning);
    }
    let mut out = vec![toned(outcome.word(), first, outcome_tone(outcome))];
    out.push(detail(line(&ended.message, 1000)));
    for hint in &ended.hints {
        out.push(head("next:", text(hint)));
    }
    if let Some(report) = report {
        out.push(head("report:", text(report)));
    }
    out
}

/// What the outcome means, unless the message says it already. An ending with a release in place says it in its own words,
/// which are more exact: it may or may not have been judged.
pub(super) fn meaning(ended: &Ended) -> Option<&'static str> {
    let meaning = ended.outcome.meaning();
    let says_it =
        matches!(outcome_tone(ended.outcome), Tone::Good) || ended.outcome == Outcome::RolledBack;
    (!says_it && !ended.message.contains(meaning)).then_some(meaning)
}

/// The first seven characters, as `git log --oneline` shows a commit.
pub(super) fn short_commit(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}
