//! `deploy`: measure a baseline, put this run's release in place, judge it, and when it is unhealthy put the last good
//! one back.

use crate::decide::judge;
use crate::decide::mitigate::{self, Next};
use crate::engine::fetch::{self, InHand};
use crate::engine::health::Ward;
use crate::engine::operation::Operation;
use crate::engine::request::{Choice, Deployed};
use crate::engine::verbs::{rollback, watch};
use crate::engine::{Ending, prepare, restore};
use crate::model::outcome::{Failure, Outcome};
use crate::model::verdict::{Call, Verdict};

pub(in crate::engine) async fn run(
    operation: &Operation,
    from: &Deployed,
) -> Result<Ending, Failure> {
    let mut ward = watch::demand_probes(operation)?;
    let release = new_release(operation, from).await?;
    release.remember(operation);
    let prepared = prepare::prepare(operation, &release).await?;
    ward.rehearse().await;
    let changes = prepared.changes();
    if operation.request.dry_run {
        return Ok(rollback::planned(changes));
    }
    let begun = prepared.begun(rollback::resumes(operation));
    if begun {
        operation.note("no baseline is measured: an earlier try put part of this release in place");
    }
    let already_unhealthy = changes != 0 && !begun && is_ill_before(operation, &mut ward).await?;
    let facts = release.facts(operation);
    let found = match restore::apply(operation, &prepared, &facts, Some(&mut ward)).await {
        Ok(Some(verdict)) => Found::Judged(verdict),
        Ok(None) => Found::Judged(ward.judge().await?),
        Err(failure) if must_stop(operation) || changed_nothing(operation, &failure) => {
            return Err(failure);
        }
        Err(failure) => Found::Broken(failure),
    };
    operation.cut()?;
    watch::mitigate(operation, &mut ward, found, already_unhealthy).await
}

/// Measures what is replaced. A service that is ill already is not made better by putting its old release back.
async fn is_ill_before(operation: &Operation, ward: &mut Ward<'_>) -> Result<bool, Failure> {
    let is_first = operation
        .facts()
        .before
        .values()
        .all(|held| held.revision.is_none());
    if is_first {
        operation.note("nothing was in place before: there is no baseline to measure");
        return Ok(false);
    }
    let baseline = ward.baseline().await?;
    let Some(verdict) = baseline.filter(|verdict| verdict.call == Call::AlreadyUnhealthy) else {
        return Ok(false);
    };
    operation.warn(format!(
        "the service is not well even before the deploy, so an unhealthy release will not be rolled back: {}",
        verdict.why
    ));
    Ok(true)
}

/// Nothing was changed, or we were asked to stop, or somebody else is changing the target: nothing is put back.
fn must_stop(operation: &Operation) -> bool {
    let facts = operation.facts();
    !facts.begun || facts.conflict || operation.stop.is_cancelled()
}

/// The target would not take the release, and holds all that it held: there is nothing to judge or to put back.
fn changed_nothing(operation: &Operation, failure: &Failure) -> bool {
    let facts = operation.facts();
    let is_whole = matches!(
        failure.kind,
        Outcome::Refused | Outcome::ArtifactRefused | Outcome::Unreachable
    );
    is_whole && facts.after == facts.before
}

/// What came of the change.
#[derive(Debug)]
pub(in crate::engine) enum Found {
    Judged(Verdict),
    /// It could not be put in place whole.
    Broken(Failure),
}

impl Found {
    /// What to do next, by policy.
    pub(in crate::engine) fn next(
        &self,
        operation: &Operation,
        already_unhealthy: bool,
        already_rolled_back: bool,
    ) -> Next {
        let policy = &operation.request.environment.policy;
        match self {
            Self::Judged(verdict) => mitigate::after_deploy(
                verdict,
                policy.on_unhealthy,
                policy.on_inconclusive,
                already_unhealthy,
                already_rolled_back,
            ),
            Self::Broken(failure) => mitigate::after_broken(
                &failure.to_string(),
                failure.kind,
                policy.on_unhealthy,
                already_unhealthy,
                already_rolled_back,
            ),
        }
    }

    pub(in crate::engine) fn why(&self) -> String {
        match self {
            Self::Judged(verdict) => judge::headline(verdict),
            Self::Broken(failure) => failure.to_string(),
        }
    }

    /// The network here is in doubt, not the release.
    pub(in crate::engine) fn is_network(&self) -> bool {
        match self {
            Self::Judged(verdict) => judge::is_network(verdict),
            Self::Broken(_) => false,
        }
    }

    /// The sentence of an ending that leaves the release where it is.
    pub(in crate::engine) fn said(&self, outcome: Outcome) -> String {
        match self {
            Self::Judged(verdict) => rollback::said(outcome, verdict),
            Self::Broken(failure) => format!("{}: {failure}", outcome.meaning()),
        }
    }
}

async fn new_release(operation: &Operation, from: &Deployed) -> Result<InHand, Failure> {
    let release = match from {
        Deployed::Path(path) => fetch::from_file(operation, path).await,
        Deployed::Run(run) if operation.request.context.run_id == Some(*run) => {
            fetch::own_artifact(operation, *run).await
        }
        // Another run's release is held to the checks of a candidate.
        Deployed::Run(run) => {
            let bad = rollback::known_bad(operation);
            fetch::release(operation, &Choice::Run(*run), bad).await
        }
    };
    release.map(InHand::forward)
}

/// The ending of an automatic rollback.
pub(in crate::engine) fn rolled_back(
    operation: &Operation,
    verdict: &Verdict,
    why: &str,
) -> Ending {
    use crate::decide::mitigate::after_rollback;
    let policy = operation.request.environment.policy.on_inconclusive;
    let outcome = after_rollback(verdict, policy, Outcome::RolledBack);
    let now = judge::headline(verdict);
    let message = match verdict.call {
        Call::Healthy => format!("{}; before: {why}; now: {now}", outcome.meaning()),
        Call::Unhealthy | Call::AlreadyUnhealthy => format!("{}: {now}", outcome.meaning()),
        Call::Inconclusive => format!(
            "the new release was unhealthy ({why}); the last good one is back, and there is no verdict on it yet ({})",
            verdict.why
        ),
    };
    let ending = Ending::new(outcome, message);
    match verdict.call {
        Call::Healthy => ending.hint("the report says what was measured; fix forward, then deploy again"),
        Call::Unhealthy | Call::AlreadyUnhealthy => ending
            .hint("escalate: the release in place is the one that was good, so look at data, configuration and dependencies"),
        Call::Inconclusive => ending.hint("look at the service; `lastgood watch` measures again"),
    }
}
