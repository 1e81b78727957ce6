//! The configuration of a container without what it has from its image, so that the new image brings its own.

use super::object;
use serde_json::{Map, Value, json};

/// Labels that are kept also where an image brings the same: images that Compose built carry some (docker/compose `pkg/compose/build.go`).
const COMPOSE: &str = "com.docker.compose.";

/// The `Config` of a container minus the defaults of its image. What an operator set to just what the image says cannot be told from what
/// the image said.
pub(super) fn without_defaults(container: &Value, image: Option<&Value>) -> Map<String, Value> {
    let mut config = object(container, "/Config");
    // What the engine shows and does not take: it is set in HostConfig, or never.
    config.remove("OnBuild");
    let Some(image) = image else {
        return config;
    };
    for key in ["User", "WorkingDir", "StopSignal"] {
        let of_image = image.get(key).and_then(Value::as_str).unwrap_or_default();
        if config.get(key).and_then(Value::as_str) == Some(of_image) {
            config.remove(key);
        }
    }
    command(&mut config, image);
    health(&mut config, image);
    for key in ["ExposedPorts", "Volumes"] {
        without_keys(&mut config, key, image, |_| false);
    }
    without_keys(&mut config, "Labels", image, |name| {
        name.starts_with(COMPOSE)
    });
    environment(&mut config, image);
    config
}

/// The engine takes the image's command only where there is no entrypoint besides (moby `daemon/commit.go`, `merge`): a command is dropped
/// together with its entrypoint or not at all.
fn command(config: &mut Map<String, Value>, image: &Value) {
    let is_set = |value: Option<&Value>| {
        value
            .and_then(Value::as_array)
            .is_some_and(|words| !words.is_empty())
    };
    let (entrypoint, of_image) = (config.get("Entrypoint"), image.get("Entrypoint"));
    if !is_set(entrypoint) && is_set(of_image) {
        // The operator took the image's entrypoint away, and that is how the engine is told.
        config.insert("Entrypoint".to_owned(), json!([""]));
        return;
    }
    if is_set(entrypoint) && entrypoint != of_image {
        return;
    }
    let command = config.get("Cmd");
    if is_set(entrypoint) && !is_set(command) && is_set(image.get("Cmd")) {
        // Only an entrypoint that somebody stated takes the image's command away.
        return;
    }
    let command = command.cloned();
    config.remove("Entrypoint");
    let command = command.as_ref();
    if !is_set(command) || command == image.get("Cmd") {
        config.remove("Cmd");
    }
}

/// Field by field, as the engine merges them.
fn health(config: &mut Map<String, Value>, image: &Value) {
    let of_image = object(image, "/Healthcheck");
    let Some(health) = config.get_mut("Healthcheck").and_then(Value::as_object_mut) else {
        return;
    };
    health.retain(|key, value| of_image.get(key) != Some(value));
    if health.is_empty() {
        config.remove("Healthcheck");
    }
}

fn without_keys(
    config: &mut Map<String, Value>,
    key: &str,
    image: &Value,
    keeps: impl Fn(&str) -> bool,
) {
    let of_image = object(image, &format!("/{key}"));
    let Some(own) = config.get_mut(key).and_then(Value::as_object_mut) else {
        return;
    };
    own.retain(|name, value| keeps(name) || of_image.get(name) != Some(value));
    if own.is_empty() {
        config.remove(key);
    }
}

fn environment(config: &mut Map<String, Value>, image: &Value) {
    let of_image = image.get("Env").and_then(Value::as_array);
    let (Some(of_image), Some(own)) = (
        of_image,
        config.get_mut("Env").and_then(Value::as_array_mut),
    ) else {
        return;
    };
    own.retain(|entry| !of_image.contains(entry));
}

/// Takes away what the engine made up, and what does not go with the namespaces of another one (moby `runconfig/hostconfig_unix.go`).
pub(super) fn fit_namespaces(
    config: &mut Map<String, Value>,
    network_mode: &str,
    uts: Option<&Value>,
    id: &str,
) {
    let hostname = config
        .get("Hostname")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let is_made_up = hostname.is_empty() || id.starts_with(hostname);
    let shares_network = network_mode.starts_with("container:");
    let shares_uts = uts.and_then(Value::as_str) == Some("host");
    if is_made_up || shares_network || shares_uts {
        config.remove("Hostname");
    }
    if shares_network {
        for key in ["Domainname", "ExposedPorts", "MacAddress"] {
            config.remove(key);
        }
    }
}
