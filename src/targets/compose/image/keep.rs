//! Images that are in no registry, kept on the engine so that they can be put back: each has a tag, and a container that is created from
//! it and never started, because `docker image prune -a` removes what only a tag holds.

use super::name;
use crate::model::payload::hex;
use crate::model::release::Pin;
use crate::model::state::{Revision, Slot};
use crate::targets::TargetError;
use crate::targets::compose::engine::{Engine, EngineError};
use bollard::query_parameters::{
    ListContainersOptions, RemoveContainerOptions, RemoveImageOptions, RenameContainerOptions,
    TagImageOptions,
};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The id of the image that a container of ours keeps.
pub(in crate::targets::compose) const KEEPS: &str = "lastgood.keeps";
const PROJECT: &str = "lastgood.project";
const SERVICE: &str = "lastgood.service";

/// Digits of an id that tell images apart for a person.
const SHORT: usize = 12;
/// Digits of a hash that tell pairs of names apart.
const HASH: usize = 8;

/// Keeps the image of a pin that is in no registry. Again: it counts as the newest from then on.
///
/// # Errors
/// An image is not there any more, or the engine refuses.
pub(in crate::targets::compose) async fn keep(
    engine: &Engine,
    project: &str,
    slot: &Slot,
    pin: &Pin,
) -> Result<Option<String>, TargetError> {
    if !super::is_built(pin) {
        return Ok(None);
    }
    name::check(slot, &pin.revision)?;
    let id = &pin.revision.0;
    let of = format!("keeping image {} of {slot}", pin.revision.short());
    let Some(raw) = super::local::inspect(engine, id).await? else {
        return Err(TargetError::Refused {
            what: format!(
                "{of}: the engine at {} does not have it any more",
                engine.at()
            ),
            allow: None,
            next: "deploy it again, then record it".to_owned(),
        });
    };
    let (repository, tag) = (repository(project, &slot.0), id.replace(':', "-"));
    let tagged = engine.api().tag_image(
        id,
        Some(TagImageOptions {
            repo: Some(repository.clone()),
            tag: Some(tag.clone()),
        }),
    );
    tagged
        .await
        .map_err(|error| EngineError::from(error).changing(&of))?;
    hold(engine, (project, &slot.0), id, &raw, &of).await?;
    Ok(Some(format!(
        "image {} of {slot} as {repository}:{tag}",
        pin.revision.short()
    )))
}

/// Keeps what is kept already as the newest: it was seen to be good again.
pub(in crate::targets::compose) async fn renew(
    engine: &Engine,
    project: &str,
    kept: &Kept,
    image: &Value,
) -> Result<(), TargetError> {
    let of = format!("keeping an image of {} for longer", kept.service);
    hold(engine, (project, &kept.service), &kept.id, image, &of).await
}

/// A container that holds the image. One that is there already is made anew, because the time at which it was made tells when the image was
/// last proven good; the new one is there before the old one goes.
async fn hold(
    engine: &Engine,
    (project, service): (&str, &str),
    id: &str,
    image: &Value,
    of: &str,
) -> Result<(), TargetError> {
    let name = container(project, service, &Revision(id.to_owned()));
    let body = body(image, id, project, service);
    let create = async |name: &str| {
        let path = format!("/containers/create?name={name}");
        engine.post(&path, &body).await
    };
    match create(&name).await {
        Ok(_) => return Ok(()),
        Err(error) if error.is_conflict() => same(engine, &name, id, of).await?,
        Err(error) => return Err(error.changing(of)),
    }
    let next = format!("{name}-next");
    let made = match create(&next).await {
        // Of one who was killed between this and the renaming.
        Err(error) if error.is_conflict() => {
            same(engine, &next, id, of).await?;
            remove(engine, &next, of).await?;
            create(&next).await
        }
        made => made,
    };
    made.map_err(|error| error.changing(of))?;
    remove(engine, &name, of).await?;
    let options = RenameContainerOptions { name };
    let renamed = engine.api().rename_container(&next, options).await;
    renamed.map_err(|error| EngineError::from(error).changing(of))
}

/// Removes a container that keeps an image. It never ran: volumes of its own are empty.
async fn remove(engine: &Engine, container: &str, of: &str) -> Result<(), TargetError> {
    let options = RemoveContainerOptions {
        v: true,
        ..RemoveContainerOptions::default()
    };
    let removed = engine.api().remove_container(container, Some(options));
    settled(removed.await, of)
}

