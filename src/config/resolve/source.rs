//! Where good releases come from.

use super::Scope;
use crate::cli::usage;
use crate::config::check;
use crate::config::defaults;
use crate::config::file;
use crate::engine::request::{RunContext, Source};
use crate::model::outcome::Failure;

pub(super) fn resolve(scope: &Scope<'_>, context: &RunContext) -> Result<Source, Failure> {
    let written = scope.written.and_then(|(_, env)| env.source.clone());
    let written = written.unwrap_or_default();
    let typed = &scope.parts.source;
    let default = defaults::source();
    let rollback_workflows = rollback_workflows(scope, &written, default.rollback_workflows)?;
    let text = |typed: &Option<String>, written: &Option<String>| typed.clone().or(written.clone());
    Ok(Source {
        workflow: workflow(scope, context, &written, &rollback_workflows)?,
        branch: text(&typed.branch, &written.branch).or_else(|| own_branch(scope)),
        events: events(scope, &written, default.events)?,
        artifact: text(&typed.artifact_name, &written.artifact).unwrap_or(default.artifact),
        deploy_job: text(&typed.deploy_job, &written.deploy_job),
        title: text(&typed.title, &written.title),
        require_digest: typed
            .require_digest
            .or(written.require_digest)
            .unwrap_or(default.require_digest),
        require_ancestor: typed
            .require_ancestor
            .or(written.require_ancestor)
            .unwrap_or(default.require_ancestor),
        rollback_workflows,
        max_candidates: scope.bounded(
            &["source", "max-candidates"],
            written.max_candidates,
            1..=100,
            default.max_candidates,
        )?,
        max_pages: scope.bounded(
            &["source", "max-pages"],
            written.max_pages,
            1..=10,
            default.max_pages,
        )?,
        size_limit_bytes: written
            .size_limit
            .map_or(default.size_limit_bytes, |size| size.0),
        exclude_runs: typed.exclude_run.clone(),
        // A run named by the operator may well be of the commit this runs for: going forward again after a rollback.
        failing_commit: typed.failing_commit.clone().or_else(|| {
            let named = scope.parts.choice.run_id.is_some();
            context
                .sha
                .clone()
                .filter(|_| !named && scope.inputs.env.in_actions())
        }),
    })
}

fn rollback_workflows(
    scope: &Scope<'_>,
    written: &file::Source,
    default: Vec<String>,
) -> Result<Vec<String>, Failure> {
    let Some(names) = &written.rollback_workflows else {
        return Ok(default);
    };
    for (index, name) in names.iter().enumerate() {
        check::workflow(name).map_err(|expected| {
            let path = ["source", "rollback-workflows", &format!("[{index}]")];
            scope.wrong_text(&path, name, expected)
        })?;
    }
    Ok(names.clone())
}

fn events(
    scope: &Scope<'_>,
    written: &file::Source,
    default: Vec<String>,
) -> Result<Vec<String>, Failure> {
    let typed = &scope.parts.source.event;
    for event in typed {
        check::event(event).map_err(|expected| scope.wrong_option("event", event, expected))?;
    }
    if !typed.is_empty() {
        return Ok(typed.clone());
    }
    let Some(events) = &written.events else {
        return Ok(default);
    };
    if events.is_empty() {
        let expected = "at least one event, such as push";
        return Err(scope
            .wrong(&["source", "events"], "no event", expected)
            .into());
    }
    for (index, event) in events.iter().enumerate() {
        check::event(event).map_err(|expected| {
            scope.wrong_text(
                &["source", "events", &format!("[{index}]")],
                event,
                expected,
            )
        })?;
    }
    Ok(events.clone())
}

/// The branch this runs on. A tag or a pull request is none.
fn own_branch(scope: &Scope<'_>) -> Option<String> {
    let env = scope.inputs.env;
    let name = env.get("GITHUB_REF")?.strip_prefix("refs/heads/")?;
    Some(name.to_owned())
}

fn workflow(
    scope: &Scope<'_>,
    context: &RunContext,
    written: &file::Source,
    rollback_workflows: &[String],
) -> Result<String, Failure> {
    if let Some(typed) = &scope.parts.source.workflow {
        check::workflow(typed)
            .map_err(|expected| scope.wrong_option("workflow", typed, expected))?;
        return Ok(typed.clone());
    }
    if let Some(name) = &written.workflow {
        check::workflow(name)
            .map_err(|expected| scope.wrong_text(&["source", "workflow"], name, expected))?;
        return Ok(name.clone());
    }
    let other_repository = scope
        .parts
        .github
        .repository
        .as_ref()
        .map(ToString::to_string);
    let other_repository = other_repository.or(written.repository.clone());
    let own = context.workflow_ref.as_deref().and_then(|reference| {
        let (repository, path) = reference.split_once("/.github/workflows/")?;
        let (name, _ref) = path.split_once('@')?;
        let is_here = other_repository.is_none_or(|other| other == repository);
        is_here.then(|| name.to_owned())
    });
    let name_it = match scope.inputs.spelling {
        usage::Spelling::Flag => "name it: --workflow deploy.yml, or source.workflow in the config",
        usage::Spelling::Input => {
            "name it: `workflow: deploy.yml`, or source.workflow in the config"
        }
    };
    match own {
        _ if !scope.needs.runs => Ok(own.unwrap_or_default()),
        Some(own) if is_among(&own, rollback_workflows) => Err(usage::failure(
            format!("no deploy workflow: this runs in {own}, which rolls back and deploys nothing"),
            name_it,
        )),
        Some(own) => Ok(own),
        None => Err(usage::failure(
            "no deploy workflow: its runs are the releases to go back to",
            name_it,
        )),
    }
}

fn is_among(name: &str, workflows: &[String]) -> bool {
    workflows
        .iter()
        .any(|other| other.rsplit('/').next() == Some(name))
}
