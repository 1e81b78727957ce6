//! Which run is found, and with how many requests: counted by GitHub, and told in the answer.

use super::output::Output;
use super::stage::{REPOSITORY, Stage, zipped};
use crate::world::service::Behaviour;
use crate::world::{ArtifactSpec, Fault, JobSpec, Route, RunSpec};
use serde_json::json;

/// The answer names this run and the true number of requests.
#[track_caller]
fn found(stage: &Stage, out: &Output, run: u64, requests: usize) {
    assert_eq!(out.code, Some(0), "{out}");
    let json = out.json();
    assert_eq!(json["chosen"]["run"], run, "{out}");
    assert_eq!(json["requests"], requests, "{out}");
    assert_eq!(stage.world.api_requests().len(), requests, "{out}");
}

#[tokio::test]
async fn three_requests_find_a_release_and_four_prove_its_deploy_job() {
    let stage = Stage::new().await;
    stage.run_of(10, "v1");
    let out = stage.run(&["rollback"]).await;
    out.ended(0, "restored");
    found(&stage, &out, 10, 3);

    stage.world.forget_requests();
    stage.configure(|config| config.source.push_str(", deploy-job: deploy"));
    let out = stage.run(&["rollback", "--reason", "again"]).await;
    out.ended(0, "already-good");
    found(&stage, &out, 10, 4);
    assert_eq!(out.json()["chosen"]["deploy_job"], "deploy");
}

#[tokio::test]
async fn an_enterprise_server_is_asked_below_its_own_path() {
    let stage = Stage::new().await;
    stage.run_of(10, "v1");
    let call = stage.lastgood(&["rollback"]).json();
    let out = call
        .env("GITHUB_API_URL", &stage.world.enterprise_url())
        .run()
        .await;
    out.ended(0, "restored");
    found(&stage, &out, 10, 3);
    let requests = stage.world.api_requests();
    assert!(
        requests
            .iter()
            .all(|seen| seen.path.starts_with("/api/v3/repos/octo/shop/"))
    );
    assert_eq!(stage.holds().as_deref(), Some("v1"));
}

#[tokio::test]
async fn an_artifact_that_is_gone_gives_the_turn_to_an_older_run() {
    let stage = Stage::new().await;
    stage.run_of(9, "v0");
    stage.run_of(10, "v1");
    stage.run_of(11, "v2").1.expire();
    // Listed as live, and gone at the download.
    stage.run_of(12, "v3");
    stage.world.fault(Route::Zip, Fault::status(410));
    let out = stage.run(&["rollback"]).await;
    out.ended(0, "restored")
        .says("artifact site of run 12 is gone: trying an older run");
    assert_eq!(stage.holds().as_deref(), Some("v1"));
    let expired = |run| (run, "artifact expired".to_owned());
    assert_eq!(
        out.passed_over(),
        [expired(12), expired(11), (9, "older".to_owned())]
    );
    assert_eq!(out.json()["requests"], stage.world.api_requests().len());
}

#[tokio::test]
async fn two_artifacts_of_one_name_are_never_chosen_between() {
    let stage = Stage::new().await;
    stage.run_of(10, "v1");
    let (run, _) = stage.run_of(11, "v2");
    run.artifact(ArtifactSpec::zip("site", zipped(&Behaviour::good("v2b"))));
    let out = stage.run(&["rollback"]).await;
    out.ended(0, "restored").says("several artifacts match");
    assert_eq!(out.passed_over(), [(11, "several artifacts".to_owned())]);
    assert_eq!(stage.holds().as_deref(), Some("v1"));
}

#[tokio::test]
async fn the_search_index_is_a_last_resort_and_is_told() {
    let stage = Stage::new().await;
    stage.run_of(10, "v1");
    // More runs of other branches than the unfiltered pages reach.
    stage.configure(|config| config.source.push_str(", max-pages: 1"));
    for id in 1000..1100 {
        stage
            .repo()
            .run(RunSpec::default().id(id).branch("feature"));
    }
    let out = stage.run(&["rollback"]).await;
    out.ended(0, "restored").says("search index");
    found(&stage, &out, 10, 4);
    assert_eq!(out.json()["chosen"]["via"], "search-index");
    assert!(out.json()["warnings"].to_string().contains("stale"));
}

