//! `github::Client` against a loopback server: what it sends, what it reads, and what it says of each refusal.

use crate::loopback::{Asked, Fault, Loopback, Reply};
use lastgood::github::{Client, Download, GithubError, Limits};
use lastgood::model::ids::{CommitSha, RepoName, RunId};
use lastgood::model::outcome::Outcome;
use lastgood::model::secret::Secret;
use lastgood::net::{self, Purpose};
use std::time::Duration;

const NOT_FOUND: &str = r#"{"message":"Not Found","documentation_url":"https://docs.github.com"}"#;

fn limits() -> Limits {
    Limits {
        deadline: Duration::from_secs(5),
        total: Duration::from_secs(20),
        rate_limit_wait_max: Duration::from_secs(2),
        backoff_unit: Duration::from_millis(1),
    }
}

fn client_with(url: &str, limits: Limits) -> Client {
    let settings = net::Settings {
        user_agent: "lastgood/test".to_owned(),
        ..net::Settings::default()
    };
    let http = net::client(&settings, Purpose::Api).unwrap();
    let token = Secret::new("t0ken");
    let repo: RepoName = "octo-org/octo-repo".parse().unwrap();
    Client::new(http, url, Some(&token), repo, limits).unwrap()
}

fn client(url: &str) -> Client {
    client_with(url, limits())
}

