//! How one service stands while it is watched: a fold over looks, from which its sightings are read at any time.

use super::fault::{Around, Fault, Proof, Run, fault, is_done};
use super::ledger::{Found, Ledger};
use super::seen::{Container, HealthStatus, Incident, Look, State};
use crate::model::sighting::{Sighting, Symptom};
use crate::model::state::{Revision, Slot};
use crate::model::verdict::Severity;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// What is too much.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Longest time that a HEALTHCHECK may be starting.
    pub starting_max: Duration,
    /// Most error lines in the logs, within 2 minutes.
    pub errors_max: u32,
}

/// What the first look found: what was so before counts against nobody.
#[derive(Debug, Clone)]
struct Baseline {
    images: BTreeSet<String>,
    /// Containers that are there to stay.
    lasting: usize,
}

/// One service, and all looks at it so far.
#[derive(Debug, Clone)]
pub struct Standing {
    slot: Slot,
    held: Revision,
    rules: Rules,
    baseline: Option<Baseline>,
    /// By the id of the container.
    runs: BTreeMap<String, Run>,
    ledger: Ledger,
    is_starting: bool,
    /// One is between an end and a start, and nobody knows yet whether it comes back.
    is_restarting: bool,
    is_awaited: bool,
    summary: String,
}

impl Standing {
    /// `held`: what was put in place.
    pub fn new(slot: &Slot, held: &Revision, rules: Rules) -> Self {
        Self {
            slot: slot.clone(),
            held: held.clone(),
            rules,
            baseline: None,
            runs: BTreeMap::new(),
            ledger: Ledger::default(),
            is_starting: false,
            is_restarting: false,
            is_awaited: false,
            summary: String::new(),
        }
    }

    /// Takes one more look. The first one is what later ones are compared with.
    pub fn take(&mut self, look: &Look) {
        self.is_awaited = look.is_awaited;
        self.follow(look);
        // The order in which the engine lists them says nothing.
        let mut containers: Vec<&Container> = look.containers.iter().collect();
        containers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let (other, own): (Vec<_>, Vec<_>) = containers
            .into_iter()
            .partition(|container| self.is_other(container));
        let mut found = self.faults(look, &own);
        found.extend(self.drifted(&other));
        found.extend(self.gone(look));
        found.extend(self.left_over(look));
        found.extend(self.errors_logged(look));
        self.ledger.look(found);
        let starts = |one: &Container| {
            let health = one.health.as_ref();
            one.state == State::Running
                && health.is_some_and(|health| health.status == HealthStatus::Starting)
        };
        self.is_starting = own.iter().any(|one| starts(one));
        let restarts = |one: &&Container| one.state == State::Restarting && one.exit_code != 0;
        self.is_restarting = own.iter().any(restarts);
        self.summary = self.summarise(&own);
    }

    /// What is wrong so far, worst first; of each symptom one.
    pub fn sightings(&self) -> Vec<Sighting> {
        self.ledger.told()
    }

    /// Whether something critical holds: nothing better comes of looking on.
    pub fn is_over(&self) -> bool {
        self.ledger.is_over()
    }

    /// Whether one more look is needed: something serious was seen once, or a HEALTHCHECK has not come to a result.
    pub fn is_in_doubt(&self) -> bool {
        self.ledger.is_in_doubt() || self.is_restarting || (self.is_starting && !self.is_stuck())
    }

    fn is_stuck(&self) -> bool {
        let told = self.ledger.told();
        told.iter()
            .any(|one| one.symptom == Symptom::StuckRollout && Severity::Serious <= one.severity)
    }

