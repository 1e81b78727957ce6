//! The live line: drawn again and again on a terminal, a plain line now and then elsewhere.

use super::{Live, Style};
use crate::model::probe::Stage;
use crate::report::lines;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Seconds of a watch between two plain lines: a log of a 15-minute bake stays readable.
const PLAIN_EVERY_S: u64 = 15;

/// A plain line for each such part of a download of known size.
const PLAIN_PARTS: u64 = 4;

/// Downloads below this many bytes are over before a plain line about them helps.
const PLAIN_BYTES_MIN: u64 = 8 * 1024 * 1024;

/// Plain lines for a download of unknown size: one for each this many bytes.
const PLAIN_EVERY_BYTES: u64 = 64 * 1024 * 1024;

/// Frames of a terminal each second, at most.
const FRAMES_PER_S: u8 = 8;

/// The live line in the form that the style allows.
pub(super) enum LiveLine {
    Drawn(Option<ProgressBar>),
    Plain(Plain),
}

impl LiveLine {
    pub(super) fn new(style: Style) -> Self {
        if style.tty {
            Self::Drawn(None)
        } else {
            Self::Plain(Plain::default())
        }
    }

    /// Draws it, or answers the plain line to print.
    pub(super) fn show(&mut self, live: &Live<'_>) -> Option<String> {
        match (self, live) {
            (Self::Plain(plain), live) => plain.line(live),
            (Self::Drawn(bar), Live::Quiet) => {
                clear(bar);
                None
            }
            (Self::Drawn(bar), Live::Download { got, total }) => {
                let bar = bar.get_or_insert_with(|| drawn(*total));
                bar.set_position(*got);
                bar.set_message(lines::download(*got, *total));
                None
            }
            (
                Self::Drawn(bar),
                Live::Standing {
                    stage,
                    standing,
                    cap_s,
                },
            ) => {
                let bar = bar.get_or_insert_with(|| drawn(None));
                bar.set_message(lines::standing(*stage, standing, *cap_s));
                bar.tick();
                None
            }
        }
    }

    /// Takes the line away, so that an event can be printed.
    pub(super) fn clear(&mut self) {
        match self {
            Self::Drawn(bar) => clear(bar),
            Self::Plain(_) => (),
        }
    }
}

fn clear(bar: &mut Option<ProgressBar>) {
    if let Some(bar) = bar.take() {
        bar.finish_and_clear();
    }
}

/// A bar when the length is known, else a turning sign; `{wide_msg}` is cut at the edge of the terminal.
fn drawn(total: Option<u64>) -> ProgressBar {
    let (template, length) = match total {
        Some(total) if total > 0 => ("[{bar:24}] {wide_msg}", Some(total)),
        Some(_) | None => ("{spinner} {wide_msg}", None),
    };
    let style = ProgressStyle::with_template(template)
        .expect("the templates above are well formed")
        .progress_chars("=> ")
        .tick_chars("-\\|/ ");
    let target = ProgressDrawTarget::stderr_with_hz(FRAMES_PER_S);
    ProgressBar::with_draw_target(length, target).with_style(style)
}

/// Decides when a live line is worth a line of a log: by bytes and seconds of the watch, never by the clock.
#[derive(Debug, Default)]
pub(in crate::report) struct Plain {
    part: u64,
    stage: Option<Stage>,
    next_second: u64,
    warming_up: bool,
    suspected: bool,
}

impl Plain {
    pub(in crate::report) fn line(&mut self, live: &Live<'_>) -> Option<String> {
        match live {
            Live::Quiet => {
                *self = Self::default();
                None
            }
            Live::Download { got, total } => {
                if total.is_some_and(|total| total < PLAIN_BYTES_MIN) {
                    return None;
                }
                let each = total.map_or(PLAIN_EVERY_BYTES, |total| total.div_ceil(PLAIN_PARTS));
                let part = got / each;
                if part <= self.part {
                    return None;
                }
                self.part = part;
                Some(lines::download(*got, *total))
            }
            Live::Standing {
                stage,
                standing,
                cap_s,
            } => {
                let changed = self.stage != Some(*stage)
                    || self.warming_up != standing.warming_up
                    || self.suspected != standing.suspected;
                if !changed && standing.second < self.next_second {
                    return None;
                }
                self.stage = Some(*stage);
                self.next_second = standing.second + PLAIN_EVERY_S;
                self.warming_up = standing.warming_up;
                self.suspected = standing.suspected;
                Some(lines::standing(*stage, standing, *cap_s))
            }
        }
    }
}
