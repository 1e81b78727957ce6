//! What every call must get past, and the headers that every answer carries.

use super::super::faults::Route;
use super::super::log::Seen;
use super::super::state::State;
use super::{Answer, Call};

/// The versions that GitHub answers; any other is a 400.
const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];

/// Refuses what GitHub refuses before it looks at the call.
pub(super) fn check(state: &mut State, call: &Call, seen: &Seen) -> Result<(), Answer> {
    if seen.header("user-agent").is_none_or(str::is_empty) {
        return Err(Answer::error(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.",
        ));
    }
    if let Some(version) = seen.header("x-github-api-version")
        && !VERSIONS.contains(&version)
    {
        return Err(Answer::error(
            400,
            &format!("The requested API version {version} is not supported."),
        ));
    }
    let Some(token) = token(seen) else {
        return Err(Answer::error(401, "Requires authentication"));
    };
    let Some(token) = state.tokens.get(token).cloned() else {
        return Err(Answer::error(401, "Bad credentials"));
    };
    if call.route == Route::RateLimit {
        return Ok(());
    }
    if state.rate_limit <= state.rate_used {
        return Err(Answer::error(
            403,
            "API rate limit exceeded for installation.",
        ));
    }
    state.rate_used += 1;
    if !state.repos.contains_key(&call.repo) {
        return Err(Answer::not_found());
    }
    let (scope, write) = needs(call.route);
    if token.may(scope, write) {
        Ok(())
    } else {
        Err(Answer::error(403, "Resource not accessible by integration"))
    }
}

fn token(seen: &Seen) -> Option<&str> {
    let (scheme, token) = seen.header("authorization")?.split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    known.then_some(token)
}

/// The permission that a call needs, and whether it needs to write.
fn needs(route: Route) -> (&'static str, bool) {
    match route {
        Route::Repo | Route::RateLimit | Route::Blob => ("metadata", false),
        Route::Workflows
        | Route::Workflow
        | Route::WorkflowRuns
        | Route::RepoRuns
        | Route::Run
        | Route::Attempt
        | Route::Jobs
        | Route::AttemptJobs
        | Route::RunArtifacts
        | Route::RepoArtifacts
        | Route::Artifact
        | Route::Zip => ("actions", false),
        Route::Compare => ("contents", false),
        Route::Deployments | Route::Statuses => ("deployments", false),
        Route::CreateDeployment | Route::CreateStatus => ("deployments", true),
        Route::CreateIssue => ("issues", true),
        Route::Attestations => ("attestations", false),
    }
}

/// The headers of every answer.
pub(super) fn headers(state: &mut State) -> Vec<(String, String)> {
    let left = state.rate_limit.saturating_sub(state.rate_used);
    let request = state.next_id();
    [
        ("server", "github.com".to_owned()),
        ("x-github-request-id", format!("D0B1:{request:X}")),
        ("x-github-api-version-selected", "2022-11-28".to_owned()),
        ("x-ratelimit-limit", state.rate_limit.to_string()),
        ("x-ratelimit-remaining", left.to_string()),
        ("x-ratelimit-used", state.rate_used.to_string()),
        ("x-ratelimit-reset", state.rate_reset.to_string()),
        ("x-ratelimit-resource", "core".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}