#[tokio::test]
async fn the_run_of_the_latest_start_is_what_was_live() {
    let stage = Stage::new().await;
    // GitHub names some workflows with the ref they ran at.
    let with_ref = RunSpec {
        path_ref: Some("refs/heads/main".to_owned()),
        ..RunSpec::default().id(10)
    };
    let (run, _) = stage.run_with(with_ref, "v1");
    stage.run_of(11, "v2");
    run.again("success");
    run.artifact(ArtifactSpec::zip("other", b"PK".to_vec()));
    let out = stage.run(&["rollback"]).await;
    out.ended(0, "restored");
    found(&stage, &out, 10, 3);
    assert_eq!(stage.holds().as_deref(), Some("v1"));
    assert_eq!(out.json()["chosen"]["attempt"], 2);
    out.says("an earlier attempt uploaded it");
}

#[tokio::test]
async fn runs_that_the_description_does_not_foresee_harm_nobody() {
    let stage = Stage::new().await;
    stage.run_of(10, "v1");
    let odd = |id, odd| {
        stage.run_with(RunSpec::default().id(id).odd(odd), "v2");
    };
    odd(11, json!({"head_branch": null, "head_commit": null}));
    odd(12, json!({"head_repository": null}));
    odd(13, json!({"conclusion": null}));
    odd(
        14,
        json!({"status": "brand_new", "conclusion": "brand_new"}),
    );
    odd(
        15,
        json!({"run_attempt": null, "event": "merge_group", "name": null, "display_title": null}),
    );
    let out = stage.run(&["rollback"]).await;
    out.ended(0, "restored");
    assert_eq!(
        out.passed_over(),
        [
            (15, "event not allowed"),
            (14, "not completed"),
            (13, "not successful"),
            (12, "fork"),
            (11, "other branch"),
        ]
        .map(|(run, word)| (run, word.to_owned()))
    );
    assert_eq!(stage.holds().as_deref(), Some("v1"));
}

#[tokio::test]
async fn a_deploy_job_is_found_by_its_whole_name_or_a_pattern() {
    let stage = Stage::new().await;
    stage.run_of(10, "v1");
    let matrix = stage.repo().run(RunSpec::default().id(11));
    matrix.job(JobSpec::new("deploy (eu)", "success"));
    matrix.job(JobSpec::new("deploy (us)", "failure"));
    matrix.artifact(ArtifactSpec::zip("site", zipped(&Behaviour::good("v2"))));
    for (job, why) in [
        (
            "deploy",
            "has no job deploy (jobs: deploy (eu), deploy (us))",
        ),
        ("deploy*", "job deploy (us) was failure"),
    ] {
        let wanted = format!(", deploy-job: \"{job}\"");
        stage.configure(|config| config.source.push_str(&wanted));
        let out = stage.run(&["list"]).await;
        out.ended(0, "planned").says(why);
        assert_eq!(out.json()["chosen"]["run"], 10);
    }
}

#[tokio::test]
async fn an_ancestor_is_demanded_when_the_config_says_so() {
    let stage = Stage::new().await;
    let (old, _) = stage.run_of(10, "v1");
    let (pushed_away, _) = stage.run_of(11, "v2");
    stage.configure(|config| config.source.push_str(", require-ancestor: true"));
    let repo = stage.world.repo(REPOSITORY);
    repo.compares(&old.sha(), "main", "ahead");
    repo.compares(&pushed_away.sha(), "main", "diverged");
    let out = stage.run(&["rollback"]).await;
    out.ended(0, "restored").says("not an ancestor (diverged)");
    assert_eq!(stage.holds().as_deref(), Some("v1"));
}
