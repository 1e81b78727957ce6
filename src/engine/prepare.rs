//! Observes, plans and asks permission, for every target before anything is changed. Planning back to what was observed
//! before is the same as planning forward.

use super::fetch::InHand;
use super::opened::{check_distinct, no_slot};
use super::operation::Operation;
use super::share::Share;
use crate::decide::diff;
use crate::decide::guard::{self, Refusal};
use crate::model::event::EventKind;
use crate::model::outcome::{Failure, Outcome};
use crate::model::payload::{Payloads, Verified};
use crate::model::plan::{Change, Permitted};
use crate::model::state::{Revision, Slot, State, Wanted};
use crate::targets::{ReleaseFacts, Target, Way};

/// A permitted plan for one target, with what it needs.
#[derive(Debug)]
pub(super) struct Ready<'a> {
    pub(super) target: &'a dyn Target,
    pub(super) permitted: Permitted,
    pub(super) payloads: Payloads<Verified>,
}

/// What observing and planning came to.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    pub(super) steps: Vec<Ready<'a>>,
}

impl Prepared<'_> {
    /// Whether carrying it out leaves what this state held.
    pub(super) fn leads_to(&self, state: &State) -> bool {
        let mut changes = self
            .steps
            .iter()
            .flat_map(|step| &step.permitted.plan().changes);
        changes.all(|change| {
            let held = state
                .get(change.slot())
                .and_then(|held| held.revision.as_ref());
            held == Some(change.to())
        })
    }

    pub(super) fn changes(&self) -> usize {
        self.steps
            .iter()
            .map(|step| step.permitted.plan().changes.len())
            .sum()
    }
}

impl Prepared<'_> {
    /// Whether what runs now is already the release that is being put in place, or partly: measuring it says nothing of
    /// what was there before. `resumed`: an earlier command was stopped in the middle.
    pub(super) fn begun(&self, resumed: bool) -> bool {
        self.steps.iter().any(|step| {
            let plan = step.permitted.plan();
            let is_start = |change: &Change| match change {
                Change::Start { .. } => true,
                Change::Install { .. } => false,
            };
            plan.changes.iter().any(is_start) || (resumed && plan.changes.len() < plan.before.len())
        }) && 0 < self.changes()
    }
}

/// Observes every target, plans, and asks permission for all of it before anything is changed.
pub(super) async fn prepare<'a>(
    operation: &'a Operation,
    release: &InHand,
) -> Result<Prepared<'a>, Failure> {
    let mut steps = Vec::new();
    let mut observed = Vec::new();
    operation.begin_plan();
    for target in operation.targets.iter().map(AsRef::as_ref) {
        let share = release.share(operation, target).await?;
        let facts = release.facts(operation);
        let (step, state) = prepare_one(operation, target, share, &facts).await?;
        steps.push(step);
        observed.push(state);
    }
    // Slots that were found only now are told apart as well.
    check_distinct(&operation.targets)?;
    check_asked(operation.request.verb.slots(), &observed)?;
    remember_before(operation, observed);
    Ok(Prepared { steps })
}

/// Whether every target still has what this state held, and could put it back by itself.
pub(super) async fn kept(operation: &Operation, state: &State) -> bool {
    for target in &operation.targets {
        for slot in target.slots() {
            let revision = state.get(&slot).and_then(|held| held.revision.as_ref());
            let is_kept = match revision {
                Some(revision) => target.keeps(revision).await,
                None => false,
            };
            if !is_kept {
                return false;
            }
        }
    }
    true
}

/// Whether nothing stands against putting this state back without a release: slots whose revision is a payload of their own need
/// that payload, unless the target keeps it.
pub(super) async fn needs_no_payload(operation: &Operation, state: &State) -> bool {
    for target in &operation.targets {
        for slot in target.slots() {
            let revision = state.get(&slot).and_then(|held| held.revision.as_ref());
            let Some(revision) = revision.filter(|_| !target.own_payload(&slot).is_empty()) else {
                continue;
            };
            if !target.keeps(revision).await {
                return false;
            }
        }
    }
    true
}

/// What there is to know of what was observed before: no release, only revisions.
pub(super) fn before_facts(operation: &Operation) -> ReleaseFacts<'_> {
    ReleaseFacts {
        run: None,
        commit: None,
        manifest: None,
        environment: &operation.request.environment.name,
        way: Way::Back,
        emergency: false,
        on_state_conflict: operation.request.environment.policy.on_state_conflict,
        allowed: &operation.request.environment.policy.allow,
        story: Some(operation),
    }
}

