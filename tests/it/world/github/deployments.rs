//! Deployments and their statuses, with GitHub's ways of not creating one (merging, failing checks) and its habit of
//! marking earlier successes inactive.

use super::super::state::State;
use super::super::things::{Deployment, Repo, Status};
use super::objects::{node_id, time, user};
use super::page::Page;
use super::{Answer, Call};
use serde_json::{Value, json};

const STATES: [&str; 7] = [
    "error",
    "failure",
    "inactive",
    "pending",
    "success",
    "queued",
    "in_progress",
];

pub(super) fn list(state: &mut State, call: &Call) -> Answer {
    let repo = state.repo_mut(&call.repo);
    let equals = |name: &str, found: &str| call.query(name).is_none_or(|wanted| wanted == found);
    let wanted = |deployment: &&Deployment| {
        equals("environment", &deployment.environment)
            && equals("sha", &deployment.sha)
            && equals("ref", &deployment.git_ref)
            && equals("task", &deployment.task)
    };
    let found = repo.deployments.iter().rev().filter(wanted);
    let found = found
        .map(|deployment| object(call, repo, deployment))
        .collect();
    match Page::cut(call, "deployments", found) {
        Ok(page) => page.array("repos/list-deployments"),
        Err(refusal) => refusal,
    }
}

