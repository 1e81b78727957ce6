//! `rollback`: the last good release, verified, back in place, and judged.

use crate::decide::judge;
use crate::engine::Ending;
use crate::engine::fetch;
use crate::engine::health::Ward;
use crate::engine::locate::KnownBad;
use crate::engine::operation::Operation;
use crate::engine::request::Choice;
use crate::engine::{keep, prepare, restore};
use crate::model::outcome::{Failure, Outcome};
use crate::model::verdict::{Call, Verdict};
use crate::report::history;

pub(in crate::engine) async fn run(
    operation: &Operation,
    from: &Choice,
) -> Result<Ending, Failure> {
    mark_what_is_failing(operation);
    let resumes = resumes(operation);
    let mut ward = Ward::open(operation)?;
    let release = fetch::release(operation, from, known_bad(operation)).await?;
    release.remember(operation);
    let prepared = prepare::prepare(operation, &release).await?;
    if let Some(ward) = &ward {
        ward.rehearse().await;
    }
    let changes = prepared.changes();
    if operation.request.dry_run {
        return Ok(planned(changes));
    }
    let facts = release.facts(operation);
    if facts.emergency {
        for target in operation.targets.iter().filter(|it| !it.goes_further()) {
            operation.warn(format!(
                "{}: --emergency goes no further than a rollback with a {} target",
                target.name(),
                target.kind()
            ));
        }
    }
    restore::apply(operation, &prepared, &facts, ward.as_mut())
        .await
        .map_err(does_not_come_up)?;
    let verdict = judge(ward.as_mut()).await?;
    if verdict
        .as_ref()
        .is_some_and(|verdict| verdict.call == Call::Healthy)
    {
        keep::retire(operation).await;
    }
    ending(operation, verdict.as_ref(), 0 < changes || resumes)
}

/// The ending of a dry run.
pub(in crate::engine) fn planned(changes: usize) -> Ending {
    let message = match changes {
        0 => "dry run: the target already holds this release, nothing would change".to_owned(),
        1 => "dry run: 1 change would be made, nothing was changed".to_owned(),
        n => format!("dry run: {n} changes would be made, nothing was changed"),
    };
    Ending::new(Outcome::Planned, message)
}

/// The verdict after a change, when there is anything to measure with.
pub(in crate::engine) async fn judge(
    ward: Option<&mut Ward<'_>>,
) -> Result<Option<Verdict>, Failure> {
    match ward {
        Some(ward) => ward.judge().await.map(Some),
        None => Ok(None),
    }
}

/// The outcome in a sentence, with what it rests on. A missing verdict that policy accepts is not told as a good one.
pub(in crate::engine) fn said(outcome: Outcome, verdict: &Verdict) -> String {
    match (verdict.call, outcome) {
        (Call::Healthy | Call::Unhealthy | Call::AlreadyUnhealthy, _) => {
            format!("{}: {}", outcome.meaning(), judge::headline(verdict))
        }
        // Why there is no verdict is the news, not the counts.
        (Call::Inconclusive, Outcome::Inconclusive) => {
            format!("{}: {}", outcome.meaning(), verdict.why)
        }
        (Call::Inconclusive, _) => format!(
            "the release is in place; there is no verdict, which on-inconclusive: pass accepts: {}",
            verdict.why
        ),
    }
}

