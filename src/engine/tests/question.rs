//! Probes that are queries of a target.

use super::fake::{Fake, Reply};
use super::{has, operation, told};
use crate::decide::judge;
use crate::engine::health::Ward;
use crate::engine::operation::Operation;
use crate::engine::request::{Means, Probe, Query, Request};
use crate::model::outcome::Outcome;
use crate::model::probe::{LogLine, Stage};
use crate::model::verdict::{Call, Verdict};
use std::time::Duration;

fn asks(slot: &str) -> Probe {
    Probe {
        name: "stats".to_owned(),
        gating: true,
        means: Means::Query(Query {
            slot: super::slot(slot),
            method: "get_stats".to_owned(),
            arguments: "(1)".to_owned(),
            expect: Some("users".to_owned()),
        }),
    }
}

fn asking(slot: &str) -> impl FnOnce(&mut Request) {
    let probe = asks(slot);
    |request| request.environment.health.probes.push(probe)
}

fn answering(replies: &[Reply]) -> Fake {
    Fake::new("fake", "users=1").with(|world| world.questions = replies.iter().copied().collect())
}

fn log(operation: &Operation) -> Vec<LogLine> {
    let text = std::fs::read_to_string(operation.dir.join("probes.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The last verdict of the log, computed again.
fn replayed(operation: &Operation) -> Verdict {
    judge::replay(log(operation)).pop().unwrap().1
}

#[tokio::test]
async fn a_query_that_is_answered_well_is_a_healthy_release() {
    let fake = answering(&[Reply::Well]);
    let (operation, _dir) = operation(&[&fake], asking("users"));
    let mut ward = Ward::open(&operation).unwrap().unwrap();
    let verdict = ward.judge().await.unwrap();
    assert_eq!(verdict.call, Call::Healthy);
    assert_eq!(fake.asked(), ["question users.get_stats(1)"]);
    assert_eq!(replayed(&operation), verdict);
    let probes: Vec<_> = log(&operation)
        .into_iter()
        .filter_map(|line| match line {
            LogLine::Probe(probe) => Some(probe),
            LogLine::Rules(_) | LogLine::Cut { .. } => None,
        })
        .collect();
    assert!(
        probes
            .iter()
            .all(|probe| probe.status.is_none() && probe.latency_ms < 5000.0),
        "the measured latency is kept"
    );
}

#[tokio::test]
async fn a_query_that_is_rejected_is_an_unhealthy_release() {
    let fake = answering(&[Reply::Rejected]);
    let (operation, _dir) = operation(&[&fake], |request| {
        asking("users")(request);
        let health = &mut request.environment.health;
        (health.rate, health.cap) = (5, Duration::from_mins(1));
    });
    let mut ward = Ward::open(&operation).unwrap().unwrap();
    let verdict = ward.judge().await.unwrap();
    assert_eq!(verdict.call, Call::Unhealthy);
    assert!(verdict.why.contains("IC0503"), "{}", verdict.why);
    assert_eq!(replayed(&operation), verdict);
}

#[tokio::test]
async fn a_question_that_is_wrong_never_condemns() {
    let fake = answering(&[Reply::NoSuchMethod]);
    let (operation, _dir) = operation(&[&fake], |request| {
        asking("users")(request);
        request.environment.health.cap = Duration::from_secs(2);
    });
    let mut ward = Ward::open(&operation).unwrap().unwrap();
    assert_eq!(ward.judge().await.unwrap().call, Call::Inconclusive);
}

#[tokio::test]
async fn every_stage_asks_for_the_interface_again() {
    let fake = answering(&[Reply::Well]);
    let (operation, _dir) = operation(&[&fake], |request| {
        asking("users")(request);
        let health = &mut request.environment.health;
        health.baseline = Duration::from_secs(1);
        health.bake = Duration::from_secs(1);
    });
    let mut ward = Ward::open(&operation).unwrap().unwrap();
    let baseline = ward.baseline().await.unwrap().unwrap();
    assert_eq!(baseline.call, Call::Healthy);
    assert_eq!(ward.judge().await.unwrap().call, Call::Healthy);
    assert_eq!(fake.asked().len(), 3);
    let stages: Vec<Stage> = log(&operation)
        .iter()
        .filter_map(|line| match line {
            LogLine::Rules(rules) => Some(rules.stage),
            LogLine::Probe(_) | LogLine::Cut { .. } => None,
        })
        .collect();
    assert_eq!(stages, [Stage::Baseline, Stage::Detect, Stage::Bake]);
}

/// A release that cannot even say what it answers must not keep its verdict from being found.
#[tokio::test]
async fn a_question_that_cannot_be_opened_again_is_asked_as_before() {
    let fake = answering(&[Reply::Well, Reply::Unreachable]);
    let (operation, _dir) = operation(&[&fake], asking("users"));
    let mut ward = Ward::open(&operation).unwrap().unwrap();
    assert_eq!(ward.judge().await.unwrap().call, Call::Healthy);
    assert_eq!(ward.judge().await.unwrap().call, Call::Healthy);
    has(
        &operation,
        "warned probe stats is asked as before: target fake: users did not answer",
    );

    let fake = answering(&[Reply::Unreachable, Reply::Well]);
    let (operation, _dir) = super::operation(&[&fake], asking("users"));
    let mut ward = Ward::open(&operation).unwrap().unwrap();
    let verdict = ward.judge().await.unwrap();
    assert_eq!(verdict.call, Call::Inconclusive);
    assert_eq!(ward.judge().await.unwrap().call, Call::Healthy);
}

#[tokio::test]
async fn a_slot_that_no_target_has_is_refused_with_those_there_are() {
    let (operation, _dir) = operation(
        &[
            &answering(&[Reply::Well]),
            &Fake::new("other", "web=1 api=1"),
        ],
        asking("user"),
    );
    let failure = Ward::open(&operation).unwrap_err();
    assert_eq!(failure.kind, Outcome::Usage);
    assert_eq!(
        failure.to_string(),
        "probe stats: found the slot user, expected one of: users, web, api"
    );
    assert!(told(&operation).is_empty());
}

#[tokio::test]
async fn a_target_that_refuses_says_why() {
    let (operation, _dir) = operation(&[&answering(&[])], asking("users"));
    let mut ward = Ward::open(&operation).unwrap().unwrap();
    let why = "target fake: cannot ask users: no such method";
    ward.rehearse().await;
    has(
        &operation,
        &format!("warned probe stats cannot be asked of what is in place now: {why}"),
    );
    // It was changed by then: what cannot be asked is no reason to say that nothing was applied.
    let verdict = ward.judge().await.unwrap();
    assert_eq!(verdict.call, Call::Inconclusive);
    assert_eq!(verdict.why, format!("the probes could not be asked: {why}"));
}

#[tokio::test]
async fn what_the_targets_see_counts_when_a_probe_cannot_be_asked() {
    let fake = answering(&[]).with(|world| world.looks = [super::fake::Look::Serious].into());
    let (operation, _dir) = operation(&[&fake], asking("users"));
    crate::engine::restore::remember_after(&operation, super::state("users=1"));
    let mut ward = Ward::open(&operation).unwrap().unwrap();
    assert_eq!(ward.judge().await.unwrap().call, Call::Unhealthy);
}
