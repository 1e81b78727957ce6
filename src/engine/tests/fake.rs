//! A target in memory that does what a test scripted, and writes down what it was asked.

use super::{state, text};
use crate::model::payload::{Measured, Payloads, Verified};
use crate::model::plan::{Change, Hazard, PermittedChange, Plan};
use crate::model::probe::{Answer, Ask, Class, Question};
use crate::model::sighting::{Sighting, Symptom};
use crate::model::state::{Held, Phase, Revision, Slot, State, Wanted};
use crate::model::verdict::Severity;
use crate::targets::{Attended, Claim, Finding, ReleaseFacts, Story, Target, TargetError};
use async_trait::async_trait;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Clones are the same target.
#[derive(Debug, Clone)]
pub(super) struct Fake {
    name: &'static str,
    world: Arc<Mutex<World>>,
}

#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) held: State,
    /// What it was asked, in order.
    pub(super) asked: Vec<String>,
    /// The steps between, for every change.
    pub(super) path: Vec<&'static str>,
    pub(super) parallel: usize,
    pub(super) finds_slots: bool,
    /// How long a change of a slot takes.
    pub(super) takes: BTreeMap<&'static str, Duration>,
    pub(super) breaks: BTreeMap<&'static str, Break>,
    pub(super) under_way: usize,
    pub(super) under_way_max: usize,
    /// What each watch comes to, in order; the last one stays. Empty: it cannot tell.
    pub(super) looks: VecDeque<Look>,
    /// Somebody else puts this in place during the next watch.
    pub(super) meddles: Option<&'static str>,
    /// For so many questions its lease is held by another. `None`: it has no lease of its own.
    pub(super) lease_held_for: Option<u32>,
    pub(super) claims: Vec<Claim>,
    /// What a question about the lease comes to once it was taken.
    pub(super) renewals: Renewals,
    /// The answer to a forward, in order; the last one stays.
    pub(super) forwards: VecDeque<Option<SocketAddr>>,
    /// What becomes of each question, in order; the last one stays. Empty: it refuses.
    pub(super) questions: VecDeque<Reply>,
    /// Numbers that it keeps.
    pub(super) numbers: Vec<&'static str>,
}

/// How a change of a slot fails.
#[derive(Debug, Clone, Copy)]
pub(super) enum Break {
    Unhealthy,
    Refused,
    Failed,
    Unreachable,
    Conflict,
    /// The answer is lost, and the change was made.
    LostAfter,
    /// The answer is lost, and the change was not made.
    LostBefore,
}

/// How a question is answered, again and again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reply {
    Well,
    /// Rejected each time.
    Rejected,
    /// The probe is wrong.
    NoSuchMethod,
    /// It could not be found out whether it can be asked.
    Unreachable,
}

/// How a lease that was taken is renewed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Renewals {
    #[default]
    Well,
    /// So many fail, then all is well.
    FailFor(u32),
    /// The target does not even refuse.
    Silent,
}

/// What a watch comes to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    Well,
    Minor,
    Serious,
    /// Serious, and seen only after this time.
    SeriousAfter(Duration),
    /// Its windows never end.
    Endless,
    /// It could not look.
    Blind,
    Silent,
}

impl Fake {
    pub(super) fn new(name: &'static str, held: &str) -> Self {
        let world = World {
            held: state(held),
            parallel: 1,
            ..World::default()
        };
        Self {
            name,
            world: Arc::new(Mutex::new(world)),
        }
    }

    pub(super) fn with(self, edit: impl FnOnce(&mut World)) -> Self {
        edit(&mut self.world());
        self
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(super) fn holds(&self) -> String {
        text(&self.world().held)
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.world().asked.clone()
    }

    /// Whether its lease was taken before.
    fn renews(&self) -> bool {
        self.world()
            .asked
            .iter()
            .any(|asked| asked == "lease taken")
    }

    fn note(&self, asked: impl Into<String>) {
        self.world().asked.push(asked.into());
    }

    fn put(&self, slot: &Slot, revision: &Revision) {
        let held = Held {
            revision: Some(revision.clone()),
            phase: Phase::Running,
        };
        self.world().held.insert(slot.clone(), held);
    }
}

#[async_trait]
impl Target for Fake {
    fn name(&self) -> &str {
        self.name
    }