fn ending(
    operation: &Operation,
    verdict: Option<&Verdict>,
    changed: bool,
) -> Result<Ending, Failure> {
    use crate::decide::mitigate::after_rollback;
    use crate::engine::request::OnInconclusive;
    let policy = &operation.request.environment.policy;
    let good = if changed {
        Outcome::Restored
    } else {
        Outcome::AlreadyGood
    };
    operation.cut()?;
    let Some(verdict) = verdict else {
        let message = "the release is in place and verified; its health was not judged: no probes are configured";
        return Ok(match policy.on_inconclusive {
            OnInconclusive::Pass => Ending::new(good, message),
            OnInconclusive::Fail | OnInconclusive::Rollback => {
                Ending::new(Outcome::Inconclusive, message)
                    .hint("add health.probes, or accept it with --on-inconclusive pass")
            }
        });
    };
    let outcome = after_rollback(verdict, policy.on_inconclusive, good);
    if outcome == Outcome::StillUnhealthy && !changed {
        return Ok(nothing_changed(operation, verdict));
    }
    let mut ending = Ending::new(outcome, said(outcome, verdict));
    if let Some(besides) = besides(operation) {
        ending.message.extend(["; BUT ", &besides]);
    }
    Ok(match verdict.call {
        Call::Healthy => ending,
        Call::Unhealthy | Call::AlreadyUnhealthy => ending
            .hint("escalate: the release is the one that was good, so look at data, configuration and dependencies"),
        Call::Inconclusive => ending.hint("look at the service; `lastgood watch` measures again"),
    })
}

/// What of the release is not in place, in words: a good ending shall not claim the whole of it.
fn besides(operation: &Operation) -> Option<String> {
    let not_asked = operation.facts().not_asked.clone();
    let left = operation
        .targets
        .iter()
        .flat_map(|target| target.left_out());
    let missed: Vec<String> = left
        .filter(|left| left.is_missed)
        .map(|left| format!("{} ({})", left.slot, left.why))
        .collect();
    let mut parts = Vec::new();
    if !not_asked.is_empty() {
        let slots: Vec<&str> = not_asked.iter().map(|slot| slot.0.as_str()).collect();
        parts.push(format!(
            "not asked for, and not on this release: {}",
            slots.join(", ")
        ));
    }
    if !missed.is_empty() {
        parts.push(format!("not put back: {}", missed.join(", ")));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The release that was good does not come up: it is back, and the service is not well.
pub(in crate::engine) fn does_not_come_up(mut failure: Failure) -> Failure {
    if failure.kind == Outcome::Unhealthy {
        failure.kind = Outcome::StillUnhealthy;
    }
    failure
}

/// The last good release by the record is what is in place, and it is not well: the record is wrong, or the trouble is not
/// the release.
fn nothing_changed(operation: &Operation, verdict: &Verdict) -> Ending {
    let run = operation.facts().run;
    let message = format!(
        "nothing was changed: the target already holds the last good release{}, and it is not well: {}",
        run.map_or(String::new(), |run| format!(" (run {run})")),
        judge::headline(verdict)
    );
    let ending = Ending::new(Outcome::StillUnhealthy, message);
    match run {
        Some(run) => ending.hint(format!("to go back further: the same command with --exclude-run {run}")),
        None => ending.hint("look at data, configuration and dependencies, or give an older release with --artifact"),
    }
}

/// What is rolled back from. An emergency rollback starts from the head of a branch, which may hold the fix already: the
/// commit it runs at is not known to be bad, only one that was named.
fn mark_what_is_failing(operation: &Operation) {
    let context = &operation.request.context;
    let failing = operation.request.environment.source.failing_commit.clone();
    let by_hand = context.event.as_deref() == Some("workflow_dispatch");
    operation.facts().bad_commit =
        failing.filter(|commit| !by_hand || context.sha.as_ref() != Some(commit));
}

/// Releases that our own history says were rolled back from.
pub(in crate::engine) fn known_bad(operation: &Operation) -> KnownBad {
    let past = history::read(&operation.request.state_dir);
    let environment = &operation.request.environment.name;
    KnownBad {
        runs: past.bad_runs(environment),
        commits: past.bad_commits(environment),
        revisions: past.bad_revisions(environment),
    }
}

/// An earlier command of this environment was stopped in the middle: this one continues it.
pub(in crate::engine) fn resumes(operation: &Operation) -> bool {
    let past = history::read(&operation.request.state_dir);
    let unfinished = past.unfinished(&operation.request.environment.name);
    let Some(earlier) = unfinished
        .iter()
        .find(|earlier| earlier.id != operation.id && earlier.changed)
    else {
        return false;
    };
    operation.facts().resumes = true;
    operation.note(format!(
        "{} has not ended, since it was stopped in the middle or is still at it: continuing from what the target holds",
        earlier.id
    ));
    true
}
