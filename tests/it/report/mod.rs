//! What people read is held by snapshots, what machines read field by field, and neither shows a secret.

mod cluster;
mod history;
mod machines;
mod parts;
mod sample;

use lastgood::model::event::{Event, EventKind};
use lastgood::model::secret::Secret;
use lastgood::report::actions::Commands;
use lastgood::report::terminal::{Style, Terminal};
use lastgood::report::{Fanout, Sink, answer, incident, outputs, summary};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn told(events: &[Event], sink: impl FnOnce(Paper) -> Box<dyn Sink>) -> String {
    let paper = Paper::default();
    let mut sink = sink(paper.clone());
    for event in events {
        sink.event(event).unwrap();
    }
    sink.close().unwrap();
    let bytes = paper.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn on_terminal(events: &[Event]) -> String {
    let plain = Style {
        color: false,
        tty: false,
    };
    told(events, |paper| Box::new(Terminal::to(paper, plain)))
}

fn in_actions(events: &[Event]) -> String {
    told(events, |paper| Box::new(Commands::to(paper, &[])))
}

/// Random words differ in every run.
fn settled(text: &str) -> String {
    let word = regex_lite::Regex::new("lastgood-[0-9a-f]{32}").unwrap();
    word.replace_all(text, "WORD").into_owned()
}

#[test]
fn a_rolled_back_deploy_on_a_terminal() {
    insta::assert_snapshot!(on_terminal(&sample::rolled_back()));
}

#[test]
fn a_rolled_back_deploy_in_actions() {
    insta::assert_snapshot!(settled(&in_actions(&sample::rolled_back())));
}

#[test]
fn a_rolled_back_deploy_as_a_summary() {
    insta::assert_snapshot!(summary::render(&sample::rolled_back()));
}

#[test]
fn a_rolled_back_deploy_as_an_incident() {
    insta::assert_snapshot!(incident::render(&sample::rolled_back()));
}

#[test]
fn nothing_to_go_back_to_on_a_terminal() {
    insta::assert_snapshot!(on_terminal(&sample::no_known_good()));
}

#[test]
fn nothing_to_go_back_to_as_a_summary() {
    insta::assert_snapshot!(summary::render(&sample::no_known_good()));
}

#[test]
fn a_rollback_that_did_not_help_on_a_terminal() {
    insta::assert_snapshot!(on_terminal(&sample::still_unhealthy()));
}

#[test]
fn a_rollback_that_did_not_help_as_an_incident() {
    insta::assert_snapshot!(incident::render(&sample::still_unhealthy()));
}

/// Everything that can be made of events, in one text.
fn every_rendering(events: &[Event]) -> String {
    let mut out = on_terminal(events);
    out.push_str(&in_actions(events));
    out.push_str(&summary::render(events));
    out.push_str(&incident::render(events));
    out.push_str(&answer::json(events).to_string());
    for (_name, value) in outputs::of(events, Path::new("op-1")) {
        out.push_str(&value);
    }
    for event in events {
        out.push_str(&serde_json::to_string(event).unwrap());
    }
    out
}

/// Puts the text after every string of the value that is not a word of a closed set.
fn poisoned(value: &mut serde_json::Value, with: &str) {
    match value {
        serde_json::Value::String(text) => text.push_str(with),
        serde_json::Value::Array(items) => {
            for item in items {
                poisoned(item, with);
            }
        }
        serde_json::Value::Object(fields) => {
            for (key, field) in fields {
                let closed = [
                    "event",
                    "change",
                    "outcome",
                    "stage",
                    "call",
                    "severity",
                    "symptom",
                    "phase",
                    "via",
                    "promised_by",
                    "digest",
                    "started_at",
                    "created_at",
                    "expires_at",
                    "at",
                ];
                let is_reason =
                    key == "reason" && field.as_str().is_some_and(|text| !text.contains(' '));
                if !closed.contains(&key.as_str()) && !is_reason || !field.is_string() {
                    poisoned(field, with);
                }
            }
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => (),
    }
}

#[test]
fn a_secret_in_any_text_reaches_no_rendering() {
    let canary = "canary-4711/+%";
    let encoded = "canary-4711%2F%2B%25";
    for events in [
        sample::rolled_back(),
        sample::no_known_good(),
        sample::still_unhealthy(),
        cluster::crashed(),
    ] {
        let at = "2026-11-20T14:00:00Z".parse().unwrap();
        let mut fanout = Fanout::new(at, None, Vec::new());
        fanout.mask(&Secret::new(canary));
        let mut put = 0;
        for event in &events {
            let mut value = serde_json::to_value(&event.kind).unwrap();
            poisoned(&mut value, &format!(" {canary}?token={encoded}"));
            let kind: EventKind = serde_json::from_value(value).unwrap();
            put += serde_json::to_string(&kind)
                .unwrap()
                .matches(canary)
                .count();
            fanout.tell(kind);
        }
        assert!(events.len() < put, "the canary was put in {put} places");
        let everything = every_rendering(fanout.events());
        assert!(!everything.contains("canary"), "{everything}");
        assert!(everything.contains("***"));
    }
}

#[test]
fn nothing_hostile_reaches_what_people_read() {
    for events in [
        sample::rolled_back(),
        sample::no_known_good(),
        sample::still_unhealthy(),
        cluster::crashed(),
    ] {
        let terminal = on_terminal(&events);
        assert!(!terminal.contains(['\u{1b}', '\u{202e}']));
        assert!(
            terminal
                .lines()
                .all(|line| !line.trim_start().starts_with("::"))
        );
        let markdown = [summary::render(&events), incident::render(&events)].concat();
        assert!(!markdown.contains(['\u{1b}', '\u{202e}']));
        // Outside of code spans there is no tag and no mention.
        let spans = regex_lite::Regex::new("`` .*? ``|`[^`\n]*`").unwrap();
        let markdown = markdown.replace("\\`", "");
        let outside = spans.replace_all(&markdown, "");
        assert!(!outside.replace("\\<", "").contains('<'), "{outside}");
        assert!(!outside.contains("@o"), "{outside}");
    }
}

#[test]
fn a_summary_of_a_huge_operation_stays_within_the_limit() {
    let mut events = sample::rolled_back();
    let last = events.pop().unwrap();
    for n in 0..20_000 {
        let mut event = events[1].clone();
        event.kind = EventKind::Warned {
            text: format!("warning {n} {}", "|".repeat(900)),
        };
        events.push(event);
    }
    events.push(last);
    let text = summary::render(&events);
    assert!(text.len() <= summary::SUMMARY_BYTES_MAX, "{}", text.len());
    assert!(text.starts_with("## lastgood: rolled-back"));
}
