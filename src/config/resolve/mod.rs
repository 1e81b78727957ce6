//! (Arguments, config file, environment) → one request. Pure: no file is read, nothing is contacted. An argument
//! overrides the file, the file overrides the workflow's context, and that overrides the defaults.

mod access;
mod health;
mod probes;
mod secrets;
mod source;
mod targets;
mod verb;

pub use health::impossible;

use super::check;
use super::defaults;
use super::document::Document;
use super::file;
use super::problem::Problem;
use crate::cli::args::{Cli, Color, Parts};
use crate::cli::env::Env;
use crate::cli::usage::{self, Spelling};
use crate::engine::request::{
    Environment, Guard, OnInconclusive, OnStateConflict, OnUnhealthy, Output, Policy, Process,
    Request,
};
use crate::model::outcome::Failure;
use std::path::PathBuf;

/// Everything that a request is made of.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    pub cli: &'a Cli,
    /// How the user spells options, for messages.
    pub spelling: Spelling,
    pub document: Option<&'a Document>,
    /// Contents of the user's CA file.
    pub ca_pem: Option<&'a [u8]>,
    pub env: &'a Env,
}

/// What the parts of this module share.
struct Scope<'a> {
    inputs: Inputs<'a>,
    parts: Parts,
    /// The environment's name.
    name: String,
    /// The environment as it is written, and its key path.
    written: Option<(&'a Document, &'a file::Environment)>,
    needs: verb::Needs,
}

impl Scope<'_> {
    /// The key path of something in this environment: `environments.<name>.<below>`.
    fn path(&self, below: &[&str]) -> Vec<String> {
        ["environments", &self.name]
            .iter()
            .chain(below)
            .map(|&step| step.to_owned())
            .collect()
    }

    /// A wrong value of the config file.
    fn wrong(&self, below: &[&str], found: &str, expected: &str) -> Problem {
        match self.written {
            Some((document, _)) => document.found(&self.path(below), found, expected),
            None => Problem::found(found, expected),
        }
    }

    /// A wrong text of the config file.
    fn wrong_text(&self, below: &[&str], found: &str, expected: &str) -> Problem {
        self.wrong(below, &format!("{found:?}"), expected)
    }

    fn option(&self, name: &str) -> String {
        self.inputs.spelling.of(name)
    }

    /// A wrong argument, found at the option or input `name`.
    fn wrong_option(&self, name: &str, found: &str, expected: &str) -> Failure {
        usage::failure(
            format!(
                "{}: found {found:?}, expected {expected}",
                self.option(name)
            ),
            "correct it",
        )
    }

    /// A whole number of the config file within bounds.
    fn bounded(
        &self,
        below: &[&str],
        written: Option<u64>,
        bounds: std::ops::RangeInclusive<u32>,
        default: u32,
    ) -> Result<u32, Problem> {
        let Some(number) = written else {
            return Ok(default);
        };
        u32::try_from(number)
            .ok()
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| {
                let expected =
                    format!("a whole number from {} to {}", bounds.start(), bounds.end());
                self.wrong(below, &format!("the number {number}"), &expected)
            })
    }
}

/// Makes the request, or says what is wrong. `completions` and `schema` are no requests.
pub fn resolve(inputs: Inputs<'_>) -> Result<Request, Failure> {
    let common = &inputs.cli.common;
    let wanted = common.environment.as_deref();
    let needs = verb::needs(&inputs);
    // History, reports and replays are about what happened, not about an environment.
    let document = inputs.document.filter(|_| needs.environment);
    let (name, written) = match document {
        Some(document) => {
            let (name, environment) = document.environment(wanted)?;
            (name.to_owned(), Some((document, environment)))
        }
        None => (wanted.unwrap_or(defaults::ENVIRONMENT).to_owned(), None),
    };
    let scope = Scope {
        inputs,
        parts: inputs.cli.verb.parts(),
        name,
        written,
        needs,
    };
    let context = access::context(&scope)?;
    let github = access::github(&scope, &context)?;
    let environment = Environment {
        name: scope.name.clone(),
        source: source::resolve(&scope, &context)?,
        targets: targets::resolve(&scope)?,
        health: health::resolve(&scope)?,
        policy: policy(&scope)?,
        guard: guard(&scope)?,
    };
    let verb = verb::resolve(&scope, &context)?;
    let secrets = secrets::all(inputs.env, github.token.as_ref(), &environment);
    Ok(Request {
        verb,
        environment,
        github,
        context,
        output: output(inputs),
        process: process(inputs.env),
        state_dir: state_dir(inputs),
        dry_run: scope.parts.changes.dry_run,
        reason: scope.parts.changes.reason.clone(),
        secrets,
    })
}