    /// The last look in one line.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Takes over what happened to each container.
    fn follow(&mut self, look: &Look) {
        let is_first = self.baseline.is_none();
        for container in &look.containers {
            let run = self
                .runs
                .entry(container.id.clone())
                .or_insert_with(|| Run {
                    // One that is new here started from zero.
                    restarts_before: if is_first { container.restarts } else { 0 },
                    ..Run::default()
                });
            // A start by hand counts anew.
            run.restarts_before = run.restarts_before.min(container.restarts);
            for happened in look
                .happened
                .iter()
                .filter(|one| one.container == container.id)
            {
                match happened.incident {
                    Incident::Ended { code, by_hand } => {
                        run.ended = Some(code);
                        run.ended_by_hand = by_hand;
                    }
                    Incident::OutOfMemory => run.out_of_memory = true,
                }
            }
            if container.state == State::Restarting {
                run.ended = Some(container.exit_code);
                run.restarting.get_or_insert(look.at);
            } else {
                run.restarting = None;
            }
            if is_first && container.is_from_before {
                run.from_before = Some(container.started_at.clone());
            }
            let starts = container
                .health
                .as_ref()
                .is_some_and(|health| health.status == HealthStatus::Starting);
            run.starting = match run.starting.take() {
                Some((started_at, since)) if starts && started_at == container.started_at => {
                    Some((started_at, since))
                }
                Some(_) | None => starts.then(|| (container.started_at.clone(), look.at)),
            };
        }
        let ids: BTreeSet<&String> = look.containers.iter().map(|one| &one.id).collect();
        self.runs.retain(|id, _| ids.contains(id));
        if is_first {
            self.baseline = Some(Baseline {
                images: look
                    .containers
                    .iter()
                    .map(|one| one.image_id.clone())
                    .collect(),
                lasting: self.lasting(look).len(),
            });
        }
    }

