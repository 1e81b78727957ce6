//! Locates the last good release: runs in, candidates out, newest first, each one checked further only when its turn
//! comes. The rules are `decide::candidate`'s; here is only the order of the questions and their number.

use super::operation::Operation;
use super::request::Request;
use crate::decide::candidate::{self, Policy};
use crate::github::{Client, GithubError, Limits};
use crate::model::candidate::{KnownGood, Located, PassedOver, Rejection, Run, Via};
use crate::model::event::EventKind;
use crate::model::ids::{CommitSha, RunId};
use crate::model::outcome::{Failure, Outcome};
use crate::model::state::{Revision, Slot};
use crate::net;
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The search, standing between two candidates.
#[derive(Debug)]
pub(super) struct Search<'a> {
    operation: &'a Operation,
    pub(super) client: Client,
    policy: Policy,
    /// Runs that pass by what their own object says, newest first.
    waiting: VecDeque<Run>,
    passed_over: Vec<PassedOver>,
    via: Via,
    checked: u32,
}

/// What our own history says of earlier releases.
#[derive(Debug, Default)]
pub(super) struct KnownBad {
    pub(super) runs: BTreeMap<RunId, String>,
    /// What was rolled back from, whichever run brought it: a rollback by hand knows no run.
    pub(super) revisions: BTreeMap<(Slot, Revision), String>,
    pub(super) commits: BTreeMap<CommitSha, String>,
}

/// The client of the repository that releases; a usage error before anything is contacted.
pub(super) fn client(request: &Request) -> Result<Client, Failure> {
    let access = &request.github;
    let Some(repo) = access.repository.clone() else {
        return Err(Failure::msg(
            Outcome::Usage,
            "no repository: found neither --repository nor GITHUB_REPOSITORY",
        )
        .hint("give --repository owner/name, or source.repository in the config file"));
    };
    let http = net::client(&net_settings(request), net::Purpose::Api)?;
    let limits = Limits {
        deadline: access.request_deadline,
        total: access.deadline,
        rate_limit_wait_max: access.rate_limit_wait,
        backoff_unit: Duration::from_secs(1),
    };
    Ok(Client::new(
        http,
        &access.api_url,
        access.token.as_ref(),
        repo,
        limits,
    )?)
}

