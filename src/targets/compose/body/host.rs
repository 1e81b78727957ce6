//! The `HostConfig` of a new container: that of the old one, with every volume it used, also those without a name of their own.

use super::{object, text};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The `HostConfig` of the old container for the new one.
pub(super) fn carried(container: &Value, moved: &BTreeMap<String, String>) -> Map<String, Value> {
    let mut host = object(container, "/HostConfig");
    volumes(&mut host, container);
    for mode in ["NetworkMode", "PidMode", "IpcMode"] {
        let Some(value) = host.get_mut(mode) else {
            continue;
        };
        let now = value
            .as_str()
            .and_then(|mode| mode.strip_prefix("container:"))
            .and_then(|id| moved.get(id));
        if let Some(now) = now {
            *value = format!("container:{now}").into();
        }
    }
    links(&mut host);
    host
}

/// Anonymous volumes hold data, and a new container would get empty ones: they are named. Volumes of other containers are named too, since
/// those containers may be gone by then.
fn volumes(host: &mut Map<String, Value>, container: &Value) {
    let mounted: Vec<Value> = container
        .pointer("/Mounts")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let mut covered: BTreeSet<String> = object(container, "/HostConfig/Tmpfs")
        .keys()
        .cloned()
        .collect();
    let mut binds = Vec::new();
    for bind in host
        .get("Binds")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        covered.extend(bind.as_str().and_then(destination).map(str::to_owned));
        binds.push(bind.clone());
    }
    for mount in host
        .get_mut("Mounts")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let target = text(mount, "/Target").to_owned();
        let is_anonymous = text(mount, "/Type") == "volume" && text(mount, "/Source").is_empty();
        let held = mounted
            .iter()
            .find(|held| same(text(held, "/Destination"), &target));
        if let (true, Some(held), Some(mount)) = (is_anonymous, held, mount.as_object_mut()) {
            mount.insert("Source".to_owned(), text(held, "/Name").into());
        }
        covered.insert(target);
    }
    for held in &mounted {
        let destination = text(held, "/Destination");
        if covered.iter().any(|covered| same(covered, destination)) {
            continue;
        }
        let from = match text(held, "/Type") {
            "volume" => text(held, "/Name"),
            "bind" => text(held, "/Source"),
            _ => continue,
        };
        let is_writable = held.pointer("/RW").and_then(Value::as_bool) != Some(false);
        let mode = if is_writable { "" } else { ":ro" };
        binds.push(format!("{from}:{destination}{mode}").into());
    }
    if !binds.is_empty() {
        host.insert("Binds".to_owned(), Value::Array(binds));
    }
    host.insert("VolumesFrom".to_owned(), Value::Null);
}

fn same(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

/// Where `source:destination[:mode]` is mounted.
fn destination(bind: &str) -> Option<&str> {
    bind.split(':').nth(1)
}

/// The engine shows `/db:/web/alias` and takes `db:alias`.
fn links(host: &mut Map<String, Value>) {
    let links = host.get_mut("Links").and_then(Value::as_array_mut);
    for link in links.into_iter().flatten() {
        let Some((name, alias)) = link.as_str().and_then(|link| link.split_once(':')) else {
            continue;
        };
        let alias = alias.rsplit('/').next().unwrap_or(alias);
        *link = format!("{}:{alias}", name.trim_start_matches('/')).into();
    }
}
