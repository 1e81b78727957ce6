//! Artifacts: the records, and the redirect to where the bytes lie.

use super::super::blob;
use super::super::log::Seen;
use super::super::reply::Reply;
use super::super::spec::Digest;
use super::super::state::State;
use super::super::things::{Artifact, Repo};
use super::objects::{node_id, odd, time};
use super::page::Page;
use super::{Answer, Call};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// GitHub keeps artifacts for 90 days unless told otherwise.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

pub(super) fn of_run(state: &mut State, call: &Call) -> Answer {
    let repo = state.repo_mut(&call.repo);
    let Some(run) = call
        .number(0)
        .filter(|id| repo.runs.iter().any(|run| run.id == *id))
    else {
        return Answer::not_found();
    };
    let path = format!("actions/runs/{run}/artifacts");
    list(
        call,
        repo,
        "actions/list-workflow-run-artifacts",
        &path,
        |artifact| artifact.run == run,
    )
}

pub(super) fn of_repo(state: &mut State, call: &Call) -> Answer {
    let repo = state.repo_mut(&call.repo);
    list(
        call,
        repo,
        "actions/list-artifacts-for-repo",
        "actions/artifacts",
        |_artifact| true,
    )
}

/// Newest first, unless `direction=asc` asks for the other end.
fn list(
    call: &Call,
    repo: &Repo,
    operation: &'static str,
    path: &str,
    of: impl Fn(&Artifact) -> bool,
) -> Answer {
    let named = |artifact: &&Artifact| {
        call.query("name")
            .is_none_or(|name| artifact.spec.name == name)
    };
    let found = repo
        .artifacts
        .iter()
        .filter(|artifact| of(artifact))
        .filter(named);
    let mut found: Vec<_> = found
        .map(|artifact| odd(object(call, repo, artifact), artifact.spec.odd.as_ref()))
        .collect();
    if call.query("direction") != Some("asc") {
        found.reverse();
    }
    match Page::cut(call, path, found) {
        Ok(page) => page.envelope(operation, "artifacts"),
        Err(refusal) => refusal,
    }
}

pub(super) fn artifact(state: &mut State, call: &Call) -> Answer {
    let repo = state.repo_mut(&call.repo);
    match repo
        .artifacts
        .iter()
        .find(|artifact| Some(artifact.id) == call.number(0))
    {
        Some(artifact) => {
            let (object, odd) = odd(object(call, repo, artifact), artifact.spec.odd.as_ref());
            Answer {
                odd,
                ..Answer::ok("actions/get-artifact", object)
            }
        }
        None => Answer::not_found(),
    }
}

/// 302 to a fresh signed URL; 410 once the bytes are gone.
pub(super) fn zip(state: &mut State, call: &Call) -> Answer {
    let repo = state.repo_mut(&call.repo);
    let found = repo
        .artifacts
        .iter()
        .find(|artifact| Some(artifact.id) == call.number(0));
    let Some((id, expired)) = found.map(|artifact| (artifact.id, artifact.spec.expired)) else {
        return Answer::not_found();
    };
    if expired {
        return Answer::error(410, "Artifact has expired");
    }
    let location = blob::signed_url(state, id);
    let redirect = Answer {
        operation: "redirect",
        status: 302,
        headers: Vec::new(),
        body: None,
        odd: false,
    };
    redirect.with("location", location)
}

/// What a proxy makes of [`zip`] that follows redirects by itself.
pub(super) fn body(state: &State, call: &Call, seen: &Seen) -> Reply {
    match call.number(0).and_then(|id| state.artifact(id)) {
        Some(artifact) => blob::blob(artifact, seen, false),
        None => Reply::new(404, "application/json", r#"{"message":"Not Found"}"#),
    }
}

fn object(call: &Call, repo: &Repo, artifact: &Artifact) -> Value {
    let url = format!("{}/actions/artifacts/{}", call.repo_url(repo), artifact.id);
    let spec = &artifact.spec;
    let run = repo
        .runs
        .iter()
        .find(|run| run.id == artifact.run)
        .map(|run| {
            let (_, name) = repo.full_name.split_once('/').unwrap_or_default();
            let head = run
                .spec
                .fork_of
                .as_ref()
                .map(|owner| super::super::digest::number_of(&format!("{owner}/{name}")));
            let mut of = json!({
                "id": run.id,
                "repository_id": repo.id,
                "head_repository_id": head.unwrap_or(repo.id),
                "head_sha": run.sha,
            });
            // The schema has no null here: a run without a branch has no member.
            if let (Value::Object(of), Some(branch)) = (&mut of, &run.spec.branch) {
                of.insert("head_branch".to_owned(), branch.as_str().into());
            }
            of
        });
    let mut object = json!({
        "id": artifact.id,
        "node_id": node_id("A", artifact.id),
        "name": spec.name,
        "size_in_bytes": spec.size_in_bytes.unwrap_or(artifact.size),
        "url": url,
        "archive_download_url": format!("{url}/zip"),
        "expired": spec.expired,
        "created_at": time(artifact.created_at),
        "updated_at": time(artifact.created_at),
        "expires_at": time(artifact.created_at + KEPT),
        "workflow_run": run,
    });
    let digest = match &spec.digest {
        Digest::True => json!(format!("sha256:{}", artifact.sha256)),
        Digest::Null => Value::Null,
        Digest::Says(text) => json!(text),
        Digest::Missing => return object,
    };
    if let Value::Object(members) = &mut object {
        members.insert("digest".to_owned(), digest);
    }
    object
}
