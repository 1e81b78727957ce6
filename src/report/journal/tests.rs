//! Written and read back; torn, foreign, damaged and empty journals.

use super::*;
use crate::model::event::Began;

fn began() -> EventKind {
    EventKind::Began(Box::new(Began {
        schema: JOURNAL_SCHEMA,
        tool: "lastgood 0.1.0".to_owned(),
        id: "op-1".to_owned(),
        verb: "rollback".to_owned(),
        environment: "production".to_owned(),
        repository: None,
        run: None,
        attempt: None,
        run_url: None,
        commit: None,
        actor: None,
        reason: None,
        dry_run: false,
    }))
}

fn event(kind: EventKind) -> Event {
    Event {
        at: "2026-11-20T14:00:00.123456789Z".parse().unwrap(),
        elapsed_ms: 17,
        kind,
    }
}

fn written(dir: &Path) -> (PathBuf, Vec<Event>) {
    let events = vec![
        event(began()),
        event(EventKind::Note {
            text: "line\nbreak and \u{1b} stay data".to_owned(),
        }),
    ];
    let mut journal = Journal::create(dir).unwrap();
    for event in &events {
        journal.event(event).unwrap();
    }
    (journal.path().to_owned(), events)
}

#[test]
fn what_was_written_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let (path, events) = written(&dir.path().join("state/op-1"));
    assert_eq!(read(&path).unwrap(), events);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn a_journal_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path());
    let error = Journal::create(dir.path()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
}

#[test]
fn every_cut_of_the_last_line_is_tolerated_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let (path, events) = written(dir.path());
    let bytes = fs::read(&path).unwrap();
    let first = bytes.iter().position(|&b| b == b'\n').unwrap() + 1;
    for cut in first + 1..bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let contents = read_contents(&path).unwrap();
        assert_eq!(contents.events, events[..1]);
        assert_eq!(contents.torn_bytes, Some(cut - first));
        let EventKind::Warned { text } = &read(&path).unwrap()[1].kind else {
            panic!("the torn line was not said");
        };
        assert!(text.contains("torn"), "{text}");
    }
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(JOURNAL_NAME);
    fs::write(&path, text).unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn what_is_no_journal_is_refused_with_one_next_action() {
    let first = serde_json::to_string(&event(began())).unwrap();
    let newer = first.replace("\"schema\":1", "\"schema\":7");
    check_refused("", "holds no whole event");
    check_refused("{\"at\":\"20", "holds no whole event");
    check_refused(
        &format!("{newer}\n"),
        "has schema 7, expected 1; read it with the version of lastgood that wrote it (lastgood 0.1.0)",
    );
    check_refused(
        &format!("{first}\nnot json\n{first}\n"),
        "line 2 of the journal",
    );
    check_refused(&format!("{first}\n\0\0\0\n"), "line 2 of the journal");
    let note = serde_json::to_string(&event(EventKind::Note {
        text: "x".to_owned(),
    }))
    .unwrap();
    check_refused(&format!("{note}\n"), "expected `began`");
}

#[test]
fn a_missing_journal_names_its_path() {
    let error = read(Path::new("nowhere/journal.jsonl")).unwrap_err();
    assert!(error.to_string().contains("nowhere/journal.jsonl"));
}
