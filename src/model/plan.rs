//! The difference of two states, and the permission to carry it out.
//! The difference is made by `decide::diff`, the permission by `decide::guard`.

use super::state::{Revision, Slot, State};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What would be done. Printing it is the dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What the target held when the plan was made: `apply` refuses when a slot no longer does.
    pub before: State,
    pub changes: Vec<Change>,
    pub hazards: Vec<Hazard>,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// Put a revision into a slot.
    Install {
        slot: Slot,
        from: Option<Revision>,
        to: Revision,
    },
    /// The slot holds the right revision and is stopped: start it.
    Start { slot: Slot, revision: Revision },
}

impl Change {
    pub fn slot(&self) -> &Slot {
        match self {
            Self::Install {
                slot,
                from: _,
                to: _,
            }
            | Self::Start { slot, revision: _ } => slot,
        }
    }

    /// What the slot holds once the change is done.
    pub fn to(&self) -> &Revision {
        match self {
            Self::Install {
                slot: _,
                from: _,
                to,
            } => to,
            Self::Start { slot: _, revision } => revision,
        }
    }

    /// What the slot must still hold when the change begins.
    pub fn from(&self) -> Option<&Revision> {
        match self {
            Self::Install {
                slot: _,
                from,
                to: _,
            } => from.as_ref(),
            Self::Start { slot: _, revision } => Some(revision),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Install {
                slot,
                from: Some(from),
                to,
            } => {
                write!(f, "install {slot}: {} -> {}", from.short(), to.short())
            }
            Self::Install {
                slot,
                from: None,
                to,
            } => write!(f, "install {slot}: (empty) -> {}", to.short()),
            Self::Start { slot, revision } => {
                write!(f, "start {slot} (holds {})", revision.short())
            }
        }
    }
}

/// What is done when the state of a slot does not fit the revision that is put back, so that the way back is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnStateConflict {
    /// Nothing further: the slot keeps what it holds, and a person decides.
    #[default]
    Stop,
    /// The state of before the deploy is put back too: every write since is lost.
    Snapshot,
    /// What the current revision would save of its state is given up: what it holds in memory alone is lost.
    SkipPreUpgrade,
}

/// What a change would do beyond changing a revision. Refused unless allowed by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hazard {
    pub slot: Slot,
    /// The name that `policy.allow` takes, such as `reinstall` or `migration`.
    pub name: String,
    /// What would happen, in the operator's words.
    pub what: String,
}

/// A plan that may be carried out. Only `decide::guard::permit` makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permitted {
    plan: Plan,
}

impl Permitted {
    /// For `decide::guard` alone (`tests/it/tidy.rs` holds this).
    pub(crate) fn grant(plan: Plan) -> Self {
        Self { plan }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The changes, each as the proof that `apply` asks for.
    pub fn changes(&self) -> impl Iterator<Item = PermittedChange<'_>> {
        self.plan
            .changes
            .iter()
            .map(|change| PermittedChange { change })
    }
}

/// One change of a permitted plan.
#[derive(Debug, Clone, Copy)]
pub struct PermittedChange<'a> {
    change: &'a Change,
}

impl PermittedChange<'_> {
    pub fn change(&self) -> &Change {
        self.change
    }
}