fn example(name: &str) -> Reply {
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

/// One row of the failure table: every request gets `reply`; the call ends as `outcome` after `requests` requests, says
/// `says`, and gives one hint that holds `advises`.
async fn check(reply: Reply, outcome: Outcome, requests: u32, says: &str, advises: &str) {
    let server = Loopback::start(move |_, _| reply.clone()).await;
    let client = client(&server.url);
    let error = client.run(RunId(7)).await.unwrap_err();
    let failure = error.failure("could not read run 7");
    let text = failure.to_string();
    assert!(text.starts_with("could not read run 7: "), "{text}");
    assert!(text.contains(says), "{text}\nexpected: {says}");
    assert_eq!(failure.hints.len(), 1, "{text}");
    let hint = failure.hints.first().unwrap();
    assert!(hint.contains(advises), "{hint}\nexpected: {advises}");
    assert_eq!(
        (failure.kind, client.requests()),
        (outcome, requests),
        "{text}"
    );
}

fn said(status: u16, message: &str) -> Reply {
    Reply::json(status, format!(r#"{{"message":"{message}"}}"#))
}

#[tokio::test]
async fn each_refusal_has_its_own_words_and_one_next_action() {
    use Outcome::{Error, NoKnownGood, Unreachable};
    check(
        said(401, "Bad credentials"),
        Error,
        1,
        "rejected the token (401): Bad credentials",
        "github.token",
    )
    .await;
    let used_up = said(403, "API rate limit exceeded")
        .with("x-ratelimit-limit", "1000")
        .with("x-ratelimit-used", "1000")
        .with("x-ratelimit-remaining", "0")
        .with("x-ratelimit-resource", "core")
        .with("x-ratelimit-reset", "4102444800")
        .with("date", "Thu, 31 Dec 2099 23:00:00 GMT");
    let says = "(1000 of 1000 requests, core); it resets at 2100-01-01T00:00:00Z";
    check(
        used_up.clone(),
        Unreachable,
        1,
        says,
        "run again after 2100-01-01T00:00:00Z",
    )
    .await;
    let anonymous = said(403, "x")
        .with("x-ratelimit-remaining", "0")
        .with("x-ratelimit-limit", "60");
    check(anonymous, Unreachable, 1, "of 60 requests", "give a token").await;
    let later = said(429, "slow")
        .with("retry-after", "3600")
        .with("date", "Thu, 01 Jan 2026 00:00:00 GMT");
    check(
        later,
        Unreachable,
        1,
        "until 2026-01-01T01:00:00Z: slow",
        "in a few minutes",
    )
    .await;
    let secondary = "You have exceeded a secondary rate limit";
    check(
        said(403, secondary),
        Unreachable,
        1,
        secondary,
        "in a few minutes",
    )
    .await;
    let denied = said(403, "Resource not accessible by integration");
    let block = "permissions: { actions: read }";
    check(denied.clone(), Error, 1, "lacks a permission (403)", block).await;
    let denied = denied.with(
        "x-accepted-github-permissions",
        "pull_requests=read; contents=read",
    );
    check(
        denied,
        Error,
        1,
        "403",
        "permissions: { pull-requests: read, contents: read }",
    )
    .await;
    let sso = said(403, "Resource protected by organization SAML enforcement.");
    check(
        sso.clone(),
        Error,
        1,
        "organisation policy",
        "single sign-on",
    )
    .await;
    let sso = sso.with(
        "x-github-sso",
        "required; url=https://github.com/orgs/o/sso",
    );
    check(sso, Error, 1, "SAML", "https://github.com/orgs/o/sso").await;
    check(
        said(403, "the `o` IP allow list"),
        Error,
        1,
        "policy",
        "IP allow list",
    )
    .await;
    check(
        said(403, "Forbidden."),
        Error,
        1,
        "GitHub forbids it",
        "may read",
    )
    .await;
    check(
        Reply::json(404, NOT_FOUND),
        NoKnownGood,
        1,
        "run 7 was not found",
        "another run id",
    )
    .await;
    check(
        said(410, "gone"),
        NoKnownGood,
        1,
        "run 7 is gone (410)",
        "retention-days",
    )
    .await;
    let errors = r#"{"message":"Validation Failed","errors":["no such status",
        {"message":"bad page"},{"resource":"Run","field":"status","code":"invalid"}]}"#;
    let says = "Validation Failed; no such status; bad page; Run status invalid";
    check(
        Reply::json(422, errors),
        Error,
        1,
        says,
        "correct the value",
    )
    .await;
    let page =
        Reply::new(200, "\n<!DOCTYPE html><h1>Sign in</h1>").with("content-type", "text/html");
    check(
        page,
        Unreachable,
        6,
        "found an HTML page, expected JSON",
        "proxy",
    )
    .await;
    check(
        Reply::new(404, "<html>"),
        Unreachable,
        6,
        "an HTML page",
        "proxy",
    )
    .await;
    check(
        Reply::new(302, ""),
        Unreachable,
        6,
        "302 Found without Location",
        "proxy",
    )
    .await;
    let elsewhere = Reply::new(302, "").with("location", "https://example.com/x");
    check(
        elsewhere,
        Unreachable,
        6,
        "a redirect to example.com",
        "proxy",
    )
    .await;
    check(
        Reply::json(200, r#"{"id":"#),
        Unreachable,
        6,
        "cannot be read",
        "GITHUB_API_URL",
    )
    .await;
    check(
        said(502, "x"),
        Unreachable,
        6,
        "(6 tries): it answered 502",
        "githubstatus",
    )
    .await;
    let cut = Reply::json(200, r#"{"id":7}"#).fault(3, Fault::Cut);
    check(cut, Unreachable, 6, "(6 tries)", "githubstatus").await;
    let reset = Reply::json(200, r#"{"id":7}"#).fault(3, Fault::Reset);
    check(reset, Unreachable, 6, "(6 tries)", "githubstatus").await;
}

#[tokio::test]
async fn what_passes_is_waited_for() {
    let answers = |fault: Reply| {
        move |_: &Asked, before: usize| match before {
            0 | 1 => fault.clone(),
            _ => example("run"),
        }
    };
    for fault in [
        said(500, "x"),
        said(503, "x"),
        said(429, "x").with("retry-after", "0"),
        said(403, "x").with("retry-after", "0"),
        Reply::new(200, "<html>"),
        Reply::json(200, "{}").fault(1, Fault::Cut),
    ] {
        let server = Loopback::start(answers(fault)).await;
        let client = client(&server.url);
        client.run(RunId(7)).await.unwrap();
        assert_eq!(client.requests(), 3);
    }
}

#[tokio::test]
async fn a_server_that_never_stops_asking_for_patience_is_left() {
    let server = Loopback::start(|_, _| said(429, "x").with("retry-after", "0")).await;
    let client = client(&server.url);
    let error = client.run(RunId(7)).await.unwrap_err();
    assert!(matches!(error, GithubError::SlowDown { .. }), "{error}");
    assert_eq!(client.requests(), 7);
}

#[tokio::test]
async fn silence_ends_at_the_deadline_and_all_tries_at_the_total() {
    let server = Loopback::start(|_, _| Reply::json(200, "{}").fault(1, Fault::Silence)).await;
    let short = Limits {
        deadline: Duration::from_millis(50),
        total: Duration::from_millis(90),
        backoff_unit: Duration::from_millis(20),
        ..limits()
    };
    let client = client_with(&server.url, short);
    let error = client.run(RunId(7)).await.unwrap_err();
    assert!(
        error.to_string().contains("no answer within 0.05 s"),
        "{error}"
    );
    assert!(client.requests() <= 2, "{}", client.requests());
}

#[tokio::test]
async fn nobody_there_is_said_with_the_host() {
    let gone = Loopback::start(|_, _| said(200, "")).await.url.clone();
    let client = client(&gone);
    let text = client.run(RunId(7)).await.unwrap_err().to_string();
    assert!(text.contains("127.0.0.1 (6 tries)"), "{text}");
    assert!(text.to_lowercase().contains("refused"), "{text}");
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
        0 => Reply::new(302, "").with("location", location),
        1 => Reply::new(200, "PK").with("content-type", "application/zip"),
        2 => said(410, "Artifact has expired"),
        3 => Reply::new(301, "").with("location", "/repositories/5/actions/artifacts/9/zip"),
        4 => Reply::new(302, "").with("location", location),
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
