//! The automatic rollback of `deploy` and `watch`: at most one, never over somebody else's change, and to the release with
//! the best proof. That is the located one, unless this very command measured what it replaced to be well.

use crate::decide::guard::{self, Deployment, Refusal};
use crate::engine::Ending;
use crate::engine::fetch::{self, InHand};
use crate::engine::health::Ward;
use crate::engine::locate::KnownBad;
use crate::engine::operation::Operation;
use crate::engine::prepare::{self, Prepared};
use crate::engine::request::Choice;
use crate::engine::restore;
use crate::engine::verbs::deploy::rolled_back;
use crate::engine::verbs::rollback::{does_not_come_up, known_bad};
use crate::model::event::EventKind;
use crate::model::ids::CommitSha;
use crate::model::outcome::{Failure, Outcome};
use crate::model::state::State;
use crate::model::verdict::Verdict;
use crate::report::history;

/// Rolling back what was already rolled back from is ping-pong: `decide` says whether history holds one of this deployment.
pub(super) fn rolled_back_before(operation: &Operation) -> Option<Refusal> {
    let past = history::read(&operation.request.state_dir);
    let context = &operation.request.context;
    let facts = operation.facts().clone();
    let deployment = Deployment {
        run: facts.run,
        attempt: context.attempt.filter(|_| facts.run == context.run_id),
        slots: facts
            .after
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

/// Puts back what was good. `why`: what was found of the release in place, in a clause.
pub(super) async fn run(
    operation: &Operation,
    ward: &mut Ward<'_>,
    why: &str,
) -> Result<Ending, Failure> {
    operation.may_go_on()?;
    operation.tell(EventKind::RollingBack {
        why: why.to_owned(),
    });
    let deployed = operation.facts().after.clone();
    let before = before_the_deploy(operation);
    let bad = mark(operation, why);
    let way = way_back(operation, ward, before.as_ref(), &deployed, bad).await;
    let verdict = match way.map_err(|failure| stays(failure, why))? {
        Way::Release(release, prepared) => {
            release.remember(operation);
            let facts = release.facts(operation);
            restore::apply(operation, &prepared, &facts, Some(&mut *ward))
                .await
                .map_err(does_not_come_up)?;
            ward.judge().await?
        }
        Way::Before(prepared) => to_before(operation, ward, &prepared).await?,
    };
    operation.cut()?;
    Ok(rolled_back(operation, &verdict, why))
}

/// The release in place is the bad one: it is said so in the history, and it is no candidate.
fn mark(operation: &Operation, why: &str) -> KnownBad {
    let mut bad = known_bad(operation);
    let context = &operation.request.context;
    let mut facts = operation.facts();
    facts.bad_run = facts.run.or(context.run_id);
    facts.bad_commit = facts.commit.clone().or_else(|| context.sha.clone());
    let why = format!("this deploy found it unhealthy ({why})");
    bad.runs.extend(facts.bad_run.map(|run| (run, why.clone())));
    bad.commits.extend(
        facts
            .bad_commit
            .clone()
            .map(|commit| (CommitSha(commit), why)),
    );
    bad
}

/// Where to go back to, planned and permitted.
enum Way<'a> {
    Release(Box<InHand>, Prepared<'a>),
    Before(Prepared<'a>),
}

async fn way_back<'a>(
    operation: &'a Operation,
    ward: &Ward<'_>,
    before: Option<&State>,
    deployed: &State,
    bad: KnownBad,
) -> Result<Way<'a>, Failure> {
    let located = async {
        let release = fetch::release(operation, &Choice::Newest, bad).await?;
        let prepared = prepare::prepare(operation, &release).await?;
        unchanged_since(operation, deployed)?;
        Ok::<_, Failure>((release, prepared))
    };
    let (release, prepared) = match (located.await, before) {
        (Ok(found), _) => found,
        (Err(failure), Some(before))
            if failure.kind != Outcome::Incomplete
                && !operation.facts().conflict
                && prepare::needs_no_payload(operation, before).await =>
        {
            operation.warn(format!(
                "{failure}; going back to what this deploy replaced instead"
            ));
            return Ok(Way::Before(prepare::prepare_back(operation, before).await?));
        }
        (Err(failure), _) => return Err(failure),
    };
    match before {
        Some(before)
            if ward.was_well()
                && !prepared.leads_to(before)
                && prepare::kept(operation, before).await =>
        {
            operation.warn(format!(
                "run {} is green, but what this deploy replaced was measured to be well: going back to that",
                release.run.map_or("?".to_owned(), |run| run.to_string())
            ));
            Ok(Way::Before(prepare::prepare_back(operation, before).await?))
        }
        Some(_) | None => Ok(Way::Release(Box::new(release), prepared)),
    }
}

/// The slots still hold what this command put there: a hotfix that came meanwhile is nobody's to undo.
fn unchanged_since(operation: &Operation, deployed: &State) -> Result<(), Failure> {
    let mut facts = operation.facts();
    let other = deployed.iter().find(|(slot, held)| {
        facts.after.get(*slot).and_then(|now| now.revision.as_ref()) != held.revision.as_ref()
    });
    let Some((slot, _)) = other else {
        return Ok(());
    };
    let message = format!(
        "slot {slot} was changed by somebody else while it was judged: nothing is put back over that"
    );
    facts.conflict = true;
    Err(Failure::msg(Outcome::Refused, message)
        .hint("look at what is in place now, then `lastgood watch` judges it"))
}

/// Nothing was put back: the first thing to know is what is in place now.
fn stays(mut failure: Failure, why: &str) -> Failure {
    // 13 says by itself that there is nothing to go back to; the other words would claim that nothing was applied.
    if !matches!(failure.kind, Outcome::NoKnownGood | Outcome::Incomplete) {
        failure.kind = Outcome::Unhealthy;
    }
    failure.cause = failure
        .cause
        .context(format!("the new release stays in place, unhealthy ({why})"));
    failure
}

async fn to_before(
    operation: &Operation,
    ward: &mut Ward<'_>,
    prepared: &Prepared<'_>,
) -> Result<Verdict, Failure> {
    {
        let mut facts = operation.facts();
        (facts.run, facts.commit, facts.digest) = (None, None, None);
    }
    let facts = prepare::before_facts(operation);
    restore::apply(operation, prepared, &facts, Some(&mut *ward))
        .await
        .map_err(does_not_come_up)?;
    ward.judge().await
}

/// What `deploy` replaced; `None` for `watch`, which saw only the new release, and for a first deploy.
fn before_the_deploy(operation: &Operation) -> Option<State> {
    let facts = operation.facts();
    let is_other = facts.before != facts.after;
    let holds_any = facts.before.values().any(|held| held.revision.is_some());
    (is_other && holds_any).then(|| facts.before.clone())
}
