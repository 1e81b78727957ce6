//! What a test says about the runs, jobs, artifacts and deployments of its world. Whatever it does not say has an
//! ordinary value, so that a test reads as the one thing it is about.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use std::path::PathBuf;

/// A workflow run. The default is a green push to `main` by `deploy.yml`.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// Default: the next free id.
    pub id: Option<u64>,
    pub attempt: u64,
    /// Workflow file name; it lies in `.github/workflows/`.
    pub workflow: String,
    /// Appended to `path` after an `@`, as GitHub does for some runs.
    pub path_ref: Option<String>,
    pub event: String,
    pub branch: Option<String>,
    /// Default: 40 hex digits made of the id.
    pub sha: Option<String>,
    pub status: Option<String>,
    pub conclusion: Option<String>,
    pub title: String,
    /// Name of the run; GitHub may null it.
    pub name: Option<String>,
    /// Start of the latest attempt. Default: one minute after the run that was added before.
    pub started_at: Option<Timestamp>,
    /// Default: `started_at`.
    pub created_at: Option<Timestamp>,
    /// Owner of the fork that the run's commit comes from.
    pub fork_of: Option<String>,
    /// Number of the pull request that the run belongs to.
    pub pull_request: Option<u64>,
    /// `false`: `head_commit` is null.
    pub with_commit: bool,
    /// Merged into the object as it is sent (null members included), for what GitHub's own schema forbids but clients
    /// have met. An answer with odd objects is not checked against the schema.
    pub odd: Option<Value>,
}

impl Default for RunSpec {
    fn default() -> Self {
        Self {
            id: None,
            attempt: 1,
            workflow: "deploy.yml".to_owned(),
            path_ref: None,
            event: "push".to_owned(),
            branch: Some("main".to_owned()),
            sha: None,
            status: Some("completed".to_owned()),
            conclusion: Some("success".to_owned()),
            title: "Change something".to_owned(),
            name: Some("Deploy".to_owned()),
            started_at: None,
            created_at: None,
            fork_of: None,
            pull_request: None,
            with_commit: true,
            odd: None,
        }
    }
}

impl RunSpec {
    /// A completed run with this conclusion.
    #[must_use]
    pub fn concluded(conclusion: &str) -> Self {
        Self {
            conclusion: Some(conclusion.to_owned()),
            ..Self::default()
        }
    }

    /// A run that is still going.
    #[must_use]
    pub fn in_progress() -> Self {
        Self {
            status: Some("in_progress".to_owned()),
            conclusion: None,
            ..Self::default()
        }
    }

    /// A green run of a pull request from a fork whose branch has the same name.
    #[must_use]
    pub fn from_fork(owner: &str) -> Self {
        Self {
            fork_of: Some(owner.to_owned()),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn id(mut self, id: u64) -> Self {
        self.id = Some(id);
        self
    }

    #[must_use]
    pub fn sha(mut self, sha: &str) -> Self {
        self.sha = Some(sha.to_owned());
        self
    }

    #[must_use]
    pub fn branch(mut self, branch: &str) -> Self {
        self.branch = Some(branch.to_owned());
        self
    }

    #[must_use]
    pub fn event(mut self, event: &str) -> Self {
        event.clone_into(&mut self.event);
        self
    }

    #[must_use]
    pub fn workflow(mut self, file: &str) -> Self {
        file.clone_into(&mut self.workflow);
        self
    }

    #[must_use]
    pub fn title(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    #[must_use]
    pub fn odd(mut self, odd: Value) -> Self {
        self.odd = Some(odd);
        self
    }
}

/// A job of a run's attempt.
#[derive(Debug, Clone)]
pub struct JobSpec {
    pub name: String,
    pub status: String,
    pub conclusion: Option<String>,
    /// Default: the run's.
    pub attempt: Option<u64>,
    /// As in [`RunSpec::odd`].
    pub odd: Option<Value>,
}

impl JobSpec {
    /// A completed job.
    pub fn new(name: &str, conclusion: &str) -> Self {
        Self {
            name: name.to_owned(),
            status: "completed".to_owned(),
            conclusion: Some(conclusion.to_owned()),
            attempt: None,
            odd: None,
        }
    }
}

/// The bytes of an artifact: in memory, or a file that is streamed.
#[derive(Debug, Clone)]
pub enum Content {
    Bytes(Bytes),
    File(PathBuf),
}

/// What the API says the digest of an artifact is.
#[derive(Debug, Clone)]
pub enum Digest {
    /// The sha256 of its bytes.
    True,
    /// Null, as before upload-artifact v4.
    Null,
    /// The member is missing, as on Enterprise Servers.
    Missing,
    /// This text.
    Says(String),
}

/// An artifact of a run.
#[derive(Debug, Clone)]
pub struct ArtifactSpec {
    pub name: String,
    pub content: Content,
    pub digest: Digest,
    pub expired: bool,
    /// What the blob store says it is.
    pub content_type: String,
    /// Default: when the run's latest attempt started.
    pub created_at: Option<Timestamp>,
    /// What the API says; default: the truth.
    pub size_in_bytes: Option<u64>,
    /// As in [`RunSpec::odd`].
    pub odd: Option<Value>,
}

impl ArtifactSpec {
    /// A zip, as upload-artifact makes one.
    pub fn zip(name: &str, bytes: impl Into<Bytes>) -> Self {
        Self::of(name, Content::Bytes(bytes.into()), "application/zip")
    }

    /// A zip that lies in a file: for sizes that do not belong in memory.
    pub fn zip_file(name: &str, path: impl Into<PathBuf>) -> Self {
        Self::of(name, Content::File(path.into()), "application/zip")
    }

    /// One file as it is, as `archive: false` uploads it; its name is the artifact's.
    pub fn raw(name: &str, bytes: impl Into<Bytes>) -> Self {
        Self::of(
            name,
            Content::Bytes(bytes.into()),
            "application/octet-stream",
        )
    }

    fn of(name: &str, content: Content, content_type: &str) -> Self {
        Self {
            name: name.to_owned(),
            content,
            digest: Digest::True,
            expired: false,
            content_type: content_type.to_owned(),
            created_at: None,
            size_in_bytes: None,
            odd: None,
        }
    }

    /// GitHub has deleted the bytes; the record stays.
    #[must_use]
    pub fn expired(mut self) -> Self {
        self.expired = true;
        self
    }

    #[must_use]
    pub fn digest(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }
}

/// A deployment, as the API would have made it.
#[derive(Debug, Clone)]
pub struct DeploymentSpec {
    pub environment: String,
    pub sha: String,
    pub git_ref: String,
    /// An object, or text.
    pub payload: Value,
    /// Oldest first.
    pub states: Vec<String>,
}
