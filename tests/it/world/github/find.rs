//! Which call a method and a path are. Nothing about what the call answers.

use super::super::faults::Route;
use super::super::log::Seen;

/// A path that the double knows.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) route: Route,
    pub(super) repo: String,
    pub(super) args: Vec<String>,
    pub(super) base: String,
}

/// Finds the call, below `/` as on github.com and below `/api/v3` as on an Enterprise Server.
pub(super) fn find(seen: &Seen) -> Option<Found> {
    let host = seen.header("host")?;
    let (prefix, path) = match seen.path.strip_prefix("/api/v3/") {
        Some(rest) => ("/api/v3", rest),
        None => ("", seen.path.strip_prefix('/')?),
    };
    let base = format!("http://{host}{prefix}");
    let segments: Vec<String> = path.split('/').map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (repo, route, args) = match segments.as_slice() {
        ["rate_limit"] => (String::new(), Route::RateLimit, Vec::new()),
        ["repos", owner, name, rest @ ..] => {
            let (route, args) = in_repo(&seen.method, rest)?;
            (format!("{owner}/{name}"), route, args)
        }
        _unknown => return None,
    };
    let args = args.into_iter().map(str::to_owned).collect();
    Some(Found {
        route,
        repo,
        args,
        base,
    })
}

fn in_repo<'a>(method: &str, path: &[&'a str]) -> Option<(Route, Vec<&'a str>)> {
    let found = match (method, path) {
        ("GET", []) => (Route::Repo, vec![]),
        ("GET", ["actions", rest @ ..]) => return in_actions(rest),
        // A branch name may hold slashes that nobody escaped: GitHub takes the rest of the path.
        ("GET", ["compare", rest @ ..]) if !rest.is_empty() => (Route::Compare, rest.to_vec()),
        ("GET", ["deployments"]) => (Route::Deployments, vec![]),
        ("POST", ["deployments"]) => (Route::CreateDeployment, vec![]),
        ("GET", ["deployments", id, "statuses"]) => (Route::Statuses, vec![*id]),
        ("POST", ["deployments", id, "statuses"]) => (Route::CreateStatus, vec![*id]),
        ("POST", ["issues"]) => (Route::CreateIssue, vec![]),
        ("GET", ["attestations", digest]) => (Route::Attestations, vec![*digest]),
        _unknown => return None,
    };
    Some(found)
}

fn in_actions<'a>(path: &[&'a str]) -> Option<(Route, Vec<&'a str>)> {
    let found = match path {
        ["workflows"] => (Route::Workflows, vec![]),
        ["workflows", workflow] => (Route::Workflow, vec![*workflow]),
        ["workflows", workflow, "runs"] => (Route::WorkflowRuns, vec![*workflow]),
        ["runs"] => (Route::RepoRuns, vec![]),
        ["runs", id] => (Route::Run, vec![*id]),
        ["runs", id, "attempts", attempt] => (Route::Attempt, vec![*id, *attempt]),
        ["runs", id, "attempts", attempt, "jobs"] => (Route::AttemptJobs, vec![*id, *attempt]),
        ["runs", id, "jobs"] => (Route::Jobs, vec![*id]),
        ["runs", id, "artifacts"] => (Route::RunArtifacts, vec![*id]),
        ["artifacts"] => (Route::RepoArtifacts, vec![]),
        ["artifacts", id] => (Route::Artifact, vec![*id]),
        ["artifacts", id, "zip"] => (Route::Zip, vec![*id]),
        _unknown => return None,
    };
    Some(found)
}

fn decoded(segment: &str) -> String {
    // `+` is a plus in a path and a blank in a form.
    let form = segment.replace('+', "%2B").replace(['=', '&'], "%3D");
    url::form_urlencoded::parse(form.as_bytes())
        .map(|(name, _)| name.into_owned())
        .collect()
}
