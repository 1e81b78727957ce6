//! Changes of services: put back, given up on, gone back by the swarm, refused.

use super::bed::bed;
use super::{Bed, Told, bring, facts, held, is, target, web};
use lastgood::decide::diff;
use lastgood::decide::guard::{Permission, permit};
use lastgood::model::state::{Phase, Revision, Wanted};
use lastgood::targets::{Target, TargetError};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::sleep;

fn stack(bed: &Bed, name: &str) -> Box<dyn Target> {
    target(bed.host(), &json!({"stack": name}))
}

/// Waits until the service is at work on what it holds.
async fn settled(target: &dyn Target, phase: Phase) {
    let began = Instant::now();
    while held(target).await.phase != phase {
        assert!(began.elapsed() < Duration::from_secs(40), "not {phase:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_service_goes_forward_and_back_by_digest() {
    let Some(bed) = bed() else { return };
    let made = bed.service("fwd", &bed.stored("v1"), &["--replicas", "2"]);
    let target = stack(&bed, "fwd");
    settled(&*target, Phase::Running).await;
    target.guard().await.unwrap();
    let told = Told::default();
    let changes = bring(&*target, bed.digest("v2"), &told).await.unwrap();
    assert_eq!(changes, 1);
    is(&held(&*target).await, bed.digest("v2"), Phase::Running);
    // A later `docker stack deploy` of v1 must not take it for v1.
    let label = made.field("{{index .Spec.Labels \"com.docker.stack.image\"}}");
    assert!(label.ends_with(bed.digest("v2")), "{label}");
    assert_eq!(made.field("{{.Spec.TaskTemplate.ForceUpdate}}"), "0");
    assert_eq!(made.field("{{.Spec.UpdateConfig.Monitor}}"), "1.5s");
    told.says("of 2 run the image");
    bring(&*target, bed.digest("v1"), &told).await.unwrap();
    is(&held(&*target).await, bed.digest("v1"), Phase::Running);
    assert_eq!(bring(&*target, bed.digest("v1"), &told).await.unwrap(), 0);
    let pins = target.record().await.unwrap().unwrap();
    assert_eq!(pins[&web()].revision.0, bed.digest("v1"));
    assert!(pins[&web()].images[0].ends_with(bed.digest("v1")));
}

#[tokio::test]
async fn the_swarm_gives_up_and_the_way_back_works() {
    let Some(bed) = bed() else { return };
    let _made = bed.service("pause", &bed.stored("v1"), &["--replicas", "2"]);
    let target = stack(&bed, "pause");
    settled(&*target, Phase::Running).await;
    let told = Told::default();
    let error = bring(&*target, bed.digest("bad"), &told).await.unwrap_err();
    let TargetError::Unhealthy { what, advice } = error else {
        panic!("{error}");
    };
    assert!(what.contains("gave up"), "{what}");
    assert!(what.contains("unhealthy container"), "{what}");
    assert!(advice.contains("pause_web"), "{advice}");
    is(&held(&*target).await, bed.digest("bad"), Phase::Stopped);
    let evidence = target.evidence().await;
    assert!(
        evidence[0].1.contains("unhealthy container"),
        "{evidence:?}"
    );
    bring(&*target, bed.digest("v1"), &told).await.unwrap();
    is(&held(&*target).await, bed.digest("v1"), Phase::Running);
}

#[tokio::test]
async fn the_swarm_goes_back_by_itself_and_ours_still_works() {
    let Some(bed) = bed() else { return };
    let made = bed.service(
        "back",
        &bed.stored("v1"),
        &["--update-failure-action", "rollback"],
    );
    let target = stack(&bed, "back");
    settled(&*target, Phase::Running).await;
    let told = Told::default();
    let error = bring(&*target, bed.digest("crash"), &told)
        .await
        .unwrap_err();
    let TargetError::Unhealthy { what, .. } = error else {
        panic!("{error}");
    };
    assert!(what.contains("went back to"), "{what}");
    told.says("failure_action rollback");
    settled(&*target, Phase::Running).await;
    is(&held(&*target).await, bed.digest("v1"), Phase::Running);
    // There is nothing that `docker service rollback` could go back to.
    assert_eq!(made.field("{{json .PreviousSpec}}"), "null");
    bring(&*target, bed.digest("v2"), &told).await.unwrap();
    is(&held(&*target).await, bed.digest("v2"), Phase::Running);
}

#[tokio::test]
async fn an_image_that_is_gone_is_found_before_anything_is_touched() {
    let Some(bed) = bed() else { return };
    let made = bed.service("gone", &bed.stored("v1"), &[]);
    let target = stack(&bed, "gone");
    settled(&*target, Phase::Running).await;
    let version = made.field("{{.Version.Index}}");
    let absent = format!("sha256:{}", "1".repeat(64));
    let error = bring(&*target, &absent, &Told::default())
        .await
        .unwrap_err();
    assert!(matches!(error, TargetError::BadRelease { .. }), "{error}");
    let error = bring(&*target, "mixed:1", &Told::default())
        .await
        .unwrap_err();
    assert!(matches!(error, TargetError::BadRelease { .. }), "{error}");
    assert_eq!(made.field("{{.Version.Index}}"), version);
}

#[tokio::test]
async fn what_somebody_else_puts_in_place_is_left_alone() {
    let Some(bed) = bed() else { return };
    let made = bed.service("other", &bed.stored("v1"), &["--replicas", "3"]);
    let target = stack(&bed, "other");
    settled(&*target, Phase::Running).await;
    let wanted = Wanted::from_iter([(web(), Revision(bed.digest("crash").to_owned()))]);
    let plan = diff::plan(&target.observe().await.unwrap(), &wanted);
    let permitted = permit(plan, &Permission { allow: Vec::new() }).unwrap();
    let other = ["service", "update", "-d", "--no-resolve-image", "--image"];
    let update = |tag: &str| {
        let image = bed.stored(tag);
        bed.docker(&[&other[..], &[&image, &made.name]].concat());
    };
    update("v2");
    let told = Told::default();
    let change = permitted.changes().next().unwrap();
    let error = target.apply(change, None, &facts(&told)).await.unwrap_err();
    assert!(matches!(error, TargetError::Conflict { .. }), "{error}");
    // Its update is under way, and can be overtaken by whoever planned with that.
    assert_eq!(held(&*target).await.phase, Phase::Moving);
    let ours = bring(&*target, bed.digest("v1"), &told);
    let theirs = async {
        let began = Instant::now();
        while !made
            .field("{{.Spec.TaskTemplate.ContainerSpec.Image}}")
            .ends_with(bed.digest("v1"))
        {
            assert!(began.elapsed() < Duration::from_secs(20));
            sleep(Duration::from_millis(50)).await;
        }
        update("v2");
    };
    let (ours, ()) = tokio::join!(ours, theirs);
    let error = ours.unwrap_err();
    assert!(matches!(error, TargetError::Conflict { .. }), "{error}");
}

#[tokio::test]
async fn a_global_service_and_one_of_no_tasks_are_put_back() {
    let Some(bed) = bed() else { return };
    let _global = bed.service("global", &bed.stored("v2"), &["--mode", "global"]);
    let _none = bed.service("none", &bed.stored("v2"), &["--replicas", "0"]);
    let told = Told::default();
    for name in ["global", "none"] {
        let target = stack(&bed, name);
        settled(&*target, Phase::Running).await;
        bring(&*target, bed.digest("v1"), &told).await.unwrap();
        is(&held(&*target).await, bed.digest("v1"), Phase::Running);
    }
}

#[tokio::test]
async fn a_tag_is_proven_by_what_runs_here() {
    let Some(bed) = bed() else { return };
    let _made = bed.service("tag", &bed.at("v2"), &[]);
    let target = stack(&bed, "tag");
    settled(&*target, Phase::Running).await;
    is(&held(&*target).await, bed.digest("v2"), Phase::Running);
    bring(&*target, bed.digest("v1"), &Told::default())
        .await
        .unwrap();
    is(&held(&*target).await, bed.digest("v1"), Phase::Running);
    // Nothing runs, so nobody can say: a record would be a guess.
    let _idle = bed.service("idle", &bed.at("v2"), &["--replicas", "0"]);
    let idle = stack(&bed, "idle");
    let error = idle.record().await.unwrap_err();
    assert!(error.to_string().contains("without a digest"), "{error}");
}

#[tokio::test]
async fn an_engine_without_a_swarm_is_refused() {
    let Some(host) = crate::tools::variable("DOCKER_HOST") else {
        return drop(crate::tools::or_missing(None::<()>, "engine (DOCKER_HOST)"));
    };
    let target = target(&host, &json!({"stack": "shop"}));
    let error = target.guard().await.unwrap_err();
    assert!(error.to_string().contains("is in no swarm"), "{error}");
    let error = target.observe().await.unwrap_err();
    assert!(error.to_string().contains("no manager"), "{error}");
}
