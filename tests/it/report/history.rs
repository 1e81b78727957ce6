//! History over several journals, broken and unfinished ones among them.

use super::sample;
use lastgood::decide::guard::{Deployment, automatic};
use lastgood::model::event::{Event, EventKind};
use lastgood::model::ids::{CommitSha, RunId};
use lastgood::model::outcome::Outcome;
use lastgood::report::Sink as _;
use lastgood::report::history::{self, History, figures};
use lastgood::report::journal::Journal;
use std::fs;
use std::path::Path;

fn write(state_dir: &Path, name: &str, events: &[Event]) {
    let mut journal = Journal::create(&state_dir.join(name)).unwrap();
    for event in events {
        journal.event(event).unwrap();
    }
}

/// Three whole operations, one that was killed after INTENT of its rollback, and three that cannot be read.
fn past() -> History {
    let dir = tempfile::tempdir().unwrap();
    let state_dir = dir.path();
    write(state_dir, "1", &sample::rolled_back());
    write(state_dir, "2", &sample::no_known_good());
    write(state_dir, "3", &sample::still_unhealthy());
    let killed: Vec<Event> = sample::rolled_back()
        .into_iter()
        .take_while(|event| {
            !serde_json::to_string(event)
                .unwrap()
                .contains("\"applied\",\"op\":\"op-good\"")
        })
        .collect();
    write(state_dir, "4", &killed);
    for (name, text) in [
        ("5", "garbage\n"),
        ("6", ""),
        ("7", "{\"event\":\"began\",\"schema\":9}\n"),
    ] {
        fs::create_dir(state_dir.join(name)).unwrap();
        fs::write(state_dir.join(name).join("journal.jsonl"), text).unwrap();
    }
    fs::create_dir(state_dir.join("no-journal")).unwrap();
    fs::write(state_dir.join("lease"), "not a directory").unwrap();
    assert_eq!(
        history::newest(state_dir),
        Some(state_dir.join("7/journal.jsonl"))
    );
    history::read(state_dir)
}

#[test]
fn every_journal_is_an_entry_or_is_listed_with_its_reason() {
    let past = past();
    assert_eq!(past.entries.len(), 4);
    let outcomes: Vec<Option<Outcome>> = past.entries.iter().map(|entry| entry.outcome).collect();
    let ended = [
        Outcome::RolledBack,
        Outcome::NoKnownGood,
        Outcome::StillUnhealthy,
    ];
    assert!(
        ended
            .iter()
            .all(|outcome| outcomes.contains(&Some(*outcome)))
            && outcomes.contains(&None)
    );
    let reasons: Vec<&str> = past
        .skipped
        .iter()
        .map(|skipped| skipped.why.as_str())
        .collect();
    assert!(reasons[0].contains("line 1 of the journal"), "{reasons:?}");
    assert!(reasons[1].contains("holds no whole event"), "{reasons:?}");
    assert!(reasons[2].contains("schema 9, expected 1"), "{reasons:?}");
}

#[test]
fn figures_follow_their_definitions() {
    let figures = figures(&past());
    assert_eq!((figures.rollbacks, figures.succeeded), (3, 1));
    assert_eq!(
        (figures.rto_ms_p50, figures.rto_ms_p95),
        (Some(62_836), Some(62_836))
    );
    assert_eq!(figures.ttd_ms_p50, Some(11_009));
    assert_eq!((figures.deploys, figures.deploys_failed), (1, 1));
    assert_eq!(figures.unfinished, 1);
}

#[test]
fn what_was_rolled_back_from_is_bad_with_its_reason() {
    let past = past();
    let runs = past.bad_runs("production");
    assert_eq!(runs.keys().collect::<Vec<_>>(), [&RunId(46)]);
    assert!(
        runs[&RunId(46)].contains("80 of 80 probes failed"),
        "{runs:?}"
    );
    let bad = CommitSha("b2c3d4e5f60718293a4b5c6d7e8f900112233445".to_owned());
    assert!(past.bad_commits("production").contains_key(&bad));
    assert!(past.bad_runs("staging").is_empty());
}

