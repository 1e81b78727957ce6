//! A change in steps, with a verdict after each.

use super::fake::{Fake, Look, World};
use super::{OnInconclusive, facts, has, operation, state, told};
use crate::engine::health::Ward;
use crate::engine::operation::Operation;
use crate::engine::prepare::prepare_back;
use crate::engine::restore;
use crate::model::outcome::{Failure, Outcome};
use crate::model::verdict::{Call, Verdict};
use crate::targets::Way;
use std::time::Duration;

/// `web` holds 0 and goes over 25 and 50 to 100.
fn canary(edit: impl FnOnce(&mut World)) -> Fake {
    Fake::new("fake", "web=0")
        .with(|world| world.path = vec!["25", "50"])
        .with(edit)
}

async fn go(operation: &Operation, way: Way, emergency: bool) -> Result<Option<Verdict>, Failure> {
    let prepared = prepare_back(operation, &state("web=100")).await?;
    let mut ward = Ward::open(operation)?;
    let facts = facts(operation, way, emergency);
    restore::apply(operation, &prepared, &facts, ward.as_mut()).await
}

const BY_STEPS: &[&str] = &[
    "web -> 25",
    "look at web=25",
    "web -> 50",
    "look at web=50",
    "web -> 100",
];

/// `looks` after the steps; what the target is asked, and the verdict that stopped it.
#[track_caller]
fn check(
    (way, policy, looks): (Way, OnInconclusive, &[Look]),
    asked: &[&str],
    stopped: Option<Call>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let fake = canary(|world| world.looks = looks.iter().copied().collect());
    let (found, asked_of) = runtime.block_on(async {
        let (operation, _dir) = operation(&[&fake], |request| {
            request.environment.policy.on_inconclusive = policy;
        });
        let found = go(&operation, way, false).await.unwrap();
        assert_eq!(operation.facts().changing, 0);
        (found, fake.asked())
    });
    assert_eq!(asked_of, asked, "{looks:?}");
    assert_eq!(found.map(|verdict| verdict.call), stopped, "{looks:?}");
}

#[test]
fn each_step_is_judged_and_only_the_way_forward_is_stopped_by_it() {
    use Look::{Blind, Minor, Serious, Silent, Well};
    let fail = OnInconclusive::Fail;
    let to_25_then_100 = &["web -> 25", "look at web=25", "web -> 100"];
    let to_25 = &["web -> 25", "look at web=25"];
    let to_50 = &["web -> 25", "look at web=25", "web -> 50", "look at web=50"];
    for way in [Way::Forward, Way::Back] {
        check((way, fail, &[Well]), BY_STEPS, None);
        check((way, fail, &[Minor, Well]), BY_STEPS, None);
    }
    check((Way::Back, fail, &[Serious]), to_25_then_100, None);
    check((Way::Back, fail, &[Well, Serious]), BY_STEPS, None);
    check((Way::Back, fail, &[Blind]), to_25_then_100, None);
    let unhealthy = Some(Call::Unhealthy);
    check((Way::Forward, fail, &[Serious]), to_25, unhealthy);
    check((Way::Forward, fail, &[Well, Serious]), to_50, unhealthy);
    let unknown = Some(Call::Inconclusive);
    check((Way::Forward, fail, &[Blind]), to_25, unknown);
    check((Way::Forward, fail, &[Well, Silent]), to_50, unknown);
}

/// Otherwise the release would be called healthy while it is half way in place.
#[test]
fn a_step_without_a_verdict_is_passed_where_policy_says_so() {
    let pass = OnInconclusive::Pass;
    check((Way::Forward, pass, &[Look::Blind]), BY_STEPS, None);
}

#[tokio::test]
async fn the_hurry_is_told() {
    let fake = canary(|world| world.looks = [Look::Serious].into());
    let (operation, _dir) = operation(&[&fake], |_| ());
    go(&operation, Way::Back, false).await.unwrap();
    has(&operation, "3 of 3 pods crash; going to the end at once");
    assert_eq!(fake.holds(), "web=100");
}

#[tokio::test]
async fn without_anything_to_judge_by_the_steps_are_made_all_the_same() {
    let fake = canary(|_| ());
    let (operation, _dir) = operation(&[&fake], |_| ());
    go(&operation, Way::Forward, false).await.unwrap();
    assert_eq!(fake.asked(), ["web -> 25", "web -> 50", "web -> 100"]);
}

#[tokio::test]
async fn an_emergency_takes_no_steps() {
    let fake = canary(|world| world.looks = [Look::Serious].into());
    let (operation, _dir) = operation(&[&fake], |_| ());
    let stopped = go(&operation, Way::Back, true).await.unwrap();
    assert_eq!(
        (stopped, fake.asked()),
        (None, vec!["web -> 100".to_owned()])
    );
}

#[tokio::test]
async fn what_somebody_else_puts_there_between_two_steps_is_left_alone() {
    for way in [Way::Forward, Way::Back] {
        let fake = canary(|world| {
            world.looks = [Look::Well].into();
            world.meddles = Some("web=hotfix");
        });
        let (operation, _dir) = operation(&[&fake], |_| ());
        let failure = go(&operation, way, false).await.unwrap_err();
        assert_eq!(fake.holds(), "web=hotfix");
        assert!(operation.facts().conflict);
        // A step was made: "refused" would say that nothing was applied.
        assert_eq!(failure.kind, Outcome::Incomplete);
        assert_eq!(
            failure.to_string(),
            "web is half way, at 25: slot web holds hotfix, expected 25 as planned: somebody else changed it"
        );
    }
}

#[tokio::test]
async fn a_stop_while_a_step_is_judged_leaves_it_there() {
    for way in [Way::Forward, Way::Back] {
        let fake = canary(|world| world.looks = [Look::Endless].into());
        let (operation, _dir) = operation(&[&fake], |_| ());
        let (ended, ()) = tokio::join!(go(&operation, way, false), async {
            while fake.asked().len() < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            operation.stop.cancel();
        });
        let failure = ended.unwrap_err();
        assert_eq!(failure.kind, Outcome::Incomplete);
        assert!(failure.to_string().contains("what is in place stays"));
        assert_eq!(fake.holds(), "web=25");
        assert!(!told(&operation).iter().any(|line| line.contains("at once")));
    }
}
