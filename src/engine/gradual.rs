//! A change that is made in steps: a path of revisions, judged after each. On the way back a bad verdict hurries to the
//! end, which is the good release; on the way forward it stops.

use super::health::Ward;
use super::operation::Operation;
use super::prepare::{Ready, observe, refused};
use super::request::OnInconclusive;
use super::restore::apply_one;
use crate::decide::diff;
use crate::decide::guard::{self, Permission};
use crate::model::outcome::{Failure, Outcome};
use crate::model::payload::Payloads;
use crate::model::plan::{Change, PermittedChange, Plan};
use crate::model::state::{Revision, State, Wanted};
use crate::model::verdict::{Call, Verdict};
use crate::targets::{ReleaseFacts, Way};

/// Goes the path of one change. A verdict comes back when it stopped the change half way.
pub(super) async fn apply(
    operation: &Operation,
    step: &Ready<'_>,
    permitted: PermittedChange<'_>,
    facts: &ReleaseFacts<'_>,
    ward: Option<&mut Ward<'_>>,
) -> Result<Option<Verdict>, Failure> {
    let mut trail = Trail {
        operation,
        step,
        change: permitted.change(),
        facts,
        made: None,
    };
    let stopped = trail.go(ward).await;
    stopped.map_err(|failure| trail.half_way(failure))
}

/// A change on its way.
struct Trail<'a> {
    operation: &'a Operation,
    step: &'a Ready<'a>,
    change: &'a Change,
    facts: &'a ReleaseFacts<'a>,
    /// The last step that was made.
    made: Option<Revision>,
}

impl Trail<'_> {
    async fn go(&mut self, mut ward: Option<&mut Ward<'_>>) -> Result<Option<Verdict>, Failure> {
        for revision in self.step.target.path(self.change) {
            self.operation.may_go_on()?;
            self.one_step(revision).await?;
            let Some(ward) = ward.as_deref_mut() else {
                continue;
            };
            let judged = ward.judge().await;
            self.operation.cut()?;
            match (judged, self.facts.way) {
                (Ok(verdict), _) if verdict.call == Call::Healthy => (),
                (Ok(verdict), Way::Forward) if self.accepts(verdict.call) => self.warn(&format!(
                    "{}; going on, as on-inconclusive: pass says",
                    verdict.why
                )),
                (Ok(verdict), Way::Forward) => return Ok(Some(verdict)),
                (Err(failure), Way::Forward) => return Err(failure),
                // The end of the way back is the good release: nothing keeps it half way.
                (Ok(Verdict { why, .. }), Way::Back) => {
                    self.warn(&format!("{why}; going to the end at once"));
                    break;
                }
                (Err(failure), Way::Back) => {
                    self.warn(&format!("{failure}; going to the end at once"));
                    break;
                }
            }
        }
        self.operation.may_go_on()?;
        self.one_step(self.change.to().clone()).await?;
        Ok(None)
    }

    /// Whether policy takes a step without a verdict for a good one.
    fn accepts(&self, call: Call) -> bool {
        let policy = self.operation.request.environment.policy.on_inconclusive;
        call == Call::Inconclusive && policy == OnInconclusive::Pass
    }

    /// One revision of the path, planned from what is there now and permitted like the whole change was.
    async fn one_step(&mut self, revision: Revision) -> Result<(), Failure> {
        let (operation, slot) = (self.operation, self.change.slot());
        let mut observed = observe(operation, self.step.target).await?;
        observed.retain(|other, _| other == slot);
        self.compare(&revision, &observed)?;
        let wanted = Wanted::from_iter([(slot.clone(), revision.clone())]);
        let mut plan = diff::plan(&observed, &wanted);
        plan.hazards.clone_from(&self.step.permitted.plan().hazards);
        let permission = Permission {
            allow: operation.request.environment.policy.allow.clone(),
        };
        let ready = Ready {
            target: self.step.target,
            permitted: guard::permit(plan, &permission).map_err(refused)?,
            payloads: Payloads::none(),
        };
        for change in ready.permitted.changes() {
            apply_one(operation, &ready, change, self.facts).await?;
        }
        self.made = Some(revision);
        Ok(())
    }

    /// A step takes long to judge: what somebody else put there meanwhile is left alone.
    fn compare(&self, revision: &Revision, observed: &State) -> Result<(), Failure> {
        let whole = self.step.permitted.plan();
        let slot = self.change.slot();
        let expected = Plan {
            before: whole.before.clone(),
            changes: vec![Change::Install {
                slot: slot.clone(),
                from: self.made.as_ref().or(self.change.from()).cloned(),
                to: revision.clone(),
            }],
            hazards: Vec::new(),
        };
        guard::still_as_planned(&expected, slot, observed.get(slot)).map_err(|refusal| {
            self.operation.facts().conflict = true;
            refused(refusal)
        })
    }

    /// A failure after a step was made: nobody may read "nothing was applied".
    fn half_way(&self, mut failure: Failure) -> Failure {
        let Some(made) = &self.made else {
            return failure;
        };
        if failure.kind != Outcome::Unhealthy {
            failure.kind = Outcome::Incomplete;
        }
        failure.cause = failure.cause.context(format!(
            "{} is half way, at {}",
            self.change.slot(),
            made.short()
        ));
        failure
    }

    fn warn(&self, text: &str) {
        self.operation
            .warn(format!("{}: {text}", self.change.slot()));
    }
}
