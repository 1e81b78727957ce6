//! Carries a permitted plan out: compare, change, observe, verify. Every step is in the journal before
//! the next one begins, so a run that was killed is resumed by running again: what was done is no longer in the plan.

use super::gradual;
use super::health::Ward;
use super::keep;
use super::lease::Leases;
use super::operation::{Operation, stopped};
use super::prepare::{Prepared, Ready, refused};
use super::signals;
use crate::decide::guard;
use crate::model::event::EventKind;
use crate::model::outcome::{Failure, Outcome};
use crate::model::payload::hex;
use crate::model::plan::{Change, PermittedChange};
use crate::model::state::{Held, Phase, Revision, Slot, State};
use crate::model::verdict::Verdict;
use crate::targets::{ReleaseFacts, TargetError};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::time::Instant;

/// Carries a prepared plan out. The leases are held and renewed while it lasts. `ward` judges between the steps of a change that is
/// made gradually; a verdict comes back only when it stopped such a change.
pub(super) async fn apply(
    operation: &Operation,
    prepared: &Prepared<'_>,
    facts: &ReleaseFacts<'_>,
    ward: Option<&mut Ward<'_>>,
) -> Result<Option<Verdict>, Failure> {
    if prepared.changes() == 0 {
        Leases::sweep(operation).await;
        return Ok(None);
    }
    let leases = Leases::take(operation).await?;
    let work = async {
        keep::evidence(operation).await;
        apply_all(operation, prepared, facts, ward).await
    };
    let done = tokio::select! {
        biased;
        done = work => done,
        lost = leases.renew(operation) => Err(lost),
    };
    if done.is_err() && 0 < operation.facts().changing {
        // The work was dropped in the middle of a change: nothing else waits for what is being saved.
        signals::stand_up(operation).await;
    }
    leases.release(operation).await;
    done
}

async fn apply_all(
    operation: &Operation,
    prepared: &Prepared<'_>,
    facts: &ReleaseFacts<'_>,
    mut ward: Option<&mut Ward<'_>>,
) -> Result<Option<Verdict>, Failure> {
    let total = prepared.changes();
    let mut done = 0;
    for step in &prepared.steps {
        let (gradual, at_once): (Vec<_>, Vec<_>) = step
            .permitted
            .changes()
            .partition(|change| !facts.emergency && !step.target.path(change.change()).is_empty());
        for changes in waves(step, at_once) {
            check_stop(operation, done, total)?;
            done += side_by_side(operation, step, changes, facts, (done, total)).await?;
        }
        for change in gradual {
            check_stop(operation, done, total)?;
            let stopped = gradual::apply(operation, step, change, facts, ward.as_deref_mut())
                .await
                .map_err(|failure| after(done, total, failure))?;
            if stopped.is_some() {
                return Ok(stopped);
            }
            done += 1;
        }
    }
    Ok(None)
}

/// Changes that may be under way together, those that others stand on first: one each, or a rank of a target that takes
/// several.
fn waves<'a>(step: &Ready<'_>, changes: Vec<PermittedChange<'a>>) -> Vec<Vec<PermittedChange<'a>>> {
    if step.target.parallel() <= 1 {
        return changes.into_iter().map(|change| vec![change]).collect();
    }
    let mut ranks: BTreeMap<u8, Vec<PermittedChange<'a>>> = BTreeMap::new();
    for change in changes {
        let rank = step.target.rank(change.change().slot());
        ranks.entry(rank).or_default().push(change);
    }
    ranks.into_values().collect()
}

