//! A release on a cluster that crashes: what the target saw of it, and how its rollout went.

use super::parts::HOSTILE;
use super::sample::{Tape, began, ended, revision, state};
use super::{in_actions, on_terminal, settled};
use lastgood::model::event::{Ended, Event, EventKind};
use lastgood::model::outcome::Outcome;
use lastgood::model::probe::Stage;
use lastgood::model::sighting::{Sighting, Symptom};
use lastgood::model::state::Slot;
use lastgood::model::verdict::{Call, Severity, Verdict};
use lastgood::report::{answer, incident, summary};
use serde_json::json;

fn slot() -> Slot {
    Slot("deployment/web".to_owned())
}

fn progress(text: &str) -> EventKind {
    EventKind::Progress {
        target: "shop".to_owned(),
        slot: slot(),
        text: text.to_owned(),
    }
}

fn sighted(severity: Severity, symptom: Symptom, what: &str, advice: &str) -> EventKind {
    EventKind::Sighted {
        target: "shop".to_owned(),
        sighting: Sighting::new(&slot(), severity, symptom, what, advice),
    }
}

fn judged(call: Call, severity: Severity, why: &str, at_s: u64) -> EventKind {
    EventKind::Judged {
        stage: Stage::Detect,
        verdict: Verdict {
            call,
            why: why.to_owned(),
            severity,
            at_s,
            warm_up_s: 0,
            evidence: Vec::new(),
            notes: Vec::new(),
        },
    }
}

/// What something else deployed crashes; the last good release is back, and one pod of it has a bad node.
pub(super) fn crashed() -> Vec<Event> {
    let mut tape = Tape::new(began("watch"));
    let observed = EventKind::Observed {
        target: "shop".to_owned(),
        state: state("bad"),
    };
    tape.tell(40, observed);
    let crash = format!("3 of 3 new pods crash (exit code 1) {HOSTILE}");
    let advice = "read the logs of the container before, then roll back";
    for severity in [Severity::Serious, Severity::Critical] {
        tape.tell(4000, sighted(severity, Symptom::CrashLoop, &crash, advice));
    }
    tape.tell(
        1,
        sighted(
            Severity::Monitor,
            Symptom::ProbeFails,
            "2 failures of the readiness probe",
            "look at the logs of the pods",
        ),
    );
    let why = "deployment/web: 3 of 3 new pods crash (exit code 1)";
    tape.tell(1, judged(Call::Unhealthy, Severity::Critical, why, 8));
    tape.tell(
        1,
        EventKind::RollingBack {
            why: why.to_owned(),
        },
    );
    for text in [
        "0 of 3 updated",
        "2 of 3 updated, 1 old still there",
        "3 of 3 updated",
    ] {
        tape.tell(900, progress(text));
    }
    let verified = EventKind::Verified {
        op: "op-web".to_owned(),
        target: "shop".to_owned(),
        slot: slot(),
        revision: revision("good"),
    };
    tape.tell(20, verified);
    tape.tell(
        30_000,
        sighted(
            Severity::Monitor,
            Symptom::NodeIssue,
            "1 of 3 pods is on node n7, which is not ready",
            "look at the node; a rollback does not help",
        ),
    );
    let why = "nothing unwell was seen for 30 s";
    tape.tell(1, judged(Call::Healthy, Severity::None, why, 30));
    tape.end(Ended {
        before: state("bad"),
        after: state("good"),
        ..ended(
            Outcome::RolledBack,
            "deployment/web crashed; run 41 (a1b2c3d) is back in production and was judged healthy",
            &["fix the release forward"],
        )
    })
}

#[test]
fn a_crash_on_a_terminal() {
    insta::assert_snapshot!(on_terminal(&crashed()));
}

#[test]
fn a_crash_in_actions() {
    insta::assert_snapshot!(settled(&in_actions(&crashed())));
}

#[test]
fn a_crash_as_a_summary() {
    insta::assert_snapshot!(summary::render(&crashed()));
}

#[test]
fn a_crash_as_an_incident() {
    insta::assert_snapshot!(incident::render(&crashed()));
}

#[test]
fn a_crash_is_found_out_by_watching() {
    let report = incident::render(&crashed());
    assert!(
        report.contains("Found out by watching what is in place, 8.0 s after the watch began"),
        "{report}"
    );
}

/// How a rollout goes is for the log and the journal.
#[test]
fn documents_are_not_flooded_by_progress() {
    let mut events = crashed();
    let told = events.clone();
    let at = told
        .iter()
        .position(|event| matches!(event.kind, EventKind::Progress { .. }))
        .unwrap();
    for count in 0..1000 {
        let mut event = told[at].clone();
        event.kind = progress(&format!("{count} of 1000 updated"));
        events.insert(at, event);
    }
    assert_eq!(summary::render(&events), summary::render(&told));
    assert_eq!(incident::render(&events), incident::render(&told));
    assert!(on_terminal(&events).contains("deployment/web: 999 of 1000 updated"));
}

#[test]
fn what_was_seen_is_in_the_answer_once_and_the_worst_first() {
    let answer = answer::json(&crashed());
    let seen = answer["sighted"].as_array().unwrap();
    let short: Vec<_> = seen
        .iter()
        .map(|one| json!([one["severity"], one["symptom"], one["rollback"]]))
        .collect();
    assert_eq!(
        short,
        [
            json!(["critical", "crash-loop", false]),
            json!(["monitor", "probe-fails", false]),
            json!(["monitor", "node-issue", true]),
        ]
    );
    assert_eq!(seen[0]["slot"], "deployment/web");
    assert_eq!(seen[0]["target"], "shop");
    assert!(
        seen[0]["advice"]
            .as_str()
            .unwrap()
            .starts_with("read the logs")
    );
}
