//! The lease of a project: a container that is created and never started. Names of containers are exclusive, so that of two who
//! create it only one can. What it says cannot be changed, so a renewal makes the next one under a name of its own, removes the last one
//! and takes its name; whoever looks in between sees the next one. It carries no label of Compose, so that no `docker compose up
//! --remove-orphans` takes it for its own.

use super::{Mark, Standing, TRIES, crowded, denied, name, now};
use crate::targets::compose::engine::{Engine, EngineError};
use crate::targets::compose::project::PROJECT;
use crate::targets::{Claim, TargetError};
use bollard::query_parameters::{
    ListContainersOptions, RemoveContainerOptions, RenameContainerOptions,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// On everything that marks a project: its name.
const LEASE: &str = "lastgood.lease";

/// One mark that was found.
struct Found {
    id: String,
    name: String,
    /// `None`: it holds nothing for anybody.
    mark: Option<Mark>,
}

pub(super) async fn take(
    engine: &Engine,
    project: &str,
    claim: &Claim,
) -> Result<bool, TargetError> {
    let name = name(project);
    let what = format!("could not take the lease (container {name})");
    for _ in 0..TRIES {
        let (found, is_whole) = marks(engine, project, &what).await?;
        if let Some(mark) = held(engine, &found, claim).await? {
            return Err(mark.held(&format!(
                "the lease of project {project} (container {name})"
            )));
        }
        if !is_whole {
            // Somebody renews it at this moment, and the list was made before the next mark.
            continue;
        }
        let Some(image) = image(engine, project).await? else {
            return Ok(false);
        };
        let (main, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|it| it.name == name);
        // Whoever made these is over, or is us.
        for other in others {
            remove(engine, &other.id, &what).await?;
        }
        let taken = match main.first() {
            None => create(engine, &name, project, &image, claim, &what).await?,
            Some(last) => replace(engine, last, &name, project, &image, claim, &what).await?,
        };
        if taken.is_some() {
            return Ok(true);
        }
    }
    Err(crowded(&what))
}

pub(super) async fn give_back(
    engine: &Engine,
    project: &str,
    claim: &Claim,
) -> Result<(), TargetError> {
    let what = "could not give the lease back";
    let (marks, _) = marks(engine, project, what).await?;
    for found in marks {
        let operation = found.mark.map(|mark| mark.operation);
        if operation.as_ref() == Some(&claim.operation) {
            remove(engine, &found.id, what).await?;
        }
    }
    Ok(())
}

/// Puts a new mark in the place of `last`. `None`: another operation was faster, whatever it did.
async fn replace(
    engine: &Engine,
    last: &Found,
    name: &str,
    project: &str,
    image: &Image,
    claim: &Claim,
    what: &str,
) -> Result<Option<String>, TargetError> {
    let next = next_name(name, claim);
    let Some(id) = create(engine, &next, project, image, claim, what).await? else {
        return Ok(None);
    };
    // Only one can remove the last one: that is who may go on.
    if !remove(engine, &last.id, what).await? {
        remove(engine, &id, what).await?;
        return Ok(None);
    }
    let to = RenameContainerOptions {
        name: name.to_owned(),
    };
    match engine.api().rename_container(&id, to).await {
        Ok(()) => Ok(Some(id)),
        Err(error) => {
            let error = EngineError::from(error);
            if error.is_absent() || error.is_conflict() {
                remove(engine, &id, what).await?;
                return Ok(None);
            }
            Err(denied(error, what))
        }
    }
}

/// The name of a mark until it takes the place of the last one.
fn next_name(name: &str, claim: &Claim) -> String {
    let safe: String = claim
        .operation
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        .take(80)
        .collect();
    format!("{name}-next-{safe}")
}

/// Everything that marks this project, also in the middle of a renewal; `false`: some of it went while it was looked at.
async fn marks(
    engine: &Engine,
    project: &str,
    what: &str,
) -> Result<(Vec<Found>, bool), TargetError> {
    let listed = list(engine, &format!("{LEASE}={project}"), what).await?;
    let found = listed.into_iter().filter_map(|listed| {
        let labels: BTreeMap<String, String> =
            listed.labels.unwrap_or_default().into_iter().collect();
        Some((listed.id?, listed.names.unwrap_or_default(), labels))
    });
    let mut marks = Vec::new();
    let mut is_whole = true;
    for (id, names, labels) in found {
        // The list knows the time in seconds only.
        let raw = match engine.get(&format!("/containers/{id}/json")).await {
            Ok(raw) => raw,
            Err(error) if error.is_absent() => {
                is_whole = false;
                continue;
            }
            Err(error) => return Err(error.reading(what)),
        };
        let text = |key: &str| raw.get(key).and_then(Value::as_str);
        let listed = names.first().map(String::as_str);
        let name = text("Name").or(listed).unwrap_or_default();
        marks.push(Found {
            name: name.trim_start_matches('/').to_owned(),
            mark: Mark::read(&labels, text("Created").unwrap_or_default()),
            id,
        });
    }
    Ok((marks, is_whole))
}

/// The mark that holds for somebody else, if any does. The engine is asked the time only when that matters.
async fn held<'a>(
    engine: &Engine,
    found: &'a [Found],
    claim: &Claim,
) -> Result<Option<&'a Mark>, TargetError> {
    let theirs: Vec<&Mark> = found
        .iter()
        .filter_map(|found| found.mark.as_ref())
        .filter(|mark| mark.standing(claim, mark.written) == Standing::Held)
        .collect();
    if theirs.is_empty() {
        return Ok(None);
    }
    let now = now(engine).await?;
    let holds = |mark: &&Mark| mark.standing(claim, now) == Standing::Held;
    Ok(theirs.into_iter().find(holds))
}

