//! `watch`: the judging half of `deploy`, after a deploy step of the user's own; and what both do with the verdict.

use crate::decide::guard::{self, Deployment, Refusal};
use crate::decide::mitigate::{self, Next};
use crate::engine::fetch::{self, InHand};
use crate::engine::health::Ward;
use crate::engine::operation::Operation;
use crate::engine::request::{self, Choice};
use crate::engine::verbs::deploy::{Found, rolled_back};
use crate::engine::verbs::rollback::known_bad;
use crate::engine::{Ending, keep, restore};
use crate::model::event::EventKind;
use crate::model::outcome::{Failure, Outcome};
use crate::model::state::State;
use crate::model::verdict::Verdict;
use crate::report::history;

pub(in crate::engine) async fn run(operation: &Operation) -> Result<Ending, Failure> {
    let mut ward = demand_probes(operation)?;
    if operation.request.dry_run {
        return Ok(Ending::new(
            Outcome::Planned,
            "dry run: the service would be watched, nothing was contacted",
        ));
    }
    for target in &operation.targets {
        let state = restore::observe(operation, target.as_ref()).await?;
        let mut facts = operation.facts();
        facts.before.extend(state.clone());
        facts.after.extend(state);
    }
    {
        let mut facts = operation.facts();
        facts.run = operation.request.context.run_id;
        facts.commit.clone_from(&operation.request.context.sha);
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
            "no probes are configured: there is nothing to judge the release by",
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
    let again = rolled_back_before(operation);
    match found.next(operation, already_unhealthy, again.is_some()) {
        Next::Done => {
            keep::retire(operation).await;
            Ok(Ending::new(Outcome::Healthy, found.said(Outcome::Healthy)))
        }
        Next::Stop { outcome } => Ok(left_in_place(outcome, &found, already_unhealthy, again)),
        Next::RollBack { why: _ } => roll_back(operation, ward, &found.why()).await,
    }
}

/// The policy as judgment knows it: a request is filled by a floor that judgment does not know.
pub(in crate::engine) const fn on_unhealthy(policy: request::OnUnhealthy) -> mitigate::OnUnhealthy {
    match policy {
        request::OnUnhealthy::Rollback => mitigate::OnUnhealthy::Rollback,
        request::OnUnhealthy::Fail => mitigate::OnUnhealthy::Fail,
    }
}

/// The same for a missing verdict.
pub(in crate::engine) const fn on_inconclusive(
    policy: request::OnInconclusive,
) -> mitigate::OnInconclusive {
    match policy {
        request::OnInconclusive::Fail => mitigate::OnInconclusive::Fail,
        request::OnInconclusive::Pass => mitigate::OnInconclusive::Pass,
        request::OnInconclusive::Rollback => mitigate::OnInconclusive::Rollback,
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

/// Rolling back what was already rolled back from is ping-pong: `decide` says whether history holds one of this deployment.
fn rolled_back_before(operation: &Operation) -> Option<Refusal> {
    let past = history::read(&operation.request.state_dir);
    let context = &operation.request.context;
    let slots = operation.facts().after.clone();
    let deployment = Deployment {
        run: context.run_id,
        attempt: context.attempt,
        slots: slots
            .into_iter()
            .filter_map(|(slot, held)| Some((slot, held.revision?)))
            .collect(),
    };
    guard::automatic(
        &past.rollbacks(&operation.request.environment.name),
        &deployment,
    )
    .err()
}

async fn roll_back(
    operation: &Operation,
    ward: &mut Ward<'_>,
    why: &str,
) -> Result<Ending, Failure> {
    operation.may_go_on()?;
    operation.tell(EventKind::RollingBack {
        why: why.to_owned(),
    });
    {
        let context = &operation.request.context;
        let mut facts = operation.facts();
        facts.bad_run = context.run_id;
        facts.bad_commit.clone_from(&context.sha);
    }
    let before = before_the_deploy(operation);
    let verdict = match fetch::release(operation, &Choice::Newest, known_bad(operation)).await {
        Ok(release) => to_release(operation, ward, &release).await?,
        Err(failure) => match before {
            Some(before) => to_before(operation, ward, &before, failure).await?,
            None => return Err(stays(failure, why)),
        },
    };
    operation.cut()?;
    Ok(rolled_back(operation, &verdict, why))
}

/// Nothing to go back to: the first thing to know is what is in place now.
fn stays(mut failure: Failure, why: &str) -> Failure {
    failure.cause = failure
        .cause
        .context(format!("the new release stays in place, unhealthy ({why})"));
    failure
}

async fn to_release(
    operation: &Operation,
    ward: &mut Ward<'_>,
    release: &InHand,
) -> Result<Verdict, Failure> {
    release.remember(operation);
    let prepared = restore::prepare(operation, release).await?;
    restore::apply(operation, &prepared, &release.facts(operation)).await?;
    ward.judge().await
}

/// Without a located release, what this very command observed before its own change is the next best proof: said
/// aloud, never done in silence.
async fn to_before(
    operation: &Operation,
    ward: &mut Ward<'_>,
    before: &State,
    failure: Failure,
) -> Result<Verdict, Failure> {
    operation.warn(format!(
        "{failure}; going back to what this deploy replaced instead"
    ));
    let prepared = restore::prepare_back(operation, before).await?;
    {
        let mut facts = operation.facts();
        (facts.run, facts.commit, facts.digest) = (None, None, None);
    }
    let facts = crate::targets::ReleaseFacts {
        run: None,
        commit: None,
        manifest: None,
        environment: &operation.request.environment.name,
    };
    restore::apply(operation, &prepared, &facts).await?;
    ward.judge().await
}

/// What `deploy` replaced; `None` for `watch`, which saw only the new release, and for a first deploy.
fn before_the_deploy(operation: &Operation) -> Option<State> {
    let facts = operation.facts();
    let is_other = facts.before != facts.after;
    let holds_any = facts.before.values().any(|held| held.revision.is_some());
    (is_other && holds_any).then(|| facts.before.clone())
}
