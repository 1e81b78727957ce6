//! The answer of `--json`: one object on stdout. Its fields are documented in `docs/outcomes.md` and only ever added to.

use super::LEFT_REPORT;
use super::story::{Check, Judged, Sighted, Step, StepEnd, Story};
use super::words;
use crate::model::candidate::{KnownGood, PassedOver};
use crate::model::event::Event;
use serde_json::{Value, json};

/// Version of the answer: it changes when a field changes its meaning or goes away.
pub const ANSWER_SCHEMA: u32 = 1;

/// The answer of one operation. A field that is not known is null.
pub fn json(events: &[Event]) -> Value {
    let story = Story::of(events);
    let began = story.began();
    let ended = story.ended();
    let search = story.search();
    let took_ms = ended.map_or_else(
        || events.last().map_or(0, |event| event.elapsed_ms),
        |ended| ended.took_ms,
    );
    json!({
        "schema": ANSWER_SCHEMA,
        "tool": began.map(|began| &began.tool),
        "id": began.map(|began| &began.id),
        "verb": began.map(|began| &began.verb),
        "environment": began.map(|began| &began.environment),
        "repository": began.and_then(|began| began.repository.as_ref()),
        "dry_run": began.map(|began| began.dry_run),
        "began_at": story.began_at(),
        "duration_seconds": words::seconds(took_ms),
        "outcome": ended.map(|ended| ended.outcome),
        "exit_code": ended.map(|ended| ended.outcome.exit_code()),
        "message": ended.map(|ended| &ended.message),
        "hints": ended.map_or(&[][..], |ended| &ended.hints),
        "run": ended.and_then(|ended| ended.run),
        "commit": ended.and_then(|ended| ended.commit.as_ref()),
        "digest": ended.and_then(|ended| ended.digest),
        "changed": story.changed(),
        "chosen": search.and_then(|search| search.chosen).map(chosen),
        "passed_over": search.map_or(&[][..], |search| search.passed_over).iter().map(passed_over).collect::<Vec<_>>(),
        "requests": search.map(|search| search.requests),
        "plan": plans(&story),
        "steps": story.steps().iter().map(step).collect::<Vec<_>>(),
        "verdicts": story.verdicts().iter().map(verdict).collect::<Vec<_>>(),
        "sighted": story.sighted().iter().map(sighted).collect::<Vec<_>>(),
        "checks": story.checks().iter().map(check).collect::<Vec<_>>(),
        "before": ended.map(|ended| &ended.before),
        "after": ended.map(|ended| &ended.after),
        "bad_run": ended.and_then(|ended| ended.bad_run),
        "bad_commit": ended.and_then(|ended| ended.bad_commit.as_ref()),
        "automatic": story.is_automatic(),
        "time_to_detect_seconds": story.detection().map(|found| words::seconds(found.took_ms)),
        "time_to_restore_seconds": story.time_to_restore_ms().map(words::seconds),
        "compare_url": story.compare_url(),
        "warnings": story.warnings(),
        "notes": story.notes(),
        "report": story.left(LEFT_REPORT),
        "journal": story.journal(),
        "left": story.all_left().iter().map(|(what, path)| json!({"what": what, "path": path})).collect::<Vec<_>>(),
    })
}

/// The chosen release, as `list --json` shows it too.
pub fn chosen(good: &KnownGood) -> Value {
    json!({
        "run": good.run.id,
        "attempt": good.run.attempt,
        "number": good.run.number,
        "sha": good.run.sha,
        "branch": good.run.branch,
        "event": good.run.event,
        "title": good.run.title,
        "started_at": good.run.started_at,
        "url": good.run.url,
        "via": good.via,
        "deploy_job": good.deploy_job,
        "artifact": {
            "id": good.artifact.id,
            "name": good.artifact.name,
            "size_bytes": good.artifact.size_bytes,
            "digest": good.artifact.digest,
            "expires_at": good.artifact.expires_at,
        },
        "warnings": good.warnings,
    })
}

/// A run that was passed over: `reason` is a stable word, `detail` a sentence.
pub fn passed_over(run: &PassedOver) -> Value {
    json!({
        "run": run.run,
        "sha": run.sha,
        "started_at": run.started_at,
        "url": run.url,
        "reason": run.why.word(),
        "detail": run.why.to_string(),
    })
}

fn plans(story: &Story<'_>) -> Vec<Value> {
    let plans = story.plans();
    plans
        .iter()
        .map(|(target, plan, of_rollback)| {
            json!({
                "target": target,
                "rollback": of_rollback,
                "before": plan.before,
                "changes": plan.changes,
                "hazards": plan.hazards,
            })
        })
        .collect()
}

fn step(step: &Step<'_>) -> Value {
    let (end, took_ms, why) = match step.end {
        StepEnd::Applied { took_ms } => ("applied", Some(took_ms), None),
        StepEnd::Failed { why } => ("failed", None, Some(why)),
        StepEnd::Unknown => ("unknown", None, None),
    };
    json!({
        "target": step.target,
        "slot": step.change.slot(),
        "from": step.change.from(),
        "to": step.change.to(),
        "rollback": step.of_rollback,
        "end": end,
        "verified": step.verified,
        "duration_seconds": took_ms.map(words::seconds),
        "why": why,
    })
}

fn sighted(sighted: &Sighted<'_>) -> Value {
    let sighting = sighted.sighting;
    json!({
        "target": sighted.target,
        "slot": sighting.slot,
        "severity": sighting.severity,
        "symptom": sighting.symptom,
        "what": sighting.what,
        "advice": sighting.advice,
        "rollback": sighted.of_rollback,
    })
}

fn check(check: &Check<'_>) -> Value {
    json!({
        "target": check.target,
        "check": check.check,
        "ok": check.ok,
        "detail": check.detail,
        "next": check.next,
    })
}

fn verdict(judged: &Judged<'_>) -> Value {
    let mut value = json!({
        "stage": judged.stage,
        "at": judged.at,
        "rollback": judged.of_rollback,
    });
    if let (Value::Object(fields), Ok(Value::Object(verdict))) =
        (&mut value, serde_json::to_value(judged.verdict))
    {
        fields.extend(verdict);
    }
    value
}
