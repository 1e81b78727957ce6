//! Workflows, their runs and attempts. Filtered lists come from an index that can be frozen, because GitHub's lags
//! (cli/cli#5440, dawidd6/action-download-artifact#147).

use super::super::digest::number_of;
use super::super::state::State;
use super::super::things::{Repo, Run};
use super::objects::{node_id, odd, repository, time, user};
use super::page::{FILTERED_MAX, Page};
use super::{Answer, Call};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// Every word that the `status` filter takes: statuses and conclusions.
const STATUSES: [&str; 14] = [
    "completed",
    "action_required",
    "cancelled",
    "failure",
    "neutral",
    "skipped",
    "stale",
    "success",
    "timed_out",
    "in_progress",
    "queued",
    "requested",
    "waiting",
    "pending",
];

pub(super) fn workflows(state: &mut State, call: &Call) -> Answer {
    let repo = state.repo_mut(&call.repo);
    let all = repo
        .workflows
        .iter()
        .map(|file| (workflow_object(call, repo, file), false))
        .collect();
    match Page::cut(call, "actions/workflows", all) {
        Ok(page) => page.envelope("actions/list-repo-workflows", "workflows"),
        Err(refusal) => refusal,
    }
}

pub(super) fn workflow(state: &mut State, call: &Call) -> Answer {
    let repo = state.repo_mut(&call.repo);
    match workflow_file(repo, call.text(0)) {
        Some(file) => Answer::ok("actions/get-workflow", workflow_object(call, repo, &file)),
        None => Answer::not_found(),
    }
}

pub(super) fn of_workflow(state: &mut State, call: &Call) -> Answer {
    let repo = state.repo_mut(&call.repo);
    match workflow_file(repo, call.text(0)) {
        Some(file) => {
            let path = format!("actions/workflows/{}/runs", call.text(0));
            list(call, repo, "actions/list-workflow-runs", &path, Some(&file))
        }
        None => Answer::not_found(),
    }
}

pub(super) fn of_repo(state: &mut State, call: &Call) -> Answer {
    let repo = state.repo_mut(&call.repo);
    list(
        call,
        repo,
        "actions/list-workflow-runs-for-repo",
        "actions/runs",
        None,
    )
}

/// By id or by file name, as the API takes it.
fn workflow_file(repo: &Repo, wanted: &str) -> Option<String> {
    let known = |file: &&String| *file == wanted || workflow_id(repo, file).to_string() == wanted;
    repo.workflows.iter().find(known).cloned()
}

fn workflow_id(repo: &Repo, file: &str) -> u64 {
    number_of(&format!("{}/{file}", repo.full_name))
}

fn workflow_object(call: &Call, repo: &Repo, file: &str) -> Value {
    let id = workflow_id(repo, file);
    let at = repo.runs.first().map_or_else(
        || "2026-01-01T00:00:00Z".to_owned(),
        |run| time(run.created_at),
    );
    json!({
        "id": id,
        "node_id": node_id("W", id),
        "name": file.trim_end_matches(".yml"),
        "path": format!(".github/workflows/{file}"),
        "state": "active",
        "created_at": at,
        "updated_at": at,
        "url": format!("{}/actions/workflows/{id}", call.repo_url(repo)),
        "html_url": format!("{}/{}/blob/main/.github/workflows/{file}", call.html(), repo.full_name),
        "badge_url": format!("{}/{}/workflows/{file}/badge.svg", call.html(), repo.full_name),
    })
}

/// Newest first. A filter goes through the index and knows no more than that.
fn list(
    call: &Call,
    repo: &Repo,
    operation: &'static str,
    path: &str,
    workflow: Option<&str>,
) -> Answer {
    if let Some(status) = call.query("status")
        && !STATUSES.contains(&status)
    {
        return Answer::invalid("WorkflowRun", "status", "invalid");
    }
    const FILTERS: [&str; 7] = [
        "actor",
        "branch",
        "check_suite_id",
        "created",
        "event",
        "head_sha",
        "status",
    ];
    let filtered = FILTERS.iter().any(|name| call.query(name).is_some());
    let indexed = |run: &Run| match &repo.index_frozen_at {
        Some(known) if filtered => known.contains(&run.id),
        Some(_) | None => true,
    };
    let wanted = |run: &&Run| {
        workflow.is_none_or(|file| run.spec.workflow == file) && indexed(run) && passes(call, run)
    };
    let mut runs: Vec<&Run> = repo.runs.iter().rev().filter(wanted).collect();
    if filtered {
        runs.truncate(FILTERED_MAX);
    }
    let page = Page::cut(call, path, runs);
    match page {
        Ok(page) => page
            .map(|run| odd(run_object(call, repo, run), run.spec.odd.as_ref()))
            .envelope(operation, "workflow_runs"),
        Err(refusal) => refusal,
    }
}

fn passes(call: &Call, run: &Run) -> bool {
    let equals = |name: &str, found: Option<&str>| {
        call.query(name).is_none_or(|wanted| found == Some(wanted))
    };
    let spec = &run.spec;
    let status = call.query("status").is_none_or(|wanted| {
        spec.status.as_deref() == Some(wanted) || spec.conclusion.as_deref() == Some(wanted)
    });
    status
        && equals("branch", spec.branch.as_deref())
        && equals("event", Some(&spec.event))
        && equals("head_sha", Some(&run.sha))
        && equals("actor", Some("octo"))
        && equals("check_suite_id", Some(&suite(run).to_string()))
        && call
            .query("created")
            .is_none_or(|wanted| created(wanted, &time(run.created_at)))
}

