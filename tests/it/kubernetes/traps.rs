//! What the controllers do that a rollback has to know: each is a test of its own.

use super::{Bench, carry_out, facts, permitted, planned, refused, roll_back, slot};
use crate::cluster::at;
use crate::cluster::manifest::{daemon_set, deployment, digest_of};
use lastgood::model::state::Wanted;
use lastgood::targets::{TargetError, Way};
use serde_json::json;
use std::time::{Duration, Instant};

/// kubernetes/kubernetes#67250.
#[tokio::test]
async fn a_stateful_set_that_hangs_on_a_bad_pod_is_cured() {
    let Some(bench) = Bench::new("stuck", &["statefulset/db"]).await else {
        return;
    };
    bench.space.stateful_set("db", "shop/db:1", 2).await;
    bench.space.wait_rolled_out("statefulset/db").await;
    let good = bench.recorded().await;
    bench
        .space
        .set_image("statefulset/db", "shop/db:2-crash")
        .await;
    bench
        .space
        .wait_pods("app=db", "db-1 crashes", |pods| {
            pods.iter()
                .any(|pod| at(pod, "/status/containerStatuses/0/restartCount").as_u64() > Some(0))
        })
        .await;
    assert_eq!(roll_back(&bench, &good).await.unwrap(), 1);
    let pods = bench.space.pods("app=db").await;
    let by_digest = format!("shop/db@{}", digest_of("shop/db:1"));
    assert!(pods.iter().all(
        |pod| *at(pod, "/spec/containers/0/image") == json!(by_digest)
            || *at(pod, "/spec/containers/0/image") == json!("shop/db:1")
    ));
}