fn policy(scope: &Scope<'_>) -> Result<Policy, Failure> {
    let written = scope.written.and_then(|(_, env)| env.policy.clone());
    let written = written.unwrap_or_default();
    let default = defaults::policy();
    for (index, hazard) in written.allow.iter().flatten().enumerate() {
        check::hazard(hazard).map_err(|expected| {
            scope.wrong_text(
                &["policy", "allow", &format!("[{index}]")],
                hazard,
                expected,
            )
        })?;
    }
    for hazard in &scope.parts.changes.allow {
        check::hazard(hazard).map_err(|expected| scope.wrong_option("allow", hazard, expected))?;
    }
    let typed = &scope.parts.policy;
    let mut allow = written.allow.unwrap_or(default.allow);
    allow.extend(scope.parts.changes.allow.iter().cloned());
    Ok(Policy {
        on_unhealthy: match typed.on_unhealthy.or(written.on_unhealthy) {
            Some(file::OnUnhealthy::Rollback) => OnUnhealthy::Rollback,
            Some(file::OnUnhealthy::Fail) => OnUnhealthy::Fail,
            None => default.on_unhealthy,
        },
        on_inconclusive: match typed.on_inconclusive.or(written.on_inconclusive) {
            Some(file::OnInconclusive::Fail) => OnInconclusive::Fail,
            Some(file::OnInconclusive::Pass) => OnInconclusive::Pass,
            Some(file::OnInconclusive::Rollback) => OnInconclusive::Rollback,
            None => default.on_inconclusive,
        },
        on_state_conflict: match typed.on_state_conflict.or(written.on_state_conflict) {
            Some(file::OnStateConflict::Stop) => OnStateConflict::Stop,
            Some(file::OnStateConflict::Snapshot) => OnStateConflict::Snapshot,
            Some(file::OnStateConflict::SkipPreUpgrade) => OnStateConflict::SkipPreUpgrade,
            None => default.on_state_conflict,
        },
        allow,
    })
}

fn guard(scope: &Scope<'_>) -> Result<Guard, Failure> {
    let written = scope.written.and_then(|(_, env)| env.guard.clone());
    let written = written.unwrap_or_default();
    let repository = match &written.repository {
        Some(text) => Some(
            check::repository(text)
                .map_err(|expected| scope.wrong_text(&["guard", "repository"], text, expected))?,
        ),
        None => None,
    };
    if written.hostname.as_deref() == Some("") {
        return Err(scope
            .wrong_text(&["guard", "hostname"], "", "the host name of the machine")
            .into());
    }
    Ok(Guard {
        hostname: written.hostname,
        repository,
    })
}

fn output(inputs: Inputs<'_>) -> Output {
    let (env, common) = (inputs.env, &inputs.cli.common);
    let is_dumb = env.get("TERM") == Some("dumb");
    Output {
        json: common.json,
        color: match common.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => env.stderr_tty && env.get("NO_COLOR").is_none() && !is_dumb,
        },
        stdout_tty: env.stdout_tty,
        stderr_tty: env.stderr_tty && !is_dumb,
        in_actions: env.in_actions(),
        verbosity: match (common.quiet, common.verbose) {
            (true, _) => -1,
            // How GitHub says "run this job again with debug logging".
            (false, 0) if env.get("RUNNER_DEBUG") == Some("1") => 2,
            (false, count) => i8::try_from(count.min(2)).unwrap_or(2),
        },
        github_output: env.get("GITHUB_OUTPUT").map(PathBuf::from),
        step_summary: env.get("GITHUB_STEP_SUMMARY").map(PathBuf::from),
    }
}

fn process(env: &Env) -> Process {
    Process {
        dir: env.dir.clone(),
        variables: env.variables.clone(),
        temp_dir: ["RUNNER_TEMP", "TMPDIR"]
            .iter()
            .find_map(|name| env.get(name))
            .map_or_else(|| PathBuf::from("/tmp"), PathBuf::from),
    }
}

fn state_dir(inputs: Inputs<'_>) -> PathBuf {
    let written = inputs
        .document
        .and_then(|document| document.file.state_dir.as_deref());
    let dir = match (&inputs.cli.common.state_dir, written) {
        (Some(typed), _) => typed.clone(),
        (None, Some(written)) => PathBuf::from(written),
        (None, None) => PathBuf::from(defaults::STATE_DIR),
    };
    inputs.env.dir.join(dir)
}
