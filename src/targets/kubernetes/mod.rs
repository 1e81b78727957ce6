//! Workloads, Services and HTTPRoutes of one cluster. The revision of a workload is its pod template with its images by digest;
//! what is put back is what was recorded, never "the previous one". No kubectl, no judgment of which release is good.

mod access;
mod addresses;
mod attend;
mod choose;
mod cluster;
mod config_maps;
mod edit;
mod emergency;
mod evidence;
mod forward;
mod guard;
mod hazards;
mod history;
mod images;
mod install;
mod lease;
mod live;
mod logs;
mod memory;
mod outlook;
mod owned;
mod pods;
mod pods_by_hand;
mod preflight;
mod readiness;
mod record;
mod replace;
mod rollout;
mod route;
mod served;
mod service;
mod settings;
mod slots;
mod target;
mod template;
mod wish;
mod workload;

use super::settings::parse;
use super::{BadSettings, Base, Target, TargetError};
use crate::model::state::Slot;
use cluster::Cluster;
use memory::Memory;
pub use settings::Settings;
use slots::Place;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};
use tokio::sync::OnceCell;

/// JSON Schema of the settings.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Settings)
}

/// Opens a `kubernetes` target. Nothing is contacted yet.
pub fn open(
    name: &str,
    settings: serde_json::Value,
    base: &Base,
) -> Result<Box<dyn Target>, BadSettings> {
    Ok(Box::new(Kubernetes::new(name, settings, base)?))
}

/// A namespace's slots, or several namespaces', of one cluster.
#[derive(Debug)]
pub(super) struct Kubernetes {
    name: String,
    settings: Settings,
    base: Base,
    /// The slots that the settings name.
    named: Vec<Place>,
    /// Those that were found by labels, in the order they were found.
    found: Mutex<Vec<Place>>,
    /// Connected when it is first needed: opening a target contacts nothing.
    cluster: OnceCell<Cluster>,
    memory: Memory,
    /// Rollouts that are waited for.
    waits: AtomicUsize,
    /// Ports of pods at addresses of this machine.
    forwards: forward::Forwards,
}

impl Kubernetes {
    pub(super) fn new(
        name: &str,
        settings: serde_json::Value,
        base: &Base,
    ) -> Result<Self, BadSettings> {
        let settings: Settings = parse(settings)?;
        let named = settings::check(&settings)?;
        Ok(Self {
            name: name.to_owned(),
            settings,
            base: base.clone(),
            named,
            found: Mutex::default(),
            cluster: OnceCell::new(),
            memory: Memory::default(),
            waits: AtomicUsize::new(0),
            forwards: forward::Forwards::default(),
        })
    }

    /// The connection; made once.
    async fn cluster(&self) -> Result<&Cluster, TargetError> {
        self.cluster
            .get_or_try_init(|| Cluster::open(&self.settings, &self.base))
            .await
    }

    /// Every slot that is known by now: the named ones, then the found ones.
    fn places(&self) -> Vec<Place> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        self.named.iter().chain(found.iter()).cloned().collect()
    }

    /// The object of a slot.
    fn place(&self, slot: &Slot) -> Result<Place, TargetError> {
        let home = &self.settings.namespace;
        Place::parse(&slot.0, home).map_err(|what| TargetError::Failed(anyhow::anyhow!(what)))
    }

    /// The slot of an object.
    fn slot(&self, place: &Place) -> Slot {
        place.slot(&self.settings.namespace)
    }
}
