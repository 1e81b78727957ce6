//! Getting an image onto the engine by its digest. The engine pulls; how far it is is told.

use super::{credentials, trouble};
use crate::model::state::Slot;
use crate::targets::compose::Compose;
use crate::targets::compose::engine::{Engine, EngineError};
use crate::targets::images_file::{digest, repository};
use crate::targets::registry::Reference;
use crate::targets::{Story, TargetError};
use bollard::errors::Error;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptions;
use futures_util::StreamExt as _;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Longest time without any progress: a layer of 1 GB over 2 MB/s takes as long, but tells of it.
const QUIET_MAX: Duration = Duration::from_mins(10);

/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Layers that are followed: images have at most 127.
const LAYERS_MAX: usize = 1024;

/// Pulls `NAME@sha256:...`. Pulling again what is there does no harm.
///
/// # Errors
/// In words, with one next action; no container was touched.
pub(super) async fn pull(
    compose: &Compose,
    engine: &Engine,
    slot: &Slot,
    name: &str,
    platform: Option<&String>,
    story: Option<&dyn Story>,
) -> Result<(), TargetError> {
    let image: Reference =
        name.parse()
            .map_err(
                |bad: crate::targets::registry::BadReference| TargetError::BadRelease {
                    what: format!("{slot}: {bad}"),
                    next: bad.next.to_owned(),
                },
            )?;
    let logins = credentials::given(compose)?;
    let header = credentials::header(&logins, &image);
    let has_login = header.is_some();
    let options = CreateImageOptions {
        from_image: Some(repository(name).to_owned()),
        tag: digest(name).map(str::to_owned),
        platform: platform.cloned().unwrap_or_default(),
        ..CreateImageOptions::default()
    };
    let mut progress = Progress::new(name);
    if let Some(story) = story {
        story.progress(
            slot,
            &format!("pulls {name}, which the engine does not have"),
        );
    }
    // The answer begins when the registry has been asked, which may take the engine long.
    let api = engine.patient(QUIET_MAX);
    let mut stream = api.create_image(Some(options), None, header);
    let mut quiet_until = Instant::now() + QUIET_MAX;
    let mut told = Instant::now();
    loop {
        let next = timeout_at(quiet_until, stream.next()).await;
        let Ok(next) = next else {
            return Err(TargetError::Unreachable {
                what: format!(
                    "{slot}: the engine made no progress with {name} for {} minutes: {}",
                    QUIET_MAX.as_secs() / 60,
                    progress.text()
                ),
            });
        };
        let line = match next {
            None => return Ok(()),
            Some(Ok(line)) => line,
            Some(Err(error)) => {
                let error = said(error);
                return Err(trouble::told(
                    &slot.0,
                    &image,
                    error,
                    logins.input(),
                    has_login,
                ));
            }
        };
        if !progress.note(&line) {
            continue;
        }
        quiet_until = Instant::now() + QUIET_MAX;
        if let Some(story) = story
            && TOLD_EVERY <= told.elapsed()
        {
            told = Instant::now();
            story.progress(slot, &progress.text());
        }
    }
}

/// What the engine says in the middle of a pull is as much a refusal as a status before it.
fn said(error: Error) -> EngineError {
    match error {
        Error::DockerStreamError { error } => EngineError::Status {
            status: 500,
            message: error,
        },
        other => other.into(),
    }
}

/// How far a pull is.
#[derive(Debug)]
struct Progress {
    name: String,
    /// Status, bytes there, bytes in all.
    layers: BTreeMap<String, (String, u64, u64)>,
}

impl Progress {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            layers: BTreeMap::new(),
        }
    }

    /// Whether the line tells of anything new. A retry does not.
    fn note(&mut self, line: &CreateImageInfo) -> bool {
        let status = line.status.clone().unwrap_or_default();
        if status.starts_with("Retrying") {
            return false;
        }
        let Some(layer) = line.id.clone() else {
            return true;
        };
        let bytes = |number: Option<i64>| number.and_then(|n| u64::try_from(n).ok());
        let detail = line.progress_detail.as_ref();
        let current = detail.and_then(|detail| bytes(detail.current));
        let total = detail.and_then(|detail| bytes(detail.total));
        if self.layers.len() == LAYERS_MAX && !self.layers.contains_key(&layer) {
            return true;
        }
        let known = self.layers.entry(layer).or_default();
        let total = total.unwrap_or(known.2);
        let now = (status, current.unwrap_or(known.1), total);
        let is_new = *known != now;
        *known = now;
        is_new
    }

    fn text(&self) -> String {
        let is_done = |status: &str| matches!(status, "Pull complete" | "Already exists");
        let statuses = self.layers.values().map(|(status, ..)| status.as_str());
        let done = statuses.filter(|status| is_done(status)).count();
        let downloading = self
            .layers
            .values()
            .filter(|(status, ..)| status == "Downloading");
        let (mut there, mut all) = (0_u64, 0_u64);
        for (_, current, total) in downloading {
            there = there.saturating_add(*current);
            all = all.saturating_add(*total);
        }
        let name = &self.name;
        let layers = format!("pulls {name}: {done} of {} layers", self.layers.len());
        if all == 0 {
            return layers;
        }
        format!(
            "{layers}, {} of {} MB of the next",
            there / 1_000_000,
            all / 1_000_000
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn progress_in_one_line() {
        let mut progress = Progress::new("shop/web@sha256:aa");
        let mut note = |line: serde_json::Value| {
            progress.note(&serde_json::from_value::<CreateImageInfo>(line).unwrap())
        };
        assert!(note(json!({"status": "Pulling from shop/web"})));
        assert!(note(
            json!({"id": "a", "status": "Pulling fs layer", "progressDetail": {}})
        ));
        assert!(note(json!({"id": "a", "status": "Pull complete"})));
        assert!(!note(json!({"id": "a", "status": "Pull complete"})));
        assert!(!note(json!({"id": "b", "status": "Retrying in 3 seconds"})));
        let half = json!({"id": "b", "status": "Downloading", "progressDetail": {"current": 12_000_000, "total": 80_000_000}});
        assert!(note(half.clone()));
        assert!(!note(half));
        assert_eq!(
            progress.text(),
            "pulls shop/web@sha256:aa: 1 of 2 layers, 12 of 80 MB of the next"
        );
    }
}
