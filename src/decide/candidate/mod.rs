//! Which run deployed the last good release. Every rule that turns a run, its jobs or its artifacts down is here, one reason each;
//! asking GitHub for them is not.

#[cfg(test)]
mod tests;

use crate::model::candidate::{Artifact, Job, PassedOver, Rejection, Run};
use crate::model::ids::{CommitSha, RunId};
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use wildmatch::WildMatch;

/// Events whose runs may deploy: all of them run the repository's own code. `workflow_run` is allowed when it is listed; pull
/// request events never are, because they run a stranger's code under the repository's artifact names.
pub const DEFAULT_EVENTS: [&str; 5] = [
    "push",
    "workflow_dispatch",
    "schedule",
    "release",
    "repository_dispatch",
];

/// What a run must be to be a candidate.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// File name (`deploy.yml`) or path (`.github/workflows/deploy.yml`) of the deploy workflow.
    pub workflow: String,
    /// Branch, or tag for tag pushes; `None`: any.
    pub branch: Option<String>,
    /// Allowed events; empty: [`DEFAULT_EVENTS`].
    pub events: Vec<String>,
    /// The run that asks.
    pub own_run: Option<RunId>,
    /// The commit being rolled back from.
    pub failing_sha: Option<CommitSha>,
    pub exclude_runs: Vec<RunId>,
    /// Rolled back from before, with the reason.
    pub bad_runs: BTreeMap<RunId, String>,
    pub bad_shas: BTreeMap<CommitSha, String>,
    /// Workflows that roll back: their runs are green and deployed another commit than their own.
    pub rollback_workflows: Vec<String>,
    /// Wildcard on the run's title: the environment by `run-name:`, which is not in the run object otherwise.
    pub title: Option<String>,
    /// Name of the job that deploys; exact, or with `*` and `?`.
    pub deploy_job: Option<String>,
    /// Name of the artifact; exact, or with `*` and `?`.
    pub artifact: String,
    /// Turn artifacts without a digest from GitHub down.
    pub require_digest: bool,
    pub size_limit_bytes: u64,
}

/// Everything the run object alone tells. The first reason found is given, the most telling first.
pub fn screen(run: &Run, policy: &Policy) -> Result<(), Rejection> {
    if policy.own_run == Some(run.id) {
        return Err(Rejection::OwnRun);
    }
    if policy.exclude_runs.contains(&run.id) {
        return Err(Rejection::Excluded);
    }
    if policy
        .rollback_workflows
        .iter()
        .any(|workflow| is_workflow(&run.path, workflow))
    {
        return Err(Rejection::OwnRollback);
    }
    if !is_workflow(&run.path, &policy.workflow) {
        return Err(Rejection::OtherWorkflow {
            path: run.path.clone(),
        });
    }
    screen_origin(run, policy)?;
    let state = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    if run.status.as_deref() != Some("completed") {
        return Err(Rejection::NotCompleted {
            status: state(&run.status),
        });
    }
    if run.conclusion.as_deref() != Some("success") {
        return Err(Rejection::NotSuccessful {
            conclusion: state(&run.conclusion),
        });
    }
    if policy.failing_sha.as_ref() == Some(&run.sha) {
        return Err(Rejection::FailingCommit);
    }
    let bad = policy.bad_runs.get(&run.id);
    match bad.or_else(|| policy.bad_shas.get(&run.sha)) {
        Some(why) => Err(Rejection::MarkedBad { why: why.clone() }),
        None => Ok(()),
    }
}

