//! What a new container is created from, so that it is the old one with another image: JSON in, JSON out, so that fields of engines newer
//! than this program survive. Pure: nothing is asked, nothing is changed, nothing is judged.

mod ambiguous;
mod config;
mod host;
mod networks;
#[cfg(test)]
mod tests;

use super::image::Image;
use super::project::{IMAGE, PROJECT};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Label of a container of ours: the id of the one whose place it takes.
pub(super) const REPLACES: &str = "lastgood.replaces";
/// Label of a container of ours: `running` or `stopped`, as the one before was found.
pub(super) const FOUND: &str = "lastgood.found";
/// What the names of all our labels begin with.
const OURS: &str = "lastgood.";
/// From this API on all networks may be named when a container is created (moby/moby, docs/api/version-history.md, v1.44).
const ALL_NETWORKS: (usize, usize) = (1, 44);

/// What is known of a container that is to be replaced.
#[derive(Debug)]
pub(super) struct Before<'a> {
    /// `GET /containers/ID/json`.
    pub(super) container: &'a Value,
    /// The `Config` of its image; without it nothing can be told from the image's defaults, and all is kept.
    pub(super) image_config: Option<&'a Value>,
    /// Whether it ran.
    pub(super) ran: bool,
    /// Whether the new one runs beside it for a while.
    pub(super) side_by_side: bool,
}

/// What a new container is.
#[derive(Debug, PartialEq)]
pub(super) struct Body {
    /// The body of `POST /containers/create`.
    pub(super) create: Value,
    /// Networks that are connected before it starts, each with its endpoint.
    pub(super) connect: Vec<(String, Value)>,
    /// What could not be carried over, in words.
    pub(super) warnings: Vec<String>,
}

/// The description of the container that takes the place of `before`, from another image.
/// `moved`: ids of containers that were replaced, with the ids of those in their place.
pub(super) fn describe(
    before: &Before<'_>,
    image: &Image,
    moved: &BTreeMap<String, String>,
    api: (usize, usize),
) -> Body {
    let id = text(before.container, "/Id");
    let mut create = config::without_defaults(before.container, before.image_config);
    let mut host = host::carried(before.container, moved);
    let mut warnings = Vec::new();
    if let (Some(of), Some(to)) = (before.image_config, image.raw.get("Config")) {
        warnings.extend(ambiguous::lost(before.container, of, to));
    }
    let networks = networks::of(before.container, before.side_by_side, &mut warnings);
    create.insert("Image".to_owned(), image.reference.clone().into());
    label(&mut create, before, &image.id, id);
    let mode = host
        .get("NetworkMode")
        .and_then(Value::as_str)
        .unwrap_or_default();
    config::fit_namespaces(&mut create, mode, host.get("UTSMode"), id);
    let mut connect = Vec::new();
    let mut named = Map::new();
    let main = networks::main(&networks, mode);
    if let Some(main) = main.as_ref().filter(|main| !main.is_mode) {
        // The engine would connect it to the network of its mode, which it has left.
        host.insert("NetworkMode".to_owned(), main.name.clone().into());
    }
    let main = main.map(|main| main.name);
    if before.side_by_side {
        create.remove("MacAddress");
    }
    let all_at_once = ALL_NETWORKS <= api;
    if all_at_once {
        networks::move_mac(&mut create, main.as_deref(), &networks, &mut named);
    }
    for network in networks {
        let is_main = main.as_ref() == Some(&network.name);
        let mut endpoint = network.endpoint;
        if !all_at_once {
            endpoint.remove("MacAddress");
        }
        if is_main || all_at_once {
            let known = named
                .entry(network.name)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Some(known) = known.as_object_mut() {
                known.extend(endpoint);
            }
        } else {
            connect.push((network.name, Value::Object(endpoint)));
        }
    }
    create.insert("HostConfig".to_owned(), Value::Object(host));
    let endpoints = Map::from_iter([("EndpointsConfig".to_owned(), Value::Object(named))]);
    create.insert("NetworkingConfig".to_owned(), Value::Object(endpoints));
    Body {
        create: Value::Object(create),
        connect,
        warnings,
    }
}

/// Compose compares its label with the image that a tag leads to (docker/compose `pkg/compose/convergence.go`, `mustRecreate`): with the
/// label of before it would see nothing to do, and the drift would be hidden.
fn label(create: &mut Map<String, Value>, before: &Before<'_>, image_id: &str, id: &str) {
    let labels = create
        .entry("Labels")
        .or_insert_with(|| Value::Object(Map::new()));
    let Some(labels) = labels.as_object_mut() else {
        return;
    };
    labels.retain(|name, _| !name.starts_with(OURS) && name != "com.docker.compose.replace");
    if labels.contains_key(PROJECT) {
        labels.insert(IMAGE.to_owned(), image_id.into());
    }
    let found = if before.ran { "running" } else { "stopped" };
    labels.insert(REPLACES.to_owned(), id.into());
    labels.insert(FOUND.to_owned(), found.into());
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn object(value: &Value, path: &str) -> Map<String, Value> {
    value
        .pointer(path)
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}
