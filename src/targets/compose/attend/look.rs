//! Reads the containers of one service into what is judged. Nothing is judged here.

use crate::decide::compose::{Container, Health, HealthStatus, is_from_before, is_long_ago};
use crate::model::state::Revision;
use crate::targets::compose::engine::Engine;
use crate::targets::compose::project::Replica;
use crate::targets::compose::{Compose, container};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The names that the images of this engine go by, asked for once each: the repo digests by image id. `None`: the engine does not say.
#[derive(Debug, Default)]
pub(super) struct Images(BTreeMap<String, Option<Vec<String>>>);

impl Images {
    /// Learns the images of these containers. What is not answered now is asked for again at the next look.
    pub(super) async fn learn<'a>(
        &mut self,
        engine: &Engine,
        replicas: impl Iterator<Item = &'a Replica>,
    ) {
        for replica in replicas {
            let id = &replica.image_id;
            if self.0.contains_key(id) {
                continue;
            }
            match engine.get(&format!("/images/{id}/json")).await {
                Ok(image) => {
                    let digests = image.get("RepoDigests").and_then(Value::as_array);
                    let digests = digests.into_iter().flatten().filter_map(Value::as_str);
                    let digests = digests.map(str::to_owned).collect();
                    self.0.insert(id.clone(), Some(digests));
                }
                // Removed by force: the container runs on without it.
                Err(error) if error.is_absent() => drop(self.0.insert(id.clone(), None)),
                Err(error) => tracing::debug!(%id, %error, "an image could not be looked at"),
            }
        }
    }

    /// Whether this image is the one that a revision names. `None`: it cannot be told.
    fn answers(&self, id: &str, revision: &Revision) -> Option<bool> {
        let revision = revision.0.as_str();
        if id == revision {
            return Some(true);
        }
        // Of replicas that differ none holds the whole revision.
        if !revision.starts_with("sha256:") {
            return None;
        }
        let digests = self.0.get(id)?.as_ref()?;
        let names = |digest: &String| {
            digest
                .rsplit_once('@')
                .is_some_and(|(_, digest)| digest == revision)
        };
        Some(digests.iter().any(names))
    }
}

/// What ages are told by.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Age {
    /// By the engine's clock, when the watching began.
    pub(super) now: Option<Timestamp>,
    /// When the newest container of the project was made.
    pub(super) created: Option<Timestamp>,
}

/// One container. Texts from outside are masked.
pub(super) fn container(
    compose: &Compose,
    images: &Images,
    held: &Revision,
    age: Age,
    replica: &Replica,
) -> Container {
    let text = |path: &str| {
        let text = replica.raw.pointer(path).and_then(Value::as_str);
        text.unwrap_or_default()
    };
    let flag = |path: &str| {
        let flag = replica.raw.pointer(path).and_then(Value::as_bool);
        flag.unwrap_or_default()
    };
    let raw = &replica.raw;
    let doing = container::doing(replica);
    let check = container::healthcheck(raw);
    let (down, made) = (container::down_since(raw), container::time(raw, "/Created"));
    Container {
        id: replica.id.clone(),
        name: replica.name.clone(),
        state: doing.state,
        restarts: container::restarts(raw),
        exit_code: doing.exit_code,
        oom_killed: flag("/State/OOMKilled"),
        error: compose.masked(text("/State/Error")),
        health: health(compose, replica),
        is_restarted: doing.starts_again,
        has_ports: doing.has_ports,
        has_served: doing.has_served,
        health_within: check.map_or(Duration::ZERO, |check| check.patience(Duration::ZERO)),
        is_young: made
            .zip(age.now)
            .is_some_and(|(made, now)| !is_long_ago(made, now)),
        is_from_before: down
            .zip(age.now)
            .is_some_and(|(down, now)| is_from_before(down, age.created, now)),
        started_at: text("/State/StartedAt").to_owned(),
        image: replica.image.clone(),
        image_id: replica.image_id.clone(),
        is_wanted: images.answers(&replica.image_id, held),
    }
}

fn health(compose: &Compose, replica: &Replica) -> Option<Health> {
    let health = replica
        .raw
        .pointer("/State/Health")
        .or_else(|| replica.raw.pointer("/State/Healthcheck"))?;
    let status = match health.get("Status")?.as_str()? {
        "starting" => HealthStatus::Starting,
        "healthy" => HealthStatus::Healthy,
        "unhealthy" => HealthStatus::Unhealthy,
        // `none`: switched off.
        _ => return None,
    };
    let log = health.get("Log").and_then(Value::as_array);
    let output = log
        .and_then(|log| log.last()?.get("Output")?.as_str())
        .unwrap_or_default();
    Some(Health {
        status,
        failures: health
            .get("FailingStreak")
            .and_then(Value::as_u64)
            .unwrap_or(0),
        output: compose.masked(output),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_answers_to_its_id_and_to_all_its_digests() {
        let mut images = Images::default();
        let digests = vec!["a@sha256:aa".to_owned(), "b:5000/a@sha256:bb".to_owned()];
        images.0.insert("sha256:11".to_owned(), Some(digests));
        images.0.insert("sha256:22".to_owned(), None);
        let check = |id: &str, revision: &str, expected: Option<bool>| {
            assert_eq!(images.answers(id, &Revision(revision.to_owned())), expected);
        };
        check("sha256:11", "sha256:11", Some(true));
        check("sha256:11", "sha256:aa", Some(true));
        check("sha256:11", "sha256:bb", Some(true));
        check("sha256:11", "sha256:b", Some(false));
        check("sha256:22", "sha256:aa", None);
        check("sha256:22", "sha256:22", Some(true));
        check("sha256:33", "sha256:aa", None);
        check("sha256:11", "mixed:aa,bb", None);
    }
}