#[test]
fn an_operation_that_changed_nothing_says_nothing_against_a_release() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "1", &sample::no_known_good());
    let past = history::read(dir.path());
    assert!(past.bad_commits("production").is_empty());
}

#[test]
fn an_unhealthy_release_that_was_left_in_place_is_bad_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut events = sample::rolled_back();
    let turn = events
        .iter()
        .position(|event| matches!(event.kind, EventKind::RollingBack { .. }))
        .unwrap();
    let mut last = events.pop().unwrap();
    events.truncate(turn);
    if let EventKind::Ended(ended) = &mut last.kind {
        ended.outcome = Outcome::Unhealthy;
        ended.bad_run = None;
        ended.bad_commit = None;
    }
    events.push(last);
    write(dir.path(), "1", &events);
    let past = history::read(dir.path());
    assert!(past.bad_runs("production").contains_key(&RunId(46)));
    let figures = figures(&past);
    assert_eq!((figures.rollbacks, figures.deploys_failed), (0, 1));
}

#[test]
fn an_unfinished_operation_is_known_and_so_is_what_it_found_bad() {
    let dir = tempfile::tempdir().unwrap();
    let events = sample::rolled_back();
    let killed = &events[..events.len() - 4];
    write(dir.path(), "1", killed);
    let past = history::read(dir.path());
    let unfinished = past.unfinished("production");
    assert_eq!(unfinished.len(), 1);
    assert!(unfinished[0].changed);
    assert_eq!(unfinished[0].verb, "deploy");
    assert!(past.unfinished("staging").is_empty());
    assert!(past.bad_runs("production").contains_key(&RunId(46)));
}

#[test]
fn the_same_bad_deployment_is_known_again_and_another_one_is_not() {
    let past = past();
    let bad = &past.rollbacks_from("production")[0];
    assert!(bad.automatic);
    let deployment = |attempt, revision: &lastgood::model::state::Revision| Deployment {
        run: Some(RunId(46)),
        attempt,
        slots: [(bad.slot.clone(), revision.clone())].into(),
    };
    let known = past.rollbacks("production");
    let same = deployment(known[0].bad.attempt, &bad.revision);
    assert_eq!(known[0].bad.run, same.run);
    assert!(automatic(&known, &same).is_err());
    assert!(automatic(&past.rollbacks("staging"), &same).is_ok());
    let again = deployment(Some(9), &bad.revision);
    assert!(
        automatic(&known, &again).is_ok(),
        "a re-run is a person's decision"
    );
}

#[test]
fn history_as_a_table() {
    let text = past().to_text(50);
    let path = regex_lite::Regex::new(r"/\S*/(\d)/journal.jsonl").unwrap();
    insta::assert_snapshot!(path.replace_all(&text, "DIR/$1/journal.jsonl"));
}

#[test]
fn history_as_a_document() {
    let value: serde_json::Value = serde_json::from_str(&past().to_json()).unwrap();
    assert_eq!(value["schema"], 1);
    assert_eq!(value["figures"]["rollbacks"], 3);
    assert_eq!(value["figures"]["rto_seconds_p50"], 62.836);
    assert_eq!(value["figures"]["change_failure_rate"], 1.0);
    assert_eq!(value["skipped"].as_array().unwrap().len(), 3);
    let operations = value["operations"].as_array().unwrap();
    let rolled_back = operations
        .iter()
        .find(|one| one["outcome"] == "rolled-back")
        .unwrap();
    assert_eq!(rolled_back["from"]["run"], 46);
    assert_eq!(rolled_back["to"]["run"], 41);
    assert_eq!(rolled_back["automatic"], true);
    assert_eq!(rolled_back["exit_code"], 10);
    assert_eq!(rolled_back["time_to_detect_seconds"], 11.009);
    assert_eq!(rolled_back["at"], "2026-11-20T14:02:00Z");
}

#[test]
fn no_state_directory_is_an_empty_history() {
    let past = history::read(Path::new("does/not/exist"));
    assert_eq!(past, History::default());
    assert!(
        past.to_text(50)
            .starts_with("No rollback is on record here.\n")
    );
}
