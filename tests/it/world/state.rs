//! What the world holds: repositories with their runs, artifacts and deployments; tokens, signed URLs, faults, the log.
//! Reached through handles only. No HTTP in here.

use super::Check;
use super::digest::{commit_of, etag, measure, number_of};
use super::faults::Faults;
use super::log::Seen;
use super::spec::{ArtifactSpec, DeploymentSpec, RunSpec};
use super::things::{Artifact, Deployment, Repo, Run, Status};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The token that may do everything.
pub const TOKEN: &str = "the-token-that-may-do-everything";

/// The state, and the way to it.
#[derive(Debug)]
pub struct Shared {
    state: Mutex<State>,
}

impl Shared {
    pub fn new(state: State) -> Self {
        Self {
            state: Mutex::new(state),
        }
    }

    /// A test that failed while it held the state must not hide its own message behind "poisoned".
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct State {
    pub api_origin: String,
    pub blob_origin: String,
    pub repos: BTreeMap<String, Repo>,
    pub tokens: BTreeMap<String, Token>,
    /// Signature → what it opens and until when.
    pub signed: BTreeMap<String, Signed>,
    pub faults: Faults,
    pub log: Vec<Seen>,
    pub violations: Vec<String>,
    pub check: Option<Arc<Check>>,
    pub rate_limit: u64,
    pub rate_used: u64,
    pub rate_reset: i64,
    pub clock_ahead: Duration,
    pub started: Timestamp,
    next_id: u64,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("repos", &self.repos)
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

/// What a token may do.
#[derive(Debug, Clone)]
pub struct Token {
    /// `None`: everything. Otherwise scope → may write.
    pub permissions: Option<BTreeMap<String, bool>>,
}

impl Token {
    /// Metadata may be read with any token.
    pub fn may(&self, scope: &str, write: bool) -> bool {
        match &self.permissions {
            Some(_) if scope == "metadata" => !write,
            None => true,
            Some(permissions) => permissions
                .get(scope)
                .is_some_and(|&may_write| may_write || !write),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Signed {
    pub artifact: u64,
    pub expires: Timestamp,
}

impl State {
    pub fn new(api_origin: String, blob_origin: String) -> Self {
        let started = wall_clock();
        Self {
            api_origin,
            blob_origin,
            repos: BTreeMap::new(),
            tokens: BTreeMap::from([(TOKEN.to_owned(), Token { permissions: None })]),
            signed: BTreeMap::new(),
            faults: Faults::default(),
            log: Vec::new(),
            violations: Vec::new(),
            check: None,
            rate_limit: 1000,
            rate_used: 0,
            rate_reset: started.as_second() + 3600,
            clock_ahead: Duration::ZERO,
            started,
            next_id: 1000,
        }
    }

    pub fn now(&self) -> Timestamp {
        wall_clock() + self.clock_ahead
    }

    pub fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub fn add_token(&mut self, permissions: &[&str]) -> String {
        let parsed = permissions.iter().map(|text| {
            let (scope, access) = text
                .split_once(':')
                .expect("a permission is `scope: access`");
            (scope.trim().to_owned(), access.trim() == "write")
        });
        let token = format!("token-{}", self.next_id());
        let permissions = Some(parsed.collect());
        self.tokens.insert(token.clone(), Token { permissions });
        token
    }

    pub fn repo_mut(&mut self, full_name: &str) -> &mut Repo {
        let id = number_of(full_name);
        self.repos
            .entry(full_name.to_owned())
            .or_insert_with(|| Repo {
                id,
                full_name: full_name.to_owned(),
                workflows: BTreeSet::new(),
                runs: Vec::new(),
                artifacts: Vec::new(),
                deployments: Vec::new(),
                issues: Vec::new(),
                comparisons: BTreeMap::new(),
                attestations: BTreeMap::new(),
                index_frozen_at: None,
                deployment_conflict: false,
                behind_default_branch: false,
            })
    }

    /// Runs start a day before the world did, one minute apart, in the order in which they are added.
    pub fn add_run(&mut self, repo: &str, spec: RunSpec) -> u64 {
        let id = spec.id.unwrap_or_else(|| self.next_id());
        let yesterday = self.started - SignedDuration::from_hours(24);
        let repo = self.repo_mut(repo);
        let number = u64::try_from(repo.runs.len()).expect("a test has few runs") + 1;
        let minutes = i64::try_from(number).expect("a test has few runs");
        let usual = yesterday + SignedDuration::from_mins(minutes);
        let started_at = spec.started_at.unwrap_or(usual);
        repo.workflows.insert(spec.workflow.clone());
        repo.runs.push(Run {
            id,
            number,
            started_at,
            created_at: spec.created_at.unwrap_or(started_at),
            sha: spec.sha.clone().unwrap_or_else(|| commit_of(id)),
            spec,
            jobs: Vec::new(),
            earlier: BTreeMap::new(),
        });
        id
    }

    pub fn add_artifact(&mut self, repo: &str, run: u64, spec: ArtifactSpec) -> u64 {
        let id = self.next_id();
        let (size, sha256) = measure(&spec.content);
        let repo = self.repo_mut(repo);
        let of = repo
            .runs
            .iter()
            .find(|found| found.id == run)
            .expect("an artifact has a run");
        let created_at = spec.created_at.unwrap_or(of.started_at);
        let etag = etag(&sha256);
        repo.artifacts.push(Artifact {
            id,
            run,
            created_at,
            size,
            sha256,
            etag,
            spec,
        });
        id
    }

    pub fn add_deployment(&mut self, repo: &str, spec: DeploymentSpec) -> u64 {
        let id = self.next_id();
        let created_at = self.now();
        let ids: Vec<u64> = spec.states.iter().map(|_state| self.next_id()).collect();
        let statuses = ids.into_iter().zip(spec.states).map(|(id, state)| Status {
            id,
            state,
            description: String::new(),
            log_url: String::new(),
            environment_url: String::new(),
            created_at,
        });
        let deployment = Deployment {
            id,
            production: spec.environment == "production",
            environment: spec.environment,
            task: "deploy".to_owned(),
            sha: spec.sha,
            git_ref: spec.git_ref,
            payload: spec.payload,
            description: None,
            transient: false,
            created_at,
            statuses: statuses.collect(),
        };
        self.repo_mut(repo).deployments.push(deployment);
        id
    }

    pub fn artifact(&self, id: u64) -> Option<&Artifact> {
        self.repos
            .values()
            .flat_map(|repo| &repo.artifacts)
            .find(|artifact| artifact.id == id)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the double is another machine: it has a clock of its own"
)]
fn wall_clock() -> Timestamp {
    Timestamp::now()
}