#[tokio::test]
async fn what_crashes_again_ends_the_wait_before_its_deadline() {
    let Some(bench) = Bench::new("again", &["deployment/web"]).await else {
        return;
    };
    bench.space.deployment("web", "shop/web:1", 1).await;
    bench.space.wait_rolled_out("deployment/web").await;
    let good = bench.recorded().await;
    bench.space.set_image("deployment/web", "shop/web:2").await;
    bench.space.wait_rolled_out("deployment/web").await;
    // What was good is not any more.
    bench.space.behaves(&digest_of("shop/web:1"), "crash").await;
    let started = Instant::now();
    let error = roll_back(&bench, &good).await.unwrap_err();
    assert!(matches!(error, TargetError::Unhealthy { .. }), "{error:?}");
    assert!(error.to_string().contains("crash"), "{error}");
    assert!(
        started.elapsed() < Duration::from_secs(19),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_paused_deployment_is_resumed_only_when_that_is_allowed() {
    let Some(bench) = Bench::new("paused", &["deployment/web"]).await else {
        return;
    };
    bench.space.deployment("web", "shop/web:1", 1).await;
    bench.space.wait_rolled_out("deployment/web").await;
    let good = bench.recorded().await;
    bench.space.set_image("deployment/web", "shop/web:2").await;
    bench.space.wait_rolled_out("deployment/web").await;
    let target = bench.target();
    let facts = facts(Some(&good), Way::Back);
    let (wanted, unaware) = planned(target.as_ref(), &facts, &[]).await.unwrap();
    bench
        .space
        .patch("deployment/web", json!({"spec": {"paused": true}}))
        .await;
    // Paused after the plan was made: nobody allowed it.
    let error = refused(carry_out(target.as_ref(), &unaware, &facts).await, "paused");
    assert!(matches!(error, TargetError::Refused { allow: Some(_), .. }));
    assert_eq!(bench.image("deployment/web").await, "shop/web:2");
    let plan = permitted(target.as_ref(), &wanted, &facts, &["paused"])
        .await
        .unwrap();
    assert_eq!(plan.plan().hazards.len(), 1);
    carry_out(target.as_ref(), &plan, &facts).await.unwrap();
    let live = bench.space.get("deployment/web").await;
    assert_ne!(*at(&live, "/spec/paused"), json!(true));
    assert_eq!(
        bench.image("deployment/web").await,
        format!("shop/web@{}", digest_of("shop/web:1"))
    );
}

#[tokio::test]
async fn a_moved_tag_does_not_change_what_is_put_back() {
    let Some(bench) = Bench::new("moved", &["deployment/web"]).await else {
        return;
    };
    bench.space.deployment("web", "shop/web:1", 1).await;
    bench.space.wait_rolled_out("deployment/web").await;
    let good = bench.recorded().await;
    bench.space.set_image("deployment/web", "shop/web:2").await;
    bench.space.wait_rolled_out("deployment/web").await;
    let other = format!("sha256:{}", "cd".repeat(32));
    bench.space.move_tag("shop/web:1", &other).await;
    roll_back(&bench, &good).await.unwrap();
    let running = bench.running("deployment/web", "web").await;
    assert!(running.ends_with(&digest_of("shop/web:1")), "{running}");
}

#[tokio::test]
async fn the_revision_stays_while_pods_come_up() {
    let Some(bench) = Bench::new("stays", &["deployment/web"]).await else {
        return;
    };
    bench.space.deployment("web", "shop/web:1-slow", 1).await;
    let target = bench.target();
    let early = target.observe().await.unwrap();
    bench.space.wait_rolled_out("deployment/web").await;
    let late = target.observe().await.unwrap();
    assert_eq!(
        super::revision(&early, "deployment/web"),
        super::revision(&late, "deployment/web")
    );
}

#[tokio::test]
async fn pods_that_are_replaced_by_hand_are_deleted_one_at_a_time() {
    let Some(bench) = Bench::new("ondelete", &["daemonset/agent"]).await else {
        return;
    };
    let mut agent = daemon_set("agent", "shop/agent:1");
    agent["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    bench.space.apply_object(&agent).await;
    bench.space.wait_rolled_out("daemonset/agent").await;
    let good = bench.recorded().await;
    bench
        .space
        .set_image("daemonset/agent", "shop/agent:2")
        .await;
    let target = bench.target();
    let facts = facts(Some(&good), Way::Back);
    // First forth for real: the pods still run 1.
    for pod in bench.space.pods("app=agent").await {
        let name = at(&pod, "/metadata/name").as_str().unwrap().to_owned();
        bench.space.delete(&format!("pod/{name}")).await;
    }
    bench.space.wait_rolled_out("daemonset/agent").await;
    let (_, plan) = planned(target.as_ref(), &facts, &["on-delete"])
        .await
        .unwrap();
    carry_out(target.as_ref(), &plan, &facts).await.unwrap();
    let running = bench.running("daemonset/agent", "web").await;
    assert!(running.ends_with(&digest_of("shop/agent:1")), "{running}");
}

#[tokio::test]
async fn two_writers_do_not_overwrite_each_other() {
    let Some(bench) = Bench::new("writers", &["deployment/web"]).await else {
        return;
    };
    bench.space.deployment("web", "shop/web:1", 1).await;
    bench.space.wait_rolled_out("deployment/web").await;
    let good = bench.recorded().await;
    bench.space.set_image("deployment/web", "shop/web:2").await;
    bench.space.wait_rolled_out("deployment/web").await;
    let target = bench.target();
    let facts = facts(Some(&good), Way::Back);
    let (_, plan) = planned(target.as_ref(), &facts, &[]).await.unwrap();
    bench.space.set_image("deployment/web", "shop/web:3").await;
    let error = carry_out(target.as_ref(), &plan, &facts).await.unwrap_err();
    assert!(matches!(error, TargetError::Conflict { .. }), "{error:?}");
    assert_eq!(bench.image("deployment/web").await, "shop/web:3");
}

/// What is no part of a template is not looked at: a label of the Deployment, or a status that moves.
#[tokio::test]
async fn a_change_beside_the_template_is_no_conflict() {
    let Some(bench) = Bench::new("beside", &["deployment/web"]).await else {
        return;
    };
    let mut web = deployment("web", "shop/web:1", 1);
    // Kept as it is: a field with a value that is not the default.
    web["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(7);
    bench.space.apply_object(&web).await;
    bench.space.wait_rolled_out("deployment/web").await;
    let good = bench.recorded().await;
    bench.space.set_image("deployment/web", "shop/web:2").await;
    bench.space.wait_rolled_out("deployment/web").await;
    let target = bench.target();
    let facts = facts(Some(&good), Way::Back);
    let (wanted, plan) = planned(target.as_ref(), &facts, &[]).await.unwrap();
    bench
        .space
        .patch(
            "deployment/web",
            json!({"metadata": {"labels": {"team": "a"}}}),
        )
        .await;
    carry_out(target.as_ref(), &plan, &facts).await.unwrap();
    let live = bench.space.get("deployment/web").await;
    assert_eq!(
        at(&live, "/spec/template/spec/terminationGracePeriodSeconds"),
        7
    );
    assert_eq!(at(&live, "/metadata/labels/team"), "a");
    let expected = Wanted::from([(
        slot("deployment/web"),
        good.slots[&slot("deployment/web")].revision.clone(),
    )]);
    assert_eq!(wanted, expected);
}
