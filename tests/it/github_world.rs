//! The double itself: that it answers as GitHub does, refuses as GitHub does, and breaks as networks do.

use crate::github_schema;
use crate::world::state::hex;
use crate::world::zip::{Kept, zip, zip_kept};
use crate::world::{ArtifactSpec, DeploymentSpec, Digest, Fault, JobSpec, Route, RunSpec, World};
use reqwest::{Client, Response, redirect};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

fn client() -> Client {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    let client = Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy();
    client
        .user_agent("world-test")
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

async fn get(world: &World, path: &str) -> Response {
    let url = format!("{}/{path}", world.api_url());
    client()
        .get(url)
        .bearer_auth(world.token())
        .send()
        .await
        .unwrap()
}

async fn json_of(world: &World, path: &str) -> Value {
    let response = get(world, path).await;
    assert_eq!(response.status(), 200, "{path}");
    response.json().await.unwrap()
}

async fn post(world: &World, path: &str, body: Value) -> (u16, Value) {
    let request = client()
        .post(format!("{}/{path}", world.api_url()))
        .bearer_auth(world.token());
    let response = request.json(&body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn ids(list: &Value, key: &str) -> Vec<u64> {
    list[key]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_u64().unwrap())
        .collect()
}

/// A world with one run of every kind that matters.
async fn furnished() -> World {
    let world = github_schema::world().await;
    let repo = world.repo("octo/web");
    let good = repo.run(RunSpec::default().id(1));
    good.job(JobSpec::new("deploy", "success"))
        .artifact(ArtifactSpec::zip("site", zip(&[("a.txt", b"good")])));
    repo.run(RunSpec::concluded("failure").id(2));
    repo.run(RunSpec {
        pull_request: Some(7),
        ..RunSpec::from_fork("mallory").id(3).event("pull_request")
    });
    repo.run(RunSpec {
        branch: None,
        name: None,
        with_commit: false,
        path_ref: Some("main".into()),
        ..RunSpec::default().id(4)
    });
    repo.run(RunSpec::in_progress().id(5).branch("next"));
    repo.run(RunSpec::default().id(6).workflow("other.yml"));
    repo.compares("aaa", "feature/x", "ahead");
    world
}

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
async fn refusals_come_in_githubs_order_and_words() {
    let world = furnished().await;
    let url = format!("{}/repos/octo/web/actions/runs", world.api_url());
    let bare = client();
    assert_eq!(bare.get(&url).send().await.unwrap().status(), 401);
    assert_eq!(
        bare.get(&url)
            .bearer_auth("wrong")
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    let weak = world.token_with(&["contents: read"]);
    let refused = bare.get(&url).bearer_auth(&weak).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(
        refused
            .text()
            .await
            .unwrap()
            .contains("Resource not accessible by integration")
    );
    let reader = world.token_with(&["deployments: read"]);
    let create = bare
        .post(format!("{}/repos/octo/web/deployments", world.api_url()))
        .bearer_auth(&reader);
    assert_eq!(
        create
            .json(&json!({"ref": "main"}))
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    let old = bare
        .get(&url)
        .bearer_auth(world.token())
        .header("x-github-api-version", "1999-01-01");
    assert_eq!(old.send().await.unwrap().status(), 400);
    assert_eq!(get(&world, "repos/octo/unknown").await.status(), 404);
    assert_eq!(
        get(&world, "repos/octo/web/compare/aaa...gone")
            .await
            .status(),
        404
    );
    assert_eq!(
        get(&world, "repos/octo/web/attestations/sha256:11")
            .await
            .status(),
        404
    );
    world.set_requests_left(1);
    assert_eq!(
        get(&world, "repos/octo/web").await.headers()["x-ratelimit-remaining"],
        "0"
    );
    assert_eq!(get(&world, "repos/octo/web").await.status(), 403);
    assert_eq!(
        json_of(&world, "rate_limit").await["resources"]["core"]["remaining"],
        0
    );
}

/// Asks for a fresh signed URL of the only artifact.
async fn location(world: &World) -> String {
    let list = json_of(world, "repos/octo/web/actions/artifacts").await;
    let id = ids(&list, "artifacts")[0];
    let redirect = get(world, &format!("repos/octo/web/actions/artifacts/{id}/zip")).await;
    assert_eq!(redirect.status(), 302);
    redirect.headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn bytes_are_behind_a_signed_url_of_another_origin() {
    let world = furnished().await;
    let url = location(&world).await;
    assert!(
        url.starts_with(&world.blob_url()) && url.matches("sig=").count() == 1,
        "{url}"
    );
    assert_ne!(
        url,
        location(&world).await,
        "every URL has a signature of its own"
    );
    let whole = client().get(&url).send().await.unwrap();
    let etag = whole.headers()["etag"].clone();
    let bytes = whole.bytes().await.unwrap();
    let said = json_of(&world, "repos/octo/web/actions/artifacts").await;
    let digest = hex(&Sha256::digest(&bytes));
    assert_eq!(said["artifacts"][0]["digest"], format!("sha256:{digest}"));
    assert_eq!(said["artifacts"][0]["size_in_bytes"], bytes.len());

    let ranged = |range: &str| client().get(&url).header("range", range.to_owned());
    let part = ranged("bytes=2-")
        .header("if-range", etag)
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(
        part.headers()["content-range"],
        format!("bytes 2-{}/{}", bytes.len() - 1, bytes.len())
    );
    assert_eq!(part.bytes().await.unwrap(), bytes.slice(2..));
    assert_eq!(
        ranged("bytes=2-")
            .header("if-range", "\"old\"")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(
        ranged("bytes=-5").send().await.unwrap().status(),
        200,
        "the store knows no suffix ranges"
    );
    assert_eq!(ranged("bytes=999999-").send().await.unwrap().status(), 416);
    let head = client().head(&url).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], bytes.len().to_string());

    world.pass(Duration::from_secs(61));
    let late = client().get(&url).send().await.unwrap();
    assert_eq!(late.status(), 403);
    assert!(late.text().await.unwrap().contains("Uri expired"));
    assert_eq!(
        client()
            .get(format!("{}/x?sig=forged", world.blob_url()))
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    assert_eq!(world.count(Route::Zip), 2);
}

#[tokio::test]
async fn a_token_that_reaches_the_blob_store_is_a_violation() {
    let world = furnished().await;
    let url = location(&world).await;
    let leaked = client()
        .get(&url)
        .bearer_auth(world.token())
        .send()
        .await
        .unwrap();
    assert_eq!(leaked.status(), 400);
    let doubled = client()
        .get(&url)
        .header("user-agent", "a")
        .header("user-agent", "b");
    doubled.send().await.unwrap();
    let violations = world.violations();
    assert_eq!(violations.len(), 2, "{violations:?}");
    assert!(violations[0].contains("Authorization"), "{violations:?}");
    assert!(violations[1].contains("user-agent"), "{violations:?}");
}

#[tokio::test]
async fn artifacts_expire_and_change() {
    let world = github_schema::world().await;
    let run = world.repo("octo/web").run(RunSpec::default());
    let artifact =
        run.add_artifact(ArtifactSpec::raw("app.wasm", &b"\0asm-old"[..]).digest(Digest::Null));
    let url = format!("repos/octo/web/actions/artifacts/{}", artifact.id());
    assert_eq!(json_of(&world, &url).await["digest"], Value::Null);
    artifact.replace(&b"\0asm-newer"[..]);
    assert_eq!(json_of(&world, &url).await["size_in_bytes"], 10);
    assert_eq!(
        client()
            .get(location(&world).await)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap(),
        "\0asm-newer"
    );
    artifact.expire();
    assert_eq!(json_of(&world, &url).await["expired"], true);
    assert_eq!(get(&world, &format!("{url}/zip")).await.status(), 410);
    run.delete();
    assert_eq!(get(&world, &url).await.status(), 404);
}

#[tokio::test]
async fn a_file_is_streamed_and_ranged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("big.zip");
    let bytes: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&file, &bytes).unwrap();
    let world = github_schema::world().await;
    world
        .repo("octo/web")
        .run(RunSpec::default())
        .artifact(ArtifactSpec::zip_file("big", &file));
    let url = location(&world).await;
    assert_eq!(
        client()
            .get(&url)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap(),
        bytes
    );
    let part = client()
        .get(&url)
        .header("range", "bytes=1000000-1000007")
        .send()
        .await
        .unwrap();
    assert_eq!(part.bytes().await.unwrap(), bytes[1_000_000..1_000_008]);
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

#[tokio::test]
async fn faults_strike_in_turn_and_end() {
    let world = furnished().await;
    let path = "repos/octo/web/actions/runs";
    world.fault_times(Route::RepoRuns, 2, Fault::status(502));
    world.fault(Route::RepoRuns, Fault::html(200));
    world.fault(Route::RepoRuns, Fault::too_many_requests(7));
    world.fault(Route::RepoRuns, Fault::rate_limit_used_up(99));
    let mut seen = Vec::new();
    for _request in 0..6 {
        seen.push(get(&world, path).await.status().as_u16());
    }
    assert_eq!(seen, [502, 502, 200, 429, 403, 200]);
    world.fault_always(Route::RepoRuns, Fault::Drop);
    let url = format!("{}/{path}", world.api_url());
    client()
        .get(&url)
        .bearer_auth(world.token())
        .send()
        .await
        .unwrap_err();
    world.heal(Route::RepoRuns);
    assert_eq!(get(&world, path).await.status(), 200);
    world.fault(Route::Zip, Fault::Without("location"));
    world.fault(Route::Zip, Fault::BodyInstead);
    let artifact = ids(
        &json_of(&world, "repos/octo/web/actions/artifacts").await,
        "artifacts",
    )[0];
    let path = format!("repos/octo/web/actions/artifacts/{artifact}/zip");
    assert!(!get(&world, &path).await.headers().contains_key("location"));
    assert!(
        get(&world, &path)
            .await
            .bytes()
            .await
            .unwrap()
            .starts_with(b"PK")
    );
}

#[tokio::test]
async fn bodies_break_on_the_wire() {
    let world = github_schema::world().await;
    let bytes = vec![7_u8; 400_000];
    world
        .repo("octo/web")
        .run(RunSpec::default())
        .artifact(ArtifactSpec::raw("app.wasm", bytes.clone()));
    let url = location(&world).await;
    for fault in [
        Fault::Truncate(150_000),
        Fault::Reset(150_000),
        Fault::Stall(150_000),
    ] {
        world.fault(Route::Blob, fault.clone());
        let quick = client()
            .get(&url)
            .timeout(Duration::from_secs(2))
            .send()
            .await
            .unwrap();
        assert_eq!(quick.headers()["content-length"], "400000");
        let (mut response, mut got) = (quick, 0);
        let error = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => got += chunk.len(),
                Ok(None) => panic!("{fault:?}: the body must not look whole"),
                Err(error) => break error,
            }
        };
        // A reset may overtake bytes that were on their way.
        let whole = !matches!(fault, Fault::Reset(_));
        assert!(
            got == 150_000 || (!whole && got < 150_000),
            "{fault:?}: {got} bytes, then {error}"
        );
        assert_eq!(
            error.is_timeout(),
            matches!(fault, Fault::Stall(_)),
            "{fault:?}: {error:?}"
        );
    }
    world.fault(Route::Blob, Fault::Tamper(200_000));
    let tampered = client()
        .get(&url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let differ: Vec<usize> = (0..bytes.len())
        .filter(|&at| tampered[at] != bytes[at])
        .collect();
    assert_eq!(differ, [200_000]);
    world.fault(Route::Blob, Fault::IgnoreRange);
    let whole = client()
        .get(&url)
        .header("range", "bytes=5-")
        .send()
        .await
        .unwrap();
    assert_eq!(whole.status(), 200);
    world.fault(Route::Blob, Fault::Delay(Duration::from_millis(300)));
    let hurried = client()
        .get(&url)
        .timeout(Duration::from_millis(100))
        .send()
        .await;
    assert!(hurried.unwrap_err().is_timeout());
}

#[test]
fn quick_zips_have_the_form_of_uploaded_ones() {
    for kept in [Kept::Stored, Kept::Deflated] {
        let bytes = zip_kept(kept, &[("dir/", b""), ("dir/a.txt", b"hello hello hello")]);
        assert_eq!(&bytes[..4], b"PK\x03\x04");
        let file = bytes
            .windows(4)
            .enumerate()
            .filter(|(_, magic)| magic == b"PK\x03\x04")
            .nth(1)
            .unwrap()
            .0;
        assert_eq!(bytes[file + 6] & 8, 8, "{kept:?}: sizes follow the data");
        assert_eq!(
            bytes[file + 18..file + 26],
            [0; 8],
            "{kept:?}: the local header does not know the sizes"
        );
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut archive.by_name("dir/a.txt").unwrap(), &mut text)
            .unwrap();
        assert_eq!(text, "hello hello hello");
    }
}
