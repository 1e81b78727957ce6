//! What machines read: the answer of `--json`, the outputs, the journal.

use super::sample;
use lastgood::model::outcome::Outcome;
use lastgood::report::journal::{self, Journal};
use lastgood::report::{Sink as _, answer, outputs};
use serde_json::json;
use std::path::Path;

#[test]
fn the_answer_of_a_rolled_back_deploy() {
    let answer = answer::json(&sample::rolled_back());
    let check = |pointer: &str, expected: serde_json::Value| {
        assert_eq!(answer.pointer(pointer), Some(&expected), "{pointer}");
    };
    check("/schema", json!(1));
    check("/tool", json!("lastgood 0.1.0"));
    check("/verb", json!("deploy"));
    check("/environment", json!("production"));
    check("/repository", json!("octo/shop"));
    check("/dry_run", json!(false));
    check("/began_at", json!("2026-11-20T14:02:00Z"));
    check("/outcome", json!("rolled-back"));
    check("/exit_code", json!(10));
    check(
        "/hints/0",
        json!("fix the release forward: the compare page shows what changed"),
    );
    check("/run", json!(41));
    check("/commit", json!("a1b2c3d4e5f60718293a4b5c6d7e8f9001122334"));
    check("/changed", json!(true));
    check("/automatic", json!(true));
    check("/chosen/run", json!(41));
    check("/chosen/attempt", json!(2));
    check("/chosen/via", json!("run-list"));
    check("/chosen/artifact/id", json!(9001));
    check("/passed_over/0/reason", json!("own run"));
    check(
        "/passed_over/1/detail",
        json!("job deploy was skipped: nothing was deployed"),
    );
    check("/requests", json!(4));
    check("/plan/0/rollback", json!(false));
    check("/plan/1/rollback", json!(true));
    check("/plan/1/changes/0/slot", json!("current"));
    check("/steps/1/end", json!("applied"));
    check("/steps/1/verified", json!(true));
    check("/steps/1/duration_seconds", json!(0.335));
    check("/verdicts/1/stage", json!("detect"));
    check("/verdicts/1/call", json!("unhealthy"));
    check("/verdicts/1/rollback", json!(false));
    check("/verdicts/1/evidence/0/failures", json!(80));
    check("/verdicts/2/rollback", json!(true));
    check("/bad_run", json!(46));
    check("/duration_seconds", json!(62.836));
    check("/time_to_detect_seconds", json!(11.009));
    check("/time_to_restore_seconds", json!(21.324));
    check(
        "/compare_url",
        json!(
            "https://github.com/octo/shop/compare/a1b2c3d4e5f60718293a4b5c6d7e8f9001122334...b2c3d4e5f60718293a4b5c6d7e8f900112233445"
        ),
    );
    check(
        "/report",
        json!(".lastgood/20261120T140200Z-deploy-1a2b3c/report.md"),
    );
    check(
        "/journal",
        json!(".lastgood/20261120T140200Z-deploy-1a2b3c/journal.jsonl"),
    );
}

#[test]
fn the_answer_of_a_refusal_says_so() {
    let answer = answer::json(&sample::no_known_good());
    assert_eq!(answer["outcome"], "no-known-good");
    assert_eq!(answer["exit_code"], 13);
    assert_eq!(answer["chosen"], json!(null));
    assert_eq!(answer["passed_over"].as_array().unwrap().len(), 46);
    assert_eq!(answer["changed"], false);
    assert_eq!(answer["steps"], json!([]));
    assert_eq!(answer["time_to_restore_seconds"], json!(null));
}

#[test]
fn the_outputs_of_a_rolled_back_deploy() {
    let found = outputs::of(&sample::rolled_back(), Path::new("state/op-1"));
    let digest = "55".repeat(32);
    let expected = [
        ("outcome", "rolled-back"),
        ("exit-code", "10"),
        ("run-id", "41"),
        ("run-attempt", "2"),
        ("commit", "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334"),
        ("digest", &format!("sha256:{digest}")),
        ("artifact-id", "9001"),
        ("duration-seconds", "62.836"),
        ("changed", "true"),
        (
            "report",
            ".lastgood/20261120T140200Z-deploy-1a2b3c/report.md",
        ),
        ("journal", "state/op-1/journal.jsonl"),
        (
            "summary",
            "rolled-back in 1 min 03 s: run 46 was unhealthy; run 41 (a1b2c3d) is back in production and was judged healthy",
        ),
        ("passed-over", "5"),
    ];
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn the_outputs_of_a_refusal_claim_nothing() {
    let outputs = outputs::of(&sample::no_known_good(), Path::new("op"));
    let of = |wanted: &str| {
        let found = outputs.iter().find(|(name, _value)| *name == wanted);
        found.map(|(_name, value)| value.as_str())
    };
    assert_eq!(of("outcome"), Some(Outcome::NoKnownGood.word()));
    assert_eq!(of("run-id"), Some(""));
    assert_eq!(of("artifact-id"), Some(""));
    assert_eq!(of("changed"), Some("false"));
    assert_eq!(of("passed-over"), Some("46"));
}

#[test]
fn a_journal_gives_every_event_back() {
    let dir = tempfile::tempdir().unwrap();
    for (name, events) in [
        ("a", sample::rolled_back()),
        ("b", sample::no_known_good()),
        ("c", sample::still_unhealthy()),
    ] {
        let mut journal = Journal::create(&dir.path().join(name)).unwrap();
        for event in &events {
            journal.event(event).unwrap();
        }
        assert_eq!(journal::read(journal.path()).unwrap(), events);
    }
}

#[test]
fn the_words_of_a_journal_are_those_of_the_documentation() {
    let events = sample::rolled_back();
    let first = serde_json::to_value(&events[0]).unwrap();
    assert_eq!(first["event"], "began");
    assert_eq!(first["schema"], 1);
    assert_eq!(first["at"], "2026-11-20T14:02:00Z");
    assert_eq!(first["elapsed_ms"], 0);
    let words: Vec<String> = events
        .iter()
        .map(|event| {
            serde_json::to_value(event).unwrap()["event"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    for word in [
        "observed",
        "planned",
        "intent",
        "applied",
        "verified",
        "watching",
        "judged",
        "rolling-back",
        "located",
        "fetched",
        "left",
        "ended",
    ] {
        assert!(words.iter().any(|found| found == word), "{word}");
    }
}

#[test]
fn the_documentation_names_every_outcome_output_and_field() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/outcomes.md");
    let text = std::fs::read_to_string(path).unwrap();
    for outcome in Outcome::ALL {
        let row = format!("| {} | `{outcome}` | ", outcome.exit_code());
        assert!(text.contains(&row), "{row}");
    }
    for (name, _value) in outputs::of(&[], Path::new("op")) {
        assert!(text.contains(&format!("| `{name}` | ")), "{name}");
    }
    let answer = answer::json(&sample::rolled_back());
    for name in answer.as_object().unwrap().keys() {
        assert!(
            text.contains(&format!("`{name}`")) || text.contains(&format!("`{name}[]`")),
            "{name}"
        );
    }
}
