//! A server that does not play along: conflicts, lost answers, watches that end. Nothing is changed twice, and nobody's work
//! is overwritten.

use super::{Bench, carry_out, facts, planned};
use crate::cluster::manifest::digest_of;
use crate::cluster::{Trick, User};
use lastgood::model::release::Release;
use lastgood::targets::{TargetError, Way};

/// Release 2 of `deployment/web` runs, release 1 is recorded; it takes a moment to be ready.
const GOOD: &str = "shop/web:1-slow";

async fn second(prefix: &str) -> Option<(Bench, Release)> {
    let bench = Bench::new(prefix, &["deployment/web"]).await?;
    bench.space.deployment("web", GOOD, 1).await;
    bench.space.wait_rolled_out("deployment/web").await;
    let good = bench.recorded().await;
    bench.space.set_image("deployment/web", "shop/web:2").await;
    bench.space.wait_rolled_out("deployment/web").await;
    Some((bench, good))
}

/// Plans, sets the tricks up, and carries out; answers how often something was changed for real.
async fn with(
    trick: impl FnOnce(&crate::cluster::Mischief),
    prefix: &str,
) -> Option<(Result<(), TargetError>, usize, String)> {
    let (bench, good) = second(prefix).await?;
    let mischief = bench.cluster.mischief().await;
    let target = bench.target_of(&mischief.kubeconfig(User::Admin));
    let facts = facts(Some(&good), Way::Back);
    let (_, plan) = planned(target.as_ref(), &facts, &[]).await.unwrap();
    trick(&mischief);
    let done = carry_out(target.as_ref(), &plan, &facts).await;
    assert_eq!(mischief.left(), 0, "every trick was played");
    let patches = mischief
        .mutations()
        .iter()
        .filter(|seen| seen.path.ends_with("/deployments/web") && !seen.query.contains("dryRun"))
        .count();
    Some((done, patches, bench.image("deployment/web").await))
}

fn good() -> String {
    format!("shop/web@{}", digest_of(GOOD))
}

#[tokio::test]
async fn a_lost_answer_is_looked_up() {
    let trick =
        |m: &crate::cluster::Mischief| m.play("PATCH", "/deployments/web", 2, Trick::LoseReply);
    let Some((done, patches, image)) = with(trick, "lost").await else {
        return;
    };
    done.unwrap();
    assert_eq!((patches, image), (1, good()));
}

#[tokio::test]
async fn a_request_that_never_arrived_is_of_unknown_outcome() {
    let trick =
        |m: &crate::cluster::Mischief| m.play("PATCH", "/deployments/web", 2, Trick::Refuse);
    let Some((done, _, image)) = with(trick, "cut").await else {
        return;
    };
    assert!(
        matches!(done, Err(TargetError::OutcomeUnknown { .. })),
        "{done:?}"
    );
    assert_eq!(image, "shop/web:2");
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let trick = |m: &crate::cluster::Mischief| {
        m.play(
            "PATCH",
            "/deployments/web",
            2,
            Trick::TooManyRequests { retry_after_s: 1 },
        );
    };
    let Some((done, _, image)) = with(trick, "busy").await else {
        return;
    };
    done.unwrap();
    assert_eq!(image, good());
}

#[tokio::test]
async fn an_expired_watch_is_begun_anew() {
    let trick = |m: &crate::cluster::Mischief| m.play("GET", "watch=", 1, Trick::Gone);
    let Some((done, _, image)) = with(trick, "gone").await else {
        return;
    };
    done.unwrap();
    assert_eq!(image, good());
}