/// The name is taken: by what was kept before, or by somebody else.
async fn same(engine: &Engine, name: &str, id: &str, of: &str) -> Result<(), TargetError> {
    let found = engine.get(&format!("/containers/{name}/json")).await;
    let found = found.map_err(|error| error.reading(of))?;
    if found.get("Image").and_then(Value::as_str) == Some(id) {
        return Ok(());
    }
    Err(TargetError::Refused {
        what: format!("{of}: found a container {name} of another image"),
        allow: None,
        next: format!("remove it: docker rm {name}"),
    })
}

/// A container that is never started. What it would inherit of the image is emptied: the labels of Compose above all, by which it would
/// be taken for one of the project; and volumes, which would be made.
fn body(image: &Value, id: &str, project: &str, service: &str) -> Value {
    let config = image.get("Config");
    let keys = |key: &str| {
        let map = config.and_then(|config| config.get(key)?.as_object());
        map.into_iter()
            .flat_map(Map::keys)
            .cloned()
            .collect::<Vec<String>>()
    };
    let mut labels: Map<String, Value> = keys("Labels")
        .into_iter()
        .map(|label| (label, Value::String(String::new())))
        .collect();
    for (label, value) in [(KEEPS, id), (PROJECT, project), (SERVICE, service)] {
        labels.insert(label.to_owned(), Value::String(value.to_owned()));
    }
    let mounts: Vec<Value> = keys("Volumes")
        .into_iter()
        .map(|path| json!({"Type": "tmpfs", "Target": path}))
        .collect();
    json!({
        "Image": id,
        // An image may have neither, and then none can be created without.
        "Entrypoint": ["lastgood-keeps-this-image"],
        "Cmd": [],
        "Labels": labels,
        "HostConfig": {"NetworkMode": "none", "RestartPolicy": {"Name": "no"}, "Mounts": mounts},
    })
}

/// What is kept of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::targets::compose) struct Kept {
    /// One; two where one who made it anew was killed.
    containers: Vec<String>,
    service: String,
    id: String,
    created: i64,
}

impl Kept {
    /// The service that it was kept for.
    pub(in crate::targets::compose) fn service(&self) -> &str {
        &self.service
    }

    /// The id of the image.
    pub(in crate::targets::compose) fn id(&self) -> &str {
        &self.id
    }
}

/// What is kept of a project, by service, the newest first.
pub(in crate::targets::compose) async fn kept(
    engine: &Engine,
    project: &str,
) -> Result<BTreeMap<String, Vec<Kept>>, TargetError> {
    let labels = vec![format!("{PROJECT}={project}"), KEEPS.to_owned()];
    let asked = ListContainersOptions {
        all: true,
        filters: Some([("label".to_owned(), labels)].into()),
        ..ListContainersOptions::default()
    };
    let listed = engine.api().list_containers(Some(asked)).await;
    let listed = listed.map_err(|error| EngineError::from(error).reading("the kept images"))?;
    let mut kept: BTreeMap<String, Vec<Kept>> = BTreeMap::new();
    for one in listed {
        let labels = one.labels.unwrap_or_default();
        let label = |name: &str| labels.get(name).cloned();
        if let (Some(container), Some(service), Some(id)) = (one.id, label(SERVICE), label(KEEPS)) {
            let created = one.created.unwrap_or_default();
            let of_service = kept.entry(service.clone()).or_default();
            match of_service.iter_mut().find(|known| known.id == id) {
                Some(known) => {
                    known.containers.push(container);
                    known.created = known.created.max(created);
                }
                None => of_service.push(Kept {
                    containers: vec![container],
                    service,
                    id,
                    created,
                }),
            }
        }
    }
    for of_service in kept.values_mut() {
        of_service.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
    }
    Ok(kept)
}

/// Those that go: all but the newest `count` of each service, and never one of `never`.
pub(in crate::targets::compose) fn surplus(
    kept: &BTreeMap<String, Vec<Kept>>,
    count: usize,
    never: &[Revision],
) -> Vec<Kept> {
    let is_needed = |kept: &&Kept| never.iter().any(|revision| revision.0 == kept.id);
    kept.values()
        .flat_map(|of_service| of_service.iter().skip(count))
        .filter(|kept| !is_needed(kept))
        .cloned()
        .collect()
}

