//! The containers of a Compose project as the engine has them, by their labels: services, and the replicas of each. A container that
//! a change has put aside is told from those that serve. Nothing is changed here.

use super::Compose;
use super::engine::Engine;
use crate::model::state::Slot;
use crate::targets::TargetError;
use bollard::query_parameters::ListContainersOptions;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use std::collections::BTreeMap;

/// The labels of Compose, as its `pkg/api/labels.go` names them.
pub(super) const PROJECT: &str = "com.docker.compose.project";
pub(super) const SERVICE: &str = "com.docker.compose.service";
pub(super) const NUMBER: &str = "com.docker.compose.container-number";
pub(super) const ONEOFF: &str = "com.docker.compose.oneoff";
pub(super) const IMAGE: &str = "com.docker.compose.image";
pub(super) const DEPENDS_ON: &str = "com.docker.compose.depends_on";

/// Containers that are looked at side by side: each may be a connection of its own through one ssh session.
const AT_ONCE: usize = 8;

/// What the name of a container ends with while another one takes its place.
pub(super) const ASIDE: &str = "-lastgood-aside";

/// One container, as the engine describes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Replica {
    pub(super) id: String,
    /// Without the slash before it.
    pub(super) name: String,
    pub(super) service: String,
    /// From 1, as Compose counts.
    pub(super) number: u32,
    /// The id of the image that it runs, `sha256:...`.
    pub(super) image_id: String,
    /// The image as it was asked for: a tag, a digest, an id.
    pub(super) image: String,
    pub(super) is_running: bool,
    pub(super) is_restarting: bool,
    pub(super) labels: BTreeMap<String, String>,
    /// All that the engine said of it (`GET /containers/ID/json`).
    pub(super) raw: Value,
}

impl Replica {
    /// Reads what the engine said. `None`: it is no container of a service of a project.
    pub(super) fn read(raw: Value) -> Option<Self> {
        let text = |path: &str| {
            raw.pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let flag = |path: &str| {
            raw.pointer(path)
                .and_then(Value::as_bool)
                .unwrap_or_default()
        };
        let labels: BTreeMap<String, String> =
            serde_json::from_value(raw.pointer("/Config/Labels")?.clone()).ok()?;
        Some(Self {
            id: text("/Id"),
            name: text("/Name").trim_start_matches('/').to_owned(),
            service: labels.get(SERVICE)?.clone(),
            number: labels
                .get(NUMBER)
                .and_then(|number| number.parse().ok())
                .unwrap_or(1),
            image_id: text("/Image"),
            image: text("/Config/Image"),
            is_running: flag("/State/Running"),
            is_restarting: flag("/State/Restarting"),
            labels,
            raw,
        })
    }

    /// Whether `docker compose run` made it.
    pub(super) fn is_oneoff(&self) -> bool {
        self.labels
            .get(ONEOFF)
            .is_some_and(|oneoff| oneoff == "True")
    }

    /// Whether a change has put it aside.
    pub(super) fn is_aside(&self) -> bool {
        self.name.ends_with(ASIDE)
    }
}

/// The replicas of one service: those that have its names, and those that a change put aside.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Service {
    /// By number.
    pub(super) replicas: Vec<Replica>,
    pub(super) aside: Vec<Replica>,
}

/// The services of a project by name.
pub(super) type Project = BTreeMap<String, Service>;

/// Reads the whole project, also containers that do not run. One-off containers (`docker compose run`) are no part of it.
pub(super) async fn read(
    compose: &Compose,
    engine: &Engine,
    project: &str,
) -> Result<Project, TargetError> {
    let of = format!("the containers of project {project}");
    let mut services = listed(engine, &[format!("{PROJECT}={project}")], &of).await?;
    super::order::remember(compose, &services);
    services.retain(|service, _| compose.has_service(service));
    Ok(services)
}

/// Reads one service of a project.
pub(super) async fn service(
    engine: &Engine,
    project: &str,
    service: &str,
) -> Result<Service, TargetError> {
    let of = format!("the containers of {service}");
    let labels = [
        format!("{PROJECT}={project}"),
        format!("{SERVICE}={service}"),
    ];
    let mut services = listed(engine, &labels, &of).await?;
    Ok(services.remove(service).unwrap_or_default())
}

/// What the engine says of containers that are to be looked at, those that are gone meanwhile left out.
pub(super) async fn inspected(
    engine: &Engine,
    ids: impl IntoIterator<Item = String>,
) -> Result<Vec<Replica>, TargetError> {
    let mut looked = Vec::new();
    for id in ids {
        looked.push(async move {
            match engine.get(&format!("/containers/{id}/json")).await {
                Ok(raw) => Ok(Some(raw)),
                // Gone since it was listed.
                Err(error) if error.is_absent() => Ok(None),
                Err(error) => Err(error.reading(&format!("container {id}"))),
            }
        });
    }
    let raw: Vec<Option<Value>> = stream::iter(looked).buffered(AT_ONCE).try_collect().await?;
    Ok(raw
        .into_iter()
        .flatten()
        .filter_map(Replica::read)
        .collect())
}

async fn listed(engine: &Engine, labels: &[String], of: &str) -> Result<Project, TargetError> {
    let asked = ListContainersOptions {
        all: true,
        filters: Some([("label".to_owned(), labels.to_vec())].into()),
        ..ListContainersOptions::default()
    };
    let listed = engine
        .api()
        .list_containers(Some(asked))
        .await
        .map_err(|error| super::engine::EngineError::from(error).reading(of))?;
    let ids = listed.into_iter().filter_map(|container| container.id);
    let mut services = Project::new();
    for replica in inspected(engine, ids).await? {
        if replica.is_oneoff() {
            continue;
        }
        let service = services.entry(replica.service.clone()).or_default();
        if replica.is_aside() {
            service.aside.push(replica);
        } else {
            service.replicas.push(replica);
        }
    }
    for service in services.values_mut() {
        service
            .replicas
            .sort_by(|a, b| (a.number, &a.name).cmp(&(b.number, &b.name)));
        service
            .aside
            .sort_by(|a, b| (a.number, &a.name).cmp(&(b.number, &b.name)));
    }
    Ok(services)
}

/// The service that a slot is.
pub(super) fn name(slot: &Slot) -> &str {
    &slot.0
}
