//! Tells people and machines what happened. A reader of events: it changes and decides nothing.
//! One stream of events ([`Fanout::tell`]) feeds every sink while the command runs; the documents (`summary`, `incident`,
//! `answer`, `outputs`, `history`) are made from the same events afterwards, so `report` can make them again from a journal.

/// Appends to a `String`, which takes every write.
macro_rules! put {
    ($out:expr, $($words:tt)*) => {{
        use std::fmt::Write as _;
        write!($out, $($words)*).expect("a String takes every write");
    }};
}

/// [`put`] and a line break.
macro_rules! put_line {
    ($out:expr, $($words:tt)*) => {{
        use std::fmt::Write as _;
        writeln!($out, $($words)*).expect("a String takes every write");
    }};
}

pub mod actions;
pub mod answer;
pub mod beginning;
pub mod delimiter;
pub mod history;
pub mod incident;
pub mod journal;
pub mod lines;
pub mod mask;
pub mod outputs;
pub mod story;
pub mod summary;
pub mod terminal;
pub mod untrusted;
pub mod words;

use crate::model::event::{Event, EventKind};
use crate::model::probe::Stage;
use crate::model::secret::Secret;
use crate::model::verdict::Standing;
use jiff::Timestamp;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// `what` of [`EventKind::Left`] for the incident report: the `report` output names its path.
pub const LEFT_REPORT: &str = "report";
/// `what` of [`EventKind::Left`] for the journal; without one it is looked for beside the report.
pub const LEFT_JOURNAL: &str = "journal";
/// `what` of [`EventKind::Left`] for the probe log, which `watch --replay` reads.
pub const LEFT_PROBES: &str = "probes";

/// Something that is told every event, in order.
pub trait Sink: Send {
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// What is under way and not worth an event; never fails and may be ignored.
    fn live(&mut self, _live: &Live<'_>) {}

    /// After the last event.
    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is under way.
#[derive(Debug, Clone, Copy)]
pub enum Live<'a> {
    /// Bytes of an artifact so far, and in all when known.
    Download { got: u64, total: Option<u64> },
    /// A watch after one more second; `cap_s` without the warm-up.
    Standing {
        stage: Stage,
        standing: &'a Standing,
        cap_s: u64,
    },
    /// Nothing any more: take the live line away.
    Quiet,
}

struct Wired {
    name: String,
    sink: Box<dyn Sink>,
    is_journal: bool,
}

/// Stamps events, keeps them, and forwards each one to every sink.
/// A sink that fails is warned about once, through the others, and dropped: it never changes the outcome. A journal
/// that fails is also remembered ([`Fanout::journal_failed`]): without one, no change may begin.
pub struct Fanout {
    sinks: Vec<Wired>,
    secrets: Vec<Secret>,
    started: Instant,
    began_at: Timestamp,
    events: Vec<Event>,
    journal_failure: Option<String>,
}

impl fmt::Debug for Fanout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.sinks.iter().map(|wired| wired.name.as_str()).collect();
        f.debug_struct("Fanout")
            .field("sinks", &names)
            .field("began_at", &self.began_at)
            .field("events", &self.events.len())
            .field("journal_failure", &self.journal_failure)
            .finish_non_exhaustive()
    }
}

impl Fanout {
    /// `began_at` is the wall clock now; every later time is that plus the monotonic time since.
    /// Without a journal (`None`) nothing may be changed, only looked at.
    pub fn new(
        began_at: Timestamp,
        journal: Option<journal::Journal>,
        sinks: Vec<Box<dyn Sink>>,
    ) -> Self {
        let mut fanout = Self {
            sinks: Vec::new(),
            secrets: Vec::new(),
            started: Instant::now(),
            began_at,
            events: Vec::new(),
            journal_failure: None,
        };
        match journal {
            // First, so that a line a person has read is a line that is on disk.
            Some(journal) => fanout.wire("journal", Box::new(journal), true),
            None => fanout.journal_failure = Some("there is none".to_owned()),
        }
        for sink in sinks {
            fanout.wire("log", sink, false);
        }
        fanout
    }

    /// Adds a reader; `name` is for the warning when it fails.
    pub fn add(&mut self, name: &str, sink: impl Sink + 'static) {
        self.wire(name, Box::new(sink), false);
    }

    /// No text of this secret appears in any event told from now on.
    pub fn mask(&mut self, secret: &Secret) {
        self.secrets.push(secret.clone());
    }

    /// Stamps an event, keeps it and forwards it.
    pub fn tell(&mut self, kind: EventKind) {
        let elapsed = self.started.elapsed();
        let event = Event {
            at: self.began_at + elapsed,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            kind: mask::masked(finite(kind), &self.secrets),
        };
        let mut failed = Vec::new();
        let mut kept = Vec::with_capacity(self.sinks.len());
        for mut wired in std::mem::take(&mut self.sinks) {
            match wired.sink.event(&event) {
                Ok(()) => kept.push(wired),
                Err(error) => failed.push((wired, error)),
            }
        }
        self.sinks = kept;
        self.events.push(event);
        // Each round has one sink less, so the warnings about warnings end.
        for (wired, error) in failed {
            if wired.is_journal {
                self.journal_failure
                    .get_or_insert_with(|| error.to_string());
            }
            self.tell(EventKind::Warned {
                text: format!("the {} cannot be written any more: {error}", wired.name),
            });
        }
    }

    pub fn live(&mut self, live: &Live<'_>) {
        for wired in &mut self.sinks {
            wired.sink.live(live);
        }
    }

    /// Whether an event did not reach the journal. Ask before a change begins.
    pub fn journal_failed(&self) -> bool {
        self.journal_failure.is_some()
    }

    /// Why there is no journal (any more).
    pub fn journal_failure(&self) -> Option<&str> {
        self.journal_failure.as_deref()
    }

    /// Every event so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Since the command began.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Closes every sink; the answer says what could not be closed, for whoever still has a place to print.
    pub fn close(&mut self) -> Vec<String> {
        let mut failed = Vec::new();
        for mut wired in std::mem::take(&mut self.sinks) {
            if let Err(error) = wired.sink.close() {
                failed.push(format!("the {} could not be closed: {error}", wired.name));
            }
        }
        failed
    }

    fn wire(&mut self, name: &str, sink: Box<dyn Sink>, is_journal: bool) {
        self.sinks.push(Wired {
            name: name.to_owned(),
            sink,
            is_journal,
        });
    }
}

/// JSON has no infinity and no NaN: a journal that held one could not be read again. A bound that is never reached
/// becomes the largest number, a number that does not exist becomes 0.
fn finite(mut kind: EventKind) -> EventKind {
    fn fix(number: &mut f64) {
        if number.is_nan() {
            *number = 0.0;
        }
        *number = number.clamp(f64::MIN, f64::MAX);
    }
    if let EventKind::Judged { verdict, .. } = &mut kind {
        for evidence in &mut verdict.evidence {
            fix(&mut evidence.llr);
            fix(&mut evidence.llr_pass);
            fix(&mut evidence.llr_fail);
            fix(&mut evidence.share_low);
            fix(&mut evidence.share_high);
            fix(&mut evidence.latency_ms_p50);
            fix(&mut evidence.latency_ms_p99);
            for (_second, llr) in &mut evidence.llr_path {
                fix(llr);
            }
        }
    }
    kind
}

#[cfg(test)]
mod tests;
