//! How a canister stands at one moment: the module as the network certifies it, and whether it runs. Nothing is changed here.

use super::call::CallError;
use super::certified::Certified;
use super::observe;
use super::refusal;
use super::site::Site;
use super::wire::{Activity, Status};
use crate::model::payload::Digest;
use crate::targets::TargetError;

/// One canister at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// `None`: it is empty.
    pub(super) hash: Option<Digest>,
    /// By the network's clock: nanoseconds since 1970.
    pub(super) time_ns: u64,
    /// `None`: in a state that is not known here.
    pub(super) running: Option<Activity>,
}

/// Looks at everything that a change depends on, side by side. `known`: the status of a moment ago; what is certified is always
/// asked for.
pub(super) async fn at(site: &Site<'_>, known: Option<&Status>) -> Result<Found, TargetError> {
    let asking = async {
        match known {
            Some(status) => Ok(status.activity),
            None => running(site).await,
        }
    };
    let (certified, running) = tokio::join!(certified(site), asking);
    let Certified {
        module_hash,
        time_ns,
    } = certified?;
    let running = running.map_err(|error| refusal::failed(site, refusal::STATUS, error))?;
    Ok(Found {
        hash: module_hash,
        time_ns,
        running,
    })
}

/// What the network certifies of it.
pub(super) async fn certified(site: &Site<'_>) -> Result<Certified, TargetError> {
    observe::certified(site).await
}

/// Whether it takes messages.
pub(super) async fn running(site: &Site<'_>) -> Result<Option<Activity>, CallError> {
    Ok(site.management().status().await?.activity)
}
