//! The events of one operation read as one story: what was found, changed and judged, and the times between.
//! The one reading that every document is made from. Pure: no files, no clock.

mod links;
mod steps;

pub use steps::{Step, StepEnd};

use super::journal::JOURNAL_NAME;
use super::{LEFT_JOURNAL, LEFT_REPORT};
use crate::model::candidate::{KnownGood, PassedOver};
use crate::model::event::{Began, Ended, Event, EventKind};
use crate::model::outcome::Outcome;
use crate::model::plan::Plan;
use crate::model::probe::Stage;
use crate::model::sighting::Sighting;
use crate::model::verdict::{Call, Verdict};
use jiff::Timestamp;
use std::path::Path;

/// The events of one operation.
#[derive(Debug, Clone, Copy)]
pub struct Story<'a> {
    pub events: &'a [Event],
}

/// A search for the last good release.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    pub chosen: Option<&'a KnownGood>,
    pub passed_over: &'a [PassedOver],
    pub requests: u32,
}

/// One precondition of a rollback, from `ready`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check<'a> {
    pub target: &'a str,
    pub check: &'a str,
    pub ok: bool,
    pub detail: &'a str,
    pub next: Option<&'a str>,
}

/// One verdict of the operation.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    pub at: Timestamp,
    pub elapsed_ms: u64,
    pub stage: Stage,
    pub verdict: &'a Verdict,
    /// Whether it judges the release that was put back.
    pub of_rollback: bool,
}

/// What a target saw of what was in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighted<'a> {
    pub target: &'a str,
    pub sighting: &'a Sighting,
    /// Whether it is about the release that was put back.
    pub of_rollback: bool,
}

/// How the bad release was found out.
#[derive(Debug, Clone, Copy)]
pub struct Detection<'a> {
    pub judged: Judged<'a>,
    /// From `since` to the verdict, in milliseconds.
    pub took_ms: u64,
    /// What the time was measured from, in words.
    pub since: &'static str,
}

impl Sighted<'_> {
    fn is_same(&self, other: &Self) -> bool {
        self.target == other.target
            && self.of_rollback == other.of_rollback
            && self.sighting.slot == other.sighting.slot
            && self.sighting.symptom == other.sighting.symptom
    }
}

impl<'a> Story<'a> {
    pub fn of(events: &'a [Event]) -> Self {
        Self { events }
    }

