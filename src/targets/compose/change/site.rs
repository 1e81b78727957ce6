//! Where a change takes place, and who is told of it.

use crate::model::state::Slot;
use crate::targets::Story;
use crate::targets::compose::Compose;
use crate::targets::compose::engine::Engine;
use crate::targets::compose::project::{self, ASIDE, Replica};
use serde_json::Value;
use std::time::Duration;

/// The grace of a container that says nothing of it (docs.docker.com, `docker stop`).
const STOP_GRACE: Duration = Duration::from_secs(10);

/// Longest text of somebody else in one message, in characters.
const QUOTED_MAX: usize = 1200;

/// One service of a target, on its engine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) compose: &'a Compose,
    pub(super) engine: &'a Engine,
    pub(super) slot: &'a Slot,
    pub(super) story: Option<&'a dyn Story>,
}

impl Site<'_> {
    pub(super) fn say(&self, text: &str) {
        if let Some(story) = self.story {
            story.progress(self.slot, text);
        }
    }

    pub(super) fn warn(&self, text: &str) {
        if let Some(story) = self.story {
            story.warn(self.slot, text);
        }
    }

    /// What a container or the engine said of it, ready to be told: masked, and of bounded length.
    pub(super) fn quoted(&self, text: &str) -> String {
        let text = self.compose.masked(text);
        match text.char_indices().nth(QUOTED_MAX) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text,
        }
    }

    /// The name of the project.
    pub(super) fn project(&self) -> &str {
        self.compose.settings.project.as_deref().unwrap_or_default()
    }

    /// How long a container may take to stop: the setting, else what it says itself.
    pub(super) fn grace(&self, raw: &Value) -> Duration {
        let own = raw.pointer("/Config/StopTimeout").and_then(Value::as_u64);
        let own = own.map_or(STOP_GRACE, Duration::from_secs);
        self.compose.settings.stop_grace.map_or(own, |time| time.0)
    }

    /// The containers of the service now, by number.
    pub(super) async fn service(&self) -> Result<project::Service, crate::targets::TargetError> {
        project::service(self.engine, self.project(), project::name(self.slot)).await
    }
}

/// The name of a container while another one takes its place.
pub(super) fn aside(name: &str) -> String {
    format!("{name}{ASIDE}")
}

/// The name that a container has when it is not put aside.
pub(super) fn own_name(replica: &Replica) -> &str {
    let name = replica.name.as_str();
    name.strip_suffix(ASIDE).unwrap_or(name)
}

/// The first digits of an id, as people read it.
pub(super) fn short(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}
