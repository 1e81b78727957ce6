//! The release manifest `lastgood.json`, schema version 1: what a run deployed, and what was promised of it.

use super::ids::{CommitSha, RepoName, RunId};
use super::payload::{Digest, Shape};
use super::state::{Revision, Slot};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// The file's name, at the root of the artifact.
pub const MANIFEST_NAME: &str = "lastgood.json";

/// The only schema version so far.
pub const MANIFEST_SCHEMA: u32 = 1;

/// What one run of the deploy workflow released. Unknown fields are ignored, so that an older tool reads a newer
/// manifest of the same schema; another schema number is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    pub schema: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepoName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitSha>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    pub slots: IndexMap<Slot, Pin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// Version of lastgood that wrote the file.
    pub tool: String,
}

/// What one slot of a release holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    pub revision: Revision,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<PayloadPin>,
    /// Image references by digest, for targets whose revision lives in a registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// What the target itself needs to put the revision back, in the target's own form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<serde_json::Value>,
}

/// The bytes of one slot, inside the artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadPin {
    /// Path inside the artifact, `/`-separated; `.` is the whole tree without `lastgood.json`.
    pub path: String,
    pub shape: Shape,
    pub size_bytes: u64,
    pub sha256: Digest,
}

/// How healthy the service was just after this release was put in place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    pub probes: u64,
    pub failures: u64,
    pub latency_ms_p50: f64,
    pub latency_ms_p99: f64,
}
