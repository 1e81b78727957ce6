//! One command from its first event to its last: its name, its directory, its clock, who listens, and what is known
//! so far of the target. Decides nothing.

use super::opened::{check_slots, open_targets};
use super::request::Request;
use super::{Ending, Finished, ended_event};
use crate::model::event::{Began, Ended, EventKind, JOURNAL_SCHEMA};
use crate::model::ids::RunId;
use crate::model::outcome::{Failure, Outcome};
use crate::model::payload::{Digest, hex};
use crate::model::state::{Slot, State};
use crate::report::actions::Commands;
use crate::report::journal::{JOURNAL_NAME, Journal};
use crate::report::terminal::{Style, Terminal};
use crate::report::{
    Fanout, LEFT_JOURNAL, LEFT_REPORT, Live, Sink, answer, incident, outputs, summary,
};
use crate::{net, targets};
use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Everything the steps of one command share.
pub(super) struct Operation {
    pub(super) request: Request,
    pub(super) id: String,
    pub(super) dir: PathBuf,
    /// Set when we were asked to stop: steps end at the next safe point.
    pub(super) stop: CancellationToken,
    pub(super) targets: Vec<Box<dyn targets::Target>>,
    story: Mutex<Fanout>,
    facts: Mutex<Facts>,
    started: Instant,
}

/// What the last event says of the target.
#[derive(Debug, Default, Clone)]
pub(super) struct Facts {
    pub(super) before: State,
    pub(super) after: State,
    pub(super) run: Option<RunId>,
    pub(super) commit: Option<String>,
    pub(super) digest: Option<Digest>,
    pub(super) bad_run: Option<RunId>,
    pub(super) bad_commit: Option<String>,
    /// A change was begun by this command.
    pub(super) begun: bool,
    /// Slots that this command began to change.
    pub(super) changed: BTreeSet<Slot>,
    /// It continues an earlier command, which may have changed others.
    pub(super) resumes: bool,
    /// Changes under way: begun, and not verified yet.
    pub(super) changing: u32,
    /// Slots that the release in hand says something of; empty before there is one.
    pub(super) wanted: Vec<Slot>,
    /// What targets have warned of.
    pub(super) warned: BTreeSet<String>,
    /// Slots that hold something else than the release in hand says, and that were not asked for.
    pub(super) not_asked: Vec<Slot>,
    /// Somebody else changed a slot meanwhile: nothing more is changed, not even back.
    pub(super) conflict: bool,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation")
            .field("id", &self.id)
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl Operation {
    /// Opens the targets, then the journal, and tells that it began. Contacts nothing.
    pub(super) fn begin(request: Request) -> Result<Self, Failure> {
        net::install_tls_provider();
        let targets = open_targets(&request)?;
        check_slots(&request, &targets)?;
        let verb = request.verb.word();
        let id = operation_id(request.context.now, verb)?;
        let dir = request.state_dir.join(&id);
        let journal = Journal::create(&dir)
            .with_context(|| format!("could not create the journal in {}", dir.display()))
            .map_err(|cause| {
                Failure::new(Outcome::Usage, cause)
                    .hint("give a directory that can be written to with --state-dir")
            })?;
        let operation = Self {
            story: Mutex::new(fanout(&request, journal)),
            facts: Mutex::default(),
            started: Instant::now(),
            stop: CancellationToken::new(),
            targets,
            id,
            dir,
            request,
        };
        operation.tell(EventKind::Began(Box::new(operation.began(verb))));
        Ok(operation)
    }

    fn began(&self, verb: &str) -> Began {
        let context = &self.request.context;
        Began {
            schema: JOURNAL_SCHEMA,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            id: self.id.clone(),
            verb: verb.to_owned(),
            environment: self.request.environment.name.clone(),
            run_url: context.run_url.clone(),
            repository: self
                .request
                .github
                .repository
                .as_ref()
                .map(ToString::to_string),
            run: context.run_id,
            attempt: context.attempt,
            commit: context.sha.clone(),
            actor: context.actor.clone(),
            reason: self.request.reason.clone(),
            dry_run: self.request.dry_run,
        }
    }

    pub(super) fn tell(&self, kind: EventKind) {
        self.story().tell(kind);
    }

    /// What was said of the slots of an earlier plan is over.
    pub(super) fn begin_plan(&self) {
        let mut facts = self.facts();
        facts.wanted.clear();
        facts.not_asked.clear();
    }

    pub(super) fn note(&self, text: impl Into<String>) {
        self.tell(EventKind::Note { text: text.into() });
    }

    pub(super) fn warn(&self, text: impl Into<String>) {
        self.tell(EventKind::Warned { text: text.into() });
    }

    /// Says where something was left for people.
    pub(super) fn left(&self, what: &str, path: &Path) {
        // Short where it can be: paths are read by people who stand in the working directory.
        let short = path.strip_prefix(&self.request.process.dir).unwrap_or(path);
        self.tell(EventKind::Left {
            what: what.to_owned(),
            path: short.display().to_string(),
        });
    }

    pub(super) fn live(&self, live: &Live<'_>) {
        self.story().live(live);
    }

    /// No change may begin when it could not be written down.
    pub(super) fn demand_journal(&self) -> Result<(), Failure> {
        if self.story().journal_failed() {
            return Err(Failure::msg(
                Outcome::Error,
                format!("the journal in {} could not be written", self.dir.display()),
            )
            .hint("free space or give another --state-dir; nothing was changed since"));
        }
        Ok(())
    }

    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn story(&self) -> MutexGuard<'_, Fanout> {
        self.story.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The wall clock: read once at the edge, advanced by the monotonic clock.
    pub(super) fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.elapsed()).unwrap_or(SignedDuration::MAX);
        self.request
            .context
            .now
            .checked_add(elapsed)
            .unwrap_or(Timestamp::MAX)
    }

    /// Fails when we were asked to stop: for the points where nothing is half done.
    pub(super) fn may_go_on(&self) -> Result<(), Failure> {
        if self.stop.is_cancelled() {
            return Err(stopped("asked to stop before anything else was changed"));
        }
        Ok(())
    }

    /// A watch that was cut short by a signal is no verdict: the command is incomplete.
    pub(super) fn cut(&self) -> Result<(), Failure> {
        if self.stop.is_cancelled() {
            return Err(stopped(
                "stopped while the service was being judged; what is in place stays",
            ));
        }
        Ok(())
    }

    pub(super) fn ended(&self, ending: Ending) -> Ended {
        let facts = self.facts().clone();
        Ended {
            outcome: ending.outcome,
            message: ending.message,
            hints: ending.hints,
            took_ms: u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX),
            run: facts.run,
            commit: facts.commit,
            digest: facts.digest,
            before: facts.before,
            after: facts.after,
            bad_run: facts.bad_run,
            bad_commit: facts.bad_commit,
        }
    }

    pub(super) fn failed(&self, failure: Failure) -> Ended {
        let message = failure.to_string();
        self.ended(Ending {
            outcome: failure.kind,
            message,
            hints: failure.hints,
        })
    }

    /// Leaves the report, tells the end, and fills what the runner reads. Nothing here changes the outcome.
    pub(super) fn finish(self, ended: Ended) -> Finished {
        let outcome = ended.outcome;
        let report = self.dir.join("report.md");
        self.left(LEFT_JOURNAL, &self.dir.join(JOURNAL_NAME));
        self.left(LEFT_REPORT, &report);
        self.tell(ended_event(ended));
        let Self {
            story,
            request,
            dir,
            ..
        } = self;
        let mut story = story.into_inner().unwrap_or_else(PoisonError::into_inner);
        let events = story.events().to_vec();
        let left = [
            write(&report, &incident::render(&events)),
            request
                .output
                .step_summary
                .as_deref()
                .map_or(Ok(()), |path| append(path, &summary::render(&events))),
            request
                .output
                .github_output
                .as_deref()
                .map_or(Ok(()), |path| {
                    outputs::write(path, &in_workspace(outputs::of(&events, &dir), &request))
                        .context("could not write the outputs")
                }),
        ];
        for error in left.into_iter().filter_map(Result::err) {
            story.tell(EventKind::Warned {
                text: format!("{error:#}"),
            });
        }
        story.close();
        let stdout = if request.output.json {
            let mut text = serde_json::to_string_pretty(&answer::json(&events)).unwrap_or_default();
            text.push('\n');
            text
        } else {
            String::new()
        };
        Finished { outcome, stdout }
    }
}

