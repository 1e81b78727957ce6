//! What a runner would hear: a small reader of workflow commands stands for it.

use super::*;
use crate::model::outcome::Outcome;
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

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The commands that a runner hears, without stop and resume: a line that starts with `::` after white space.
    fn heard(&self) -> Vec<String> {
        let mut stopped: Option<String> = None;
        let mut heard = Vec::new();
        for line in self.text().lines() {
            let line = line.trim_start();
            if let Some(word) = &stopped {
                if line == format!("::{word}::") {
                    stopped = None;
                }
                continue;
            }
            assert!(!line.contains("##["), "{line}");
            match line.strip_prefix("::stop-commands::") {
                Some(word) => stopped = Some(word.to_owned()),
                None if line.starts_with("::") => heard.push(line.to_owned()),
                None => (),
            }
        }
        assert_eq!(stopped, None, "commands stay stopped");
        heard
    }
}

fn event(kind: EventKind) -> Event {
    Event {
        at: "2026-11-20T14:00:00Z".parse().unwrap(),
        elapsed_ms: 0,
        kind,
    }
}

fn warned(text: &str) -> Event {
    event(EventKind::Warned {
        text: text.to_owned(),
    })
}

fn ended(outcome: Outcome, message: &str) -> Event {
    event(EventKind::Ended(Box::new(Ended {
        outcome,
        message: message.to_owned(),
        hints: vec!["do this, 100 %".to_owned()],
        took_ms: 1500,
        run: None,
        commit: None,
        digest: None,
        before: crate::model::state::State::new(),
        after: crate::model::state::State::new(),
        bad_run: None,
        bad_commit: None,
    })))
}

#[test]
fn secrets_are_masked_before_anything_else_line_by_line() {
    let paper = Paper::default();
    let secrets = [
        Secret::new("50%\r\n"),
        Secret::new("-----BEGIN-----\n\nabc\n"),
    ];
    drop(Commands::to(paper.clone(), &secrets));
    assert_eq!(
        paper.heard(),
        [
            "::add-mask::50%25",
            "::add-mask::-----BEGIN-----",
            "::add-mask::abc"
        ]
    );
}

#[test]
fn text_from_outside_is_never_heard() {
    let paper = Paper::default();
    let mut commands = Commands::to(paper.clone(), &[]);
    for text in [
        "::error::fake",
        "a\n::set-output name=run-id::666",
        "x\r::endgroup::",
        "##[error]fake",
        "::stop-commands::x\n",
    ] {
        commands
            .event(&event(EventKind::Note {
                text: text.to_owned(),
            }))
            .unwrap();
        commands.event(&warned(text)).unwrap();
    }
    let heard = paper.heard();
    assert_eq!(heard.len(), 5);
    for command in heard {
        assert!(
            command.starts_with("::warning title=lastgood%3A warning::"),
            "{command}"
        );
    }
}

#[test]
fn groups_open_and_close_in_turn() {
    let paper = Paper::default();
    let mut commands = Commands::to(paper.clone(), &[]);
    let watching = event(EventKind::Watching {
        stage: Stage::Detect,
        signals: vec!["health".to_owned()],
        rate: 10,
        cap_s: 180,
    });
    commands.event(&watching).unwrap();
    commands.event(&watching).unwrap();
    commands
        .event(&event(EventKind::RollingBack {
            why: "bad".to_owned(),
        }))
        .unwrap();
    commands.event(&watching).unwrap();
    commands
        .event(&ended(Outcome::RolledBack, "It is back: a, b"))
        .unwrap();
    commands.close().unwrap();
    assert_eq!(
        paper.heard(),
        [
            "::group::Watch: detect",
            "::endgroup::",
            "::warning title=lastgood%3A rolling back::bad",
            "::group::Watch: detect",
            "::endgroup::",
            "::error title=lastgood%3A rolled-back::It is back: a, b%0ANext: do this, 100 %25",
        ]
    );
}

#[test]
fn only_the_annotations_that_the_runner_keeps_are_made_and_the_outcome_is_one() {
    let paper = Paper::default();
    let mut commands = Commands::to(paper.clone(), &[]);
    for n in 0..30 {
        commands.event(&warned(&format!("warning {n}"))).unwrap();
    }
    commands
        .event(&ended(Outcome::Restored, &"x".repeat(9000)))
        .unwrap();
    let heard = paper.heard();
    let warnings: Vec<&String> = heard
        .iter()
        .filter(|line| line.starts_with("::warning"))
        .collect();
    assert_eq!(warnings.len(), 9);
    assert!(warnings[8].ends_with("::There are more: see the log of this step."));
    assert!(heard[9].starts_with("::notice title=lastgood%3A restored::xxx"));
    assert!(heard[9].len() < MESSAGE_CHARS_MAX + 60);
    assert!(
        paper.text().contains("warning 29"),
        "every warning stands in the log"
    );
}
