//! What a target holds: a map from slots to revisions.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A place of a target that holds one revision: a canister, a workload, a service, a `current` link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub String);

/// What a slot holds: a digest, a deployment id, or the string a user's program reports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub String);

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Revision {
    /// Short enough for a line: the first 12 characters after `sha256:` of a digest, else at most 40.
    pub fn short(&self) -> String {
        match self.0.strip_prefix("sha256:") {
            Some(hex) => hex.chars().take(12).collect(),
            None => self.0.chars().take(40).collect(),
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Whether the revision that a slot holds is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Running,
    Stopped,
    /// A change is under way: observe again before judging.
    Moving,
}

/// One slot as it was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// `None`: the slot exists and is empty.
    pub revision: Option<Revision>,
    pub phase: Phase,
}

/// What a target holds, in the order of changes.
pub type State = IndexMap<Slot, Held>;

/// What a target should hold, in the order of changes.
pub type Wanted = IndexMap<Slot, Revision>;
