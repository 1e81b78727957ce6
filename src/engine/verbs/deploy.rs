//! `deploy`: measure a baseline, put this run's release in place, judge it, and when it is unhealthy put the last good
//! one back.

use crate::decide::judge;
use crate::decide::mitigate::{self, Next};
use crate::engine::fetch::{self, InHand};
use crate::engine::operation::Operation;
use crate::engine::request::Deployed;
use crate::engine::verbs::{rollback, watch};
use crate::engine::{Ending, restore};
use crate::model::outcome::{Failure, Outcome};
use crate::model::verdict::{Call, Verdict};

pub(in crate::engine) async fn run(
    operation: &Operation,
    from: &Deployed,
) -> Result<Ending, Failure> {
    let mut ward = watch::demand_probes(operation)?;
    let release = new_release(operation, from).await?;
    release.remember(operation);
    let prepared = restore::prepare(operation, &release).await?;
    let changes = prepared.changes();
    if operation.request.dry_run {
        return Ok(rollback::planned(changes));
    }
    let baseline = if changes == 0 {
        None
    } else {
        ward.baseline().await?
    };
    if let Some(verdict) = baseline
        .as_ref()
        .filter(|verdict| verdict.call == Call::AlreadyUnhealthy)
    {
        operation.warn(format!(
            "unhealthy before the deploy: {}; it will not be rolled back",
            verdict.why
        ));
    }
    let already_unhealthy = baseline
        .as_ref()
        .is_some_and(|verdict| verdict.call == Call::AlreadyUnhealthy);
    let found = match restore::apply(operation, &prepared, &release.facts(operation)).await {
        Ok(()) => Found::Judged(ward.judge().await?),
        // Nothing was changed, or we were asked to stop: there is nothing to put back.
        Err(failure) if !operation.facts().changing || operation.stop.is_cancelled() => {
            return Err(failure);
        }
        Err(failure) => Found::Broken(failure),
    };
    operation.cut()?;
    watch::mitigate(operation, &mut ward, found, already_unhealthy).await
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
                watch::on_unhealthy(policy.on_unhealthy),
                watch::on_inconclusive(policy.on_inconclusive),
                already_unhealthy,
                already_rolled_back,
            ),
            Self::Broken(failure) => mitigate::after_broken(
                &failure.to_string(),
                watch::on_unhealthy(policy.on_unhealthy),
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
}

async fn new_release(operation: &Operation, from: &Deployed) -> Result<InHand, Failure> {
    match from {
        Deployed::Path(path) => fetch::from_file(operation, path).await,
        Deployed::Run(run) => fetch::own_artifact(operation, *run).await,
    }
}

/// The ending of an automatic rollback.
pub(in crate::engine) fn rolled_back(
    operation: &Operation,
    verdict: &Verdict,
    why: &str,
) -> Ending {
    use crate::decide::mitigate::after_rollback;
    let policy = operation.request.environment.policy.on_inconclusive;
    let outcome = after_rollback(verdict, watch::on_inconclusive(policy), Outcome::RolledBack);
    let ending = Ending::new(
        outcome,
        format!(
            "{}; before: {why}; now: {}",
            outcome.meaning(),
            judge::headline(verdict)
        ),
    );
    match verdict.call {
        Call::Healthy => ending.hint("the report says what was measured; fix forward, then deploy again"),
        Call::Unhealthy | Call::AlreadyUnhealthy => ending
            .hint("escalate: the release in place is the one that was good, so look at data, configuration and dependencies"),
        Call::Inconclusive => ending.hint("look at the service; `lastgood watch` measures again"),
    }
}