pub(super) fn create(state: &mut State, call: &Call) -> Answer {
    let Ok(body) = serde_json::from_slice::<Value>(&call.body) else {
        return Answer::error(400, "Problems parsing JSON");
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let Some(git_ref) = text("ref") else {
        return Answer::invalid("Deployment", "ref", "missing_field");
    };
    let (id, created_at) = (state.next_id(), state.now());
    let repo = state.repo_mut(&call.repo);
    let merges = body
        .get("auto_merge")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    if merges && repo.behind_default_branch {
        let message = json!({"message": format!("Auto-merged main into {git_ref} on deployment.")});
        return Answer {
            status: 202,
            ..Answer::ok("repos/create-deployment", message)
        };
    }
    let checks = body
        .get("required_contexts")
        .and_then(Value::as_array)
        .is_none_or(|contexts| !contexts.is_empty());
    if checks && repo.deployment_conflict {
        return Answer::error(409, "Conflict: Commit status checks failed for main.");
    }
    let environment = text("environment").unwrap_or_else(|| "production".to_owned());
    let flag = |name: &str| body.get(name).and_then(Value::as_bool);
    let is_commit = git_ref.len() == 40 && git_ref.bytes().all(|byte| byte.is_ascii_hexdigit());
    let newest = repo
        .runs
        .iter()
        .rev()
        .find(|run| run.spec.branch.as_deref() == Some(&git_ref));
    let sha = if is_commit {
        Some(git_ref.clone())
    } else {
        newest.map(|run| run.sha.clone())
    };
    let Some(sha) = sha else {
        return Answer::invalid("Deployment", "ref", "invalid");
    };
    let deployment = Deployment {
        id,
        task: text("task").unwrap_or_else(|| "deploy".to_owned()),
        sha,
        git_ref,
        payload: body.get("payload").cloned().unwrap_or_else(|| json!({})),
        description: text("description"),
        transient: flag("transient_environment").unwrap_or(false),
        production: flag("production_environment").unwrap_or(environment == "production"),
        environment,
        created_at,
        statuses: Vec::new(),
    };
    let object = object(call, repo, &deployment);
    repo.deployments.push(deployment);
    Answer {
        status: 201,
        ..Answer::ok("repos/create-deployment", object)
    }
}

pub(super) fn statuses(state: &mut State, call: &Call) -> Answer {
    let repo = state.repo_mut(&call.repo);
    let Some(deployment) = repo
        .deployments
        .iter()
        .find(|found| Some(found.id) == call.number(0))
    else {
        return Answer::not_found();
    };
    let found = deployment.statuses.iter().rev();
    let found = found
        .map(|status| status_object(call, repo, deployment, status))
        .collect();
    match Page::cut(
        call,
        &format!("deployments/{}/statuses", deployment.id),
        found,
    ) {
        Ok(page) => page.array("repos/list-deployment-statuses"),
        Err(refusal) => refusal,
    }
}

pub(super) fn create_status(state: &mut State, call: &Call) -> Answer {
    let Ok(body) = serde_json::from_slice::<Value>(&call.body) else {
        return Answer::error(400, "Problems parsing JSON");
    };
    let text = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    if !STATES.contains(&text("state").as_str()) {
        return Answer::invalid("DeploymentStatus", "state", "invalid");
    }
    if 140 < text("description").chars().count() {
        return Answer::invalid("DeploymentStatus", "description", "invalid");
    }
    let created_at = state.now();
    let status = |id, state: String, description| Status {
        id,
        state,
        description,
        log_url: text("log_url"),
        environment_url: text("environment_url"),
        created_at,
    };
    let (id, inactive) = (state.next_id(), state.next_id());
    let repo = state.repo_mut(&call.repo);
    let Some(at) = repo
        .deployments
        .iter()
        .position(|found| Some(found.id) == call.number(0))
    else {
        return Answer::not_found();
    };
    let retires = body
        .get("auto_inactive")
        .and_then(Value::as_bool)
        .unwrap_or(true)
        && text("state") == "success";
    let environment = repo
        .deployments
        .get(at)
        .map(|found| found.environment.clone())
        .unwrap_or_default();
    for older in repo.deployments.iter_mut().take(at) {
        let succeeded = older
            .statuses
            .last()
            .is_some_and(|last| last.state == "success");
        if retires
            && succeeded
            && older.environment == environment
            && !older.transient
            && !older.production
        {
            older
                .statuses
                .push(status(inactive, "inactive".to_owned(), String::new()));
        }
    }
    let status = status(id, text("state"), text("description"));
    let deployment = repo
        .deployments
        .get_mut(at)
        .expect("the position was just found");
    deployment.statuses.push(status.clone());
    let deployment = deployment.clone();
    let object = status_object(call, repo, &deployment, &status);
    Answer {
        status: 201,
        ..Answer::ok("repos/create-deployment-status", object)
    }
}

fn object(call: &Call, repo: &Repo, deployment: &Deployment) -> Value {
    let url = format!("{}/deployments/{}", call.repo_url(repo), deployment.id);
    json!({
        "url": url,
        "id": deployment.id,
        "node_id": node_id("DE", deployment.id),
        "sha": deployment.sha,
        "ref": deployment.git_ref,
        "task": deployment.task,
        "payload": deployment.payload,
        "original_environment": deployment.environment,
        "environment": deployment.environment,
        "description": deployment.description,
        "creator": user(call, "octo"),
        "created_at": time(deployment.created_at),
        "updated_at": time(deployment.created_at),
        "statuses_url": format!("{url}/statuses"),
        "repository_url": call.repo_url(repo),
        "transient_environment": deployment.transient,
        "production_environment": deployment.production,
        "performed_via_github_app": null,
    })
}

fn status_object(call: &Call, repo: &Repo, deployment: &Deployment, status: &Status) -> Value {
    let url = format!("{}/deployments/{}", call.repo_url(repo), deployment.id);
    json!({
        "url": format!("{url}/statuses/{}", status.id),
        "id": status.id,
        "node_id": node_id("DES", status.id),
        "state": status.state,
        "creator": user(call, "octo"),
        "description": status.description,
        "environment": deployment.environment,
        "target_url": status.log_url,
        "log_url": status.log_url,
        "environment_url": status.environment_url,
        "created_at": time(status.created_at),
        "updated_at": time(status.created_at),
        "deployment_url": url,
        "repository_url": call.repo_url(repo),
        "performed_via_github_app": null,
    })
}
