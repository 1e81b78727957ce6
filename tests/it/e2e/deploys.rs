//! `deploy`: measured, put in place, judged, and rolled back when it is unhealthy; once.

use super::stage::{HEAD, REPOSITORY, Stage};
use crate::world::service::Behaviour;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

const NEW: u64 = 20;

/// v1 is in place, deployed by run 10; run 20 deploys v2, which behaves like this.
async fn shop(v2: Behaviour) -> Stage {
    let stage = Stage::judged().await;
    stage.run_of(10, "v1");
    stage.put(&Behaviour::good("v1"));
    stage.deploying(NEW, &v2);
    stage
}

async fn deploy(stage: &Stage, args: &[&str]) -> super::output::Output {
    let args: Vec<&str> = ["deploy"].iter().chain(args).copied().collect();
    stage.lastgood(&args).json().step(NEW).run().await
}

#[tokio::test]
async fn stories_with_a_verdict() {
    tokio::join!(
        a_good_release_stays(),
        a_bad_release_is_rolled_back_once(),
        policy_may_leave_a_bad_release_in_place(),
        a_service_that_was_ill_before_is_not_rolled_back(),
        a_rollback_that_does_not_help_is_escalated(),
        a_network_in_doubt_rolls_nothing_back(),
        what_cannot_be_restarted_is_rolled_back(),
        a_first_deploy_has_nothing_to_go_back_to(),
        without_a_located_release_what_was_replaced_is_put_back(),
    );
}

async fn a_good_release_stays() {
    let stage = shop(Behaviour::good("v2")).await;
    let out = deploy(&stage, &[]).await;
    out.ended(0, "healthy")
        .says("the release is in place and was judged healthy");
    assert_eq!(stage.holds().as_deref(), Some("v2"));
    let stages: Vec<_> = out
        .events("judged")
        .iter()
        .map(|e| e["stage"].clone())
        .collect();
    assert_eq!(stages, ["baseline", "detect"]);
    assert!(stage.left_over().is_empty());
}

async fn a_bad_release_is_rolled_back_once() {
    let stage = shop(Behaviour::failing("v2", 0.5)).await;
    let out = deploy(&stage, &[]).await;
    out.ended(10, "rolled-back")
        .says("rolling back")
        .says("the last good one is back and was judged healthy");
    assert_eq!(stage.holds().as_deref(), Some("v1"));
    let json = out.json();
    assert_eq!(json["bad_run"], NEW);
    assert_eq!(json["bad_commit"], HEAD);
    assert_eq!(json["run"], 10);
    assert_eq!(json["automatic"], true);
    let report = out.report();
    assert!(
        report.contains("v1") || report.contains("run 10"),
        "{report}"
    );

    // The same run of the same attempt again: it is bad, it stays, and a person is asked.
    let again = deploy(&stage, &[]).await;
    again
        .ended(11, "unhealthy")
        .says("was rolled back automatically before")
        .says("--run-id");
    assert_eq!(stage.holds().as_deref(), Some("v2"));
    let history = stage.lastgood(&["history"]).run().await;
    assert!(history.stdout.contains("rolled-back"), "{history}");
}

async fn policy_may_leave_a_bad_release_in_place() {
    let stage = shop(Behaviour::failing("v2", 0.5)).await;
    let out = deploy(&stage, &["--on-unhealthy", "fail"]).await;
    out.ended(11, "unhealthy").says("was left in place");
    assert_eq!(stage.holds().as_deref(), Some("v2"));
    let located = out.events("located");
    assert!(located.is_empty(), "nothing was looked for: {out}");
}

async fn a_service_that_was_ill_before_is_not_rolled_back() {
    let stage = shop(Behaviour::failing("v2", 0.5)).await;
    stage.put(&Behaviour::failing("v1", 0.5));
    let out = deploy(&stage, &[]).await;
    out.ended(11, "unhealthy")
        .says("not well even before the deploy")
        .says("the release before was no better");
    assert_eq!(stage.holds().as_deref(), Some("v2"));
}

