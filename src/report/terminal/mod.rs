//! The story on stderr for a person: one line an event, and below it one live line on a terminal.
//! Elsewhere (a file, a pipe) the live line becomes a plain line now and then. What is said is in `report::lines`.

mod live;

use super::lines::{self, Line, Tone};
use super::{LEFT_REPORT, Live, Sink};
use crate::model::event::{Event, EventKind};
use std::fmt;
use std::io::{self, Write};

pub(super) use live::Plain;

/// Where the text column begins.
const LABEL_WIDTH: usize = 12;

/// What the place that is written to can show: decided by `cli` from `NO_COLOR`, `TERM` and whether it is a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    pub color: bool,
    /// Whether a line can be drawn again.
    pub tty: bool,
}

/// The sink for a person.
pub struct Terminal {
    out: Box<dyn Write + Send>,
    style: Style,
    live: live::LiveLine,
    report: Option<String>,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal")
            .field("style", &self.style)
            .finish_non_exhaustive()
    }
}

impl Terminal {
    /// Tells the story on stderr.
    pub fn new(style: Style) -> Self {
        Self::to(io::stderr(), style)
    }

    /// Tells the story elsewhere; on a terminal the live line is drawn on stderr all the same.
    pub fn to(out: impl Write + Send + 'static, style: Style) -> Self {
        Self {
            out: Box::new(out),
            style,
            live: live::LiveLine::new(style),
            report: None,
        }
    }
}

impl Sink for Terminal {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if let EventKind::Left { what, path } = &event.kind
            && what == LEFT_REPORT
        {
            self.report = Some(path.clone());
        }
        let mut text = String::new();
        if matches!(event.kind, EventKind::Ended(_)) {
            text.push('\n');
        }
        for line in lines::of(event, self.report.as_deref()) {
            text.push_str(&rendered(&line, self.style));
        }
        self.live.clear();
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn live(&mut self, live: &Live<'_>) {
        if let Some(text) = self.live.show(live) {
            let line = Line {
                label: "...".to_owned(),
                text,
                tone: Tone::Faint,
            };
            let text = rendered(&line, self.style);
            // A live line that cannot be written says nothing that the next event does not say.
            self.out.write_all(text.as_bytes()).ok();
        }
    }

    fn close(&mut self) -> io::Result<()> {
        self.live.clear();
        self.out.flush()
    }
}

/// One line with its label padded, coloured when the style says so, and a line break.
pub fn rendered(line: &Line, style: Style) -> String {
    let label = format!("{:<LABEL_WIDTH$}", line.label);
    let separator = if line.label.chars().count() >= LABEL_WIDTH {
        " "
    } else {
        ""
    };
    let (on, off) = match (style.color, line.tone) {
        (false, _) | (true, Tone::Plain) => ("", ""),
        (true, Tone::Good) => ("\u{1b}[1;32m", "\u{1b}[0m"),
        (true, Tone::Bad) => ("\u{1b}[1;31m", "\u{1b}[0m"),
        (true, Tone::Caution) => ("\u{1b}[1;33m", "\u{1b}[0m"),
        (true, Tone::Faint) => ("\u{1b}[2m", "\u{1b}[0m"),
    };
    // A detail is faint as a whole; otherwise the label carries the colour.
    match line.tone {
        Tone::Faint => format!("{on}{label}{separator}{}{off}\n", line.text),
        Tone::Plain | Tone::Good | Tone::Bad | Tone::Caution => {
            format!("{on}{label}{off}{separator}{}\n", line.text)
        }
    }
}

#[cfg(test)]
mod tests;
