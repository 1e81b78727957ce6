//! Permission: hazards allowed by name, a slot that still is as planned, and one automatic rollback per bad deployment.
//! Whether cluster, network and account are the right ones is observed by the targets and compared by the engine.

use crate::model::ids::RunId;
use crate::model::plan::{Hazard, Permitted, Plan};
use crate::model::state::{Held, Phase, Revision, Slot};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The hazards an operator allows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permission {
    /// Hazard names such as `reinstall`; `reinstall:api` allows it for one slot only.
    pub allow: Vec<String>,
}

/// A guard forbids it; nothing was changed by the refused step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("not allowed: {}", hazards(.0))]
    Hazards(Vec<Hazard>),
    /// Somebody else changed the slot since the plan was made.
    #[error("slot {slot} holds {found}, expected {expected} as planned: somebody else changed it")]
    Changed {
        slot: Slot,
        found: String,
        expected: String,
    },
    #[error("slot {slot} is in the middle of a change that is not ours")]
    Moving { slot: Slot },
    #[error("slot {slot} is not part of the plan")]
    NotPlanned { slot: Slot },
    /// At most one automatic rollback per bad deployment.
    #[error(
        "{deployment} was rolled back automatically before ({rollback}); a second time would only go round in circles"
    )]
    AlreadyRolledBack {
        deployment: String,
        rollback: String,
    },
}

impl Refusal {
    /// One next action each.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Hazards(hazards) => hazards
                .iter()
                .map(|hazard| format!("to permit it: --allow {}:{}", hazard.name, hazard.slot))
                .collect(),
            Self::Changed { .. } => {
                vec!["look at what changed it, then run the same command again".to_owned()]
            }
            Self::Moving { .. } => {
                vec!["wait until that change is over, then run the same command again".to_owned()]
            }
            Self::NotPlanned { .. } => vec!["report this: a target changed a slot unasked".to_owned()],
            Self::AlreadyRolledBack { .. } => vec![
                "find out why the release before it is unwell too, then roll back by hand with --run-id"
                    .to_owned(),
            ],
        }
    }
}

fn hazards(hazards: &[Hazard]) -> String {
    let mut text = String::new();
    for hazard in hazards {
        let separator = if text.is_empty() { "" } else { "; " };
        // Writing to a String cannot fail.
        let _infallible = write!(
            text,
            "{separator}{} of {} ({})",
            hazard.name, hazard.slot, hazard.what
        );
    }
    text
}

/// Whether a hazard of a slot is allowed by name (`reinstall`), or by name for this slot (`reinstall:api`).
pub fn is_allowed(allow: &[String], hazard: &str, slot: &Slot) -> bool {
    allow.iter().any(|allow| {
        allow == hazard
            || allow
                .strip_prefix(hazard)
                .and_then(|rest| rest.strip_prefix(':'))
                .is_some_and(|name| name == slot.0)
    })
}

/// Permits a plan whose every hazard is allowed by name. This is the only maker of [`Permitted`].
pub fn permit(plan: Plan, permission: &Permission) -> Result<Permitted, Refusal> {
    let allowed = |hazard: &Hazard| is_allowed(&permission.allow, &hazard.name, &hazard.slot);
    let refused: Vec<Hazard> = plan
        .hazards
        .iter()
        .filter(|hazard| !allowed(hazard))
        .cloned()
        .collect();
    match refused.as_slice() {
        [] => Ok(Permitted::grant(plan)),
        [_, ..] => Err(Refusal::Hazards(refused)),
    }
}

/// Compare before set: `slot` still holds what the plan saw, or already what the plan wants (an earlier try got there).
pub fn still_as_planned(plan: &Plan, slot: &Slot, now: Option<&Held>) -> Result<(), Refusal> {
    let Some(change) = plan.changes.iter().find(|change| change.slot() == slot) else {
        return Err(Refusal::NotPlanned { slot: slot.clone() });
    };
    let found = now.and_then(|held| held.revision.as_ref());
    if found == Some(change.to()) {
        return Ok(());
    }
    if found != change.from() {
        let text = |revision: Option<&Revision>| {
            revision.map_or("nothing".to_owned(), |revision| revision.0.clone())
        };
        return Err(Refusal::Changed {
            slot: slot.clone(),
            found: text(found),
            expected: text(change.from()),
        });
    }
    let moving = |held: Option<&Held>| held.is_some_and(|held| held.phase == Phase::Moving);
    if moving(now) && !moving(plan.before.get(slot)) {
        return Err(Refusal::Moving { slot: slot.clone() });
    }
    Ok(())
}

/// A deployment, as the history knows it: by run and attempt where there is a run, else by what it put into the slots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deployment {
    pub run: Option<RunId>,
    /// A re-run is a person's decision and a deployment of its own.
    pub attempt: Option<u32>,
    pub slots: BTreeMap<Slot, Revision>,
}

impl Deployment {
    fn is_same(&self, other: &Self) -> bool {
        match (self.run, other.run) {
            (Some(run), Some(other_run)) => {
                run == other_run && self.attempt.unwrap_or(1) == other.attempt.unwrap_or(1)
            }
            (Some(_) | None, None) | (None, Some(_)) => {
                !self.slots.is_empty() && self.slots == other.slots
            }
        }
    }
}