async fn a_rollback_that_does_not_help_is_escalated() {
    let stage = shop(Behaviour::failing("v2", 0.5)).await;
    let running = stage.lastgood(&["deploy"]).json().step(NEW).start();
    let breaks = async {
        while stage.holds().as_deref() != Some("v2") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let database_down = Behaviour::failing("any", 0.6);
        stage.service.override_with(Some(database_down));
    };
    let (out, ()) = tokio::join!(running.end(), breaks);
    out.ended(12, "still-unhealthy").says("escalate");
    assert_eq!(stage.holds().as_deref(), Some("v1"));
}

async fn a_network_in_doubt_rolls_nothing_back() {
    let stage = shop(Behaviour {
        drops: true,
        ..Behaviour::failing("v2", 1.0)
    })
    .await;
    stage.configure(|config| {
        config.judge(&stage);
        let health = config.health.as_mut().unwrap();
        *health = health
            .replace(&stage.service.control_url(), "http://127.0.0.1:9/")
            .replace("cap: 30s", "cap: 12s");
    });
    let out = deploy(&stage, &[]).await;
    out.ended(16, "inconclusive").says("network");
    assert_eq!(stage.holds().as_deref(), Some("v2"));
}

async fn what_cannot_be_restarted_is_rolled_back() {
    let stage = shop(Behaviour::good("v2")).await;
    let restart = stage.file(
        "restart",
        "#!/bin/sh\ngrep -q v1 service.json || { echo 'port 80 is taken' >&2; exit 1; }\n",
    );
    std::fs::set_permissions(&restart, std::fs::Permissions::from_mode(0o755)).unwrap();
    stage.configure(|config| {
        config.judge(&stage);
        config.targets = format!(
            "{{ name: shop, kind: directory, path: server, restart: [{}] }}",
            restart.display()
        );
    });
    let out = deploy(&stage, &[]).await;
    out.ended(10, "rolled-back").says("port 80 is taken");
    assert_eq!(stage.holds().as_deref(), Some("v1"));
    assert!(!stage.path("server/.restart-pending").exists());
}

async fn a_first_deploy_has_nothing_to_go_back_to() {
    let stage = Stage::judged().await;
    stage.deploying(NEW, &Behaviour::failing("v1", 0.5));
    let out = deploy(&stage, &[]).await;
    out.ended(13, "no-known-good")
        .says("the new release stays in place");
    assert_eq!(stage.holds().as_deref(), Some("v1"));
}

async fn without_a_located_release_what_was_replaced_is_put_back() {
    let stage = shop(Behaviour::failing("v2", 0.5)).await;
    stage
        .world
        .repo(REPOSITORY)
        .change(|repo| repo.runs.retain(|run| run.id == NEW));
    let out = deploy(&stage, &[]).await;
    out.ended(10, "rolled-back")
        .says("going back to what this deploy replaced");
    assert_eq!(stage.holds().as_deref(), Some("v1"));
}

#[tokio::test]
async fn a_dry_run_asks_measures_and_changes_nothing() {
    let stage = shop(Behaviour::good("v2")).await;
    let before = stage.server();
    let out = deploy(&stage, &["--dry-run"]).await;
    out.ended(0, "planned");
    assert_eq!(stage.server(), before);
    assert_eq!(stage.service.counters().requests, 0);
    let requests = stage.world.requests();
    assert!(requests.iter().all(|seen| seen.method == "GET"));
}

#[tokio::test]
async fn the_artifact_of_this_run_must_be_there() {
    let stage = shop(Behaviour::good("v2")).await;
    stage.repo().change(|repo| repo.artifacts.clear());
    let out = deploy(&stage, &[]).await;
    out.ended(14, "artifact-refused")
        .says("upload it in a job before this one");
    assert_eq!(stage.holds().as_deref(), Some("v1"));
}
