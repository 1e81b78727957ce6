//! What `github::Client` says of each way in which GitHub can refuse, and what it waits for.

use crate::github_client::{NOT_FOUND, client, client_with, example, limits};
use crate::loopback::{Asked, Fault, Loopback, Reply};
use lastgood::github::{GithubError, Limits};
use lastgood::model::ids::RunId;
use lastgood::model::outcome::Outcome;
use std::time::Duration;

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
    use Outcome::{Error, Unreachable};
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
}

#[tokio::test]
async fn what_is_forbidden_or_missing_is_told_apart() {
    use Outcome::{Error, NoKnownGood};
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
}

#[tokio::test]
async fn what_is_no_answer_is_asked_for_again_and_then_said() {
    use Outcome::Unreachable;
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
    assert_eq!(client.requests(), 6);
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
