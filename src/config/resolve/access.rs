//! What the workflow run and the environment variables tell, and how GitHub is reached.

use super::Scope;
use crate::cli::action;
use crate::cli::env::Env;
use crate::cli::usage;
use crate::config::check;
use crate::config::defaults;
use crate::engine::request::{GitHubAccess, RunContext};
use crate::model::ids::{RepoName, RunId};
use crate::model::outcome::Failure;
use crate::model::secret::Secret;
use std::str::FromStr;
use std::time::Duration;

pub(super) fn context(scope: &Scope<'_>) -> Result<RunContext, Failure> {
    let env = scope.inputs.env;
    let text = |name: &str| env.get(name).map(str::to_owned);
    let repository: Option<RepoName> = variable(env, "GITHUB_REPOSITORY", "owner/name")?;
    let run_id: Option<u64> = variable(env, "GITHUB_RUN_ID", "a run id")?;
    let server = server_url(env)?;
    Ok(RunContext {
        run_id: run_id.map(RunId),
        attempt: variable(env, "GITHUB_RUN_ATTEMPT", "a whole number")?,
        sha: text("GITHUB_SHA"),
        ref_name: text("GITHUB_REF_NAME"),
        workflow_ref: text("GITHUB_WORKFLOW_REF"),
        event: text("GITHUB_EVENT_NAME"),
        actor: text("GITHUB_ACTOR"),
        run_url: match (&repository, run_id) {
            (Some(repository), Some(run)) => {
                Some(format!("{server}/{repository}/actions/runs/{run}"))
            }
            (_, _) => None,
        },
        repository,
        hostname: env.hostname.clone(),
        now: env.now,
    })
}

/// A variable that the runner sets: wrong ones come from a shell that plays runner.
fn variable<T: FromStr>(env: &Env, name: &str, expected: &str) -> Result<Option<T>, Failure> {
    let Some(text) = env.get(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(usage::failure(
            format!("{name}: found {text:?}, expected {expected}"),
            format!("correct or unset {name}"),
        )),
    }
}

fn base_url(env: &Env, name: &str, default: &str) -> Result<String, Failure> {
    let text = env.get(name).unwrap_or(default);
    match check::http_url(text) {
        Ok(_) => Ok(text.trim_end_matches('/').to_owned()),
        Err(expected) => Err(usage::failure(
            format!("{name}: found {text:?}, expected {expected}"),
            format!("correct or unset {name}"),
        )),
    }
}

fn server_url(env: &Env) -> Result<String, Failure> {
    base_url(env, "GITHUB_SERVER_URL", "https://github.com")
}

pub(super) fn github(scope: &Scope<'_>, context: &RunContext) -> Result<GitHubAccess, Failure> {
    let env = scope.inputs.env;
    let written = scope.written.map(|(_, environment)| environment);
    let written_source = written.and_then(|environment| environment.source.as_ref());
    let repository = match (
        &scope.parts.github.repository,
        written_source.and_then(|source| source.repository.as_deref()),
    ) {
        (Some(typed), _) => Some(typed.clone()),
        (None, Some(text)) => Some(
            check::repository(text)
                .map_err(|expected| scope.wrong_text(&["source", "repository"], text, expected))?,
        ),
        (None, None) => context.repository.clone(),
    };
    if repository.is_none() && scope.needs.runs {
        return Err(usage::failure(
            format!(
                "no repository: {} is not given, source.repository is not set, and this is no workflow run",
                scope.option("repository")
            ),
            format!(
                "name it: {}",
                match scope.inputs.spelling {
                    usage::Spelling::Flag => "--repository owner/name",
                    usage::Spelling::Input => "repository: owner/name",
                }
            ),
        ));
    }
    let token = token(env);
    if token.is_none() && scope.needs.artifact {
        return Err(usage::failure(
            "no token: GitHub hands out artifacts only to those who have one",
            if env.in_actions() {
                "give the step `github-token: ${{ github.token }}` and the job `permissions: actions: read`"
            } else {
                "set GITHUB_TOKEN: a token that may read the repository's actions (export GITHUB_TOKEN=\"$(gh auth token)\"); or do without GitHub: rollback --artifact FILE"
            },
        ));
    }
    let policy = written.and_then(|environment| environment.policy.as_ref());
    let time = |typed: Option<_>, written: Option<_>, default: Duration| {
        typed
            .or(written)
            .map_or(default, |time: crate::config::units::Time| time.0)
    };
    let typed = &scope.parts.github;
    let proxy = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    Ok(GitHubAccess {
        api_url: base_url(env, "GITHUB_API_URL", "https://api.github.com")?,
        server_url: server_url(env)?,
        repository,
        token,
        request_deadline: defaults::REQUEST_DEADLINE,
        deadline: time(
            typed.deadline,
            policy.and_then(|policy| policy.deadline),
            defaults::DEADLINE,
        ),
        rate_limit_wait: time(
            typed.rate_limit_wait,
            policy.and_then(|policy| policy.rate_limit_wait),
            defaults::RATE_LIMIT_WAIT,
        ),
        ca_pem: scope.inputs.ca_pem.map(<[u8]>::to_vec),
        proxy: proxy
            .iter()
            .find_map(|name| env.get(name))
            .map(str::to_owned),
        no_proxy: ["NO_PROXY", "no_proxy"]
            .iter()
            .find_map(|name| env.get(name))
            .map(str::to_owned),
    })
}

fn token(env: &Env) -> Option<Secret> {
    action::token(env)
        .or_else(|| env.get("GITHUB_TOKEN"))
        .or_else(|| env.get("GH_TOKEN"))
        .map(Secret::new)
}