/// The ending of a step that was asked to stop.
pub(super) fn stopped(what: &str) -> Failure {
    Failure::msg(Outcome::Incomplete, what)
        .hint("run the same command again: it resumes from what the target holds")
}

/// One story sink: the runner merges both streams, and would show every line twice.
fn fanout(request: &Request, journal: Journal) -> Fanout {
    let output = &request.output;
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if output.in_actions && output.json {
        sinks.push(Box::new(Commands::to(std::io::stderr(), &request.secrets)));
    } else if output.in_actions {
        sinks.push(Box::new(Commands::new(&request.secrets)));
    } else if 0 <= output.verbosity {
        sinks.push(Box::new(Terminal::new(Style {
            color: output.color,
            tty: output.stderr_tty,
        })));
    }
    let mut fanout = Fanout::new(request.context.now, Some(journal), sinks);
    for secret in &request.secrets {
        fanout.mask(secret);
    }
    fanout
}

/// Sorts by time, and two in one second differ.
fn operation_id(now: Timestamp, verb: &str) -> Result<String, Failure> {
    let mut random = [0; 3];
    getrandom::fill(&mut random)
        .map_err(|error| Failure::msg(Outcome::Error, format!("no random numbers: {error}")))?;
    let time = now.strftime("%Y%m%dT%H%M%SZ");
    Ok(format!("{time}-{verb}-{}", hex(&random)))
}

/// Paths of outputs start at the workspace: in a container it lies elsewhere than for the steps that read them.
fn in_workspace(
    mut outputs: Vec<(&'static str, String)>,
    request: &Request,
) -> Vec<(&'static str, String)> {
    for (name, value) in &mut outputs {
        if let ("report" | "journal", Ok(path)) =
            (*name, Path::new(&*value).strip_prefix(&request.process.dir))
        {
            *value = path.display().to_string();
        }
    }
    outputs
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}

fn append(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let open = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    open.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("could not write the step summary {}", path.display()))
}
