//! Colours, columns, the final block, and how often a plain live line is printed.

use super::*;
use crate::model::probe::Stage;
use crate::model::verdict::Standing;
use crate::report::lines::{download, standing};
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
}

const PLAIN: Style = Style {
    color: false,
    tty: false,
};

fn event(kind: EventKind) -> Event {
    Event {
        at: "2026-11-20T14:00:00Z".parse().unwrap(),
        elapsed_ms: 0,
        kind,
    }
}

fn stand(second: u64, suspected: bool) -> Standing {
    Standing {
        second,
        warming_up: false,
        probes: second * 10,
        failures: 1,
        towards_pass: 0.5,
        towards_fail: 0.0,
        suspected,
    }
}

#[test]
fn an_event_with_hostile_text_is_one_harmless_line() {
    let paper = Paper::default();
    let mut terminal = Terminal::to(paper.clone(), PLAIN);
    let text = "\u{1b}]0;owned\u{7}\n::error::fake\r\u{202e}\u{9b}31m".to_owned();
    terminal.event(&event(EventKind::Note { text })).unwrap();
    assert_eq!(paper.text(), "note        ]0;owned ::error::fake 31m\n");
}

#[test]
fn colour_is_only_there_when_asked_for_and_adds_no_word() {
    let line = Line {
        label: "verified".to_owned(),
        text: "web".to_owned(),
        tone: Tone::Good,
    };
    let plain = rendered(&line, PLAIN);
    let colour = Style {
        color: true,
        tty: false,
    };
    assert_eq!(plain, "verified    web\n");
    let bare = rendered(&line, colour)
        .replace("\u{1b}[1;32m", "")
        .replace("\u{1b}[0m", "");
    assert_eq!(bare, plain);
}

#[test]
fn a_long_label_keeps_its_distance() {
    let line = Line {
        label: "artifact-refused".to_owned(),
        text: "in 2 s".to_owned(),
        tone: Tone::Bad,
    };
    assert_eq!(rendered(&line, PLAIN), "artifact-refused in 2 s\n");
}

#[test]
fn a_watch_is_told_every_fifteen_seconds_and_at_each_turn() {
    let mut plain = Plain::default();
    let mut told = Vec::new();
    for second in 1..=40 {
        let standing = stand(second, second >= 20);
        let live = Live::Standing {
            stage: Stage::Detect,
            standing: &standing,
            cap_s: 180,
        };
        if plain.line(&live).is_some() {
            told.push(second);
        }
    }
    assert_eq!(told, [1, 16, 20, 35]);
}

#[test]
fn a_download_is_told_in_quarters_and_a_small_one_not_at_all() {
    let told = |total: u64| -> usize {
        let mut plain = Plain::default();
        (0..=100)
            .filter(|percent| {
                let got = total * percent / 100;
                plain
                    .line(&Live::Download {
                        got,
                        total: Some(total),
                    })
                    .is_some()
            })
            .count()
    };
    assert_eq!(told(100 << 20), 4);
    assert_eq!(told(1 << 20), 0);
}

#[test]
fn the_live_lines_say_how_far_it_is() {
    assert_eq!(
        download(512, Some(2048)),
        "downloading 512 B of 2.0 KiB (25 %)"
    );
    assert_eq!(download(512, None), "downloading 512 B");
    assert_eq!(
        standing(Stage::Detect, &stand(12, true), 180),
        "detect 12 s of 180 s: 120 probes, 1 failure; towards healthy 50 %, towards unhealthy 0 %; suspected, confirming"
    );
}

#[test]
fn a_drawn_line_never_fails() {
    let paper = Paper::default();
    let mut terminal = Terminal::to(
        paper.clone(),
        Style {
            color: false,
            tty: true,
        },
    );
    terminal.live(&Live::Download {
        got: 1,
        total: Some(2),
    });
    terminal
        .event(&event(EventKind::Note {
            text: "x".to_owned(),
        }))
        .unwrap();
    terminal.live(&Live::Standing {
        stage: Stage::Bake,
        standing: &stand(1, false),
        cap_s: 900,
    });
    terminal.live(&Live::Quiet);
    terminal.close().unwrap();
    assert_eq!(paper.text(), "note        x\n");
}
