//! Carries a permitted plan out: compare, change, observe, verify. Every step is in the journal before
//! the next one begins, so a run that was killed is resumed by running again: what was done is no longer in the plan.

use super::keep;
use super::lease::Leases;
use super::operation::{Operation, stopped};
use super::prepare::{Prepared, Ready, refused};
use crate::decide::guard;
use crate::model::event::EventKind;
use crate::model::outcome::{Failure, Outcome};
use crate::model::payload::hex;
use crate::model::plan::{Change, PermittedChange};
use crate::model::state::{Held, Revision, Slot, State};
use crate::targets::{ReleaseFacts, TargetError};
use sha2::{Digest as _, Sha256};
use std::time::Instant;

/// Carries a prepared plan out. The leases are held and renewed while it lasts.
pub(super) async fn apply(
    operation: &Operation,
    prepared: &Prepared<'_>,
    facts: &ReleaseFacts<'_>,
) -> Result<(), Failure> {
    if prepared.changes() == 0 {
        return Ok(());
    }
    let leases = Leases::take(operation)?;
    keep::evidence(operation).await;
    tokio::select! {
        biased;
        done = apply_all(operation, prepared, facts) => done,
        () = leases.renew(operation) => Err(Failure::msg(Outcome::Error, "the lease ended")),
    }
}

async fn apply_all(
    operation: &Operation,
    prepared: &Prepared<'_>,
    facts: &ReleaseFacts<'_>,
) -> Result<(), Failure> {
    let total = prepared.changes();
    let mut done = 0;
    for step in &prepared.steps {
        for change in step.permitted.changes() {
            if operation.stop.is_cancelled() {
                return Err(stopped(&format!(
                    "asked to stop: {done} of {total} changes done"
                )));
            }
            operation.demand_journal()?;
            apply_one(operation, step, change, facts)
                .await
                .map_err(|failure| after(done, total, failure))?;
            done += 1;
        }
    }
    Ok(())
}

/// A failure after `done` changes: with some of them made, nobody may read "nothing was applied".
fn after(done: usize, total: usize, mut failure: Failure) -> Failure {
    if 0 < done {
        failure.kind = Outcome::Incomplete;
    }
    if 1 < total {
        failure.cause = failure
            .cause
            .context(format!("{done} of {total} changes done"));
    }
    failure
}

async fn apply_one(
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
        .observe()
        .await
        .map_err(|error| error.failure(&target))?;
    if let Err(refusal) = guard::still_as_planned(step.permitted.plan(), &slot, now.get(&slot)) {
        operation.facts().conflict = true;
        return Err(refused(refusal));
    }
    operation.may_go_on()?;
    operation.tell(EventKind::Intent {
        op: op.clone(),
        target: target.clone(),
        change: change.clone(),
    });
    operation.demand_journal()?;
    {
        let mut facts = operation.facts();
        (facts.begun, facts.changing) = (true, true);
    }
    let started = Instant::now();
    let applied = step
        .target
        .apply(permitted, step.payload.as_ref(), facts)
        .await;
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Err(error) = &applied {
        operation.facts().conflict |= matches!(error, TargetError::Conflict { .. });
        let why = error.to_string();
        operation.tell(EventKind::ApplyFailed {
            op: op.clone(),
            target: target.clone(),
            slot: slot.clone(),
            why,
        });
    }
    // An unknown outcome is resolved by observing, never by trying again.
    let held = match step.target.observe().await {
        Ok(state) => remember_after(operation, state).shift_remove(&slot),
        Err(error) => return Err(applied.err().unwrap_or(error).failure(&target)),
    };
    match (applied, holds(held.as_ref(), change.to())) {
        (Ok(()), true) => (),
        (Err(TargetError::OutcomeUnknown { what: _ }), true) => {
            operation.note(format!(
                "{target}: the answer was lost; {slot} holds {} all the same",
                change.to().short()
            ));
        }
        (Err(error), _) => return Err(in_the_middle(error.failure(&target))),
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
    operation.facts().changing = false;
    Ok(())
}

/// What a target holds by now, for the last event.
pub(super) fn remember_after(operation: &Operation, state: State) -> State {
    operation.facts().after.extend(state.clone());
    state
}

fn holds(held: Option<&Held>, revision: &Revision) -> bool {
    use crate::model::state::Phase;
    held.is_some_and(|held| {
        held.revision.as_ref() == Some(revision) && held.phase == Phase::Running
    })
}

/// A failure after INTENT: what failed may be half done, and running again resumes.
fn in_the_middle(mut failure: Failure) -> Failure {
    if failure.kind == Outcome::Error {
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