    pub fn began(&self) -> Option<&'a Began> {
        self.events.iter().find_map(|event| {
            let EventKind::Began(began) = &event.kind else {
                return None;
            };
            Some(&**began)
        })
    }

    /// When the first event was told.
    pub fn began_at(&self) -> Option<Timestamp> {
        self.events.first().map(|event| event.at)
    }

    pub fn ended(&self) -> Option<&'a Ended> {
        self.events.iter().rev().find_map(|event| {
            let EventKind::Ended(ended) = &event.kind else {
                return None;
            };
            Some(&**ended)
        })
    }

    /// When the last event was told.
    pub fn last_at(&self) -> Option<Timestamp> {
        self.events.last().map(|event| event.at)
    }

    pub fn outcome(&self) -> Option<Outcome> {
        self.ended().map(|ended| ended.outcome)
    }

    /// The last search: the one that the outcome rests on.
    pub fn search(&self) -> Option<Search<'a>> {
        self.events.iter().rev().find_map(|event| {
            let EventKind::Located {
                chosen,
                passed_over,
                requests,
            } = &event.kind
            else {
                return None;
            };
            Some(Search {
                chosen: chosen.as_deref(),
                passed_over,
                requests: *requests,
            })
        })
    }

    pub fn chosen(&self) -> Option<&'a KnownGood> {
        self.search().and_then(|search| search.chosen)
    }

    /// Every plan, with its target and whether it is a rollback's.
    pub fn plans(&self) -> Vec<(&'a str, &'a Plan, bool)> {
        let turn = self.turn();
        let mut plans = Vec::new();
        for (at, event) in self.events.iter().enumerate() {
            if let EventKind::Planned { target, plan } = &event.kind {
                plans.push((target.as_str(), plan, at >= turn));
            }
        }
        plans
    }

    pub fn verdicts(&self) -> Vec<Judged<'a>> {
        let turn = self.turn();
        let mut verdicts = Vec::new();
        for (at, event) in self.events.iter().enumerate() {
            if let EventKind::Judged { stage, verdict } = &event.kind {
                verdicts.push(Judged {
                    at: event.at,
                    elapsed_ms: event.elapsed_ms,
                    stage: *stage,
                    verdict,
                    of_rollback: at >= turn,
                });
            }
        }
        verdicts
    }

    /// What the targets saw, each symptom of a slot once, as it was told last; the worst first, of the new release before
    /// those of the one that was put back.
    pub fn sighted(&self) -> Vec<Sighted<'a>> {
        let turn = self.turn();
        let mut all: Vec<Sighted<'a>> = Vec::new();
        for (at, event) in self.events.iter().enumerate() {
            let EventKind::Sighted { target, sighting } = &event.kind else {
                continue;
            };
            let seen = Sighted {
                target,
                sighting,
                of_rollback: at >= turn,
            };
            all.retain(|other| !other.is_same(&seen));
            all.push(seen);
        }
        all.sort_by(|a, b| {
            a.of_rollback
                .cmp(&b.of_rollback)
                .then_with(|| b.sighting.severity.cmp(&a.sighting.severity))
                .then_with(|| a.sighting.symptom.cmp(&b.sighting.symptom))
        });
        all
    }

    pub fn warnings(&self) -> Vec<&'a str> {
        self.events
            .iter()
            .filter_map(|event| {
                let EventKind::Warned { text } = &event.kind else {
                    return None;
                };
                Some(text.as_str())
            })
            .collect()
    }

    pub fn notes(&self) -> Vec<&'a str> {
        self.events
            .iter()
            .filter_map(|event| {
                let EventKind::Note { text } = &event.kind else {
                    return None;
                };
                Some(text.as_str())
            })
            .collect()
    }

    /// Files left for people: what, path.
    pub fn all_left(&self) -> Vec<(&'a str, &'a str)> {
        self.events
            .iter()
            .filter_map(|event| {
                let EventKind::Left { what, path } = &event.kind else {
                    return None;
                };
                Some((what.as_str(), path.as_str()))
            })
            .collect()
    }

    /// The path of the last file left of this sort.
    pub fn left(&self, wanted: &str) -> Option<&'a str> {
        let left = self.all_left();
        left.iter()
            .rev()
            .find(|(what, _path)| *what == wanted)
            .map(|&(_what, path)| path)
    }

    /// The journal: where it was said to be, or beside the report.
    pub fn journal(&self) -> Option<String> {
        let beside = || {
            let report = Path::new(self.left(LEFT_REPORT)?);
            Some(report.with_file_name(JOURNAL_NAME).display().to_string())
        };
        self.left(LEFT_JOURNAL).map(str::to_owned).or_else(beside)
    }

    /// What `ready` found.
    pub fn checks(&self) -> Vec<Check<'a>> {
        self.events
            .iter()
            .filter_map(|event| {
                let EventKind::Checked {
                    target,
                    check,
                    ok,
                    detail,
                    next,
                } = &event.kind
                else {
                    return None;
                };
                Some(Check {
                    target,
                    check,
                    ok: *ok,
                    detail,
                    next: next.as_deref(),
                })
            })
            .collect()
    }

    /// Whether a change was begun. `false` is certain: nothing was changed.
    pub fn changed(&self) -> bool {
        self.events
            .iter()
            .any(|event| matches!(event.kind, EventKind::Intent { .. }))
    }

    /// Whether the operation was, or became, a rollback.
    pub fn is_rollback(&self) -> bool {
        self.turn() < self.events.len()
    }

    /// Whether the tool itself turned back, as against a person who asked for a rollback.
    pub fn is_automatic(&self) -> bool {
        self.rolling_back().is_some()
    }

    /// Whether the release in place was judged unhealthy, by an operation that may have been stopped afterwards.
    pub fn found_unhealthy(&self) -> bool {
        let judged = self.verdicts().iter().any(|judged| {
            judged.stage != Stage::Baseline && judged.verdict.call == Call::Unhealthy
        });
        judged || self.rolling_back().is_some()
    }

    /// Why it turned back, and when.
    pub fn rolling_back(&self) -> Option<(&'a Event, &'a str)> {
        self.events.iter().find_map(|event| {
            let EventKind::RollingBack { why } = &event.kind else {
                return None;
            };
            Some((event, why.as_str()))
        })
    }

    /// The verdict against the release, and how long it took to be found.
    pub fn detection(&self) -> Option<Detection<'a>> {
        let judged = self.verdicts().into_iter().find(|judged| {
            !judged.of_rollback
                && judged.verdict.call == Call::Unhealthy
                && judged.stage != Stage::Baseline
        })?;
        let mut measured_from = None;
        let mut looked_from = None;
        for event in self.events {
            if event.elapsed_ms > judged.elapsed_ms {
                break;
            }
            // Targets that watch themselves are observed first; no probe tells that a watch began.
            if matches!(event.kind, EventKind::Observed { .. }) && looked_from.is_none() {
                looked_from = Some((event.elapsed_ms, "the watch began"));
            }
            if matches!(event.kind, EventKind::Applied { .. }) {
                measured_from = Some((event.elapsed_ms, "the change was applied"));
            }
            let is_watch =
                matches!(event.kind, EventKind::Watching { stage, .. } if stage != Stage::Baseline);
            if is_watch && measured_from.is_none() {
                measured_from = Some((event.elapsed_ms, "the watch began"));
            }
        }
        let (from_ms, since) = measured_from.or(looked_from)?;
        Some(Detection {
            took_ms: judged.elapsed_ms.saturating_sub(from_ms),
            judged,
            since,
        })
    }

    /// From the decision to roll back (or the start of the command, when a person asked) to the first verdict that the
    /// service is well again. `None` unless that verdict came.
    pub fn time_to_restore_ms(&self) -> Option<u64> {
        let from_ms = self.events.get(self.turn()).map(|event| event.elapsed_ms)?;
        let well = self.verdicts().into_iter().find(|judged| {
            judged.of_rollback
                && judged.stage != Stage::Baseline
                && judged.verdict.call == Call::Healthy
        })?;
        let brought_back = matches!(self.outcome()?, Outcome::Restored | Outcome::RolledBack);
        brought_back.then(|| well.elapsed_ms.saturating_sub(from_ms))
    }

    /// Where the rollback begins among the events: at `RollingBack`, or at the start of a command that is one.
    fn turn(&self) -> usize {
        let asked = self
            .began()
            .is_some_and(|began| matches!(began.verb.as_str(), "rollback" | "drill"));
        if asked {
            return 0;
        }
        self.events
            .iter()
            .position(|event| matches!(event.kind, EventKind::RollingBack { .. }))
            .unwrap_or(self.events.len())
    }
}