/// Changes of one target at once. One that fails does not stop those that are under way; none is begun after it.
async fn side_by_side(
    operation: &Operation,
    step: &Ready<'_>,
    changes: Vec<PermittedChange<'_>>,
    facts: &ReleaseFacts<'_>,
    (before, total): (usize, usize),
) -> Result<usize, Failure> {
    let width = step.target.parallel();
    let mut waiting = changes.into_iter();
    let mut under_way = FuturesUnordered::new();
    let mut done = 0;
    let mut failures = Vec::new();
    loop {
        while under_way.len() < width && failures.is_empty() && !operation.stop.is_cancelled() {
            let Some(change) = waiting.next() else { break };
            under_way.push(apply_one(operation, step, change, facts));
        }
        match under_way.next().await {
            Some(Ok(())) => done += 1,
            Some(Err(failure)) => failures.push(failure),
            None => break,
        }
    }
    if let Some(failure) = worst(failures) {
        return Err(after(before + done, total, failure));
    }
    if waiting.len() > 0 {
        check_stop(operation, before + done, total)?;
    }
    Ok(done)
}

/// Of several failures the one that decides what to do: what does not come up before what was only refused.
fn worst(failures: Vec<Failure>) -> Option<Failure> {
    let count = failures.len();
    let rank = |failure: &Failure| match failure.kind {
        Outcome::Unhealthy => 0,
        Outcome::Incomplete | Outcome::Error => 1,
        Outcome::Unreachable => 2,
        // The others say that nothing was applied: they may speak only for themselves.
        _ => 3,
    };
    let mut failure = failures.into_iter().min_by_key(rank)?;
    if 1 < count {
        failure.cause = failure
            .cause
            .context(format!("{count} changes failed, the worst of them"));
    }
    Some(failure)
}

fn check_stop(operation: &Operation, done: usize, total: usize) -> Result<(), Failure> {
    if operation.stop.is_cancelled() {
        return Err(stopped(&format!(
            "asked to stop: {done} of {total} changes done"
        )));
    }
    operation.demand_journal()
}

/// A failure after `done` changes: with some of them made, nobody may read "nothing was applied".
fn after(done: usize, total: usize, mut failure: Failure) -> Failure {
    if 0 < done && failure.kind != Outcome::Unhealthy {
        failure.kind = Outcome::Incomplete;
    }
    if 1 < total {
        failure.cause = failure
            .cause
            .context(format!("{done} of {total} changes done"));
    }
    failure
}

/// One change, whole: compared, begun, applied, observed.
/// What was begun is under way until its end is known, also a bad one. One that is dropped stays so: it may be half done.
pub(super) async fn apply_one(
    operation: &Operation,
    step: &Ready<'_>,
    permitted: PermittedChange<'_>,
    facts: &ReleaseFacts<'_>,
) -> Result<(), Failure> {
    let change = permitted.change();
    let target = step.target.name().to_owned();
    let op = op_id(operation, change);
    let slot = change.slot().clone();
    // Compare before set: the slot must still hold what the plan saw.
    let now = step
        .target
        .observe_one(&slot)
        .await
        .map_err(|error| error.failure(&target))?;
    if let Err(refusal) = guard::still_as_planned(step.permitted.plan(), &slot, now.as_ref()) {
        operation.facts().conflict = true;
        return Err(refused(refusal));
    }
    operation.may_go_on()?;
    operation.tell(EventKind::Intent {
        op: op.clone(),
        target,
        change: change.clone(),
    });
    operation.demand_journal()?;
    {
        let mut facts = operation.facts();
        facts.begun = true;
        facts.changed.insert(slot.clone());
        facts.changing += 1;
    }
    let done = apply_begun(operation, step, permitted, facts, op).await;
    operation.facts().changing -= 1;
    done
}