/// Plans back to what was observed before: there is no other undo.
pub(super) async fn prepare_back<'a>(
    operation: &'a Operation,
    before: &State,
) -> Result<Prepared<'a>, Failure> {
    let mut steps = Vec::new();
    let facts = before_facts(operation);
    operation.begin_plan();
    for target in operation.targets.iter().map(AsRef::as_ref) {
        let mut wanted = Wanted::new();
        for slot in target.slots() {
            if let Some(revision) = before.get(&slot).and_then(|held| held.revision.clone()) {
                wanted.insert(slot, revision);
            }
        }
        steps.push(
            prepare_one(
                operation,
                target,
                Share {
                    wanted,
                    payloads: Payloads::none(),
                },
                &facts,
            )
            .await?
            .0,
        );
    }
    Ok(Prepared { steps })
}

/// A slot that was asked for and that no target has is a typing error, also where slots are found only by looking.
fn check_asked(asked: &[Slot], observed: &[State]) -> Result<(), Failure> {
    let known = || observed.iter().flat_map(State::keys);
    let Some(slot) = asked
        .iter()
        .find(|slot| known().all(|known| known != *slot))
    else {
        return Ok(());
    };
    let known: Vec<String> = known().map(|slot| slot.0.clone()).collect();
    Err(no_slot(slot, &known))
}

async fn prepare_one<'a>(
    operation: &Operation,
    target: &'a dyn Target,
    share: Share,
    facts: &ReleaseFacts<'_>,
) -> Result<(Ready<'a>, State), Failure> {
    let observed = observe(operation, target).await?;
    let slots = operation.request.verb.slots();
    let mut wanted = share.wanted;
    // What was asked for by name and is not in the release is not "already good".
    if let Some(slot) = slots
        .iter()
        .find(|slot| observed.contains_key(*slot) && !wanted.contains_key(*slot))
    {
        return Err(not_in_release(target, slot));
    }
    let is_asked = |slot: &Slot| slots.is_empty() || slots.contains(slot);
    let differs = |(slot, revision): &(&Slot, &Revision)| {
        let held = observed.get(*slot);
        !is_asked(slot) && held.and_then(|held| held.revision.as_ref()) != Some(*revision)
    };
    let not_asked = wanted.iter().filter(differs).map(|(slot, _)| slot.clone());
    operation.facts().not_asked.extend(not_asked);
    wanted.retain(|slot, _| is_asked(slot));
    operation.facts().wanted.extend(wanted.keys().cloned());
    let mut plan = diff::plan(&observed, &wanted);
    plan.hazards = target
        .hazards(&plan, facts)
        .await
        .map_err(|error| error.failure(target.name()))?;
    operation.tell(EventKind::Planned {
        target: target.name().to_owned(),
        plan: plan.clone(),
    });
    let permission = guard::Permission {
        allow: operation.request.environment.policy.allow.clone(),
    };
    let permitted = guard::permit(plan, &permission).map_err(refused)?;
    Ok((
        Ready {
            target,
            permitted,
            payloads: share.payloads,
        },
        observed,
    ))
}

fn not_in_release(target: &dyn Target, slot: &Slot) -> Failure {
    let left = target
        .left_out()
        .into_iter()
        .find(|left| left.slot == *slot);
    let why = left.map_or_else(
        || "the release says nothing of it".to_owned(),
        |left| left.why,
    );
    Failure::msg(
        Outcome::ArtifactRefused,
        format!("--slot {slot} cannot be put back: {why}"),
    )
    .hint("choose a release that was recorded with it: --run-id; or name a revision that the target keeps: --to-revision")
}

pub(super) fn refused(refusal: Refusal) -> Failure {
    let hints = refusal.hints();
    Failure {
        kind: Outcome::Refused,
        cause: refusal.into(),
        hints,
    }
}

/// Observes one target and says so.
pub(super) async fn observe(operation: &Operation, target: &dyn Target) -> Result<State, Failure> {
    let state = target
        .observe()
        .await
        .map_err(|error| error.failure(target.name()))?;
    operation.tell(EventKind::Observed {
        target: target.name().to_owned(),
        state: state.clone(),
    });
    Ok(state)
}

/// The first observation of a command is what the incident report calls "before".
fn remember_before(operation: &Operation, observed: Vec<State>) {
    let mut facts = operation.facts();
    let all: State = observed.into_iter().flatten().collect();
    if facts.before.is_empty() {
        facts.before.clone_from(&all);
    }
    facts.after = all;
}