/// What a mark is made of: any image that is there. It is never started.
struct Image {
    id: String,
    labels: Vec<String>,
    volumes: Vec<String>,
}

/// The image of a container of the project, else any that the engine has. `None`: it has none, so nothing runs that could be
/// changed.
async fn image(engine: &Engine, project: &str) -> Result<Option<Image>, TargetError> {
    /// Images that were removed by force while containers of them remain.
    const GONE_MAX: usize = 8;
    let of = "an image for the lease";
    let containers = list(engine, &format!("{PROJECT}={project}"), of).await?;
    let mut ids: Vec<String> = containers
        .into_iter()
        .filter_map(|it| it.image_id)
        .collect();
    ids.sort();
    ids.dedup();
    ids.truncate(GONE_MAX);
    for id in ids {
        if let Some(image) = inspect(engine, &id, of).await? {
            return Ok(Some(image));
        }
    }
    let all = engine.get("/images/json").await;
    let all = all.map_err(|error| error.reading(of))?;
    let first = all.pointer("/0/Id").and_then(Value::as_str);
    match first {
        Some(id) => inspect(engine, id, of).await,
        None => Ok(None),
    }
}

async fn inspect(engine: &Engine, id: &str, of: &str) -> Result<Option<Image>, TargetError> {
    let raw = match engine.get(&format!("/images/{id}/json")).await {
        Ok(raw) => raw,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(error.reading(of)),
    };
    let keys = |path: &str| -> Vec<String> {
        let map = raw.pointer(path).and_then(Value::as_object);
        map.map(|map| map.keys().cloned().collect())
            .unwrap_or_default()
    };
    Ok(Some(Image {
        id: id.to_owned(),
        labels: keys("/Config/Labels"),
        volumes: keys("/Config/Volumes"),
    }))
}

/// Creates a mark. `None`: its name is taken.
async fn create(
    engine: &Engine,
    name: &str,
    project: &str,
    image: &Image,
    claim: &Claim,
    what: &str,
) -> Result<Option<String>, TargetError> {
    let body = body(project, image, claim);
    let path = format!("/containers/create?name={name}");
    match engine.post(&path, &body).await {
        Ok(made) => {
            let id = made.get("Id").and_then(Value::as_str);
            Ok(id.map(str::to_owned))
        }
        // 404: the image went meanwhile, and the next look takes another.
        Err(error) if error.is_absent() || error.is_conflict() => Ok(None),
        Err(error) => Err(denied(error, what)),
    }
}

fn body(project: &str, image: &Image, claim: &Claim) -> Value {
    // Images that Compose built carry its labels, and containers inherit them: the mark would pass for a service.
    let mut labels: Map<String, Value> = image
        .labels
        .iter()
        .map(|key| (key.clone(), Value::from("")))
        .collect();
    labels.extend(
        Mark::labels(claim)
            .into_iter()
            .map(|(key, value)| (key, Value::from(value))),
    );
    labels.insert(LEASE.to_owned(), Value::from(project));
    // Without these every mark would leave an anonymous volume.
    let mounts: Vec<Value> = image
        .volumes
        .iter()
        .map(|path| json!({"Type": "tmpfs", "Target": path}))
        .collect();
    json!({
        "Image": image.id,
        // An image may name nothing to run; this is never run.
        "Entrypoint": ["/lastgood-lease"],
        "Cmd": [],
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": labels,
        "HostConfig": {"NetworkMode": "none", "Mounts": mounts},
    })
}

/// `false`: somebody else removed it, or is about to.
async fn remove(engine: &Engine, id: &str, what: &str) -> Result<bool, TargetError> {
    let options = RemoveContainerOptions {
        v: true,
        ..RemoveContainerOptions::default()
    };
    match engine.api().remove_container(id, Some(options)).await {
        Ok(()) => Ok(true),
        Err(error) => {
            let error = EngineError::from(error);
            match error.code() {
                Some(404 | 409) => Ok(false),
                Some(_) | None => Err(denied(error, what)),
            }
        }
    }
}

async fn list(
    engine: &Engine,
    label: &str,
    of: &str,
) -> Result<Vec<bollard::models::ContainerSummary>, TargetError> {
    let asked = ListContainersOptions {
        all: true,
        filters: Some([("label".to_owned(), vec![label.to_owned()])].into()),
        ..ListContainersOptions::default()
    };
    let listed = engine.api().list_containers(Some(asked)).await;
    listed.map_err(|error| EngineError::from(error).reading(of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_mark_takes_nothing_over_from_its_image() {
        let image = Image {
            id: "sha256:1".to_owned(),
            labels: vec![PROJECT.to_owned(), "traefik.enable".to_owned()],
            volumes: vec!["/data".to_owned()],
        };
        let claim = Claim {
            operation: "20260101T000000Z-ab/cd".to_owned(),
            holder: "run 7".to_owned(),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            length: Duration::from_secs(30),
            dead: Vec::new(),
        };
        let body = body("shop", &image, &claim);
        assert_eq!(body["Labels"][PROJECT], "");
        assert_eq!(body["Labels"]["traefik.enable"], "");
        assert_eq!(body["Labels"][LEASE], "shop");
        assert_eq!(body["HostConfig"]["Mounts"][0]["Target"], "/data");
        assert_eq!(
            next_name("lastgood-lease-shop", &claim),
            "lastgood-lease-shop-next-20260101T000000Z-abcd"
        );
    }
}