/// Whose code it ran, and for what: event, repository, branch, title.
fn screen_origin(run: &Run, policy: &Policy) -> Result<(), Rejection> {
    if !event_allowed(&run.event, &policy.events) {
        return Err(Rejection::EventNotAllowed {
            event: run.event.clone(),
        });
    }
    // A fork may have a branch of any name, and artifacts of any name: only the ids tell (GHSA-5xr6-xhww-33m4).
    if run.repository_id.is_none() || run.head_repository_id != run.repository_id {
        return Err(Rejection::Fork);
    }
    if let Some(branch) = &policy.branch
        && run.branch.as_ref() != Some(branch)
    {
        return Err(Rejection::OtherBranch {
            found: run.branch.clone().unwrap_or_else(|| "(none)".to_owned()),
        });
    }
    let title = run.title.as_deref().unwrap_or_default();
    match &policy.title {
        Some(wanted) if !matches(wanted, title) => Err(Rejection::OtherTitle {
            found: title.to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Newest first: by the start of the latest attempt (a re-run of an old run is what is live), then by id.
pub fn newest_first(runs: &mut [Run]) {
    runs.sort_by_key(|run| Reverse(age(run)));
}

/// GitHub may leave the start of the attempt out; then the run's creation stands for it.
fn age(run: &Run) -> (Option<Timestamp>, RunId) {
    (run.started_at.or(run.created_at), run.id)
}

/// The deploy job succeeded in the latest attempt. `wanted` is the job's exact name, or a wildcard: a matrix job is called
/// `deploy (prod)` and a reusable workflow's `call / deploy`, and neither is taken for `deploy` unless a `*` says so. When several
/// jobs match, every one must have succeeded. The answer is their names.
pub fn deploy_job(jobs: &[Job], wanted: &str) -> Result<String, Rejection> {
    let matching = named(jobs, wanted, |job| &job.name);
    if matching.is_empty() {
        return Err(Rejection::DeployJobMissing {
            wanted: wanted.to_owned(),
            found: jobs.iter().map(|job| job.name.clone()).collect(),
        });
    }
    for job in &matching {
        if job.conclusion.as_deref() != Some("success") {
            let state = job.conclusion.as_ref().or(job.status.as_ref());
            return Err(Rejection::DeployJobNotSuccessful {
                job: job.name.clone(),
                conclusion: state.cloned().unwrap_or_else(|| "unknown".to_owned()),
            });
        }
    }
    let names: Vec<&str> = matching.iter().map(|job| job.name.as_str()).collect();
    Ok(names.join(", "))
}

/// The one live artifact of a run, and what the operator should know of it.
pub fn artifact(
    artifacts: &[Artifact],
    run: &Run,
    policy: &Policy,
) -> Result<(Artifact, Vec<String>), Rejection> {
    let matching = named(artifacts, &policy.artifact, |artifact| &artifact.name);
    let live: Vec<&Artifact> = matching
        .iter()
        .copied()
        .filter(|artifact| !artifact.expired)
        .collect();
    let found = match (live.as_slice(), matching.as_slice()) {
        ([one], _) => *one,
        ([], []) => {
            return Err(Rejection::NoArtifact {
                wanted: policy.artifact.clone(),
                found: artifacts.iter().map(|a| a.name.clone()).collect(),
            });
        }
        ([], [expired, ..]) => {
            return Err(Rejection::ArtifactExpired {
                name: expired.name.clone(),
                at: expired.expires_at,
            });
        }
        // Never "the first": two artifacts of one name are two answers to one question.
        ([_, _, ..], _) => {
            return Err(Rejection::SeveralArtifacts {
                names: live.iter().map(|artifact| artifact.name.clone()).collect(),
            });
        }
    };
    if policy.size_limit_bytes < found.size_bytes {
        return Err(Rejection::ArtifactTooLarge {
            size_bytes: found.size_bytes,
            limit_bytes: policy.size_limit_bytes,
        });
    }
    if found.digest.is_none() && policy.require_digest {
        return Err(Rejection::NoDigest {
            name: found.name.clone(),
        });
    }
    Ok((found.clone(), warnings(found, run)))
}

fn warnings(artifact: &Artifact, run: &Run) -> Vec<String> {
    let mut warnings = Vec::new();
    let attempt = run.attempt.unwrap_or(1);
    if let (Some(created_at), Some(started_at)) = (artifact.created_at, run.started_at)
        && 1 < attempt
        && created_at < started_at
    {
        warnings.push(format!(
            "artifact {} was made before attempt {attempt} of run {}: an earlier attempt uploaded it",
            artifact.name, run.id
        ));
    }
    if artifact.digest.is_none() {
        warnings.push(format!(
            "GitHub gives no digest for artifact {}: only lastgood.json or --expected-sha256 can prove it",
            artifact.name
        ));
    }
    warnings
}

/// The candidate's commit is on the branch. `compare_status` is the status of `compare/{candidate}...{branch head}`.
pub fn ancestor(compare_status: &str) -> Result<(), Rejection> {
    match compare_status {
        "ahead" | "identical" => Ok(()),
        other => Err(Rejection::NotAnAncestor {
            status: other.to_owned(),
        }),
    }
}

/// The reason that turned most runs down, and how many: what to look at first when nothing is left. Runs that were good
/// but older do not count; of two equally frequent reasons the one of the newer run is given.
pub fn most_frequent(passed_over: &[PassedOver]) -> Option<(&'static str, usize)> {
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    for passed in passed_over {
        if passed.why == Rejection::Older {
            continue;
        }
        let word = passed.why.word();
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    counts.into_iter().find(|(_, count)| *count == most)
}

/// `path` may carry `@ref`, and a file name may hold an `@` of its own.
fn is_workflow(path: &str, workflow: &str) -> bool {
    let wanted = if workflow.contains('/') {
        workflow.to_owned()
    } else {
        format!(".github/workflows/{workflow}")
    };
    path.strip_prefix(&wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

fn event_allowed(event: &str, events: &[String]) -> bool {
    if event.starts_with("pull_request") {
        return false;
    }
    match events {
        [] => DEFAULT_EVENTS.contains(&event),
        events => events.iter().any(|allowed| allowed == event),
    }
}

/// The entries of exactly this name; only without any is the name read as a wildcard.
fn named<'a, T>(entries: &'a [T], wanted: &str, name: impl Fn(&T) -> &String) -> Vec<&'a T> {
    let exact: Vec<&T> = entries.iter().filter(|e| name(e) == wanted).collect();
    if !exact.is_empty() {
        return exact;
    }
    entries
        .iter()
        .filter(|e| matches(wanted, name(e)))
        .collect()
}

/// Equal, or matched by a pattern that has a `*` or `?`.
fn matches(wanted: &str, name: &str) -> bool {
    wanted == name || (wanted.contains(['*', '?']) && WildMatch::new(wanted).matches(name))
}
