//! Watches the containers of a project after a change: a look every few seconds, and one whenever the engine tells that something
//! happened, until the windows are over or something critical holds. What is wrong is judged in `decide::compose`; what it means is
//! `decide::mitigate`'s.

mod events;
mod look;
mod schedule;

use super::engine::Engine;
use super::{Compose, container, logs, project};
use crate::decide::compose::{Errors, Look, Rules, Standing, unseen};
use crate::model::sighting::{Sighting, worst_first};
use crate::model::state::{Revision, Slot, Wanted};
use crate::model::verdict::Severity;
use crate::targets::{Attended, Story, TargetError};
use events::Events;
use look::{Age, Images};
use regex_lite::Regex;
use schedule::Schedule;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// Longest wait for one look.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// An engine that is restarted is waited for this long.
const AWAY_MAX: Duration = Duration::from_secs(20);

/// Between two looks after something happened, at least: what happens together is seen together.
const HAPPENED_PACE: Duration = Duration::from_millis(500);
const HAPPENED_AFTER: Duration = Duration::from_millis(100);

/// Between two looks that settle a doubt, and how long doubts may go on beyond the time that a HEALTHCHECK has.
const DOUBT: Duration = Duration::from_secs(2);
const DOUBTS_MAX: Duration = Duration::from_secs(10);

/// Watches the services of `held` through the windows of the settings. No other service is looked at.
///
/// # Errors
/// The engine could not be asked for so long that nobody can say how the services are; what was seen to be serious before that is
/// told instead, with an [`Unseen`](crate::model::sighting::Symptom::Unseen) for each service.
pub(super) async fn attend(
    compose: &Compose,
    held: &Wanted,
    story: &dyn Story,
) -> Result<Attended, TargetError> {
    let mut watch = Watch::new(compose, held, story);
    let watched = watch.run().await;
    let sightings = watch.sightings();
    let sightings = match watched {
        Ok(()) => sightings,
        Err(error) if !is_serious(&sightings) => return Err(error),
        Err(error) => {
            let why = compose.masked(&error.to_string());
            let unseen = held.keys().map(|slot| unseen(slot, &why));
            sightings.into_iter().chain(unseen).collect()
        }
    };
    Ok(Attended {
        sightings,
        watched: watch.began.elapsed(),
    })
}

fn is_serious(sightings: &[Sighting]) -> bool {
    sightings
        .iter()
        .any(|sighting| Severity::Serious <= sighting.severity)
}

/// One service while it is watched.
#[derive(Debug)]
struct Service {
    slot: Slot,
    held: Revision,
    standing: Standing,
    told: String,
}

#[derive(Debug)]
struct Watch<'a> {
    compose: &'a Compose,
    story: &'a dyn Story,
    services: Vec<Service>,
    schedule: Schedule,
    events: Events,
    images: Images,
    /// Lines that count as errors.
    errors: Option<Regex>,
    began: Instant,
    looked: Option<Instant>,
    age: Age,
    /// The longest that a HEALTHCHECK takes by its own settings.
    starting_max: Duration,
    /// Since when looks fail, and why the last one did.
    away: Option<(Instant, TargetError)>,
    /// Services whose logs cannot be read: told once.
    silent: BTreeSet<Slot>,
}

impl<'a> Watch<'a> {
    fn new(compose: &'a Compose, held: &Wanted, story: &'a dyn Story) -> Self {
        let settings = &compose.settings;
        let rules = Rules {
            starting_max: settings.healthy_deadline.0,
            errors_max: settings.log_errors_max,
        };
        let service = |(slot, revision): (&Slot, &Revision)| Service {
            slot: slot.clone(),
            held: revision.clone(),
            standing: Standing::new(slot, revision, rules),
            told: String::new(),
        };
        Self {
            compose,
            story,
            services: held.iter().map(service).collect(),
            schedule: Schedule::of(settings),
            events: Events::of(settings.project.as_deref().unwrap_or_default()),
            images: Images::default(),
            // Checked with the settings.
            errors: settings
                .log_errors
                .as_deref()
                .and_then(|pattern| Regex::new(pattern).ok()),
            began: Instant::now(),
            looked: None,
            age: Age::default(),
            starting_max: settings.healthy_deadline.0,
            away: None,
            silent: BTreeSet::new(),
        }
    }

    fn sightings(&self) -> Vec<Sighting> {
        let told = self.services.iter();
        let mut all: Vec<Sighting> = told.flat_map(|one| one.standing.sightings()).collect();
        worst_first(&mut all);
        all
    }

    fn is_over(&self) -> bool {
        self.services.iter().any(|one| one.standing.is_over())
    }

    async fn run(&mut self) -> Result<(), TargetError> {
        let mut logs_read = Duration::ZERO;
        let mut due = Some(Duration::ZERO);
        while let Some(at) = due {
            let is_due = self.wait(self.began + at).await;
            let reads_logs = is_due && self.schedule.reads_logs(at, logs_read);
            if reads_logs {
                logs_read = at;
            }
            self.look(reads_logs).await?;
            if self.is_over() {
                return Ok(());
            }
            if is_due {
                due = self.schedule.after(at, self.began.elapsed());
            }
        }
        self.settle().await
    }