    fn kind(&self) -> &'static str {
        "fake"
    }

    fn slots(&self) -> Vec<Slot> {
        self.world().held.keys().cloned().collect()
    }

    fn finds_slots(&self) -> bool {
        self.world().finds_slots
    }

    fn parallel(&self) -> usize {
        self.world().parallel
    }

    fn payload(&self) -> Option<String> {
        None
    }

    async fn wanted(
        &self,
        _release: &ReleaseFacts<'_>,
        _payloads: &Payloads<Measured>,
    ) -> Result<Wanted, TargetError> {
        Ok(Wanted::new())
    }

    async fn observe(&self) -> Result<State, TargetError> {
        Ok(self.world().held.clone())
    }

    async fn numbered(&self, slot: &Slot, number: &str) -> Result<Revision, TargetError> {
        self.note(format!("number {number} of {slot}"));
        if self.world().numbers.contains(&number) {
            return Ok(Revision(format!("r{number}")));
        }
        Err(TargetError::Refused {
            what: format!("{slot} has no revision {number}"),
            allow: None,
            next: "name one that is kept".to_owned(),
        })
    }

    fn path(&self, _change: &Change) -> Vec<Revision> {
        let world = self.world();
        let steps = world.path.iter();
        steps.map(|&step| Revision(step.to_owned())).collect()
    }

    async fn hazards(
        &self,
        _plan: &Plan,
        _facts: &ReleaseFacts<'_>,
    ) -> Result<Vec<Hazard>, TargetError> {
        Ok(Vec::new())
    }

    async fn preflight(&self, _payloads: &Payloads<Verified>) -> Vec<Finding> {
        Vec::new()
    }

    async fn apply(
        &self,
        change: PermittedChange<'_>,
        _payload: Option<&Verified>,
        _facts: &ReleaseFacts<'_>,
    ) -> Result<(), TargetError> {
        let change = change.change();
        let name = change.slot().0.as_str();
        let (takes, breaks) = {
            let mut world = self.world();
            world.asked.push(format!("{name} -> {}", change.to()));
            world.under_way += 1;
            world.under_way_max = world.under_way_max.max(world.under_way);
            (
                world.takes.get(name).copied().unwrap_or_default(),
                world.breaks.get(name).copied(),
            )
        };
        tokio::time::sleep(takes).await;
        self.world().under_way -= 1;
        match breaks {
            None => self.put(change.slot(), change.to()),
            Some(Break::LostAfter) => {
                self.put(change.slot(), change.to());
                return Err(breaks_as(Break::LostAfter, change.slot()));
            }
            Some(other) => return Err(breaks_as(other, change.slot())),
        }
        Ok(())
    }

    async fn retire(&self, _keep: &[Revision]) -> Result<Vec<String>, TargetError> {
        Ok(Vec::new())
    }

