//! The story in the log of a GitHub Actions step: foldable groups, annotations, masks.
//! It takes the place of `terminal` there: the runner merges stdout and stderr in no certain order and hears commands in both.
//! Every line that is not a command of ours stands inside `::stop-commands::`, on top of being neutralised.

use super::lines::{self, Line, Tone, outcome_tone};
use super::terminal::{Plain, Style, rendered};
use super::untrusted::{self, command_data, command_property};
use super::{LEFT_REPORT, Live, Sink, delimiter};
use crate::model::event::{Ended, Event, EventKind};
use crate::model::probe::Stage;
use crate::model::secret::Secret;
use crate::model::verdict::Severity;
use std::fmt;
use std::io::{self, Write};

/// The runner keeps the first ten annotations of each type and step and drops the rest in silence.
const ANNOTATIONS_MAX: u32 = 10;

/// The runner cuts the message of an annotation here, in characters.
const MESSAGE_CHARS_MAX: usize = 4096;

const PLAIN: Style = Style {
    color: false,
    tty: false,
};

/// The sink for the log of a step.
pub struct Commands {
    out: Box<dyn Write + Send>,
    group: Option<&'static str>,
    live: Plain,
    report: Option<String>,
    errors: u32,
    warnings: u32,
    notices: u32,
    /// The word that lets commands be heard again, while they are not.
    guard: Option<String>,
    /// Why a secret could not be masked.
    unmasked: Option<io::Error>,
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

/// The types of annotation.
#[derive(Debug, Clone, Copy)]
enum Level {
    Error,
    Warning,
    Notice,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

impl Commands {
    /// On stdout.
    pub fn new(secrets: &[Secret]) -> Self {
        Self::to(io::stdout(), secrets)
    }

    /// Masks every secret first, line by line, so that nothing printed later shows one. When that fails, nothing else
    /// is printed: the first event fails too.
    pub fn to(out: impl Write + Send + 'static, secrets: &[Secret]) -> Self {
        let mut commands = Self {
            out: Box::new(out),
            group: None,
            live: Plain::default(),
            report: None,
            errors: 0,
            warnings: 0,
            notices: 0,
            guard: None,
            unmasked: None,
        };
        commands.unmasked = secrets
            .iter()
            .find_map(|secret| commands.mask(secret).err());
        commands
    }

    /// Masks a secret that became known later, such as a signed URL.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn mask(&mut self, secret: &Secret) -> io::Result<()> {
        let mut text = String::new();
        for line in secret.expose().lines().map(str::trim) {
            // An empty mask would be refused, with an error in the log.
            if !line.is_empty() {
                put!(text, "::add-mask::{}\n", command_data(line));
            }
        }
        self.command(&text)
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// A command of ours: it must be heard.
    fn command(&mut self, text: &str) -> io::Result<()> {
        let heard = match self.guard.take() {
            Some(word) => format!("::{word}::\n{text}"),
            None => text.to_owned(),
        };
        self.put(&heard)
    }

    /// Lines that hold text from outside: no command in them is heard, until the next one of ours.
    fn put_lines(&mut self, lines: &[Line]) -> io::Result<()> {
        let text: String = lines.iter().map(|line| rendered(line, PLAIN)).collect();
        if text.is_empty() {
            return Ok(());
        }
        if self.guard.as_ref().is_some_and(|word| text.contains(word)) {
            self.command("")?;
        }
        if self.guard.is_none() {
            let word = delimiter::fresh(&text)?;
            self.put(&format!("::stop-commands::{word}\n"))?;
            self.guard = Some(word);
        }
        self.put(&text)
    }

    fn turn_to(&mut self, group: Option<&'static str>) -> io::Result<()> {
        if self.group == group {
            return Ok(());
        }
        if self.group.take().is_some() {
            self.command("::endgroup::\n")?;
        }
        if let Some(title) = group {
            self.command(&format!("::group::{title}\n"))?;
        }
        self.group = group;
        Ok(())
    }

    /// An annotation; the last one that the runner keeps says that there are more in the log.
    fn annotate(&mut self, level: Level, title: &str, lines: &[String]) -> io::Result<()> {
        let count = match level {
            Level::Error => &mut self.errors,
            Level::Warning => &mut self.warnings,
            Level::Notice => &mut self.notices,
        };
        *count += 1;
        // The outcome is told by the last error or notice, so errors before it leave it a place.
        let message = match *count {
            n if n < ANNOTATIONS_MAX - 1 => lines.join("\n"),
            n if n == ANNOTATIONS_MAX - 1 => "There are more: see the log of this step.".to_owned(),
            _ => return Ok(()),
        };
        self.put_annotation(level, title, &message)
    }

    fn put_annotation(&mut self, level: Level, title: &str, message: &str) -> io::Result<()> {
        let title = command_property(&untrusted::line(&format!("lastgood: {title}"), 120));
        let message = command_data(&untrusted::shortened(message, MESSAGE_CHARS_MAX));
        self.command(&format!("::{} title={title}::{message}\n", level.word()))
    }

