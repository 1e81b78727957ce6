//! Services of one Compose project, or of one stack of a swarm, on one Docker engine. The revision of a service is the digest of its
//! image. Containers are put back through the engine's API: no docker CLI, no compose file, no judgment of which release is good.

mod absent;
mod attend;
mod body;
mod change;
mod choose;
mod container;
mod engine;
mod evidence;
mod guard;
mod image;
mod lease;
mod logs;
mod memory;
mod observe;
mod order;
mod outlook;
mod preflight;
mod project;
mod record;
mod retire;
mod settings;
mod shape;
mod swarm;
mod target;

use super::settings::parse;
use super::{BadSettings, Base, Target, TargetError};
use crate::model::state::Slot;
use engine::Engine;
pub use settings::Settings;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::OnceCell;

/// JSON Schema of the settings.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Settings)
}

/// Opens a `compose` target. Nothing is contacted yet.
pub fn open(
    name: &str,
    settings: serde_json::Value,
    base: &Base,
) -> Result<Box<dyn Target>, BadSettings> {
    Ok(Box::new(Compose::new(name, settings, base)?))
}

/// The services of one project or stack.
#[derive(Debug)]
pub(super) struct Compose {
    name: String,
    settings: Settings,
    base: Base,
    /// Connected when it is first needed: opening a target contacts nothing.
    engine: OnceCell<Engine>,
    /// The services that were found, when the settings name none.
    found: Mutex<Vec<Slot>>,
    memory: memory::Memory,
    /// How deep every service is in what others depend on, as last read.
    ranks: Mutex<BTreeMap<String, u8>>,
    /// Changes that were dropped, and what is done for their containers.
    rescues: change::Rescues,
    /// The plan at hand, and the images of it.
    planned: change::Planned,
}

impl Compose {
    pub(super) fn new(
        name: &str,
        settings: serde_json::Value,
        base: &Base,
    ) -> Result<Self, BadSettings> {
        let settings: Settings = parse(settings)?;
        settings::check(&settings)?;
        Ok(Self {
            name: name.to_owned(),
            settings,
            base: base.clone(),
            engine: OnceCell::new(),
            found: Mutex::default(),
            memory: memory::Memory::default(),
            ranks: Mutex::default(),
            rescues: change::Rescues::default(),
            planned: change::Planned::default(),
        })
    }

    /// The connection; made once.
    async fn engine(&self) -> Result<&Engine, TargetError> {
        self.engine
            .get_or_try_init(|| Engine::open(&self.settings, &self.base))
            .await
    }

    /// Whether a service belongs to this target.
    fn has_service(&self, service: &str) -> bool {
        let named = &self.settings.services;
        named.is_empty() || named.iter().any(|name| name == service)
    }

    /// The named services, else those that were found so far.
    fn known(&self) -> Vec<Slot> {
        if self.settings.services.is_empty() {
            return self
                .found
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
        }
        self.settings.services.iter().cloned().map(Slot).collect()
    }
}