    async fn evidence(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn attends(&self) -> bool {
        !self.world().looks.is_empty()
    }

    async fn attend(
        &self,
        held: &Wanted,
        _story: &dyn Story,
    ) -> Result<Option<Attended>, TargetError> {
        let look = {
            let mut world = self.world();
            let held: Vec<String> = held
                .iter()
                .map(|(slot, it)| format!("{slot}={it}"))
                .collect();
            world.asked.push(format!("look at {}", held.join(" ")));
            let look = *world.looks.front().unwrap();
            if 1 < world.looks.len() {
                world.looks.pop_front();
            }
            look
        };
        let meddles = self.world().meddles.take();
        if let Some(meddles) = meddles {
            self.world().held = state(meddles);
        }
        see(look, &self.slots()).await
    }

    async fn forward(&self, to: &str) -> Result<SocketAddr, TargetError> {
        self.note(format!("forward {to}"));
        let mut world = self.world();
        let answer = world.forwards.front().copied().flatten();
        if 1 < world.forwards.len() {
            world.forwards.pop_front();
        }
        answer.ok_or_else(|| TargetError::Unreachable {
            what: format!("no way to {to}"),
        })
    }

    async fn question(&self, slot: &Slot, question: &Question) -> Result<Ask, TargetError> {
        self.note(format!(
            "question {slot}.{}{}",
            question.method, question.arguments
        ));
        let mut world = self.world();
        let reply = world.questions.front().copied();
        if 1 < world.questions.len() {
            world.questions.pop_front();
        }
        let class = match reply {
            Some(Reply::Well) => Class::Ok,
            Some(Reply::Rejected) => Class::Fail {
                why: "IC0503: oops".to_owned(),
            },
            Some(Reply::NoSuchMethod) => Class::Config {
                why: "IC0536: no such method".to_owned(),
            },
            Some(Reply::Unreachable) => {
                return Err(TargetError::Unreachable {
                    what: format!("{slot} did not answer"),
                });
            }
            None => {
                return Err(TargetError::Refused {
                    what: format!("cannot ask {slot}: no such method"),
                    allow: None,
                    next: "name another".to_owned(),
                });
            }
        };
        Ok(Ask::new(move || {
            let answer = Answer {
                answered: true,
                class: class.clone(),
            };
            Box::pin(std::future::ready(answer))
        }))
    }

    fn lease_path(&self) -> Option<PathBuf> {
        None
    }

    async fn lease(&self, claim: &Claim) -> Result<bool, TargetError> {
        if self.renews() {
            let renewals = self.world().renewals;
            match renewals {
                Renewals::Well | Renewals::FailFor(0) => (),
                Renewals::FailFor(more) => {
                    self.world().renewals = Renewals::FailFor(more - 1);
                    return Err(breaks_as(Break::Unreachable, &Slot("the lease".to_owned())));
                }
                Renewals::Silent => std::future::pending().await,
            }
        }
        let mut world = self.world();
        world.claims.push(claim.clone());
        let Some(held_for) = &mut world.lease_held_for else {
            return Ok(false);
        };
        if *held_for == 0 {
            world.asked.push("lease taken".to_owned());
            return Ok(true);
        }
        *held_for -= 1;
        world.asked.push("lease held".to_owned());
        Err(TargetError::Held {
            what: "the lease is held by another operation".to_owned(),
        })
    }

    async fn release(&self, _claim: &Claim) {
        self.note("lease given back");
    }
}

fn breaks_as(how: Break, slot: &Slot) -> TargetError {
    match how {
        Break::Unhealthy => TargetError::Unhealthy {
            what: format!("{slot} does not come up"),
            advice: "look at its log".to_owned(),
        },
        Break::Refused => TargetError::Refused {
            what: format!("{slot} is not ours"),
            allow: None,
            next: "ask its owner".to_owned(),
        },
        Break::Failed => TargetError::Failed(anyhow::anyhow!("{slot}: disk full")),
        Break::Unreachable => TargetError::Unreachable {
            what: format!("{slot} did not answer"),
        },
        Break::Conflict => TargetError::Conflict {
            slot: slot.clone(),
            found: "9".to_owned(),
            expected: "1".to_owned(),
        },
        Break::LostAfter | Break::LostBefore => TargetError::OutcomeUnknown {
            what: format!("{slot}: the answer was lost"),
        },
    }
}

async fn see(look: Look, slots: &[Slot]) -> Result<Option<Attended>, TargetError> {
    let slot = slots.first().unwrap();
    let sees = |severity, symptom, what: &str| {
        let sighting = Sighting::new(slot, severity, symptom, what, "look at its log");
        Ok(Some(Attended {
            sightings: vec![sighting],
            watched: Duration::from_secs(7),
        }))
    };
    let crash = || sees(Severity::Critical, Symptom::CrashLoop, "3 of 3 pods crash");
    match look {
        Look::Well => Ok(Some(Attended {
            sightings: Vec::new(),
            watched: Duration::from_secs(7),
        })),
        Look::Minor => sees(Severity::Monitor, Symptom::NodeIssue, "a node is ill"),
        Look::Serious => crash(),
        Look::SeriousAfter(time) => {
            tokio::time::sleep(time).await;
            crash()
        }
        Look::Endless => std::future::pending().await,
        Look::Blind => Err(TargetError::Unreachable {
            what: "the cluster did not answer".to_owned(),
        }),
        Look::Silent => Ok(None),
    }
}
