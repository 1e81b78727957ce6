//! The fan-out: order, failing sinks, the journal's special place, masks, numbers that JSON lacks.

use super::*;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

struct Ear {
    heard: Heard,
    fails_at: Option<usize>,
}

impl Sink for Ear {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let mut heard = self.heard.0.lock().unwrap();
        if self.fails_at == Some(heard.len()) {
            return Err(io::Error::other("disk full"));
        }
        heard.push(serde_json::to_string(&event.kind).unwrap());
        Ok(())
    }
}

fn note(text: &str) -> EventKind {
    EventKind::Note {
        text: text.to_owned(),
    }
}

fn fanout() -> Fanout {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal::Journal::create(dir.path()).unwrap();
    Fanout::new(
        "2026-11-20T14:00:00Z".parse().unwrap(),
        Some(journal),
        Vec::new(),
    )
}

#[test]
fn a_failing_sink_is_warned_about_once_and_dropped() {
    let (good, bad) = (Heard::default(), Heard::default());
    let mut fanout = fanout();
    fanout.add(
        "terminal",
        Ear {
            heard: bad.clone(),
            fails_at: Some(1),
        },
    );
    fanout.add(
        "log",
        Ear {
            heard: good.clone(),
            fails_at: None,
        },
    );
    for text in ["one", "two", "three"] {
        fanout.tell(note(text));
    }
    assert_eq!(bad.0.lock().unwrap().len(), 1);
    let good = good.0.lock().unwrap().clone();
    assert_eq!(good.len(), 4);
    assert!(good[2].contains("the terminal cannot be written any more: disk full"));
    assert_eq!(fanout.events().len(), 4);
    assert!(!fanout.journal_failed());
}

#[test]
fn two_sinks_that_fail_together_end() {
    let mut fanout = fanout();
    for name in ["a", "b"] {
        fanout.add(
            name,
            Ear {
                heard: Heard::default(),
                fails_at: Some(0),
            },
        );
    }
    fanout.tell(note("one"));
    assert_eq!(fanout.events().len(), 3);
}

#[test]
fn times_are_the_start_plus_what_passed() {
    let mut fanout = fanout();
    fanout.tell(note("one"));
    let event = &fanout.events()[0];
    let began: Timestamp = "2026-11-20T14:00:00Z".parse().unwrap();
    let passed = u64::try_from(event.at.duration_since(began).as_millis()).unwrap();
    assert_eq!(passed, event.elapsed_ms);
}

#[test]
fn a_journal_that_was_never_made_is_known() {
    let at = "2026-11-20T14:00:00Z".parse().unwrap();
    let fanout = Fanout::new(at, None, Vec::new());
    assert!(fanout.journal_failed());
}

#[test]
fn a_journal_on_a_full_disk_is_known_and_said_to_the_others() {
    let heard = Heard::default();
    let full = journal::Journal::on_full_disk();
    let at = "2026-11-20T14:00:00Z".parse().unwrap();
    let ear = Ear {
        heard: heard.clone(),
        fails_at: None,
    };
    let mut fanout = Fanout::new(at, Some(full), vec![Box::new(ear)]);
    assert!(!fanout.journal_failed());
    fanout.tell(note("one"));
    assert!(fanout.journal_failed());
    let heard = heard.0.lock().unwrap();
    assert!(
        heard[1].contains("the journal cannot be written any more: No space left"),
        "{heard:?}"
    );
    assert_eq!(heard.len(), 2);
}

#[test]
fn numbers_that_json_lacks_become_ones_that_it_has() {
    use crate::model::verdict::{Call, Evidence, Severity, Verdict};
    let mut fanout = fanout();
    let evidence = Evidence {
        signal: "health".to_owned(),
        gating: true,
        probes: 0,
        failures: 0,
        errored_seconds: 0,
        counted_seconds: 0,
        llr: f64::NAN,
        llr_pass: f64::NEG_INFINITY,
        llr_fail: f64::INFINITY,
        test_stage: 1,
        share_low: 0.0,
        share_high: 1.0,
        latency_ms_p50: f64::NAN,
        latency_ms_p99: f64::NAN,
        failure_kinds: Vec::new(),
        config_answers: 0,
        llr_path: vec![(1, f64::NAN)],
    };
    fanout.tell(EventKind::Judged {
        stage: Stage::Bake,
        verdict: Verdict {
            call: Call::Inconclusive,
            why: "no data".to_owned(),
            severity: Severity::None,
            at_s: 1,
            warm_up_s: 0,
            evidence: vec![evidence],
            notes: Vec::new(),
        },
    });
    let event = &fanout.events()[0];
    let text = serde_json::to_string(event).unwrap();
    assert_eq!(&serde_json::from_str::<Event>(&text).unwrap(), event);
}

#[test]
fn a_secret_reaches_no_sink() {
    let heard = Heard::default();
    let mut fanout = fanout();
    fanout.add(
        "log",
        Ear {
            heard: heard.clone(),
            fails_at: None,
        },
    );
    fanout.mask(&Secret::new("canary-4711"));
    fanout.tell(note("the token canary-4711 was refused"));
    assert!(heard.0.lock().unwrap()[0].contains("the token *** was refused"));
    assert!(!format!("{:?}", fanout.events()).contains("canary-4711"));
}
