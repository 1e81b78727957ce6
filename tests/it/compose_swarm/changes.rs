//! Changes of one service: put back, given up on, gone back by the swarm, overtaken, refused.

use super::{Images, Told, bring, facts, held, is, settled, stack, web};
use crate::compose_bed::{Mischief, Proxy};
use crate::docker::Swarm;
use lastgood::decide::diff;
use lastgood::decide::guard::{Permission, permit};
use lastgood::model::state::{Phase, Revision, Wanted};
use lastgood::targets::TargetError;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::sleep;

pub(super) async fn forward_and_back_by_digest(swarm: &Swarm, images: &Images) {
    let Images { v1, v2, .. } = images;
    let name = swarm
        .service("fwd", &v1.stored("v1"), &["--replicas", "2"])
        .await;
    let target = stack(swarm, "fwd");
    settled(&*target, Phase::Running).await;
    target.guard().await.unwrap();
    let told = Told::default();
    assert_eq!(bring(&*target, &v2.digest, &told).await.unwrap(), 1);
    is(&held(&*target).await, v2, Phase::Running);
    let said = swarm.said(&name).await;
    // A later `docker stack deploy` of v1 must not take it for v1.
    let label = &said["Spec"]["Labels"]["com.docker.stack.image"];
    assert_eq!(*label, json!(v2.pinned()));
    assert_eq!(said["Spec"]["TaskTemplate"]["ForceUpdate"], json!(0));
    let monitor = &said["Spec"]["UpdateConfig"]["Monitor"];
    assert_eq!(*monitor, json!(1_500_000_000));
    told.says("of 2 run the image");
    bring(&*target, &v1.digest, &told).await.unwrap();
    is(&held(&*target).await, v1, Phase::Running);
    assert_eq!(bring(&*target, &v1.digest, &told).await.unwrap(), 0);
    let pins = target.record().await.unwrap().unwrap();
    assert_eq!(pins[&web()].revision.0, v1.digest);
    assert_eq!(pins[&web()].images, [v1.pinned()]);
}

pub(super) async fn the_swarm_gives_up_and_the_way_back_works(swarm: &Swarm, images: &Images) {
    let Images { v1, bad, .. } = images;
    swarm
        .service("pause", &v1.stored("v1"), &["--replicas", "2"])
        .await;
    let target = stack(swarm, "pause");
    settled(&*target, Phase::Running).await;
    let told = Told::default();
    let error = bring(&*target, &bad.digest, &told).await.unwrap_err();
    let TargetError::Unhealthy { what, advice } = error else {
        panic!("{error}");
    };
    assert!(what.contains("gave up"), "{what}");
    assert!(what.contains("unhealthy"), "{what}");
    assert!(advice.contains("pause_web"), "{advice}");
    is(&held(&*target).await, bad, Phase::Stopped);
    let error = target.record().await.unwrap_err();
    assert!(error.to_string().contains("not done"), "{error}");
    let evidence = target.evidence().await;
    let text = &evidence[0].1;
    assert!(text.contains("unhealthy"), "{text}");
    bring(&*target, &v1.digest, &told).await.unwrap();
    is(&held(&*target).await, v1, Phase::Running);
}

pub(super) async fn the_swarm_goes_back_by_itself(swarm: &Swarm, images: &Images) {
    let Images { v1, v2, crash, .. } = images;
    let rollback = ["--update-failure-action", "rollback"];
    let name = swarm.service("back", &v1.stored("v1"), &rollback).await;
    let target = stack(swarm, "back");
    settled(&*target, Phase::Running).await;
    let told = Told::default();
    let error = bring(&*target, &crash.digest, &told).await.unwrap_err();
    let TargetError::Unhealthy { what, .. } = error else {
        panic!("{error}");
    };
    assert!(what.contains("went back to"), "{what}");
    assert!(what.contains("failure_action rollback"), "{what}");
    told.says("failure_action rollback");
    settled(&*target, Phase::Running).await;
    is(&held(&*target).await, v1, Phase::Running);
    // There is nothing that `docker service rollback` could go back to.
    assert_eq!(swarm.said(&name).await["PreviousSpec"], Value::Null);
    bring(&*target, &v2.digest, &told).await.unwrap();
    is(&held(&*target).await, v2, Phase::Running);
}

pub(super) async fn gone_images_are_found_before_anything_is_touched(
    swarm: &Swarm,
    images: &Images,
) {
    let v1 = &images.v1;
    let name = swarm.service("gone", &v1.stored("v1"), &[]).await;
    let target = stack(swarm, "gone");
    settled(&*target, Phase::Running).await;
    let before = swarm.said(&name).await;
    let absent = format!("sha256:{}", "1".repeat(64));
    for unknown in [&absent, "mixed:1"] {
        let error = bring(&*target, unknown, &Told::default())
            .await
            .unwrap_err();
        assert!(matches!(error, TargetError::BadRelease { .. }), "{error:?}");
        assert!(error.to_string().contains(unknown), "{error}");
    }
    assert_eq!(swarm.said(&name).await["Version"], before["Version"]);
}