    /// Those that are no finished jobs.
    fn lasting<'l>(&self, look: &'l Look) -> Vec<&'l Container> {
        let is_lasting = |one: &&Container| {
            let run = self.runs.get(&one.id);
            one.state != State::Removing
                && !run.is_some_and(|run| is_done(one, run, self.is_awaited))
        };
        look.containers.iter().filter(is_lasting).collect()
    }

    /// Whether it runs another image than the one that was put in place.
    fn is_other(&self, container: &Container) -> bool {
        let is_known = || {
            let baseline = self.baseline.as_ref();
            baseline.is_some_and(|baseline| baseline.images.contains(&container.image_id))
        };
        !container.is_wanted.unwrap_or_else(is_known)
    }

    /// What is wrong with the containers, those with the same symptom together.
    fn faults(&self, look: &Look, own: &[&Container]) -> Vec<Found> {
        let around = Around {
            at: look.at,
            is_stability: look.is_stability,
            is_awaited: self.is_awaited,
            some_run: own.iter().any(|one| one.state == State::Running),
            starting_max: self.rules.starting_max,
        };
        let mut grouped: BTreeMap<Symptom, Vec<(&str, Fault)>> = BTreeMap::new();
        for container in own {
            let run = self.runs.get(&container.id).cloned().unwrap_or_default();
            if let Some(mut fault) = fault(container, &run, around) {
                if run.is_from_before(container) {
                    fault.severity = fault.severity.min(Severity::Monitor);
                    fault.what.push_str(", since before this deploy");
                }
                let group = grouped.entry(fault.symptom).or_default();
                group.push((&container.name, fault));
            }
        }
        let tell = |(symptom, group): (Symptom, Vec<(&str, Fault)>)| {
            let count = group.len();
            // The first of the worst.
            let (name, fault) = group
                .into_iter()
                .reduce(|a, b| if a.1.severity < b.1.severity { b } else { a })?;
            let who = if own.len() == 1 {
                format!("container {name}")
            } else {
                format!("{count} of {} containers: {name}", own.len())
            };
            let what = format!("{who} {}", fault.what);
            let sighting = Sighting::new(&self.slot, fault.severity, symptom, &what, fault.advice);
            Some((sighting, fault.proof))
        };
        grouped.into_iter().filter_map(tell).collect()
    }

    fn drifted(&self, other: &[&Container]) -> Option<Found> {
        let first = other.first()?;
        let what = format!(
            "container {} runs {} ({}), but {} was put in place",
            first.name,
            // Its digest stands beside it.
            first.image.split('@').next().unwrap_or_default(),
            Revision(first.image_id.clone()).short(),
            self.held.short(),
        );
        let advice = "somebody deployed again (docker compose up): find out who, and pin the image in the compose file";
        let symptom = Symptom::DriftedBack;
        let sighting = Sighting::new(&self.slot, Severity::Serious, symptom, &what, advice);
        Some((sighting, Proof::Event))
    }

    /// Fewer containers than there were.
    fn gone(&self, look: &Look) -> Option<Found> {
        let before = self.baseline.as_ref()?.lasting;
        let now = self.lasting(look).len();
        // A job that ended well meanwhile is not gone.
        let done = look.containers.len() - now;
        if before <= now + done {
            return None;
        }
        let (severity, what) = if now == 0 {
            (Severity::Serious, "it has no container any more".to_owned())
        } else {
            let what =
                format!("{now} of {before} containers are left: somebody removed the others");
            (Severity::Monitor, what)
        };
        let advice = "find out who removed them, and start them (docker compose up)";
        let symptom = Symptom::DriftedBack;
        let sighting = Sighting::new(&self.slot, severity, symptom, &what, advice);
        Some((sighting, Proof::TwoLooks))
    }

    /// A change has not come to its end.
    fn left_over(&self, look: &Look) -> Option<Found> {
        let name = look.aside.iter().min()?;
        let what = format!("container {name} is still set aside by a change that was not finished");
        let advice = "run the command again: it finishes the change or takes it back";
        let symptom = Symptom::NotReplaced;
        let sighting = Sighting::new(&self.slot, Severity::Monitor, symptom, &what, advice);
        Some((sighting, Proof::TwoLooks))
    }

    fn errors_logged(&self, look: &Look) -> Option<Found> {
        let errors = look.errors.as_ref()?;
        let limit = self.rules.errors_max;
        let is_much = usize::try_from(limit).is_ok_and(|limit| limit < errors.lines);
        let what = format!(
            "{} error lines within 2 minutes in {} container{} (at most {limit}), such as: {}",
            errors.lines,
            errors.containers,
            if errors.containers == 1 { "" } else { "s" },
            errors.first,
        );
        let advice = "read its log, and roll back if the lines are new";
        let symptom = Symptom::ErrorsLogged;
        is_much.then(|| {
            let sighting = Sighting::new(&self.slot, Severity::Serious, symptom, &what, advice);
            (sighting, Proof::Event)
        })
    }

    fn summarise(&self, own: &[&Container]) -> String {
        let lasting: Vec<&&Container> = own
            .iter()
            .filter(|one| {
                let run = self.runs.get(&one.id);
                !run.is_some_and(|run| is_done(one, run, self.is_awaited))
            })
            .collect();
        if lasting.is_empty() && !own.is_empty() {
            return "it has done its work".to_owned();
        }
        let run = lasting.iter().filter(|one| one.state == State::Running);
        let of = |status: HealthStatus| {
            let has = |one: &&&&Container| {
                one.state == State::Running
                    && one
                        .health
                        .as_ref()
                        .is_some_and(|health| health.status == status)
            };
            lasting.iter().filter(has).count()
        };
        let counts = [
            (of(HealthStatus::Healthy), "healthy"),
            (of(HealthStatus::Starting), "starting"),
            (of(HealthStatus::Unhealthy), "unhealthy"),
        ];
        let mut text = format!("{} of {} containers run", run.count(), lasting.len());
        for (count, word) in counts.iter().filter(|(count, _)| 0 < *count) {
            write!(text, ", {count} {word}").expect("a string takes all");
        }
        text
    }
}

/// It could not be looked at to the end. `why`: with secrets masked.
pub fn unseen(slot: &Slot, why: &str) -> Sighting {
    let what = format!("could not be watched: {why}");
    let advice = "mend the way to the engine (address, keys, network), and watch again";
    Sighting::new(slot, Severity::Monitor, Symptom::Unseen, &what, advice)
}