/// Lets one go: its container, and our tag. The image itself goes when nothing else holds it.
pub(in crate::targets::compose) async fn let_go(
    engine: &Engine,
    project: &str,
    kept: &Kept,
) -> Result<String, TargetError> {
    let of = format!("letting go of a kept image of {}", kept.service);
    for container in &kept.containers {
        remove(engine, container, &of).await?;
    }
    let tag = kept.id.replace(':', "-");
    let name = format!("{}:{tag}", repository(project, &kept.service));
    let removed = engine
        .api()
        .remove_image(&name, None::<RemoveImageOptions>, None);
    settled(removed.await.map(|_gone| ()), &of)?;
    let short = Revision(kept.id.clone()).short();
    Ok(format!("image {short} of {}", kept.service))
}

/// What is gone already, or is held by something else, is as good as gone.
fn settled(answer: Result<(), bollard::errors::Error>, of: &str) -> Result<(), TargetError> {
    match answer.map_err(EngineError::from) {
        Ok(()) => Ok(()),
        Err(error) if error.is_absent() || error.is_conflict() => Ok(()),
        Err(error) => Err(error.changing(of)),
    }
}

/// The repository of our tags: what Docker lets a repository be called, and no registry has.
fn repository(project: &str, service: &str) -> String {
    format!("lastgood/{}", both(project, service))
}

/// Names of a project and of a service in one: `shop` with `web-api` is not `shop-web` with `api`.
fn both(project: &str, service: &str) -> String {
    let hash = hex(&Sha256::digest(format!("{project}\n{service}").as_bytes()));
    let hash = hash.get(..HASH).unwrap_or_default();
    format!("{}-{hash}", plain(&format!("{project}-{service}")))
}

/// The name of the container that keeps an image.
fn container(project: &str, service: &str, revision: &Revision) -> String {
    let short: String = revision.short().chars().take(SHORT).collect();
    format!("lastgood-keep-{}-{short}", both(project, service))
}

/// Lower-case letters and digits, separated by single dashes.
fn plain(text: &str) -> String {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric());
    let parts: Vec<String> = parts
        .filter(|part| !part.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::registry::Reference;

    fn kept(service: &str, digit: char, created: i64) -> Kept {
        Kept {
            containers: vec![format!("{service}-{digit}")],
            service: service.to_owned(),
            id: format!("sha256:{}", digit.to_string().repeat(64)),
            created,
        }
    }

    #[test]
    fn the_newest_stay_and_what_is_needed() {
        let of_web = vec![
            kept("web", 'd', 4),
            kept("web", 'c', 3),
            kept("web", 'b', 2),
            kept("web", 'a', 1),
        ];
        let all = BTreeMap::from([
            ("web".to_owned(), of_web),
            ("db".to_owned(), vec![kept("db", 'e', 1)]),
        ]);
        let never = [Revision(format!("sha256:{}", "a".repeat(64)))];
        let gone: Vec<String> = surplus(&all, 2, &never)
            .into_iter()
            .flat_map(|kept| kept.containers)
            .collect();
        assert_eq!(gone, ["web-b"]);
        assert_eq!(surplus(&all, 0, &[]).len(), 5);
        assert_eq!(surplus(&all, 9, &[]), []);
    }

    #[test]
    fn names_that_docker_takes() {
        let revision = Revision(format!("sha256:{}", "a".repeat(64)));
        for (project, service) in [("shop", "web"), ("shop_x", "Web.Api--1"), ("-a", "_b")] {
            let name = format!("{}:sha256-{}", repository(project, service), "a".repeat(64));
            assert!(name.parse::<Reference>().is_ok(), "{name}");
        }
        let named = container("shop", "web", &revision);
        assert!(named.starts_with("lastgood-keep-shop-web-"), "{named}");
        assert!(named.ends_with("-aaaaaaaaaaaa"), "{named}");
        assert_ne!(repository("shop", "web-api"), repository("shop-web", "api"));
    }

    #[test]
    fn nothing_of_the_image_is_inherited() {
        let image = json!({"Config": {
            "Labels": {"com.docker.compose.project": "shop", "a": "b"}, "Volumes": {"/data": {}},
        }});
        let body = body(&image, "sha256:aa", "shop", "web");
        assert_eq!(body["Labels"]["com.docker.compose.project"], "");
        assert_eq!(body["Labels"][KEEPS], "sha256:aa");
        assert_eq!(body["HostConfig"]["Mounts"][0]["Target"], "/data");
    }
}
