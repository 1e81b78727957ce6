//! GitHub that does not answer, or answers something else: what is waited for, what is given up, and what is read then.

use super::output::Output;
use super::stage::{Stage, zipped};
use crate::world::service::Behaviour;
use crate::world::{Fault, Route};
use std::time::{Duration, Instant};

async fn shop() -> Stage {
    let stage = Stage::new().await;
    stage.run_of(10, "v1");
    stage
}

/// The command gave up: this outcome, these words, and an untouched server.
#[track_caller]
fn gave_up(stage: &Stage, out: &Output, code: i32, outcome: &str, words: &[&str]) {
    out.ended(code, outcome);
    for word in words {
        out.says(word);
    }
    let next = out.stderr.lines().filter(|line| line.starts_with("next:"));
    assert_eq!(next.count(), 1, "one next action: {out}");
    assert!(stage.server().is_empty());
    assert!(stage.left_over().is_empty());
}

#[tokio::test]
async fn a_rejected_token_is_one_request_and_one_sentence() {
    let stage = shop().await;
    let call = stage.lastgood(&["rollback"]).json();
    let out = call.env("GITHUB_TOKEN", "ghs_of_yesterday").run().await;
    gave_up(&stage, &out, 1, "error", &["rejected the token (401)"]);
    assert_eq!(stage.world.api_requests().len(), 1);
    assert!(!out.stderr.contains("ghs_of_yesterday") && !out.stdout.contains("ghs_of_yesterday"));
}

#[tokio::test]
async fn a_missing_permission_is_answered_with_the_block_to_paste() {
    let stage = shop().await;
    let token = stage.world.token_with(&["contents: read"]);
    let call = stage.lastgood(&["rollback"]).json();
    let out = call.env("GITHUB_TOKEN", &token).run().await;
    let block = "permissions: { actions: read }";
    gave_up(
        &stage,
        &out,
        1,
        "error",
        &["lacks a permission (403)", block],
    );
}

#[tokio::test]
async fn a_used_up_limit_beyond_the_cap_tells_when_it_ends() {
    let stage = shop().await;
    let fault = Fault::rate_limit_used_up(4_102_444_800);
    stage.world.fault_always(Route::WorkflowRuns, fault);
    let out = stage.run(&["rollback"]).await;
    let until = "2100-01-01T00:00:00Z";
    gave_up(&stage, &out, 18, "unreachable", &["rate limit", until]);
    assert_eq!(stage.world.api_requests().len(), 1);
}

#[tokio::test]
async fn a_short_wait_that_github_asks_for_is_waited() {
    let stage = shop().await;
    stage
        .world
        .fault(Route::WorkflowRuns, Fault::too_many_requests(1));
    stage.world.fault(Route::RunArtifacts, Fault::status(502));
    stage.world.fault(Route::Zip, Fault::html(503));
    let began = Instant::now();
    let out = stage.run(&["rollback"]).await;
    out.ended(0, "restored");
    assert!(Duration::from_secs(2) <= began.elapsed());
    assert_eq!(out.json()["requests"], 6);
    assert_eq!(stage.world.api_requests().len(), 6);
    assert_eq!(stage.holds().as_deref(), Some("v1"));
}

#[tokio::test]
async fn a_workflow_that_is_not_there_is_answered_with_those_that_are() {
    let stage = shop().await;
    stage.repo().workflow("release.yml");
    stage.configure(|config| {
        config.source = config.source.replace("deploy.yml", "deploi.yml");
    });
    let out = stage.run(&["rollback"]).await;
    gave_up(
        &stage,
        &out,
        1,
        "error",
        &["deploi.yml", "deploy.yml, release.yml"],
    );
}

#[tokio::test]
async fn a_page_for_people_is_not_an_answer() {
    let stage = shop().await;
    stage
        .world
        .fault_always(Route::WorkflowRuns, Fault::html(200));
    let call = stage.lastgood(&["rollback", "--deadline", "3s"]).json();
    let out = call.run().await;
    gave_up(&stage, &out, 18, "unreachable", &["an HTML page"]);
}

#[tokio::test]
async fn without_github_a_copy_on_disk_is_put_back() {
    let stage = shop().await;
    let nobody = "http://127.0.0.1:9";
    let down = |args: &[&str]| stage.lastgood(args).json().env("GITHUB_API_URL", nobody);
    let out = down(&["rollback", "--deadline", "2s"]).run().await;
    gave_up(
        &stage,
        &out,
        18,
        "unreachable",
        &["127.0.0.1", "--artifact FILE"],
    );

    let copy = stage.path("site.zip");
    std::fs::write(&copy, zipped(&Behaviour::good("v1"))).unwrap();
    let call = down(&["rollback", "--artifact", "site.zip"]);
    let out = call
        .without("GITHUB_TOKEN")
        .without("GITHUB_REPOSITORY")
        .run()
        .await;
    out.ended(0, "restored");
    assert_eq!(stage.holds().as_deref(), Some("v1"));
    assert!(stage.world.requests().is_empty());
    assert!(stage.left_over().is_empty());
}
