//! What a test holds on to: a repository, a run, an artifact of the running world. Changes are seen by the next request.

use super::Content;
use super::digest::{etag, measure};
use super::spec::{ArtifactSpec, DeploymentSpec, JobSpec, RunSpec};
use super::state::Shared;
use super::things::{Artifact, Deployment, Repo, Run};
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;

/// A repository of the world.
#[derive(Debug, Clone)]
pub struct RepoHandle {
    shared: Arc<Shared>,
    name: String,
}

impl RepoHandle {
    pub fn new(shared: Arc<Shared>, full_name: &str) -> Self {
        shared.state().repo_mut(full_name);
        Self {
            shared,
            name: full_name.to_owned(),
        }
    }

    /// Its id, as `repository_id` says it.
    pub fn id(&self) -> u64 {
        self.change(|repo| repo.id)
    }

    /// A workflow file that exists although nothing ran it.
    pub fn workflow(&self, file: &str) -> &Self {
        self.change(|repo| repo.workflows.insert(file.to_owned()));
        self
    }

    /// Adds a run; it is the newest in the list.
    pub fn run(&self, spec: RunSpec) -> RunHandle {
        let id = self.shared.state().add_run(&self.name, spec);
        RunHandle {
            repo: self.clone(),
            id,
        }
    }

    /// `GET compare/{base}...{head}` answers this status: `ahead`, `behind`, `identical`, `diverged`.
    pub fn compares(&self, base: &str, head: &str, status: &str) -> &Self {
        self.change(|repo| {
            repo.comparisons
                .insert((base.to_owned(), head.to_owned()), status.to_owned())
        });
        self
    }

    /// From now on filtered lists know the runs of this moment only.
    pub fn freeze_index(&self) -> &Self {
        self.change(|repo| {
            repo.index_frozen_at = Some(repo.runs.iter().map(|run| run.id).collect());
        });
        self
    }

    /// Adds a deployment; its id.
    pub fn deployment(&self, spec: DeploymentSpec) -> u64 {
        self.shared.state().add_deployment(&self.name, spec)
    }

    /// Adds an attestation for `sha256:<hex>`.
    pub fn attestation(&self, subject_digest: &str, attestation: Value) -> &Self {
        self.change(|repo| {
            repo.attestations
                .entry(subject_digest.to_owned())
                .or_default()
                .push(attestation);
        });
        self
    }

    /// The deployments, oldest first.
    pub fn deployments(&self) -> Vec<Deployment> {
        self.change(|repo| repo.deployments.clone())
    }

    /// The issues that were opened, oldest first, as the API answers them.
    pub fn issues(&self) -> Vec<Value> {
        self.change(|repo| repo.issues.clone())
    }

    /// Changes anything about the repository.
    pub fn change<T>(&self, change: impl FnOnce(&mut Repo) -> T) -> T {
        change(self.shared.state().repo_mut(&self.name))
    }
}

/// A run of a repository.
#[derive(Debug, Clone)]
pub struct RunHandle {
    repo: RepoHandle,
    id: u64,
}

impl RunHandle {
    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn sha(&self) -> String {
        self.change(|run| run.sha.clone())
    }

    /// Adds a job.
    pub fn job(&self, spec: JobSpec) -> &Self {
        let id = self.repo.shared.state().next_id();
        self.change(|run| run.jobs.push((id, spec)));
        self
    }

    /// Adds an artifact; the run again, for the next one.
    pub fn artifact(&self, spec: ArtifactSpec) -> &Self {
        self.add_artifact(spec);
        self
    }

    /// Adds an artifact; a handle to it.
    pub fn add_artifact(&self, spec: ArtifactSpec) -> ArtifactHandle {
        let id = self
            .repo
            .shared
            .state()
            .add_artifact(&self.repo.name, self.id, spec);
        ArtifactHandle {
            repo: self.repo.clone(),
            id,
        }
    }

    /// Runs it again: a new attempt that starts now and ends like this. Its place in the list stays.
    pub fn again(&self, conclusion: &str) -> &Self {
        let now = self.repo.shared.state().now();
        self.change(|run| {
            let before = run
                .spec
                .conclusion
                .replace(conclusion.to_owned())
                .unwrap_or_default();
            run.earlier.insert(run.spec.attempt, before);
            run.spec.attempt += 1;
            run.started_at = now;
        });
        self
    }

    /// GitHub no longer knows the run.
    pub fn delete(&self) {
        self.repo.change(|repo| {
            repo.runs.retain(|run| run.id != self.id);
            repo.artifacts.retain(|artifact| artifact.run != self.id);
        });
    }

    /// Changes anything about the run.
    pub fn change<T>(&self, change: impl FnOnce(&mut Run) -> T) -> T {
        self.repo.change(|repo| {
            let run = repo.runs.iter_mut().find(|run| run.id == self.id);
            change(run.expect("the run was not deleted"))
        })
    }
}

/// An artifact of a run.
#[derive(Debug, Clone)]
pub struct ArtifactHandle {
    repo: RepoHandle,
    id: u64,
}

impl ArtifactHandle {
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The true sha256 of its bytes, 64 hex digits.
    pub fn sha256(&self) -> String {
        self.change(|artifact| artifact.sha256.clone())
    }

    /// GitHub deletes the bytes now; the record stays.
    pub fn expire(&self) {
        self.change(|artifact| artifact.spec.expired = true);
    }

    /// Other bytes in the blob store; the API goes on saying the digest of the old ones.
    pub fn swap_bytes(&self, bytes: impl Into<Bytes>) {
        self.change(|artifact| {
            artifact.spec.content = Content::Bytes(bytes.into());
            artifact.etag = etag(&measure(&artifact.spec.content).1);
        });
    }

    /// Uploaded anew: other bytes, and the API says so.
    pub fn replace(&self, bytes: impl Into<Bytes>) {
        self.swap_bytes(bytes);
        self.change(|artifact| (artifact.size, artifact.sha256) = measure(&artifact.spec.content));
    }

    /// Changes anything about the artifact.
    pub fn change<T>(&self, change: impl FnOnce(&mut Artifact) -> T) -> T {
        self.repo.change(|repo| {
            let artifact = repo
                .artifacts
                .iter_mut()
                .find(|artifact| artifact.id == self.id);
            change(artifact.expect("the artifact was not deleted"))
        })
    }
}
