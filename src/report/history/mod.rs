//! What the journals of a state directory tell together: past operations, how well rollbacks went, and which releases
//! must not be chosen again. A broken journal is listed and never stops the rest.

mod entry;
mod figures;
mod render;

pub use entry::{Entry, PastRelease, Rollback};
pub use figures::{Figures, figures};
pub use render::{render_json, render_text};

use super::journal::{self, JOURNAL_NAME};
use super::story::Story;
use super::words;
use crate::decide::guard::{Deployment, PastRollback};
use crate::model::ids::{CommitSha, RunId};
use crate::model::outcome::Outcome;
use crate::model::state::{Revision, Slot};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Operations read, at most: the newest ones by the name of their directory, which begins with the time.
pub const OPERATIONS_MAX: usize = 5000;

/// Past operations, oldest first, and the journals that could not be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    pub entries: Vec<Entry>,
    pub skipped: Vec<Skipped>,
}

/// A journal that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub path: PathBuf,
    pub why: String,
}

/// An operation that was stopped, with or without an end in its journal: running the same command again resumes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    pub id: String,
    pub verb: String,
    pub environment: String,
    pub at: Timestamp,
    /// Whether a change was begun: only then is anything left to resume.
    pub changed: bool,
    pub journal: PathBuf,
}

impl Unfinished {
    fn of(entry: &Entry) -> Self {
        Self {
            id: entry.id.clone(),
            verb: entry.verb.clone(),
            environment: entry.environment.clone(),
            at: entry.at,
            changed: entry.changed,
            journal: entry.journal.clone(),
        }
    }
}

/// A revision that was once rolled back from: for "at most one automatic rollback per bad deployment".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBackFrom {
    pub operation: String,
    pub environment: String,
    pub target: String,
    pub slot: Slot,
    pub revision: Revision,
    pub at: Timestamp,
    /// Whether lastgood decided it, not a person.
    pub automatic: bool,
    /// `None` when the operation was stopped.
    pub outcome: Option<Outcome>,
}

/// Reads every journal of a state directory. One that does not exist has no history; one that cannot be listed is said.
pub fn read(state_dir: &Path) -> History {
    let mut history = History::default();
    let journals = match journals(state_dir) {
        Ok(journals) => journals,
        Err(error) => {
            history.skipped.push(Skipped {
                path: state_dir.to_owned(),
                why: format!("could not list {}: {error}", state_dir.display()),
            });
            return history;
        }
    };
    let left_out = journals.len().saturating_sub(OPERATIONS_MAX);
    if left_out > 0 {
        history.skipped.push(Skipped {
            path: state_dir.to_owned(),
            why: format!(
                "found {} journals, read the last {OPERATIONS_MAX}",
                journals.len()
            ),
        });
    }
    for path in journals.into_iter().skip(left_out) {
        let read = journal::read(&path).map(|events| Entry::of(&path, Story::of(&events)));
        match read {
            Ok(Some(entry)) => history.entries.push(entry),
            Ok(None) => history.skipped.push(Skipped {
                path,
                why: "found no beginning, expected `began` first".to_owned(),
            }),
            Err(error) => history.skipped.push(Skipped {
                path,
                why: error.to_string(),
            }),
        }
    }
    history
        .entries
        .sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.id.cmp(&b.id)));
    history
}

/// The journal of the newest operation.
pub fn newest(state_dir: &Path) -> Option<PathBuf> {
    journals(state_dir).ok()?.pop()
}

