//! `watch`: the judging half of `deploy`, after a deploy step of the user's own; and what both do with the verdict.

use crate::decide::guard::Refusal;
use crate::decide::mitigate::Next;
use crate::engine::health::Ward;
use crate::engine::operation::Operation;
use crate::engine::verbs::deploy::Found;
use crate::engine::verbs::turn_back;
use crate::engine::{Ending, keep, prepare};
use crate::model::outcome::{Failure, Outcome};

pub(in crate::engine) async fn run(operation: &Operation) -> Result<Ending, Failure> {
    let mut ward = demand_probes(operation)?;
    if operation.request.dry_run {
        return Ok(Ending::new(
            Outcome::Planned,
            "dry run: the service would be watched, nothing was contacted",
        ));
    }
    for target in &operation.targets {
        let state = prepare::observe(operation, target.as_ref()).await?;
        let mut facts = operation.facts();
        facts.before.extend(state.clone());
        facts.after.extend(state);
    }
    {
        let context = &operation.request.context;
        let mut facts = operation.facts();
        facts.run = context.run_id;
        facts.commit.clone_from(&context.sha);
    }
    let found = Found::Judged(ward.judge().await?);
    operation.cut()?;
    mitigate(operation, &mut ward, found, false).await
}

/// `watch` and `deploy` are for judging: without probes they are misconfigured.
pub(in crate::engine) fn demand_probes(operation: &Operation) -> Result<Ward<'_>, Failure> {
    Ward::open(operation)?.ok_or_else(|| {
        Failure::msg(
            Outcome::Usage,
            "no probes are configured, and the targets cannot tell: there is nothing to judge the release by",
        )
        .hint("add health.probes to the environment, or --probe URL")
    })
}

/// Does what policy says of what was found; at most one rollback.
pub(in crate::engine) async fn mitigate(
    operation: &Operation,
    ward: &mut Ward<'_>,
    found: Found,
    already_unhealthy: bool,
) -> Result<Ending, Failure> {
    let again = turn_back::rolled_back_before(operation);
    match found.next(operation, already_unhealthy, again.is_some()) {
        Next::Done => {
            keep::retire(operation).await;
            Ok(Ending::new(Outcome::Healthy, found.said(Outcome::Healthy)))
        }
        Next::Stop { outcome } => {
            if outcome == Outcome::Unhealthy {
                keep::evidence(operation).await;
            }
            Ok(left_in_place(outcome, &found, already_unhealthy, again))
        }
        Next::RollBack { why: _ } => turn_back::run(operation, ward, &found.why()).await,
    }
}

/// The ending of a release that stays, although it is not known to be well: why it stays, and what a person can do.
fn left_in_place(
    outcome: Outcome,
    found: &Found,
    already_unhealthy: bool,
    again: Option<Refusal>,
) -> Ending {
    let said = found.said(outcome);
    match outcome {
        Outcome::Inconclusive if found.is_network() => Ending::new(outcome, said).hint(
            "mend the network here or correct health.control-url, then `lastgood watch` again",
        ),
        Outcome::Inconclusive => Ending::new(outcome, said)
            .hint("look at the service, then `lastgood watch` again or `lastgood rollback`"),
        _ if already_unhealthy => Ending::new(
            outcome,
            format!(
                "{said}; it was not rolled back, because the service was not well before it either"
            ),
        )
        .hint("look at data, configuration and dependencies: the release before was no better"),
        _ => match again {
            Some(refusal) => Ending {
                outcome,
                message: format!("{said}; {refusal}"),
                hints: refusal.hints(),
            },
            None => Ending::new(outcome, said)
                .hint("`lastgood rollback` puts the last good release back"),
        },
    }
}
