//! What a repository of the world holds, as it is kept: with ids, times and true sizes resolved. What a test says is in
//! `spec`; what the API says is made of these by `github`.

use super::spec::{ArtifactSpec, JobSpec, RunSpec};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

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