/// The change after its INTENT.
async fn apply_begun(
    operation: &Operation,
    step: &Ready<'_>,
    permitted: PermittedChange<'_>,
    facts: &ReleaseFacts<'_>,
    op: String,
) -> Result<(), Failure> {
    let change = permitted.change();
    let target = step.target.name().to_owned();
    let slot = change.slot().clone();
    let started = Instant::now();
    let applied = step
        .target
        .apply(permitted, step.payloads.of(change.slot()), facts)
        .await;
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Err(error) = &applied {
        operation.facts().conflict |= matches!(error, TargetError::Conflict { .. });
        let why = error.to_string();
        // Many a target's sentence begins with the slot, and so does the line.
        let named = why.strip_prefix(&slot.0).unwrap_or(&why);
        let rest = named.strip_prefix(": ").or(named.strip_prefix(' '));
        let why = rest.unwrap_or(&why).to_owned();
        operation.tell(EventKind::ApplyFailed {
            op: op.clone(),
            target: target.clone(),
            slot: slot.clone(),
            why,
        });
    }
    // An unknown outcome is resolved by observing, never by trying again.
    let held = match step.target.observe_one(&slot).await {
        Ok(held) => held,
        Err(error) => {
            let error = applied.err().unwrap_or(error);
            return Err(in_the_middle(error, &target, step, change, None));
        }
    };
    if let Some(held) = &held {
        let now = State::from_iter([(slot.clone(), held.clone())]);
        remember_after(operation, now);
    }
    match (applied, holds(held.as_ref(), change.to())) {
        (Ok(()), true) => (),
        (Err(TargetError::OutcomeUnknown { what: _ }), true) => {
            operation.note(format!(
                "{target}: the answer was lost; {slot} holds {} all the same",
                change.to().short()
            ));
        }
        (Err(error), _) => {
            return Err(in_the_middle(error, &target, step, change, held.as_ref()));
        }
        (Ok(()), false) => return Err(not_held(&slot, change.to(), held.as_ref())),
    }
    operation.tell(EventKind::Applied {
        op: op.clone(),
        target: target.clone(),
        slot: slot.clone(),
        took_ms,
    });
    operation.tell(EventKind::Verified {
        op,
        target,
        slot,
        revision: change.to().clone(),
    });
    Ok(())
}

/// What a target holds by now, for the last event.
pub(super) fn remember_after(operation: &Operation, state: State) {
    operation.facts().after.extend(state);
}

fn holds(held: Option<&Held>, revision: &Revision) -> bool {
    held.is_some_and(|held| {
        held.revision.as_ref() == Some(revision) && held.phase == Phase::Running
    })
}

/// A failure after INTENT: unless the slot still holds what it held, or never was ours, it is half done, and running again
/// resumes. What does not come up is whole, and unhealthy.
fn in_the_middle(
    error: TargetError,
    target: &str,
    step: &Ready<'_>,
    change: &Change,
    held: Option<&Held>,
) -> Failure {
    let is_whole = matches!(
        error,
        TargetError::Conflict { .. } | TargetError::Unhealthy { .. }
    );
    let mut failure = error.failure(target);
    let before = step.permitted.plan().before.get(change.slot());
    let was_up = before.is_some_and(|before| before.phase != Phase::Stopped);
    let is_down = held.is_some_and(|held| held.phase == Phase::Stopped);
    let is_untouched = held.is_some_and(|held| held.revision.as_ref() == change.from())
        && change.from() != Some(change.to())
        && !(was_up && is_down);
    if failure.kind == Outcome::Error || !(is_whole || is_untouched) {
        failure.kind = Outcome::Incomplete;
    }
    failure
}

fn not_held(slot: &Slot, wanted: &Revision, held: Option<&Held>) -> Failure {
    let found = match held {
        Some(Held {
            revision: Some(revision),
            phase,
        }) => format!("{} ({phase:?})", revision.short()),
        Some(Held {
            revision: None,
            phase: _,
        })
        | None => "nothing".to_owned(),
    };
    Failure::msg(
        Outcome::Incomplete,
        format!(
            "{slot} was changed and holds {found}, expected {} running",
            wanted.short()
        ),
    )
    .hint("run the same command again: it observes first and continues from there")
}

/// The same change of the same environment has the same name in every attempt.
fn op_id(operation: &Operation, change: &Change) -> String {
    let from = change.from().map_or("", |revision| revision.0.as_str());
    let text = format!(
        "{}\n{}\n{from}\n{}",
        operation.request.environment.name,
        change.slot(),
        change.to()
    );
    let hash = Sha256::digest(text.as_bytes());
    hex(hash.get(..6).unwrap_or_default())
}
