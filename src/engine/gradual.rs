//! A change that is made in steps: a path of revisions, judged after each. On the way back a bad verdict hurries to the
//! end, which is the good release; on the way forward it stops.

use super::health::Ward;
use super::operation::Operation;
use super::prepare::{Ready, observe, refused};
use super::restore::apply_one;
use crate::decide::diff;
use crate::decide::guard::{self, Permission, Refusal};
use crate::model::outcome::Failure;
use crate::model::plan::{Change, PermittedChange};
use crate::model::state::{Revision, Wanted};
use crate::model::verdict::{Call, Verdict};
use crate::targets::{ReleaseFacts, Way};

/// Goes the path of one change. A verdict comes back when it stopped the change half way.
pub(super) async fn apply(
    operation: &Operation,
    step: &Ready<'_>,
    permitted: PermittedChange<'_>,
    facts: &ReleaseFacts<'_>,
    mut ward: Option<&mut Ward<'_>>,
) -> Result<Option<Verdict>, Failure> {
    let change = permitted.change();
    let mut from = change.from().cloned();
    for revision in step.target.path(change) {
        operation.may_go_on()?;
        one_step(operation, step, change, (from.as_ref(), &revision), facts).await?;
        from = Some(revision);
        let Some(ward) = ward.as_deref_mut() else {
            continue;
        };
        let verdict = ward.judge().await?;
        operation.cut()?;
        match (verdict.call, facts.way) {
            (Call::Healthy, _) => (),
            (_, Way::Back) => {
                operation.warn(format!(
                    "{}: {}; going to the end at once",
                    change.slot(),
                    verdict.why
                ));
                break;
            }
            (_, Way::Forward) => return Ok(Some(verdict)),
        }
    }
    one_step(operation, step, change, (from.as_ref(), change.to()), facts).await?;
    Ok(None)
}

/// One revision of the path, planned from what is there now and permitted like the whole change was.
async fn one_step(
    operation: &Operation,
    step: &Ready<'_>,
    change: &Change,
    (from, to): (Option<&Revision>, &Revision),
    facts: &ReleaseFacts<'_>,
) -> Result<(), Failure> {
    let slot = change.slot();
    let mut observed = observe(operation, step.target).await?;
    observed.retain(|name, _| name == slot);
    let now = observed.get(slot).and_then(|held| held.revision.as_ref());
    if now != from && now != Some(to) {
        operation.facts().conflict = true;
        let text = |revision: Option<&Revision>| {
            revision.map_or_else(|| "nothing".to_owned(), ToString::to_string)
        };
        return Err(refused(Refusal::Changed {
            slot: slot.clone(),
            found: text(now),
            expected: text(from),
        }));
    }
    let wanted = Wanted::from_iter([(slot.clone(), to.clone())]);
    let mut plan = diff::plan(&observed, &wanted);
    plan.hazards.clone_from(&step.permitted.plan().hazards);
    let permission = Permission {
        allow: operation.request.environment.policy.allow.clone(),
    };
    let ready = Ready {
        target: step.target,
        permitted: guard::permit(plan, &permission).map_err(refused)?,
        payload: None,
    };
    for change in ready.permitted.changes() {
        apply_one(operation, &ready, change, facts).await?;
    }
    Ok(())
}
