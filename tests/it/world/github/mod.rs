//! GitHub's REST API as far as lastgood uses it, answered from the state of the world. The order of the checks is
//! GitHub's: client manners, API version, token, rate limit, repository, permission, and only then the call itself.
//! `gate` holds those checks; `find` knows the paths; the other modules answer one family of calls each.

mod artifacts;
mod deployments;
mod find;
mod gate;
mod jobs;
mod objects;
mod page;
mod repository;
mod runs;

use super::faults::{Fault, Route};
use super::line::Line;
use super::log::{Seen, Server};
use super::reply::{Reply, send};
use super::state::{Shared, State};
use super::things::Repo;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use find::Found;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Request bodies above this are refused: the API's own limit is far lower than what a test would send by mistake.
const BODY_BYTES_MAX: usize = 4 << 20;

/// One call, understood.
#[derive(Debug)]
pub struct Call {
    pub route: Route,
    /// `owner/name`; empty for calls that are not about a repository.
    pub repo: String,
    /// The path's own parameters, in order.
    pub args: Vec<String>,
    pub query: BTreeMap<String, String>,
    pub body: Bytes,
    /// What URLs in the answer begin with: scheme, host as the client wrote it, `/api/v3` if it was there.
    pub base: String,
}

impl Call {
    fn number(&self, at: usize) -> Option<u64> {
        self.args.get(at)?.parse().ok()
    }

    fn text(&self, at: usize) -> &str {
        self.args.get(at).map_or("", String::as_str)
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The base of pages for people.
    fn html(&self) -> &str {
        self.base.strip_suffix("/api/v3").unwrap_or(&self.base)
    }

    fn repo_url(&self, repo: &Repo) -> String {
        format!("{}/repos/{}", self.base, repo.full_name)
    }
}

/// The answer to a call, before it becomes bytes.
#[derive(Debug)]
pub struct Answer {
    /// Operation id in GitHub's `OpenAPI` description, or `error`.
    operation: &'static str,
    status: u16,
    headers: Vec<(String, String)>,
    body: Option<Value>,
    /// Holds objects that GitHub's schema forbids, on purpose.
    odd: bool,
}

impl Answer {
    fn ok(operation: &'static str, body: Value) -> Self {
        Self {
            operation,
            status: 200,
            headers: Vec::new(),
            body: Some(body),
            odd: false,
        }
    }

    fn error(status: u16, message: &str) -> Self {
        let body = json!({
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
            "status": status.to_string(),
        });
        Self {
            operation: "error",
            status,
            headers: Vec::new(),
            body: Some(body),
            odd: false,
        }
    }

    fn not_found() -> Self {
        Self::error(404, "Not Found")
    }

    /// 422 with the field at fault.
    fn invalid(resource: &str, field: &str, code: &str) -> Self {
        let mut answer = Self::error(422, "Validation Failed");
        if let Some(Value::Object(body)) = &mut answer.body {
            let error = json!({"resource": resource, "field": field, "code": code});
            body.insert("errors".to_owned(), json!([error]));
        }
        answer
    }

    fn with(mut self, name: &str, value: String) -> Self {
        self.headers.push((name.to_owned(), value));
        self
    }
}

/// Answers one request to the API.
pub async fn answer(shared: Arc<Shared>, line: Line, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX)
        .await
        .unwrap_or_default();
    let seen = Seen::new(Server::Api, line.number, &parts, body.clone());
    let (reply, fault) = decide(&shared, seen, body);
    send(reply, fault.as_ref(), &line).await
}

fn decide(shared: &Shared, mut seen: Seen, body: Bytes) -> (Reply, Option<Fault>) {
    let state = &mut *shared.state();
    let doubled = seen.doubled();
    state.violations.extend(doubled);
    let Some(Found {
        route,
        repo,
        args,
        base,
    }) = find::find(&seen)
    else {
        let reply = reply(state, Answer::not_found());
        seen.status = reply.status;
        state.log.push(seen);
        return (reply, None);
    };
    seen.route = Some(route);
    let call = Call {
        route,
        repo,
        args,
        query: seen.query.clone(),
        body,
        base,
    };
    let fault = state.faults.next(route);
    let reply = match fault.as_ref().and_then(Reply::of_fault) {
        Some(reply) => reply,
        None => match gate::check(state, &call, &seen) {
            Err(refusal) => reply(state, refusal),
            Ok(()) if matches!(fault, Some(Fault::BodyInstead)) => {
                artifacts::body(state, &call, &seen)
            }
            Ok(()) => {
                let answer = dispatch(state, &call);
                reply(state, answer)
            }
        },
    };
    seen.status = reply.status;
    state.log.push(seen);
    (reply, fault)
}

fn dispatch(state: &mut State, call: &Call) -> Answer {
    match call.route {
        Route::RateLimit => repository::rate_limit(state),
        Route::Repo => repository::repo(state, call),
        Route::Compare => repository::compare(state, call),
        Route::CreateIssue => repository::create_issue(state, call),
        Route::Attestations => repository::attestations(state, call),
        Route::Workflows => runs::workflows(state, call),
        Route::Workflow => runs::workflow(state, call),
        Route::WorkflowRuns => runs::of_workflow(state, call),
        Route::RepoRuns => runs::of_repo(state, call),
        Route::Run => runs::run(state, call),
        Route::Attempt => runs::attempt(state, call),
        Route::Jobs => jobs::jobs(state, call),
        Route::AttemptJobs => jobs::attempt_jobs(state, call),
        Route::RunArtifacts => artifacts::of_run(state, call),
        Route::RepoArtifacts => artifacts::of_repo(state, call),
        Route::Artifact => artifacts::artifact(state, call),
        Route::Zip => artifacts::zip(state, call),
        Route::Deployments => deployments::list(state, call),
        Route::CreateDeployment => deployments::create(state, call),
        Route::Statuses => deployments::statuses(state, call),
        Route::CreateStatus => deployments::create_status(state, call),
        Route::Blob => Answer::not_found(),
    }
}

/// The answer as bytes, once the test's check has seen it.
fn reply(state: &mut State, answer: Answer) -> Reply {
    let answer = match checked(state, &answer) {
        Ok(()) => answer,
        Err(why) => {
            state
                .violations
                .push(format!("{} {}: {why}", answer.operation, answer.status));
            Answer::error(500, "the double's answer is not one that GitHub would give")
        }
    };
    let mut reply = match &answer.body {
        Some(body) => Reply::new(
            answer.status,
            "application/json; charset=utf-8",
            body.to_string(),
        ),
        None => Reply::new(answer.status, "text/html;charset=utf-8", ""),
    };
    reply.headers.extend(answer.headers);
    reply.headers.extend(gate::headers(state));
    reply
}

fn checked(state: &State, answer: &Answer) -> Result<(), String> {
    match (&state.check, &answer.body) {
        (Some(check), Some(body)) if !answer.odd => check(answer.operation, answer.status, body),
        _nothing_to_check => Ok(()),
    }
}