/// Whether the service asks for this image by now.
async fn asks_for(swarm: &Swarm, name: &str, digest: &str) {
    let began = Instant::now();
    loop {
        let said = swarm.said(name).await;
        let image = &said["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"];
        if image.as_str().is_some_and(|image| image.ends_with(digest)) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{image}");
        sleep(Duration::from_millis(50)).await;
    }
}

pub(super) async fn what_somebody_else_puts_in_place_stays(swarm: &Swarm, images: &Images) {
    let Images { v1, v2, crash, .. } = images;
    let name = swarm
        .service("other", &v1.stored("v1"), &["--replicas", "3"])
        .await;
    let target = stack(swarm, "other");
    settled(&*target, Phase::Running).await;
    let wanted = Wanted::from_iter([(web(), Revision(crash.digest.clone()))]);
    let plan = diff::plan(&target.observe().await.unwrap(), &wanted);
    let permitted = permit(plan, &Permission { allow: Vec::new() }).unwrap();
    swarm.put(&name, &v2.stored("v2")).await;
    let told = Told::default();
    let change = permitted.changes().next().unwrap();
    let error = target.apply(change, None, &facts(&told)).await.unwrap_err();
    assert!(matches!(error, TargetError::Conflict { .. }), "{error:?}");
    // Its update is under way, and can be overtaken by whoever planned with that.
    assert_eq!(held(&*target).await.phase, Phase::Moving);
    let ours = bring(&*target, &v1.digest, &told);
    let theirs = async {
        asks_for(swarm, &name, &v1.digest).await;
        swarm.put(&name, &v2.stored("v2")).await;
    };
    let (ours, ()) = tokio::join!(ours, theirs);
    let error = ours.unwrap_err();
    let TargetError::Conflict { found, .. } = error else {
        panic!("{error:?}");
    };
    assert!(found.ends_with(&v2.digest), "{found}");
    // Nor is it taken back.
    asks_for(swarm, &name, &v2.digest).await;
}

pub(super) async fn one_on_every_node_and_one_of_no_tasks(swarm: &Swarm, images: &Images) {
    let Images { v1, v2, .. } = images;
    let told = Told::default();
    for (name, mode) in [
        ("global", ["--mode", "global"]),
        ("none", ["--replicas", "0"]),
    ] {
        swarm.service(name, &v2.stored("v2"), &mode).await;
        let target = stack(swarm, name);
        settled(&*target, Phase::Running).await;
        bring(&*target, &v1.digest, &told).await.unwrap();
        is(&held(&*target).await, v1, Phase::Running);
    }
}

pub(super) async fn a_tag_is_proven_by_what_runs_here(swarm: &Swarm, images: &Images) {
    let Images { v1, v2, .. } = images;
    let tagged = format!("{}:v2", v2.name);
    swarm.service("tag", &tagged, &[]).await;
    let target = stack(swarm, "tag");
    settled(&*target, Phase::Running).await;
    is(&held(&*target).await, v2, Phase::Running);
    bring(&*target, &v1.digest, &Told::default()).await.unwrap();
    is(&held(&*target).await, v1, Phase::Running);
    // Nothing runs, so nobody can say: a record would be a guess.
    swarm.service("idle", &tagged, &["--replicas", "0"]).await;
    let idle = stack(swarm, "idle");
    let error = idle.record().await.unwrap_err();
    assert!(error.to_string().contains("without a digest"), "{error}");
    // Nor is it in place already because its tag stands for what is wanted.
    assert_eq!(held(&*idle).await.revision, Some(Revision(tagged)));
    let told = Told::default();
    assert_eq!(bring(&*idle, &v2.digest, &told).await.unwrap(), 1);
    told.says("without a digest");
    is(&held(&*idle).await, v2, Phase::Running);
}

pub(super) async fn an_election_of_managers_is_waited_for(swarm: &Swarm, images: &Images) {
    let Images { v1, v2, .. } = images;
    swarm.service("vote", &v1.stored("v1"), &[]).await;
    settled(&*stack(swarm, "vote"), Phase::Running).await;
    let proxy = Proxy::start(swarm.socket(), 1, Mischief::Election);
    let target = super::target(&proxy.host(), &json!({"stack": "vote"}));
    let told = Told::default();
    assert_eq!(bring(&*target, &v2.digest, &told).await.unwrap(), 1);
    is(&held(&*target).await, v2, Phase::Running);
    assert_eq!(proxy.calls(), 1);
    assert!(4 < proxy.unanswered(), "nobody asked again");
    told.says("looking again");
}

/// One that ends by itself is no service that could be put back.
pub(super) async fn jobs_are_no_part_of_it(swarm: &Swarm, images: &Images) {
    let v1 = images.v1.stored("v1");
    let label = "com.docker.stack.namespace=jobs";
    let job = ["service", "create", "--detach", "--no-resolve-image"];
    let mode = ["--mode", "replicated-job", "--name", "jobs_once"];
    swarm
        .docker(&[&job[..], &mode, &["--label", label, &v1]].concat())
        .await;
    let target = stack(swarm, "jobs");
    assert_eq!(target.observe().await.unwrap().len(), 0);
    let named = json!({"stack": "jobs", "services": ["once"]});
    let named = super::target(swarm.host(), &named);
    let error = named.observe().await.unwrap_err();
    assert!(error.to_string().contains("is a job"), "{error}");
}
