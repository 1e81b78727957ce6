//! The double itself: that it answers as GitHub does, refuses as GitHub does, and breaks as networks do. Here is what its
//! tests share; each kind has a file of its own.

mod answers;
mod blobs;
mod faults;
mod refusals;

use crate::github_schema;
use crate::world::zip::zip;
use crate::world::{ArtifactSpec, JobSpec, RunSpec, World};
use reqwest::{Client, Response, redirect};
use serde_json::Value;
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

/// Asks for a fresh signed URL of the only artifact.
async fn location(world: &World) -> String {
    let list = json_of(world, "repos/octo/web/actions/artifacts").await;
    let id = ids(&list, "artifacts")[0];
    let redirect = get(world, &format!("repos/octo/web/actions/artifacts/{id}/zip")).await;
    assert_eq!(redirect.status(), 302);
    redirect.headers()["location"].to_str().unwrap().to_owned()
}
