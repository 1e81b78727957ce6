//! `github::Client` against a loopback server: what it sends, what it reads, and what it says of each refusal.

use crate::loopback::{Asked, Loopback, Reply};
use lastgood::github::{Client, Download, GithubError, Limits};
use lastgood::model::ids::{CommitSha, RepoName, RunId};
use lastgood::model::secret::Secret;
use lastgood::net::{self, Purpose};
use std::time::Duration;

pub(crate) const NOT_FOUND: &str =
    r#"{"message":"Not Found","documentation_url":"https://docs.github.com"}"#;

pub(crate) fn limits() -> Limits {
    Limits {
        deadline: Duration::from_secs(5),
        total: Duration::from_secs(20),
        rate_limit_wait_max: Duration::from_secs(2),
        backoff_unit: Duration::from_millis(1),
    }
}

pub(crate) fn client_with(url: &str, limits: Limits) -> Client {
    let settings = net::Settings {
        user_agent: "lastgood/test".to_owned(),
        ..net::Settings::default()
    };
    let http = net::client(&settings, Purpose::Api).unwrap();
    let token = Secret::new("t0ken");
    let repo: RepoName = "octo-org/octo-repo".parse().unwrap();
    Client::new(http, url, Some(&token), repo, limits).unwrap()
}

pub(crate) fn client(url: &str) -> Client {
    client_with(url, limits())
}

pub(crate) fn example(name: &str) -> Reply {
    let path = format!(
        "{}/tests/it/examples/{name}.default.json",
        env!("CARGO_MANIFEST_DIR")
    );
    Reply::json(200, std::fs::read(path).unwrap())
}

#[tokio::test]
async fn the_official_examples_are_read() {
    let server = Loopback::start(|asked, _| {
        let path = asked.target.split('?').next().unwrap();
        example(match path.rsplit('/').next().unwrap() {
            "runs" => "runs",
            "jobs" => "jobs",
            "artifacts" if path.contains("/runs/1/") => "run-artifacts",
            "artifacts" => "repo-artifacts",
            "1" => "run",
            _ => "compare",
        })
    })
    .await;
    let client = client(&server.url);
    let runs = client.runs("build.yml", 1, None).await.unwrap();
    let run = runs.first().unwrap();
    assert_eq!(run.id, RunId(30_433_642));
    assert_eq!(run.path, ".github/workflows/build.yml@main");
    assert_eq!(
        (run.repository_id, run.head_repository_id),
        (Some(1_296_269), Some(217_723_378))
    );
    assert_eq!(
        client.run(RunId(1)).await.unwrap().branch.as_deref(),
        Some("main")
    );
    let jobs = client.jobs(RunId(1)).await.unwrap();
    assert_eq!(jobs.first().unwrap().conclusion.as_deref(), Some("success"));
    for run in [1, 2] {
        let artifacts = client.artifacts(RunId(run), Some("Rails")).await.unwrap();
        assert_eq!(artifacts.len(), 2);
        assert!(artifacts.iter().all(|artifact| artifact.digest.is_some()));
    }
    let status = client
        .compare(&CommitSha("a1".into()), "feature/x")
        .await
        .unwrap();
    assert_eq!(status, "behind");
    assert_eq!(client.requests(), 6);
    assert_eq!(server.asked().len(), 6);
}

#[tokio::test]
async fn each_header_is_sent_once_also_under_a_base_path() {
    for base in ["", "/api/v3", "/api/v3/"] {
        let server = Loopback::start(|_, _| example("runs")).await;
        let client = client(&format!("{}{base}", server.url));
        client
            .runs(".github/workflows/de ploy.yml", 2, Some("feature/x"))
            .await
            .unwrap();
        let asked = server.asked();
        let asked = asked.first().unwrap();
        assert_eq!(
            asked.target,
            format!(
                "{}/repos/octo-org/octo-repo/actions/workflows/de%20ploy.yml/runs?per_page=100&page=2\
                 &exclude_pull_requests=true&branch=feature%2Fx&status=success",
                base.trim_end_matches('/')
            )
        );
        for (name, value) in [
            ("user-agent", "lastgood/test"),
            ("x-github-api-version", "2022-11-28"),
            ("authorization", "Bearer t0ken"),
            ("accept", "application/vnd.github+json"),
        ] {
            assert_eq!(
                (asked.count(name), asked.header(name)),
                (1, Some(value)),
                "{asked:?}"
            );
        }
        assert_eq!(asked.count("transfer-encoding"), 0, "{asked:?}");
    }
}

#[tokio::test]
async fn without_a_token_none_is_sent() {
    let server = Loopback::start(|_, _| example("runs")).await;
    let http = net::client(&net::Settings::default(), Purpose::Api).unwrap();
    let repo = "o/r".parse().unwrap();
    let client = Client::new(http, &server.url, None, repo, limits()).unwrap();
    client.runs("w.yml", 1, None).await.unwrap();
    assert_eq!(server.asked().first().unwrap().count("authorization"), 0);
}