/// A rollback of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRollback {
    /// The deployment that was rolled back from.
    pub bad: Deployment,
    /// Decided by a verdict, not by a person.
    pub automatic: bool,
    /// How the history names it, such as `op-20261121-1`.
    pub id: String,
}

/// Permits an automatic rollback of `bad` unless there was one already. A person's rollback is never stopped by this.
pub fn automatic(history: &[PastRollback], bad: &Deployment) -> Result<(), Refusal> {
    match history
        .iter()
        .find(|past| past.automatic && past.bad.is_same(bad))
    {
        None => Ok(()),
        Some(past) => Err(Refusal::AlreadyRolledBack {
            deployment: bad
                .run
                .map_or("this deployment".to_owned(), |run| format!("run {run}")),
            rollback: past.id.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::diff;
    use crate::model::state::{State, Wanted};

    fn slot(name: &str) -> Slot {
        Slot(name.to_owned())
    }

    fn held(revision: &str, phase: Phase) -> Held {
        Held {
            revision: (!revision.is_empty()).then(|| Revision(revision.to_owned())),
            phase,
        }
    }

    fn planned(from: &str, to: &str) -> Plan {
        let observed: State = [(slot("api"), held(from, Phase::Running))].into();
        let wanted: Wanted = [(slot("api"), Revision(to.to_owned()))].into();
        diff::plan(&observed, &wanted)
    }

    #[track_caller]
    fn check_hazards(allow: &[&str], expected: Result<(), &str>) {
        let mut plan = planned("2", "1");
        for (name, slot_name) in [
            ("reinstall", "api"),
            ("reinstall", "web"),
            ("migration", "api"),
        ] {
            plan.hazards.push(Hazard {
                slot: slot(slot_name),
                name: name.to_owned(),
                what: "wipes state".to_owned(),
            });
        }
        let permission = Permission {
            allow: allow.iter().map(|&text| text.to_owned()).collect(),
        };
        let found = permit(plan.clone(), &permission);
        match (found, expected) {
            (Ok(permitted), Ok(())) => assert_eq!(permitted.plan(), &plan),
            (Err(refusal), Err(hints)) => assert_eq!(refusal.hints().join(", "), hints),
            (found, expected) => panic!("found {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn hazards_are_allowed_by_name() {
        check_hazards(
            &[],
            Err(
                "to permit it: --allow reinstall:api, to permit it: --allow reinstall:web, to permit it: --allow migration:api",
            ),
        );
        check_hazards(&["reinstall"], Err("to permit it: --allow migration:api"));
        check_hazards(
            &["reinstall:api", "migration"],
            Err("to permit it: --allow reinstall:web"),
        );
        check_hazards(&["reinstall", "migration:api"], Ok(()));
        check_hazards(
            &["reinstall:", "migration:", "re", "*"],
            Err(
                "to permit it: --allow reinstall:api, to permit it: --allow reinstall:web, to permit it: --allow migration:api",
            ),
        );
    }

    #[track_caller]
    fn check_compare(now: Option<&Held>, expected: Result<(), &str>) {
        let found = still_as_planned(&planned("2", "1"), &slot("api"), now);
        assert_eq!(
            found.map_err(|refusal| refusal.to_string()),
            expected.map_err(str::to_owned)
        );
    }

    #[test]
    fn compare_before_set() {
        check_compare(Some(&held("2", Phase::Running)), Ok(()));
        check_compare(Some(&held("2", Phase::Stopped)), Ok(()));
        check_compare(Some(&held("1", Phase::Running)), Ok(())); // an earlier try got there
        check_compare(
            Some(&held("3", Phase::Running)),
            Err("slot api holds 3, expected 2 as planned: somebody else changed it"),
        );
        check_compare(
            None,
            Err("slot api holds nothing, expected 2 as planned: somebody else changed it"),
        );
        check_compare(
            Some(&held("2", Phase::Moving)),
            Err("slot api is in the middle of a change that is not ours"),
        );
        let other = still_as_planned(&planned("2", "1"), &slot("web"), None);
        assert_eq!(other, Err(Refusal::NotPlanned { slot: slot("web") }));
    }

    #[test]
    fn one_automatic_rollback_per_deployment() {
        let of_run = |run, attempt| Deployment {
            run: Some(RunId(run)),
            attempt: Some(attempt),
            slots: BTreeMap::new(),
        };
        let of_slots = |revision: &str| Deployment {
            slots: [(slot("api"), Revision(revision.to_owned()))].into(),
            ..Deployment::default()
        };
        let past = |bad, automatic| PastRollback {
            bad,
            automatic,
            id: "op1".to_owned(),
        };
        let history = [
            past(of_run(1, 1), true),
            past(of_run(2, 1), false),
            past(of_slots("bad"), true),
        ];
        assert!(automatic(&history, &of_run(1, 1)).is_err());
        assert!(automatic(&history, &of_run(1, 2)).is_ok());
        assert!(automatic(&history, &of_run(2, 1)).is_ok());
        assert!(automatic(&history, &of_slots("bad")).is_err());
        assert!(automatic(&history, &of_slots("new")).is_ok());
        assert!(automatic(&history, &Deployment::default()).is_ok());
        let refusal = automatic(&history, &of_run(1, 1)).unwrap_err().to_string();
        assert!(refusal.starts_with("run 1 was rolled back automatically before (op1)"));
    }
}