    /// Looks on while the last look leaves a doubt, or failed.
    async fn settle(&mut self) -> Result<(), TargetError> {
        loop {
            let ends = self.began + self.schedule.end() + self.starting_max + DOUBTS_MAX;
            let in_doubt = self.services.iter().any(|one| one.standing.is_in_doubt());
            let goes_on = self.away.is_some() || (in_doubt && Instant::now() < ends);
            if !goes_on || self.is_over() {
                return Ok(());
            }
            self.wait(Instant::now() + DOUBT).await;
            self.look(false).await?;
        }
    }

    /// Waits until then, or until something happened. Whether the time has come.
    async fn wait(&mut self, until: Instant) -> bool {
        let Some(engine) = self.compose.engine.get() else {
            sleep_until(until).await;
            return true;
        };
        let happened = async {
            self.events.next(engine).await;
            // What belongs to it comes at once.
            let early = self.looked.map(|looked| looked + HAPPENED_PACE);
            let then = (Instant::now() + HAPPENED_AFTER).max(early.unwrap_or(self.began));
            let more = async {
                loop {
                    self.events.next(engine).await;
                }
            };
            tokio::select! {
                () = sleep_until(then) => (),
                () = more => (),
            }
        };
        tokio::select! {
            biased;
            () = sleep_until(until) => true,
            () = happened => false,
        }
    }

    /// One look at all services. A failed one is made up for by later ones, until the engine has been away for too long.
    async fn look(&mut self, reads_logs: bool) -> Result<(), TargetError> {
        let project = match read(self.compose).await {
            Ok(project) => project,
            Err(error @ TargetError::Refused { .. }) => return Err(error),
            Err(error) => {
                tracing::debug!(%error, "a look failed");
                let since = self
                    .away
                    .take()
                    .map_or_else(Instant::now, |(since, _)| since);
                if AWAY_MAX <= since.elapsed() {
                    return Err(error);
                }
                self.away = Some((since, error));
                return Ok(());
            }
        };
        self.away = None;
        let engine = self.compose.engine().await?;
        let replicas = project.values().flat_map(|service| &service.replicas);
        if self.looked.is_none() {
            let made = replicas.clone();
            self.age = Age {
                now: container::now(engine).await,
                created: made
                    .filter_map(|replica| container::time(&replica.raw, "/Created"))
                    .max(),
            };
        }
        let checks = replicas
            .clone()
            .filter_map(|replica| container::healthcheck(&replica.raw));
        let longest = checks.map(|check| check.patience(self.starting_max)).max();
        self.starting_max = longest.unwrap_or(self.starting_max);
        self.looked = Some(Instant::now());
        self.images.learn(engine, replicas).await;
        let mut errors = self.logged(engine, &project, reads_logs).await;
        let happened = self.events.drain();
        let (awaited, ran) = (self.compose.memory.awaited(), self.compose.memory.ran());
        let age = self.age;
        let at = self.began.elapsed();
        for service in &mut self.services {
            let found = project.get(&service.slot.0);
            let replicas = found.map_or(&[][..], |found| &found.replicas);
            let aside = found.map_or(&[][..], |found| &found.aside);
            // What ran when the release was recorded is no job that ends.
            let has_run = ran.contains(&service.slot.0);
            let read = |replica| {
                let mut container =
                    look::container(self.compose, &self.images, &service.held, age, replica);
                container.has_served |= has_run;
                container
            };
            service.standing.take(&Look {
                at,
                is_stability: self.schedule.is_stability(at),
                is_awaited: awaited.contains(&service.slot.0),
                containers: replicas.iter().map(read).collect(),
                aside: aside.iter().map(|replica| replica.name.clone()).collect(),
                happened: happened.clone(),
                errors: errors.remove(&service.slot),
            });
            let text = service.standing.summary();
            if service.told != text {
                self.story.progress(&service.slot, text);
                text.clone_into(&mut service.told);
            }
        }
        Ok(())
    }

    /// The error lines of each service, when it is time to read them.
    async fn logged(
        &mut self,
        engine: &Engine,
        project: &project::Project,
        reads_logs: bool,
    ) -> BTreeMap<Slot, Errors> {
        let mut found = BTreeMap::new();
        let Some(pattern) = self.errors.as_ref().filter(|_| reads_logs) else {
            return found;
        };
        for service in &self.services {
            let Some(of) = project.get(&service.slot.0) else {
                continue;
            };
            let scan = logs::scan(self.compose, engine, &of.replicas, pattern).await;
            if let Some(why) = scan.trouble
                && self.silent.insert(service.slot.clone())
            {
                let why = self.compose.masked(&why);
                let text = format!(
                    "the logs of {} containers cannot be read, and errors in them are not counted: {why}",
                    scan.unread
                );
                self.story.progress(&service.slot, &text);
            }
            found.insert(service.slot.clone(), scan.errors);
        }
        found
    }
}

async fn read(compose: &Compose) -> Result<project::Project, TargetError> {
    let reading = async {
        let name = compose.settings.project.as_deref().unwrap_or_default();
        project::read(compose, compose.engine().await?, name).await
    };
    timeout(LOOK_MAX, reading).await.unwrap_or_else(|_elapsed| {
        Err(TargetError::Unreachable {
            what: format!("the engine did not answer within {} s", LOOK_MAX.as_secs()),
        })
    })
}
