//! What a container has beyond its image: which variables, ports, mounts and networks, by name alone, so that a release that is put
//! back can say what has changed around it. No values: they may be secret, and what is recorded lies in an artifact.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// Names only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Shape {
    /// Environment variables that the image does not set to the same value.
    env: BTreeSet<String>,
    /// `8080/tcp to 28081`.
    ports: BTreeSet<String>,
    /// Where something is mounted that the image does not declare.
    mounts: BTreeSet<String>,
    networks: BTreeSet<String>,
}

impl Shape {
    /// Of a container and its image, as the engine describes them.
    pub(super) fn of(container: &Value, image: Option<&Value>) -> Self {
        let of_image = |path: &str| image.and_then(|image| image.pointer(path));
        let own: BTreeSet<&str> = texts(of_image("/Config/Env")).collect();
        let env = texts(container.pointer("/Config/Env"))
            .filter(|entry| !own.contains(entry))
            .filter_map(|entry| entry.split('=').next())
            .map(str::to_owned);
        let declared: BTreeSet<&str> = keys(of_image("/Config/Volumes")).collect();
        let mounts = container.get("Mounts").and_then(Value::as_array);
        let mounts = mounts
            .into_iter()
            .flatten()
            .filter_map(|mount| mount.get("Destination")?.as_str())
            .filter(|path| !declared.contains(path))
            .map(str::to_owned);
        let networks = keys(container.pointer("/NetworkSettings/Networks")).map(str::to_owned);
        Self {
            env: env.collect(),
            ports: ports(container),
            mounts: mounts.collect(),
            networks: networks.collect(),
        }
    }

    /// What is here and was not there, and the reverse, in words; nothing when both are alike.
    pub(super) fn since(&self, recorded: &Self) -> Vec<String> {
        let pairs = [
            ("variable", &self.env, &recorded.env),
            ("port", &self.ports, &recorded.ports),
            ("mount", &self.mounts, &recorded.mounts),
            ("network", &self.networks, &recorded.networks),
        ];
        let mut told = Vec::new();
        for (what, now, was) in pairs {
            told.extend(
                now.difference(was)
                    .map(|name| format!("{what} {name} is new")),
            );
            told.extend(
                was.difference(now)
                    .map(|name| format!("{what} {name} is gone")),
            );
        }
        told
    }
}

fn ports(container: &Value) -> BTreeSet<String> {
    let bindings = container.pointer("/HostConfig/PortBindings");
    let bindings = bindings.and_then(Value::as_object).into_iter().flatten();
    let mut ports = BTreeSet::new();
    for (inside, outside) in bindings {
        for one in outside.as_array().into_iter().flatten() {
            let port = one.get("HostPort").and_then(Value::as_str);
            // None, or an empty one: the engine chooses.
            let port = port.filter(|port| !port.is_empty()).unwrap_or("any");
            ports.insert(format!("{inside} to {port}"));
        }
    }
    ports
}

fn texts(list: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = list.and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

fn keys(map: Option<&Value>) -> impl Iterator<Item = &str> {
    let map = map.and_then(Value::as_object);
    map.into_iter()
        .flat_map(serde_json::Map::keys)
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn another_image_alone_is_no_change() {
        let image = |version: &str| json!({"Config": {"Env": [format!("VERSION={version}")], "Volumes": {"/cache": {}}}});
        let container = |version: &str, more: &str| {
            json!({
                "Config": {"Env": [format!("VERSION={version}"), format!("{more}=s3cr3t")]},
                "HostConfig": {"PortBindings": {"8080/tcp": [{"HostIp": "", "HostPort": "80"}]}},
                "Mounts": [{"Destination": "/cache"}, {"Destination": "/data"}],
                "NetworkSettings": {"Networks": {"shop_default": {}}},
            })
        };
        let was = Shape::of(&container("1", "TOKEN"), Some(&image("1")));
        let now = Shape::of(&container("2", "TOKEN"), Some(&image("2")));
        assert_eq!(now.since(&was), [""; 0]);
        let other = Shape::of(&container("2", "FLAG"), Some(&image("2")));
        assert_eq!(
            other.since(&was),
            ["variable FLAG is new", "variable TOKEN is gone"]
        );
        let written = serde_json::to_value(&was).unwrap();
        assert_eq!(
            written,
            json!({"env": ["TOKEN"], "ports": ["8080/tcp to 80"], "mounts": ["/data"], "networks": ["shop_default"]})
        );
        assert_eq!(serde_json::from_value::<Shape>(written).unwrap(), was);
    }
}