#[tokio::test]
async fn lists_are_read_to_their_end_and_no_further_than_ten_pages() {
    let full = |asked: &Asked, _: usize| {
        let job = r#"{"name":"deploy"}"#;
        let last = asked.target.ends_with("&page=3") && asked.target.contains("/runs/1/");
        let jobs = vec![job; if last { 7 } else { 100 }].join(",");
        Reply::json(200, format!(r#"{{"total_count":9999,"jobs":[{jobs}]}}"#))
    };
    let server = Loopback::start(full).await;
    let client = client(&server.url);
    assert_eq!(client.jobs(RunId(1)).await.unwrap().len(), 207);
    assert_eq!(client.requests(), 3);
    assert_eq!(client.jobs(RunId(2)).await.unwrap().len(), 1000);
    assert_eq!(client.requests(), 13);
}

#[tokio::test]
async fn a_renamed_repository_is_followed_but_never_to_another_host() {
    let server = Loopback::start(|asked, _| match asked.target.as_str() {
        "/repositories/5/actions/runs/7" => example("run"),
        _ => Reply::new(301, "").with("location", "/repositories/5/actions/runs/7"),
    })
    .await;
    let client = client(&server.url);
    client.run(RunId(7)).await.unwrap();
    assert_eq!(client.requests(), 2);
}

#[tokio::test]
async fn a_wrong_workflow_is_told_with_the_right_ones() {
    let server = Loopback::start(|asked, _| {
        if asked.target.contains("/actions/workflows?") {
            let body = r#"{"workflows":[{"path":".github/workflows/ci.yml"},{"path":".github/workflows/deploy.yml"}]}"#;
            return Reply::json(200, body);
        }
        Reply::json(404, NOT_FOUND)
    })
    .await;
    let error = client(&server.url)
        .runs("deplyo.yml", 1, None)
        .await
        .unwrap_err();
    let failure = error.failure("could not list the runs");
    assert!(
        failure
            .to_string()
            .contains("workflow deplyo.yml was not found")
    );
    assert_eq!(
        failure.hints,
        ["set workflow to one of: ci.yml, deploy.yml"]
    );

    let server = Loopback::start(|_, _| Reply::json(404, NOT_FOUND)).await;
    let error = client(&server.url)
        .runs("deploy.yml", 1, None)
        .await
        .unwrap_err();
    let failure = error.failure("could not list the runs");
    assert!(
        failure
            .to_string()
            .contains("repository octo-org/octo-repo was not found")
    );
    assert!(
        failure
            .hints
            .first()
            .unwrap()
            .contains("a private one needs a token")
    );
}

#[tokio::test]
async fn an_artifact_is_a_signed_url_or_the_bytes() {
    let location = "https://blob.example/x?sig=secret&se=now";
    let server = Loopback::start(move |_, before| match before {
        0 | 4 => Reply::new(302, "").with("location", location),
        1 => Reply::new(200, "PK").with("content-type", "application/zip"),
        2 => Reply::json(410, r#"{"message":"Artifact has expired"}"#),
        3 => Reply::new(301, "").with("location", "/repositories/5/actions/artifacts/9/zip"),
        _ => Reply::new(302, ""),
    })
    .await;
    let client = client(&server.url);
    match client.artifact_location(9).await.unwrap() {
        Download::SignedUrl(url) => assert_eq!(url.as_str(), location),
        Download::Body(_) => panic!("a body"),
    }
    match client.artifact_location(9).await.unwrap() {
        Download::Body(body) => assert_eq!(body.bytes().await.unwrap(), "PK"),
        Download::SignedUrl(_) => panic!("a URL"),
    }
    let error = client.artifact_location(9).await.unwrap_err();
    assert!(matches!(error, GithubError::Gone { .. }), "{error}");
    assert!(matches!(
        client.artifact_location(9).await.unwrap(),
        Download::SignedUrl(_)
    ));
    assert_eq!(client.requests(), 5);
    let error = client.artifact_location(9).await.unwrap_err();
    assert!(
        error.to_string().contains("302 Found without Location"),
        "{error}"
    );
}

#[tokio::test]
async fn a_wrong_address_or_token_is_found_before_anything_is_sent() {
    let http = net::client(&net::Settings::default(), Purpose::Api).unwrap();
    let repo: RepoName = "o/r".parse().unwrap();
    for url in ["", "api.github.com", "ftp://x", "https://"] {
        let error = Client::new(http.clone(), url, None, repo.clone(), limits()).unwrap_err();
        assert!(format!("{error:#}").contains("expected one such as https://api.github.com"));
    }
    let token = Secret::new("two\nlines");
    let error = Client::new(http, "https://x", Some(&token), repo, limits()).unwrap_err();
    assert!(!format!("{error:#}").contains("two"), "{error:#}");
}
