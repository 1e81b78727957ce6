//! The networks of a new container: those of the old one, with the names and the addresses that somebody gave it, and without those that
//! the engine made up.

use super::{object, text};
use serde_json::{Map, Value};

/// What an operator can say of an endpoint; all else is what came of it.
const GIVEN: &[&str] = &[
    "IPAMConfig",
    "Links",
    "Aliases",
    "DriverOpts",
    "GwPriority",
    "MacAddress",
];

/// The bit of the first byte of an address that somebody made up rather than bought (IEEE 802). Engines make such up: `02:42:` and the IP
/// address before 28.0, later at random (moby `libnetwork/netutils`).
const MADE_UP: u8 = 0x02;

/// A network, and what the container is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Network {
    pub(super) name: String,
    id: String,
    pub(super) endpoint: Map<String, Value>,
}

/// The network that a container is created in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Main {
    pub(super) name: String,
    /// Whether it is the one of the container's mode.
    pub(super) is_mode: bool,
}

/// The networks that the old container is in, those of the host's and of another container's namespace left out.
pub(super) fn of(
    container: &Value,
    side_by_side: bool,
    warnings: &mut Vec<String>,
) -> Vec<Network> {
    let mode = text(container, "/HostConfig/NetworkMode");
    if matches!(mode, "host" | "none") || mode.starts_with("container:") {
        return Vec::new();
    }
    let id = text(container, "/Id");
    let found = object(container, "/NetworkSettings/Networks");
    if found.is_empty() {
        warnings.push(format!(
            "it was in no network any more; the new one is in {mode}"
        ));
    }
    // What somebody asked for is also in the configuration of the container.
    let asked = text(container, "/Config/MacAddress");
    let is_copied = |mac: &str| {
        !side_by_side && (!is_made_up(mac) || (!mac.is_empty() && mac.eq_ignore_ascii_case(asked)))
    };
    found
        .into_iter()
        .map(|(name, endpoint)| {
            let mut given = given(&name, &endpoint, id);
            if !is_copied(text(&endpoint, "/MacAddress")) {
                given.remove("MacAddress");
            }
            Network {
                id: text(&endpoint, "/NetworkID").to_owned(),
                endpoint: given,
                name,
            }
        })
        .collect()
}

fn given(name: &str, endpoint: &Value, id: &str) -> Map<String, Value> {
    let mut given = Map::new();
    for key in GIVEN {
        if let Some(value) = endpoint.get(*key) {
            given.insert((*key).to_owned(), value.clone());
        }
    }
    if let Some(aliases) = given.get_mut("Aliases").and_then(Value::as_array_mut) {
        aliases.retain(|alias| alias.as_str().is_some_and(|alias| !is_id(id, alias)));
    }
    // The default network knows no aliases, and refuses a container that has some.
    if name == "bridge" {
        given.remove("Aliases");
    }
    // Compose says also that it asks for no address, and is taken at its word.
    given.retain(|key, value| !is_empty(value) || (key == "IPAMConfig" && value.is_object()));
    given
}

/// Two containers with one address are one too many, so what cannot be told from what an engine made up is taken for that.
fn is_made_up(mac: &str) -> bool {
    let first = mac
        .get(..2)
        .and_then(|first| u8::from_str_radix(first, 16).ok());
    first.is_none_or(|first| first & MADE_UP != 0)
}

/// The engine adds the first 12 digits of the id to the aliases.
fn is_id(id: &str, alias: &str) -> bool {
    12 <= alias.len() && id.starts_with(alias)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The network that is named when the container is created: that of its mode where it is still in it.
pub(super) fn main(networks: &[Network], mode: &str) -> Option<Main> {
    let mode = if mode == "default" { "bridge" } else { mode };
    let of_mode = networks
        .iter()
        .find(|network| network.name == mode || (!mode.is_empty() && network.id == mode));
    let chosen = of_mode.or_else(|| networks.first())?;
    Some(Main {
        name: chosen.name.clone(),
        is_mode: of_mode.is_some() || mode.is_empty(),
    })
}

/// From API 1.44 on the address of the hardware belongs to the endpoint, no longer to the container.
pub(super) fn move_mac(
    create: &mut Map<String, Value>,
    main: Option<&str>,
    networks: &[Network],
    named: &mut Map<String, Value>,
) {
    let Some(mac) = create.remove("MacAddress").filter(|mac| !is_empty(mac)) else {
        return;
    };
    let Some(main) = main else { return };
    let has_own = networks
        .iter()
        .any(|network| network.name == main && network.endpoint.contains_key("MacAddress"));
    if !has_own {
        let endpoint = Map::from_iter([("MacAddress".to_owned(), mac)]);
        named.insert(main.to_owned(), Value::Object(endpoint));
    }
}