    fn end(&mut self, event: &Event, ended: &Ended) -> io::Result<()> {
        self.turn_to(None)?;
        let lines = lines::of(event, self.report.as_deref());
        self.put_lines(&lines)?;
        let mut message = vec![untrusted::line(&ended.message, 1000)];
        for hint in &ended.hints {
            message.push(format!("Next: {}", untrusted::text(hint)));
        }
        // A job that fails needs an error to look at, also when the service is well.
        let level = match (outcome_tone(ended.outcome), ended.outcome.exit_code()) {
            (_, 0) => Level::Notice,
            (Tone::Bad | Tone::Caution | Tone::Good | Tone::Plain | Tone::Faint, _) => Level::Error,
        };
        self.put_annotation(level, ended.outcome.word(), &message.join("\n"))
    }
}

impl Sink for Commands {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if let Some(error) = self.unmasked.take() {
            return Err(error);
        }
        if let EventKind::Ended(ended) = &event.kind {
            return self.end(event, ended);
        }
        if let EventKind::Left { what, path } = &event.kind
            && what == LEFT_REPORT
        {
            self.report = Some(path.clone());
        }
        match group_of(&event.kind) {
            Place::Group(title) => self.turn_to(Some(title))?,
            Place::Open => self.turn_to(None)?,
            Place::Same => (),
        }
        let lines = lines::of(event, None);
        self.put_lines(&lines)?;
        match &event.kind {
            EventKind::Warned { text } => {
                self.annotate(Level::Warning, "warning", &[untrusted::text(text)])
            }
            EventKind::RollingBack { why } => {
                self.annotate(Level::Warning, "rolling back", &[untrusted::text(why)])
            }
            EventKind::Interrupted { signal } => self.annotate(
                Level::Warning,
                "interrupted",
                &[untrusted::line(signal, 40)],
            ),
            EventKind::ApplyFailed {
                target, slot, why, ..
            } => {
                let place = untrusted::line(&format!("{target}: {slot}"), 160);
                self.annotate(
                    Level::Error,
                    "a change failed",
                    &[place, untrusted::text(why)],
                )
            }
            EventKind::Sighted { target, sighting } if Severity::Serious <= sighting.severity => {
                let place = untrusted::line(&format!("{target}: {}", sighting.slot), 160);
                self.annotate(
                    Level::Warning,
                    &sighting.symptom.to_string(),
                    &[place, untrusted::text(&sighting.what)],
                )
            }
            EventKind::Began(_)
            | EventKind::Progress { .. }
            | EventKind::Sighted { .. }
            | EventKind::Located { .. }
            | EventKind::Fetched { .. }
            | EventKind::Observed { .. }
            | EventKind::Planned { .. }
            | EventKind::Intent { .. }
            | EventKind::Applied { .. }
            | EventKind::Verified { .. }
            | EventKind::Watching { .. }
            | EventKind::Judged { .. }
            | EventKind::Checked { .. }
            | EventKind::Note { .. }
            | EventKind::Left { .. }
            | EventKind::Ended(_) => Ok(()),
        }
    }

    fn live(&mut self, live: &Live<'_>) {
        if let Some(text) = self.live.line(live) {
            let line = Line {
                label: "...".to_owned(),
                text,
                tone: Tone::Faint,
            };
            // A live line that cannot be written says nothing that the next event does not say.
            self.put_lines(&[line]).ok();
        }
    }

    fn close(&mut self) -> io::Result<()> {
        self.turn_to(None)?;
        self.command("")
    }
}

/// Where in the log an event belongs.
enum Place {
    Group(&'static str),
    /// Outside of every group: it must be seen without a click.
    Open,
    /// Wherever the log is now.
    Same,
}

fn group_of(kind: &EventKind) -> Place {
    match kind {
        EventKind::Began(_) | EventKind::RollingBack { .. } | EventKind::Ended(_) => Place::Open,
        EventKind::Located { .. } => Place::Group("Find the last good release"),
        EventKind::Fetched { .. } => Place::Group("Fetch and verify"),
        EventKind::Observed { .. } | EventKind::Planned { .. } => Place::Group("Plan"),
        EventKind::Intent { .. }
        | EventKind::Applied { .. }
        | EventKind::Verified { .. }
        | EventKind::ApplyFailed { .. } => Place::Group("Apply"),
        EventKind::Watching { stage, .. } | EventKind::Judged { stage, .. } => {
            Place::Group(match stage {
                Stage::Baseline => "Watch: baseline",
                Stage::Detect => "Watch: detect",
                Stage::Bake => "Watch: bake",
            })
        }
        EventKind::Checked { .. } => Place::Group("Check what a rollback needs"),
        EventKind::Progress { .. }
        | EventKind::Sighted { .. }
        | EventKind::Note { .. }
        | EventKind::Warned { .. }
        | EventKind::Left { .. }
        | EventKind::Interrupted { .. } => Place::Same,
    }
}

#[cfg(test)]
mod tests;