/// By the name of the operation, which begins with its time.
fn journals(state_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let listing = match fs::read_dir(state_dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut journals = Vec::new();
    for found in listing {
        let path = found?.path().join(JOURNAL_NAME);
        if path.is_file() {
            journals.push(path);
        }
    }
    journals.sort();
    Ok(journals)
}

impl History {
    /// For people: [`render_text`].
    /// `limit`: rollbacks in the table, newest first; the figures are over all.
    pub fn to_text(&self, limit: usize) -> String {
        render_text(self, limit)
    }

    /// For machines: one JSON document and a line break.
    pub fn to_json(&self) -> String {
        format!("{:#}\n", render_json(self))
    }

    /// Runs whose release was rolled back from, each with the reason: no candidates until one is judged healthy later.
    pub fn bad_runs(&self, environment: &str) -> BTreeMap<RunId, String> {
        let mut out = BTreeMap::new();
        for entry in self.of(environment) {
            if let Some(run) = entry.good.run.filter(|_| entry.proved_good()) {
                out.remove(&run);
            }
            if let Some(run) = entry.bad.run.filter(|_| entry.proved_bad) {
                out.insert(run, bad_reason(entry));
            }
        }
        out
    }

    /// Commits that were rolled back from, each with the reason.
    pub fn bad_commits(&self, environment: &str) -> BTreeMap<CommitSha, String> {
        let mut out = BTreeMap::new();
        for entry in self.of(environment) {
            if let Some(commit) = entry.good.commit.clone().filter(|_| entry.proved_good()) {
                out.remove(&CommitSha(commit));
            }
            if let Some(commit) = entry.bad.commit.clone().filter(|_| entry.proved_bad) {
                out.insert(CommitSha(commit), bad_reason(entry));
            }
        }
        out
    }

    /// Revisions that were rolled back from, by whomever, each with the reason; one that was judged healthy later is not
    /// among them.
    pub fn bad_revisions(&self, environment: &str) -> BTreeMap<(Slot, Revision), String> {
        let mut out = BTreeMap::new();
        for entry in self.of(environment) {
            if entry.proved_good() {
                for (slot, held) in &entry.after {
                    if let Some(revision) = &held.revision {
                        out.remove(&(slot.clone(), revision.clone()));
                    }
                }
            }
            if entry.proved_bad && entry.rollback != Rollback::No {
                for past in &entry.rolled_back_from {
                    out.insert(
                        (past.slot.clone(), past.revision.clone()),
                        bad_reason(entry),
                    );
                }
            }
        }
        out
    }

    /// Operations of an environment that were stopped, newest first: the one that is running now is among them. What came
    /// before an operation that put a release in place, or found it there, is settled and not among them.
    pub fn unfinished(&self, environment: &str) -> Vec<Unfinished> {
        let mut unfinished: Vec<Unfinished> = self
            .of(environment)
            .filter(|entry| self.is_open(entry))
            .map(Unfinished::of)
            .collect();
        unfinished.reverse();
        unfinished
    }

    /// Every revision that was rolled back from in this environment, oldest first.
    pub fn rollbacks_from(&self, environment: &str) -> Vec<RolledBackFrom> {
        self.of(environment)
            .flat_map(|entry| entry.rolled_back_from.iter().cloned())
            .collect()
    }

    /// Every rollback of this environment that was carried out, oldest first, as `decide` asks for them before an automatic
    /// one. One that was stopped, or that failed before it put a release in place, may be tried again.
    pub fn rollbacks(&self, environment: &str) -> Vec<PastRollback> {
        self.of(environment)
            .filter(|entry| entry.rollback != Rollback::No && entry.carried_out())
            .map(|entry| PastRollback {
                bad: Deployment {
                    run: entry.bad.run,
                    attempt: entry.attempt,
                    slots: entry
                        .rolled_back_from
                        .iter()
                        .map(|past| (past.slot.clone(), past.revision.clone()))
                        .collect(),
                },
                automatic: entry.rollback == Rollback::Automatic,
                id: entry.id.clone(),
            })
            .collect()
    }

    /// Whether an operation was stopped, and no later one put things right.
    fn is_open(&self, entry: &Entry) -> bool {
        let later = self.of(&entry.environment).rev();
        let mut later = later.take_while(|later| later.journal != entry.journal);
        entry.was_stopped() && !later.any(Entry::settles)
    }

    fn of(&self, environment: &str) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.environment == environment && !entry.dry_run)
    }
}

fn bad_reason(entry: &Entry) -> String {
    let ended = entry
        .outcome
        .map_or("stopped while rolling back", Outcome::word);
    format!(
        "{ended} at {} (operation {}): {}",
        words::minute(entry.at),
        entry.id,
        entry.why
    )
}