pub(super) fn net_settings(request: &Request) -> net::Settings {
    net::Settings {
        ca_pem: request.github.ca_pem.clone(),
        proxy: request.github.proxy.clone(),
        no_proxy: request.github.no_proxy.clone(),
        user_agent: concat!("lastgood/", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

impl<'a> Search<'a> {
    /// Lists and screens the runs; asks nothing of a single run yet.
    pub(super) async fn begin(operation: &'a Operation, bad: KnownBad) -> Result<Self, Failure> {
        let request = &operation.request;
        let mut search = Self {
            operation,
            client: client(request)?,
            policy: policy(request, bad),
            waiting: VecDeque::new(),
            passed_over: Vec::new(),
            via: Via::RunList,
            checked: 0,
        };
        let mut passed = search.list_runs(None).await?;
        if passed.is_empty()
            && let Some(branch) = search.policy.branch.clone()
        {
            // The filtered query is answered by an index that may lag (cli/cli#5440): a last resort, and marked as such.
            search.via = Via::SearchIndex;
            passed = search.list_runs(Some(&branch)).await?;
        }
        candidate::newest_first(&mut passed);
        search.waiting = passed.into();
        Ok(search)
    }

    /// The one run the operator named, under the same checks.
    pub(super) async fn named(
        operation: &'a Operation,
        bad: KnownBad,
        id: RunId,
    ) -> Result<Self, Failure> {
        let request = &operation.request;
        let policy = policy(request, bad);
        let client = client(request)?;
        let run = client
            .run(id)
            .await
            .map_err(|error| error.failure("could not look up the named run"))?;
        let mut search = Self {
            operation,
            client,
            policy,
            waiting: VecDeque::new(),
            passed_over: Vec::new(),
            via: Via::RunId,
            checked: 0,
        };
        match candidate::screen(&run, &search.policy) {
            Ok(()) => search.waiting.push_back(run),
            Err(why) => search.pass_over(&run, why),
        }
        Ok(search)
    }

    /// Pages until enough runs passed, the list ends, or the page limit is reached.
    async fn list_runs(&mut self, filtered_by_branch: Option<&str>) -> Result<Vec<Run>, Failure> {
        let source = &self.operation.request.environment.source;
        let pages_max = if filtered_by_branch.is_some() {
            1
        } else {
            source.max_pages
        };
        let mut passed = Vec::new();
        for page in 1..=pages_max {
            let runs = self
                .client
                .runs(&self.policy.workflow, page, filtered_by_branch)
                .await;
            let runs = runs.map_err(|error| {
                error.failure(&format!(
                    "could not list the runs of {}",
                    self.policy.workflow
                ))
            })?;
            let is_last = runs.len() < 100;
            for run in runs {
                let is_new = !self.passed_over.iter().any(|over| over.run == run.id);
                match candidate::screen(&run, &self.policy) {
                    Ok(()) => passed.push(run),
                    Err(why) if is_new => self.pass_over(&run, why),
                    Err(_) => (),
                }
            }
            if is_last || source.max_candidates as usize <= passed.len() {
                break;
            }
        }
        Ok(passed)
    }

    fn pass_over(&mut self, run: &Run, why: Rejection) {
        self.passed_over.push(PassedOver {
            run: run.id,
            sha: run.sha.clone(),
            started_at: run.started_at,
            url: run.url.clone(),
            why,
        });
    }

    /// The next candidate that passes every check, or `None` when there is no further one.
    pub(super) async fn next(&mut self) -> Result<Option<KnownGood>, Failure> {
        while let Some(run) = self.waiting.pop_front() {
            if self.operation.request.environment.source.max_candidates <= self.checked {
                self.waiting.push_front(run);
                return Ok(None);
            }
            self.checked += 1;
            match self.check(&run).await? {
                Ok(good) => return Ok(Some(good)),
                Err(why) => self.pass_over(&run, why),
            }
        }
        Ok(None)
    }

    /// The checks that cost a request each.
    async fn check(&self, run: &Run) -> Result<Result<KnownGood, Rejection>, Failure> {
        let asked = |error: GithubError, what: &str| {
            error.failure(&format!("could not ask for {what} of run {}", run.id))
        };
        let mut job = None;
        if let Some(wanted) = &self.policy.deploy_job {
            let jobs = self
                .client
                .jobs(run.id)
                .await
                .map_err(|error| asked(error, "the jobs"))?;
            match candidate::deploy_job(&jobs, wanted) {
                Ok(name) => job = Some(name),
                Err(why) => return Ok(Err(why)),
            }
        }
        let exact =
            (!self.policy.artifact.contains(['*', '?'])).then_some(self.policy.artifact.as_str());
        let artifacts = self
            .client
            .artifacts(run.id, exact)
            .await
            .map_err(|error| asked(error, "the artifacts"))?;
        let (artifact, warnings) = match candidate::artifact(&artifacts, run, &self.policy) {
            Ok(found) => found,
            Err(why) => return Ok(Err(why)),
        };
        if self.operation.request.environment.source.require_ancestor {
            let head = self
                .policy
                .branch
                .clone()
                .or_else(|| run.branch.clone())
                .unwrap_or_else(|| "HEAD".to_owned());
            let status = match self.client.compare(&run.sha, &head).await {
                Ok(status) => status,
                // A commit that was force-pushed away is gone from the branch: 404.
                Err(GithubError::NotFound { .. }) => "commit not found".to_owned(),
                Err(error) => return Err(asked(error, "the ancestry")),
            };
            if let Err(why) = candidate::ancestor(&status) {
                return Ok(Err(why));
            }
        }
        Ok(Ok(KnownGood {
            run: run.clone(),
            artifact,
            via: self.via,
            deploy_job: job,
            warnings,
        }))
    }

    /// The artifact was there when listed and is gone now: the run is passed over after all.
    pub(super) fn lost(&mut self, good: &KnownGood) {
        let why = Rejection::ArtifactExpired {
            name: good.artifact.name.clone(),
            at: good.artifact.expires_at,
        };
        self.operation.warn(format!(
            "artifact {} of run {} is gone: trying an older run",
            good.artifact.name, good.run.id
        ));
        self.pass_over(&good.run, why);
    }

    /// Its bytes turned out to be a release that was rolled back from.
    pub(super) fn marked_bad(&mut self, good: &KnownGood, why: String) {
        self.pass_over(&good.run, Rejection::MarkedBad { why });
    }

    /// Tells what was chosen and why every other run was not.
    pub(super) fn conclude(mut self, chosen: Option<KnownGood>) -> Located {
        for run in std::mem::take(&mut self.waiting) {
            self.pass_over(&run, Rejection::Older);
        }
        // As the run list shows them, whatever the order in which they were turned down.
        self.passed_over
            .sort_by_key(|over| Reverse((over.started_at, over.run)));
        let located = Located {
            chosen,
            passed_over: self.passed_over,
            requests: self.client.requests(),
        };
        self.operation.tell(EventKind::Located {
            chosen: located.chosen.clone().map(Box::new),
            passed_over: located.passed_over.clone(),
            requests: located.requests,
        });
        for warning in located.chosen.iter().flat_map(|good| &good.warnings) {
            self.operation.warn(warning.clone());
        }
        if self.via == Via::SearchIndex && located.chosen.is_some() {
            self.operation.warn(
                "found only by GitHub's search index, which may be stale: pin it with --run-id",
            );
        }
        located
    }
}

/// Nothing to go back to: every run is listed with its reason, the commonest one named.
pub(super) fn none_good(located: &Located) -> Failure {
    let meaning = Outcome::NoKnownGood.meaning();
    let message = match (
        located.passed_over.as_slice(),
        candidate::most_frequent(&located.passed_over),
    ) {
        ([], _) => format!("{meaning}: the workflow has no runs"),
        ([one], _) => format!("{meaning}: run {}: {}", one.run, one.why),
        (many, Some((word, n))) if n < many.len() => format!(
            "{meaning}: {} runs were passed over, {n} of them as \"{word}\"",
            many.len()
        ),
        (many, most) => format!(
            "{meaning}: {} runs were passed over, all as \"{}\"",
            many.len(),
            most.map_or("older", |(word, _)| word)
        ),
    };
    let hint = match candidate::most_frequent(&located.passed_over) {
        Some(("artifact expired", _)) => {
            "raise retention-days of upload-artifact; now: --artifact FILE with a copy of the release"
        }
        Some(("other branch", _)) => "name the branch that releases: --branch",
        Some(("no digest", _)) => {
            "upload with actions/upload-artifact v4 or later; to take what nobody promised: --require-digest false"
        }
        Some(("no artifact" | "several artifacts", _)) => {
            "name the artifact of the release: --artifact-name"
        }
        Some(("no deploy job", _)) => {
            "name the job as the run shows it: --deploy-job (wildcards * and ? work)"
        }
        Some(_) => {
            "look at the reasons above; --artifact FILE puts back a copy of the release without GitHub"
        }
        None => "check --workflow and --branch",
    };
    Failure::msg(Outcome::NoKnownGood, message).hint(hint)
}

fn policy(request: &Request, bad: KnownBad) -> Policy {
    let source = &request.environment.source;
    Policy {
        workflow: source.workflow.clone(),
        branch: source.branch.clone(),
        events: source.events.clone(),
        own_run: request.context.run_id,
        failing_sha: source.failing_commit.clone().map(CommitSha),
        exclude_runs: source.exclude_runs.clone(),
        bad_runs: bad.runs,
        bad_shas: bad.commits,
        rollback_workflows: source.rollback_workflows.clone(),
        title: source.title.clone(),
        deploy_job: source.deploy_job.clone(),
        artifact: source.artifact.clone(),
        require_digest: source.require_digest,
        size_limit_bytes: source.size_limit_bytes,
    }
}
