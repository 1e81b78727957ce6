//! What the world holds: repositories with their runs, artifacts and deployments; tokens, signed URLs, faults, the log.
//! Reached through handles only. No HTTP in here.

use super::faults::Faults;
use super::log::Seen;
use super::spec::{ArtifactSpec, DeploymentSpec, JobSpec, RunSpec};
use super::{Check, Content};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read as _;
use std::path::Path;
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

#[derive(Debug)]
pub struct Repo {
    pub id: u64,
    pub full_name: String,
    /// Workflow files that exist without a run as well.
    pub workflows: BTreeSet<String>,
    /// Newest last.
    pub runs: Vec<Run>,
    pub artifacts: Vec<Artifact>,
    pub deployments: Vec<Deployment>,
    pub issues: Vec<Value>,
    /// `(base, head)` → status of the comparison; a pair that is not here is a 404.
    pub comparisons: BTreeMap<(String, String), String>,
    /// Subject digest → attestations.
    pub attestations: BTreeMap<String, Vec<Value>>,
    /// `Some`: filtered lists see these runs only, however many there are by now.
    pub index_frozen_at: Option<BTreeSet<u64>>,
    /// A required check fails, or the ref is behind: creating a deployment the default way goes wrong as on GitHub.
    pub deployment_conflict: bool,
    pub behind_default_branch: bool,
}

#[derive(Debug, Clone)]
pub struct Run {
    pub id: u64,
    pub number: u64,
    pub started_at: Timestamp,
    pub created_at: Timestamp,
    pub sha: String,
    pub spec: RunSpec,
    pub jobs: Vec<(u64, JobSpec)>,
    /// Earlier attempts and how they ended.
    pub earlier: BTreeMap<u64, String>,
}

#[derive(Debug, Clone)]
pub struct Artifact {
    pub id: u64,
    pub run: u64,
    pub created_at: Timestamp,
    /// The truth.
    pub size: u64,
    /// The truth, 64 hex digits.
    pub sha256: String,
    /// What the blob store answers as `ETag`; follows the bytes.
    pub etag: String,
    pub spec: ArtifactSpec,
}

#[derive(Debug, Clone)]
pub struct Deployment {
    pub id: u64,
    pub environment: String,
    pub task: String,
    pub sha: String,
    pub git_ref: String,
    pub payload: Value,
    pub description: Option<String>,
    pub transient: bool,
    pub production: bool,
    pub created_at: Timestamp,
    /// Oldest first.
    pub statuses: Vec<Status>,
}

#[derive(Debug, Clone)]
pub struct Status {
    pub id: u64,
    pub state: String,
    pub description: String,
    pub log_url: String,
    pub environment_url: String,
    pub created_at: Timestamp,
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

/// A number that stays the same for a name: ids of repositories and users.
pub fn number_of(name: &str) -> u64 {
    let hash = Sha256::digest(name.as_bytes());
    hash.iter()
        .take(4)
        .fold(0, |sum, &byte| sum * 256 + u64::from(byte))
}

/// 40 hex digits that stay the same for a run.
pub fn commit_of(run: u64) -> String {
    hex(&Sha256::digest(run.to_be_bytes()))
        .chars()
        .take(40)
        .collect()
}

pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("text in memory can be written");
        hex
    })
}

/// The `ETag` of bytes with this sha256.
pub fn etag(sha256: &str) -> String {
    format!(
        "\"0x{}\"",
        sha256.chars().take(16).collect::<String>().to_uppercase()
    )
}

/// Size and sha256 of what lies there.
pub fn measure(content: &Content) -> (u64, String) {
    match content {
        Content::Bytes(bytes) => (bytes.len() as u64, hex(&Sha256::digest(bytes))),
        Content::File(path) => measure_file(path),
    }
}

fn measure_file(path: &Path) -> (u64, String) {
    let mut file = std::fs::File::open(path).expect("the artifact's file is there");
    let (mut size, mut hash, mut buffer) = (0, Sha256::new(), vec![0; 1 << 16]);
    loop {
        let count = file
            .read(&mut buffer)
            .expect("the artifact's file can be read");
        let Some(read @ [_, ..]) = buffer.get(..count) else {
            break;
        };
        hash.update(read);
        size += read.len() as u64;
    }
    (size, hex(&hash.finalize()))
}
