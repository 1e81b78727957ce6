//! The rest of a repository, one call each: itself, a comparison, an issue, attestations; and the rate limit.

use super::super::state::State;
use super::objects::{commit, full_repository, node_id, time, user};
use super::{Answer, Call};
use serde_json::{Value, json};

pub(super) fn repo(state: &mut State, call: &Call) -> Answer {
    let at = state.started;
    Answer::ok("repos/get", full_repository(call, &call.repo, at))
}

/// Free of charge, and not about a repository.
pub(super) fn rate_limit(state: &State) -> Answer {
    let rate = |limit: u64, used: u64| json!({"limit": limit, "used": used, "remaining": limit.saturating_sub(used), "reset": state.rate_reset});
    let core = rate(state.rate_limit, state.rate_used);
    let resources = json!({"core": core, "search": rate(30, 0), "graphql": rate(1000, 0)});
    Answer::ok(
        "rate-limit/get",
        json!({"resources": resources, "rate": core}),
    )
}

/// 404 for a pair that the test did not name: GitHub no longer knows one of the commits.
pub(super) fn compare(state: &mut State, call: &Call) -> Answer {
    let at = state.started;
    let repo = state.repo_mut(&call.repo);
    let joined = call.args.join("/");
    let Some((base, head)) = joined.split_once("...") else {
        return Answer::not_found();
    };
    let Some(status) = repo.comparisons.get(&(base.to_owned(), head.to_owned())) else {
        return Answer::not_found();
    };
    let (ahead, behind) = match status.as_str() {
        "ahead" => (1, 0),
        "behind" => (0, 1),
        "diverged" => (1, 1),
        _identical => (0, 0),
    };
    let base_commit = commit(call, &repo.full_name, base, at);
    let commits: Vec<Value> = (0..ahead)
        .map(|_one| commit(call, &repo.full_name, head, at))
        .collect();
    let page = format!("{}/{}/compare/{base}...{head}", call.html(), repo.full_name);
    let body = json!({
        "url": format!("{}/compare/{base}...{head}", call.repo_url(repo)),
        "html_url": page,
        "permalink_url": page,
        "diff_url": format!("{page}.diff"),
        "patch_url": format!("{page}.patch"),
        "base_commit": base_commit,
        "merge_base_commit": base_commit,
        "status": status,
        "ahead_by": ahead,
        "behind_by": behind,
        "total_commits": ahead,
        "commits": commits,
        "files": [],
    });
    Answer::ok("repos/compare-commits-with-basehead", body)
}

pub(super) fn create_issue(state: &mut State, call: &Call) -> Answer {
    let Ok(body) = serde_json::from_slice::<Value>(&call.body) else {
        return Answer::error(400, "Problems parsing JSON");
    };
    let Some(title) = body
        .get("title")
        .and_then(Value::as_str)
        .filter(|title| !title.is_empty())
    else {
        return Answer::invalid("Issue", "title", "missing_field");
    };
    let (id, now) = (state.next_id(), time(state.now()));
    let repo = state.repo_mut(&call.repo);
    let number = repo.issues.len() + 1;
    let url = format!("{}/issues/{number}", call.repo_url(repo));
    let labels = body
        .get("labels")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let labels: Vec<Value> = labels
        .iter()
        .filter_map(Value::as_str)
        .map(|name| label(call, name))
        .collect();
    let issue = json!({
        "id": id,
        "node_id": node_id("I", id),
        "url": url,
        "repository_url": call.repo_url(repo),
        "labels_url": format!("{url}/labels{{/name}}"),
        "comments_url": format!("{url}/comments"),
        "events_url": format!("{url}/events"),
        "html_url": format!("{}/{}/issues/{number}", call.html(), repo.full_name),
        "number": number,
        "state": "open",
        "title": title,
        "body": body.get("body").and_then(Value::as_str),
        "user": user(call, "octo"),
        "labels": labels,
        "assignee": null, "assignees": [], "milestone": null, "closed_at": null,
        "locked": false,
        "comments": 0,
        "author_association": "MEMBER",
        "created_at": now,
        "updated_at": now,
    });
    repo.issues.push(issue.clone());
    let location = url.clone();
    Answer {
        status: 201,
        ..Answer::ok("issues/create", issue)
    }
    .with("location", location)
}

fn label(call: &Call, name: &str) -> Value {
    let id = super::super::digest::number_of(name);
    json!({
        "id": id,
        "node_id": node_id("LA", id),
        "url": format!("{}/repos/{}/labels/{name}", call.base, call.repo),
        "name": name,
        "description": null,
        "color": "ededed",
        "default": false,
    })
}

/// 404 is GitHub's way of saying that there is none.
pub(super) fn attestations(state: &mut State, call: &Call) -> Answer {
    let repo = state.repo_mut(&call.repo);
    match repo.attestations.get(call.text(0)) {
        Some(found) => Answer::ok("repos/list-attestations", json!({"attestations": found})),
        None => Answer::not_found(),
    }
}
