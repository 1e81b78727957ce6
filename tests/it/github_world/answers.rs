//! What the double answers: complete objects, lists in order, filtered and paged, attempts, deployments.

use super::{furnished, get, ids, json_of, post};
use crate::github_schema;
use crate::world::{DeploymentSpec, JobSpec, RunSpec};
use serde_json::{Value, json};

#[tokio::test]
async fn every_kind_of_answer_is_one_that_github_could_give() {
    let world = furnished().await;
    let repo = world.repo("octo/web");
    let deployment = repo.deployment(DeploymentSpec {
        environment: "production".into(),
        sha: "a".repeat(40),
        git_ref: "main".into(),
        payload: json!({"lastgood": {"kind": "rollback"}}),
        states: vec!["success".into()],
    });
    repo.attestation(
        "sha256:00",
        json!({"repository_id": 1, "bundle_url": "http://127.0.0.1/b", "initiator": "user"}),
    );
    for path in [
        "rate_limit",
        "repos/octo/web",
        "repos/octo/web/actions/workflows",
        "repos/octo/web/actions/workflows/deploy.yml",
        "repos/octo/web/actions/workflows/deploy.yml/runs",
        "repos/octo/web/actions/runs",
        "repos/octo/web/actions/runs/3",
        "repos/octo/web/actions/runs/1/attempts/1",
        "repos/octo/web/actions/runs/1/jobs",
        "repos/octo/web/actions/runs/1/attempts/1/jobs",
        "repos/octo/web/actions/runs/1/artifacts",
        "repos/octo/web/actions/artifacts?name=site",
        "repos/octo/web/compare/aaa...feature/x",
        "repos/octo/web/deployments?environment=production",
        &format!("repos/octo/web/deployments/{deployment}/statuses"),
        "repos/octo/web/attestations/sha256:00",
    ] {
        json_of(&world, path).await;
        json_of(&world, &format!("api/v3/{path}")).await;
    }
    let artifact = ids(
        &json_of(&world, "repos/octo/web/actions/artifacts").await,
        "artifacts",
    )[0];
    json_of(
        &world,
        &format!("repos/octo/web/actions/artifacts/{artifact}"),
    )
    .await;
    let below = json_of(&world, "api/v3/repos/octo/web/actions/runs/1/artifacts").await;
    let url = below["artifacts"][0]["archive_download_url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(url.starts_with(&world.enterprise_url()), "{url}");
}

#[tokio::test]
async fn lists_are_newest_first_filtered_and_paged() {
    let world = furnished().await;
    let runs = "repos/octo/web/actions/workflows/deploy.yml/runs";
    assert_eq!(
        ids(&json_of(&world, runs).await, "workflow_runs"),
        [5, 4, 3, 2, 1]
    );
    for (query, expected) in [
        ("branch=main", vec![3, 2, 1]),
        ("status=success", vec![4, 3, 1]),
        ("status=completed&branch=main", vec![3, 2, 1]),
        ("event=pull_request", vec![3]),
        ("created=%3E%3D2000-01-01", vec![5, 4, 3, 2, 1]),
        ("created=%3C2000-01-01", vec![]),
    ] {
        assert_eq!(
            ids(
                &json_of(&world, &format!("{runs}?{query}")).await,
                "workflow_runs"
            ),
            expected,
            "{query}"
        );
    }
    let first = get(&world, &format!("{runs}?per_page=2")).await;
    let link = first.headers()["link"].to_str().unwrap().to_owned();
    assert!(
        link.contains("page=2>; rel=\"next\"") && link.contains("page=3>; rel=\"last\""),
        "{link}"
    );
    assert_eq!(
        ids(
            &json_of(&world, &format!("{runs}?per_page=2&page=3")).await,
            "workflow_runs"
        ),
        [1]
    );
    let pulls = json_of(&world, &format!("{runs}?event=pull_request")).await;
    assert_eq!(pulls["workflow_runs"][0]["pull_requests"][0]["number"], 7);
    let without = json_of(&world, &format!("{runs}?exclude_pull_requests=true")).await;
    assert_eq!(without["workflow_runs"][2]["pull_requests"], json!([]));
    assert_eq!(
        get(&world, &format!("{runs}?status=bogus")).await.status(),
        422
    );
    assert_eq!(
        get(&world, "repos/octo/web/actions/workflows/none.yml/runs")
            .await
            .status(),
        404
    );
}

#[tokio::test]
async fn a_frozen_index_hides_new_runs_from_filtered_lists_only() {
    let world = furnished().await;
    let repo = world.repo("octo/web");
    repo.freeze_index().run(RunSpec::default().id(9));
    let runs = "repos/octo/web/actions/workflows/deploy.yml/runs";
    assert_eq!(ids(&json_of(&world, runs).await, "workflow_runs")[0], 9);
    assert_eq!(
        ids(
            &json_of(&world, &format!("{runs}?branch=main")).await,
            "workflow_runs"
        )[0],
        3
    );
}

#[tokio::test]
async fn a_second_attempt_is_what_the_run_is_from_then_on() {
    let world = github_schema::world().await;
    let run = world
        .repo("octo/web")
        .run(RunSpec::concluded("failure").id(1));
    run.job(JobSpec {
        attempt: Some(1),
        ..JobSpec::new("deploy", "failure")
    })
    .again("success");
    run.job(JobSpec::new("deploy", "success"));
    let url = "repos/octo/web/actions/runs/1";
    let now = json_of(&world, url).await;
    assert_eq!(
        (now["run_attempt"].as_u64(), now["conclusion"].as_str()),
        (Some(2), Some("success"))
    );
    assert!(now["created_at"].as_str() < now["run_started_at"].as_str());
    assert_eq!(
        json_of(&world, &format!("{url}/attempts/1")).await["conclusion"],
        "failure"
    );
    assert_eq!(
        json_of(&world, &format!("{url}/jobs")).await["jobs"][0]["conclusion"],
        "success"
    );
    assert_eq!(
        json_of(&world, &format!("{url}/jobs?filter=all")).await["total_count"],
        2
    );
    assert_eq!(
        get(&world, &format!("{url}/attempts/3")).await.status(),
        404
    );
}

#[tokio::test]
async fn deployments_are_made_and_superseded() {
    let world = furnished().await;
    let repo = world.repo("octo/web");
    let body = json!({"ref": "main", "environment": "staging", "auto_merge": false, "required_contexts": [], "payload": {"lastgood": 1}});
    repo.change(|repo| repo.deployment_conflict = true);
    assert_eq!(
        post(&world, "repos/octo/web/deployments", json!({"ref": "main"}))
            .await
            .0,
        409
    );
    repo.change(|repo| repo.behind_default_branch = true);
    assert_eq!(
        post(&world, "repos/octo/web/deployments", json!({"ref": "main"}))
            .await
            .0,
        202
    );
    assert_eq!(
        post(&world, "repos/octo/web/deployments", json!({}))
            .await
            .0,
        422
    );
    let mut urls = Vec::new();
    for _twice in 0..2 {
        let (status, deployment) = post(&world, "repos/octo/web/deployments", body.clone()).await;
        assert_eq!(status, 201);
        let url = format!("repos/octo/web/deployments/{}/statuses", deployment["id"]);
        assert_eq!(
            post(
                &world,
                &url,
                json!({"state": "success", "description": "healthy"})
            )
            .await
            .0,
            201
        );
        urls.push(url);
    }
    let states = |list: &Value| {
        list.as_array()
            .unwrap()
            .iter()
            .map(|status| status["state"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        states(&json_of(&world, &urls[0]).await),
        ["inactive", "success"]
    );
    assert_eq!(states(&json_of(&world, &urls[1]).await), ["success"]);
    assert_eq!(
        post(&world, &urls[1], json!({"state": "splendid"})).await.0,
        422
    );
    let (status, issue) = post(
        &world,
        "repos/octo/web/issues",
        json!({"title": "Rolled back", "labels": ["incident"]}),
    )
    .await;
    assert_eq!((status, &issue["number"]), (201, &json!(1)));
    assert_eq!(
        post(&world, "repos/octo/web/issues", json!({"body": "no title"}))
            .await
            .0,
        422
    );
    assert_eq!(repo.issues().len(), 1);
    assert_eq!(repo.deployments().len(), 2);
}
