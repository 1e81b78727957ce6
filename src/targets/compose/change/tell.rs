//! What is told of a change that did not get through, and of the way back. Pure.

use super::back::Back;
use super::calls::NotStopped;
use super::site::Site;
use crate::targets::TargetError;
use crate::targets::compose::engine::EngineError;
use crate::targets::compose::project::Replica;
use anyhow::anyhow;

/// Why a new container is not in place.
#[derive(Debug)]
pub(super) enum Trouble {
    /// A call failed: what it was to do, and why.
    Call(String, EngineError),
    /// The container of before was to stop.
    Stop(NotStopped),
    /// The container of before is no longer there, and nothing was made in its place.
    Gone,
    /// It is in place, and not well: in words.
    Unwell(String),
}

impl Trouble {
    /// Whether the container of before may end by itself.
    pub(super) fn leaves_ending(&self) -> bool {
        match self {
            Self::Stop(not) => not.was_asked,
            Self::Call(..) | Self::Gone | Self::Unwell(_) => false,
        }
    }
}

/// Neither the new container is in place nor the one of before.
pub(super) fn unknown(site: &Site<'_>, name: &str, what: &str, why: &str) -> TargetError {
    let slot = site.slot;
    TargetError::OutcomeUnknown {
        what: format!("{slot}: {what}; and {name} could not be put back: {why}"),
    }
}

/// Somebody replaced or removed a container after it was looked at.
pub(super) fn gone(site: &Site<'_>, old: &Replica) -> TargetError {
    TargetError::Conflict {
        slot: site.slot.clone(),
        found: format!("another container in place of {}", old.name),
        expected: format!("container {}", super::site::short(&old.id)),
    }
}

/// What is reported when the new container is not in place.
pub(super) fn told(
    site: &Site<'_>,
    old: &Replica,
    trouble: &Trouble,
    back: Result<Back, String>,
) -> TargetError {
    let name = &old.name;
    let what = match trouble {
        Trouble::Call(what, error) => format!("could not {what}: {error}"),
        Trouble::Stop(not) => format!("could not stop {name}: {}", not.error),
        Trouble::Unwell(what) => format!("the new {name} {what}"),
        Trouble::Gone => return gone(site, old),
    };
    let now = match back {
        Err(why) => return unknown(site, name, &what, &why),
        Ok(Back::Fallen(why)) => format!("the container of before is back, and {why}"),
        Ok(Back::AsItWas) if old.is_running => "the container of before is back and runs".into(),
        Ok(Back::AsItWas) => "the container of before is back, and stopped as it was".into(),
    };
    match trouble {
        Trouble::Call(..) | Trouble::Stop(_) | Trouble::Gone => {
            TargetError::Failed(anyhow!("{what}; {now}").context(site.slot.to_string()))
        }
        Trouble::Unwell(_) => TargetError::Unhealthy {
            what: format!("{}: {what}; {now}", site.slot),
            advice: advice(site),
        },
    }
}

/// What to do when the image that was good does not come up.
pub(super) fn advice(site: &Site<'_>) -> String {
    format!(
        "put back another release (--run-id), or find out why {} does not come up: values of its variables may have changed, which no release records",
        site.slot
    )
}