/// GitHub's search syntax for dates, as far as plain comparison goes: a text order, since all times are in UTC.
fn created(wanted: &str, found: &str) -> bool {
    if let Some((from, to)) = wanted.split_once("..") {
        return (from == "*" || from <= found)
            && (to == "*" || found <= to || found.starts_with(to));
    }
    let rest = |sign| wanted.strip_prefix(sign);
    match (rest(">="), rest("<="), rest(">"), rest("<")) {
        (Some(from), ..) => from <= found,
        (_, Some(to), ..) => found <= to || found.starts_with(to),
        (_, _, Some(from), _) => from < found && !found.starts_with(from),
        (.., Some(to)) => found < to,
        (None, None, None, None) => found.starts_with(wanted),
    }
}

fn suite(run: &Run) -> u64 {
    run.id + 700_000
}

pub(super) fn run(state: &mut State, call: &Call) -> Answer {
    answer_run(state, call, "actions/get-workflow-run", None)
}

pub(super) fn attempt(state: &mut State, call: &Call) -> Answer {
    let attempt = call.number(1).unwrap_or(0);
    answer_run(
        state,
        call,
        "actions/get-workflow-run-attempt",
        Some(attempt),
    )
}

fn answer_run(
    state: &mut State,
    call: &Call,
    operation: &'static str,
    attempt: Option<u64>,
) -> Answer {
    let repo = state.repo_mut(&call.repo);
    let Some(run) = repo.runs.iter().find(|run| Some(run.id) == call.number(0)) else {
        return Answer::not_found();
    };
    let mut run = run.clone();
    match attempt.filter(|attempt| *attempt != run.spec.attempt) {
        None => (),
        Some(attempt) => match run.earlier.get(&attempt).cloned() {
            Some(conclusion) => {
                run.spec.conclusion = Some(conclusion);
                run.spec.attempt = attempt;
                run.started_at = run.created_at;
            }
            None => return Answer::not_found(),
        },
    }
    let (object, odd) = odd(run_object(call, repo, &run), run.spec.odd.as_ref());
    Answer {
        odd,
        ..Answer::ok(operation, object)
    }
}

fn run_object(call: &Call, repo: &Repo, run: &Run) -> Value {
    let spec = &run.spec;
    let url = format!("{}/actions/runs/{}", call.repo_url(repo), run.id);
    let (_, name) = repo.full_name.split_once('/').unwrap_or_default();
    let head = spec
        .fork_of
        .as_ref()
        .map_or_else(|| repo.full_name.clone(), |owner| format!("{owner}/{name}"));
    let path = format!(".github/workflows/{}", spec.workflow);
    let path = spec
        .path_ref
        .as_ref()
        .map_or_else(|| path.clone(), |at| format!("{path}@{at}"));
    let person = json!({"name": "Octo Cat", "email": "octo@example.com"});
    let commit = json!({
        "id": run.sha, "tree_id": run.sha, "message": spec.title, "timestamp": time(run.created_at),
        "author": person, "committer": person,
    });
    let before = (1 < spec.attempt).then(|| format!("{url}/attempts/{}", spec.attempt - 1));
    json!({
        "id": run.id,
        "name": spec.name,
        "node_id": node_id("WFR", run.id),
        "check_suite_id": suite(run),
        "check_suite_node_id": node_id("CS", suite(run)),
        "head_branch": spec.branch,
        "head_sha": run.sha,
        "path": path,
        "run_number": run.number,
        "run_attempt": spec.attempt,
        "referenced_workflows": [],
        "event": spec.event,
        "display_title": spec.title,
        "status": spec.status,
        "conclusion": spec.conclusion,
        "workflow_id": workflow_id(repo, &spec.workflow),
        "url": url,
        "html_url": format!("{}/{}/actions/runs/{}", call.html(), repo.full_name, run.id),
        "pull_requests": pull_requests(call, repo, run),
        "created_at": time(run.created_at),
        "updated_at": time(run.started_at + SignedDuration::from_secs(45)),
        "run_started_at": time(run.started_at),
        "actor": user(call, "octo"),
        "triggering_actor": user(call, "octo"),
        "jobs_url": format!("{url}/jobs"),
        "logs_url": format!("{url}/logs"),
        "check_suite_url": format!("{}/check-suites/{}", call.repo_url(repo), suite(run)),
        "artifacts_url": format!("{url}/artifacts"),
        "cancel_url": format!("{url}/cancel"),
        "rerun_url": format!("{url}/rerun"),
        "previous_attempt_url": before,
        "workflow_url": format!("{}/actions/workflows/{}", call.repo_url(repo), workflow_id(repo, &spec.workflow)),
        "head_commit": if spec.with_commit { commit } else { Value::Null },
        "repository": repository(call, &repo.full_name, false),
        "head_repository": repository(call, &head, spec.fork_of.is_some()),
    })
}

fn pull_requests(call: &Call, repo: &Repo, run: &Run) -> Value {
    let Some(number) = run
        .spec
        .pull_request
        .filter(|_| call.query("exclude_pull_requests") != Some("true"))
    else {
        return json!([]);
    };
    let (_, name) = repo.full_name.split_once('/').unwrap_or_default();
    let end = |branch: &str| {
        let of = json!({"id": repo.id, "url": call.repo_url(repo), "name": name});
        json!({"ref": branch, "sha": run.sha, "repo": of})
    };
    json!([{
        "id": number + 900_000,
        "number": number,
        "url": format!("{}/pulls/{number}", call.repo_url(repo)),
        "head": end(run.spec.branch.as_deref().unwrap_or("main")),
        "base": end("main"),
    }])
}
