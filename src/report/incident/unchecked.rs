//! What this operation did not check: derived from what is absent in its events, so that the report claims no more
//! than was done.

use super::super::story::{StepEnd, Story};
use super::super::untrusted::code;
use crate::model::event::EventKind;
use crate::model::payload::Promise;
use crate::model::probe::Stage;
use crate::model::verdict::Call;

pub(super) fn list(story: &Story<'_>) -> String {
    let mut out = String::new();
    let mut item = |text: &str| {
        put_line!(out, "- {text}");
    };
    if story.ended().is_none() {
        item("How the operation ended: it was stopped before it could say so.");
    }
    for step in story.steps() {
        let place = format!("{} of {}", code(&step.change.slot().0), code(step.target));
        match step.end {
            StepEnd::Unknown => item(&format!(
                "Whether the change of {place} took effect: it was begun and its end is not known."
            )),
            StepEnd::Failed { .. } => item(&format!(
                "What {place} holds after its change failed, beyond what was observed."
            )),
            StepEnd::Applied { .. } if !step.verified => {
                item(&format!(
                    "Whether {place} holds what was applied: it was not observed afterwards."
                ));
            }
            StepEnd::Applied { .. } => (),
        }
    }
    for text in watch_gaps(story) {
        item(text);
    }
    for text in artifact_gaps(story) {
        item(text);
    }
    if story.compare_url().is_none() {
        item(
            "What changed in the source between the two releases: the repository or one of the commits is not known.",
        );
    }
    item(
        "Data, queues, caches and schema that the bad release may have changed: a rollback of a release does not undo them.",
    );
    item("Configuration and secrets outside of the slots above.");
    item("Users: only the probes of this operation were measured, from where it ran.");
    out
}

fn watch_gaps(story: &Story<'_>) -> Vec<&'static str> {
    let verdicts = story.verdicts();
    let mut out = Vec::new();
    let has_baseline = verdicts
        .iter()
        .any(|judged| judged.stage == Stage::Baseline);
    if !has_baseline {
        out.push("How healthy the service was before the change: no baseline was measured.");
    }
    if story.is_rollback() {
        let after = |stage: Stage| {
            verdicts
                .iter()
                .any(|judged| judged.of_rollback && judged.stage == stage)
        };
        if !after(Stage::Detect) {
            out.push("Whether the service is well after the rollback: it was neither probed nor watched.");
        }
        if !after(Stage::Bake) {
            out.push("Whether the service stays well over a longer time: there was no bake after the rollback.");
        }
    }
    if verdicts
        .iter()
        .any(|judged| judged.verdict.call == Call::Inconclusive)
    {
        out.push("Whether the service was well in a stage that ended without enough evidence (see Detection).");
    }
    out
}

fn artifact_gaps(story: &Story<'_>) -> Vec<&'static str> {
    let mut out = Vec::new();
    let promises: Vec<Option<Promise>> = story
        .events
        .iter()
        .filter_map(|event| {
            let EventKind::Fetched { promised_by, .. } = &event.kind else {
                return None;
            };
            Some(*promised_by)
        })
        .collect();
    if promises.is_empty() {
        if story.changed() {
            out.push(
                "The bytes that were put in place: no artifact was fetched by this operation.",
            );
        }
        return out;
    }
    out.push("Who built the artifact: its digest was compared, not a signed attestation.");
    if promises.contains(&None) {
        out.push("Whether these are the bytes that were once released: nobody promised a digest.");
    }
    if promises.contains(&Some(Promise::ArtifactDigest)) {
        out.push("The files inside the artifact one by one: there was no release manifest, only GitHub's digest of the whole.");
    }
    out
}
