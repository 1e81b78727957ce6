//! The jobs of a run: of the latest attempt, of all, or of a given one.

use super::super::spec::JobSpec;
use super::super::state::State;
use super::super::things::{Repo, Run};
use super::objects::{node_id, odd, time};
use super::page::Page;
use super::{Answer, Call};
use jiff::SignedDuration;
use serde_json::{Value, json};

pub(super) fn jobs(state: &mut State, call: &Call) -> Answer {
    let all = call.query("filter") == Some("all");
    answer_jobs(
        state,
        call,
        "actions/list-jobs-for-workflow-run",
        |run, attempt| all || attempt == run.spec.attempt,
    )
}

pub(super) fn attempt_jobs(state: &mut State, call: &Call) -> Answer {
    let wanted = call.number(1);
    answer_jobs(
        state,
        call,
        "actions/list-jobs-for-workflow-run-attempt",
        |_run, attempt| Some(attempt) == wanted,
    )
}

fn answer_jobs(
    state: &mut State,
    call: &Call,
    operation: &'static str,
    wanted: impl Fn(&Run, u64) -> bool,
) -> Answer {
    let repo = state.repo_mut(&call.repo);
    let Some(run) = repo.runs.iter().find(|run| Some(run.id) == call.number(0)) else {
        return Answer::not_found();
    };
    let attempt = |job: &JobSpec| job.attempt.unwrap_or(run.spec.attempt);
    let jobs = run.jobs.iter().filter(|(_, job)| wanted(run, attempt(job)));
    let jobs = jobs
        .map(|(id, job)| odd(job_object(call, repo, run, *id, job), job.odd.as_ref()))
        .collect();
    match Page::cut(call, &format!("actions/runs/{}/jobs", run.id), jobs) {
        Ok(page) => page.envelope(operation, "jobs"),
        Err(refusal) => refusal,
    }
}

fn job_object(call: &Call, repo: &Repo, run: &Run, id: u64, job: &JobSpec) -> Value {
    let done = job
        .conclusion
        .as_ref()
        .map(|_| time(run.started_at + SignedDuration::from_secs(40)));
    let page = format!(
        "{}/{}/actions/runs/{}/job/{id}",
        call.html(),
        repo.full_name,
        run.id
    );
    json!({
        "id": id,
        "run_id": run.id,
        "run_url": format!("{}/actions/runs/{}", call.repo_url(repo), run.id),
        "run_attempt": job.attempt.unwrap_or(run.spec.attempt),
        "node_id": node_id("CR", id),
        "head_sha": run.sha,
        "head_branch": run.spec.branch,
        "workflow_name": run.spec.name,
        "url": format!("{}/actions/jobs/{id}", call.repo_url(repo)),
        "html_url": page,
        "status": job.status,
        "conclusion": job.conclusion,
        "created_at": time(run.started_at),
        "started_at": time(run.started_at + SignedDuration::from_secs(2)),
        "completed_at": done,
        "name": job.name,
        "steps": [],
        "check_run_url": format!("{}/check-runs/{id}", call.repo_url(repo)),
        "labels": ["ubuntu-latest"],
        "runner_id": 1,
        "runner_name": "GitHub Actions 1",
        "runner_group_id": 0,
        "runner_group_name": "GitHub Actions",
    })
}
