//! Which network a name means: the mainnet, one on this machine, an address, or what dfx or icp-cli was told. What its answers
//! are verified with is decided here, so that no network but one on this machine is ever asked for its own key.

use super::NetworkName;
use super::files::{File, Project};
use crate::targets::BadSettings;
use crate::targets::canister::network::RootKey;
use crate::targets::canister::settings::Settings;
use serde_json::Value;
use std::net::IpAddr;
use url::{Host, Url};

/// The mainnet in dfx and icp-cli.
pub(super) const MAINNET: &str = "ic";

/// The network on this machine in dfx and icp-cli.
pub(super) const LOCAL: &str = "local";

/// The API endpoint of the mainnet (icp-cli, docs/concepts/environments.md, "Implicit Networks").
const MAINNET_URL: &str = "https://icp-api.io";

/// Names of the mainnet's API endpoints; their subdomains are endpoints too.
const MAINNET_HOSTS: [&str; 3] = ["icp-api.io", "icp0.io", "ic0.app"];

/// Where dfx serves the network that all projects share, and where the one of a project without `bind`
/// (dfinity/sdk, src/dfx-core/src/config/model/dfinity.rs: `DEFAULT_SHARED_LOCAL_BIND`, `DEFAULT_PROJECT_LOCAL_BIND`).
const DFX_SHARED: &str = "127.0.0.1:4943";
const DFX_PROJECT: &str = "127.0.0.1:8000";

/// Where icp-cli serves the network `local` unless `icp.yaml` says otherwise (docs/concepts/environments.md).
const ICP_HOST: &str = "localhost";
const ICP_PORT: u64 = 8000;

/// What one file says of a network.
#[derive(Debug, Clone)]
struct Definition {
    /// The file that says so.
    from: String,
    url: String,
    root_key: Option<String>,
}

/// Whether files say what a network of this name is.
pub(super) fn is_defined_in_files(name: &str) -> bool {
    name != MAINNET && !name.contains("://")
}

/// The network that checked settings name.
pub(super) fn find(settings: &Settings, project: &Project) -> Result<NetworkName, BadSettings> {
    let name = settings.network.as_str();
    let wrong = |what: String| BadSettings::new("network", what);
    let definition = if is_defined_in_files(name) {
        defined(name, project)?
    } else {
        Definition {
            from: String::new(),
            url: match name {
                MAINNET => MAINNET_URL.to_owned(),
                url => url.to_owned(),
            },
            root_key: None,
        }
    };
    let url = address(&definition.url).map_err(|what| match definition.from.as_str() {
        "" => wrong(what),
        from => wrong(format!("{from}, network {name}: {what}")),
    })?;
    let given = match (&settings.root_key, &definition.root_key) {
        (Some(hex), _) => {
            Some(RootKey::from_text(hex).map_err(|what| BadSettings::new("root-key", what))?)
        }
        // Whether a network may be asked for its own key is decided here, not by a file.
        (None, Some(word)) if word == "fetch" => None,
        (None, Some(hex)) => {
            let from = &definition.from;
            let key = RootKey::from_text(hex);
            Some(key.map_err(|what| wrong(format!("{from}, root key of {name}: {what}")))?)
        }
        (None, None) => None,
    };
    let root_key = match given {
        Some(_) if settings.root_key.is_some() && is_mainnet(&url) => {
            return Err(BadSettings::new(
                "root-key",
                format!(
                    "found a root key for {url}, expected none: it is the mainnet, whose key is built in"
                ),
            ));
        }
        Some(_) | None if is_mainnet(&url) => RootKey::Mainnet,
        Some(key) => key,
        None if is_loopback(&url) => RootKey::Fetch,
        None => {
            return Err(BadSettings::new(
                "root-key",
                format!(
                    "found none for {url}, expected the root key of this network in hex: it is not the mainnet and not on \
                     this machine, and whoever answers there could make one up; ask those who run it"
                ),
            ));
        }
    };
    Ok(NetworkName {
        name: name.to_owned(),
        url,
        root_key,
    })
}

/// The address of an API endpoint: scheme, host and port. The error says what was found and what was expected.
pub(in super::super) fn address(text: &str) -> Result<Url, String> {
    const EXPECTED: &str = "expected an address such as https://icp-api.io";
    let Ok(url) = Url::parse(text) else {
        return Err(format!("found {text:?}, {EXPECTED}"));
    };
    if !url.username().is_empty() || url.password().is_some() {
        // It may hold a password: it is not repeated.
        return Err(format!(
            "found an address with a user name or password, {EXPECTED}"
        ));
    }
    let is_bare =
        matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !is_bare {
        return Err(format!("found {text:?}, {EXPECTED}, without a path"));
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(format!(
            "found {text}, expected https://: over http only a network on this machine is spoken to"
        ));
    }
    Ok(url)
}

/// Whether an address is on this machine, whatever a name server says.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// Whether an address is an endpoint of the mainnet.
pub(super) fn is_mainnet(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    MAINNET_HOSTS.iter().any(|known| {
        host.strip_suffix(known)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// What the files of the project say of a name; they must agree.
fn defined(name: &str, project: &Project) -> Result<Definition, BadSettings> {
    let dfx = match by_dfx(name, project.dfx.as_ref(), DFX_PROJECT)? {
        Some(own) => Some(own),
        // dfx takes a project's own definition first, then the shared one.
        None => by_dfx(name, project.shared.as_ref(), DFX_SHARED)?,
    };
    let icp = by_icp(name, project)?;
    let found = match (dfx, icp) {
        (Some(dfx), Some(icp)) => agreed(name, &dfx, icp)?,
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) if name == LOCAL => local(project)?,
        (None, None) => return Err(unknown(name, project)?),
    };
    Ok(found)
}

/// Two definitions of one name: nobody could say which is meant when they differ.
fn agreed(name: &str, dfx: &Definition, icp: Definition) -> Result<Definition, BadSettings> {
    let place = |text: &str| {
        Url::parse(text).map(|url| (is_loopback(&url), url.port_or_known_default(), url))
    };
    let is_same = match (place(&dfx.url), place(&icp.url)) {
        // 127.0.0.1 and localhost are one place.
        (Ok((true, one, _)), Ok((true, other, _))) => one == other,
        (Ok((_, _, one)), Ok((_, _, other))) => one == other,
        (_, _) => false,
    };
    if is_same {
        return Ok(icp);
    }
    Err(BadSettings::new(
        "network",
        format!(
            "{name} is {} in {} and {} in {}, expected one of them: write the address itself, or make them agree",
            dfx.url, dfx.from, icp.url, icp.from
        ),
    ))
}

/// The network on this machine, of which no file says anything: dfx and icp-cli have it elsewhere.
fn local(project: &Project) -> Result<Definition, BadSettings> {
    let dfx = Definition {
        from: "dfx".to_owned(),
        url: format!("http://{DFX_SHARED}"),
        root_key: None,
    };
    let icp = Definition {
        from: "icp-cli".to_owned(),
        url: format!("http://{ICP_HOST}:{ICP_PORT}"),
        root_key: None,
    };
    match (&project.dfx, &project.icp) {
        (Some(_), Some(_)) => agreed(LOCAL, &dfx, icp),
        (None, Some(_)) => Ok(icp),
        (Some(_) | None, None) => Ok(dfx),
    }
}

/// What a file of dfx says of a name: `providers`, or `bind` for one on this machine.
fn by_dfx(
    name: &str,
    file: Option<&File>,
    default_bind: &str,
) -> Result<Option<Definition>, BadSettings> {
    let Some(file) = file else { return Ok(None) };
    // In networks.json the names stand at the top.
    let all = match file.value.get("networks") {
        Some(networks) => networks,
        None if file.shown.ends_with("networks.json") => &file.value,
        None => return Ok(None),
    };
    let Some(written) = all.get(name) else {
        return Ok(None);
    };
    let wrong =
        |what: &str| BadSettings::new("network", format!("{}, network {name}: {what}", file.shown));
    let url = if let Some(providers) = written.get("providers") {
        let first = providers.get(0).and_then(Value::as_str);
        let none = || wrong("found no address in providers, expected at least one");
        first.ok_or_else(none)?.to_owned()
    } else {
        let bind = written.get("bind").and_then(Value::as_str);
        let moving = "found a bind without a port, expected such as 127.0.0.1:4943; or write the address as network";
        bound(bind.unwrap_or(default_bind)).ok_or_else(|| wrong(moving))?
    };
    Ok(Some(Definition {
        from: file.shown.clone(),
        url,
        root_key: None,
    }))
}

/// The address of what is bound to `HOST:PORT`. `None`: the port is not said, or chosen when it starts.
fn bound(bind: &str) -> Option<String> {
    let (host, port) = bind.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| 0 < *port)?;
    Some(format!("http://{}:{port}", reachable(host)))
}

/// Where a host that was bound to is reached: every address of this machine is also its own.
fn reachable(host: &str) -> String {
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        Ok(IpAddr::V4(_)) | Err(_) => host.to_owned(),
    }
}

/// What `icp.yaml` says of a name: an environment, and the network of that name, or a network itself.
fn by_icp(name: &str, project: &Project) -> Result<Option<Definition>, BadSettings> {
    let Some(file) = &project.icp else {
        return Ok(None);
    };
    let named = |items: &[Value], name: &str| {
        items
            .iter()
            .find(|item| item["name"].as_str() == Some(name))
            .cloned()
    };
    let environment = named(&project.items("environments")?, name);
    // An environment without a network is on `local`.
    let network = match &environment {
        Some(environment) => environment["network"].as_str().unwrap_or(LOCAL).to_owned(),
        None => name.to_owned(),
    };
    let implicit = |url: String| {
        Ok(Some(Definition {
            from: file.shown.clone(),
            url,
            root_key: None,
        }))
    };
    let wrong = |what: &str| {
        BadSettings::new(
            "network",
            format!("{}, network {network}: {what}", file.shown),
        )
    };
    match named(&project.items("networks")?, &network) {
        // icp-cli lets nobody define the mainnet anew.
        _ if environment.is_some() && network == MAINNET => implicit(MAINNET_URL.to_owned()),
        Some(written) => {
            let url = match written["mode"].as_str() {
                Some("managed") => managed(&written).ok_or_else(|| {
                    wrong("found no gateway port that is fixed, expected gateway.port; or write the address as network")
                })?,
                Some(_) | None => written["api-url"]
                    .as_str()
                    .or(written["url"].as_str())
                    .ok_or_else(|| wrong("found neither url nor api-url, expected the address of its API"))?
                    .to_owned(),
            };
            Ok(Some(Definition {
                from: file.shown.clone(),
                url,
                root_key: written["root-key"].as_str().map(str::to_owned),
            }))
        }
        None if environment.is_some() && network == LOCAL => {
            implicit(format!("http://{ICP_HOST}:{ICP_PORT}"))
        }
        None if environment.is_some() => Err(wrong(
            "found an environment on it, expected its definition in networks",
        )),
        None => Ok(None),
    }
}

/// Where icp-cli serves a network that it starts. `None`: where is only known once it runs.
fn managed(written: &Value) -> Option<String> {
    // In a container: the first port that is forwarded to the API is the one of this machine.
    if let Some(mapping) = written["port-mapping"].get(0).and_then(Value::as_str) {
        let mut parts = mapping.rsplit(':');
        let port = parts.nth(1)?.parse::<u16>().ok().filter(|port| 0 < *port)?;
        return Some(format!("http://{ICP_HOST}:{port}"));
    }
    let gateway = &written["gateway"];
    // The gateway answers to its domains; `localhost` unless it was told others.
    let domains = gateway["domains"].as_array();
    let is_here = |name: &&str| *name == ICP_HOST || name.ends_with(".localhost");
    let domain = domains.and_then(|names| names.iter().filter_map(Value::as_str).find(is_here));
    let host = match domains {
        Some(_) => domain.or(gateway["bind"].as_str()),
        None => gateway["bind"].as_str().filter(|bind| *bind != "127.0.0.1"),
    };
    let port = gateway["port"].as_u64().unwrap_or(ICP_PORT);
    let port = u16::try_from(port).ok().filter(|port| 0 < *port)?;
    let host = host.map_or_else(|| ICP_HOST.to_owned(), reachable);
    Some(format!("http://{host}:{port}"))
}

/// Every name that the files know, and the two that are always there.
fn known(project: &Project) -> Result<Vec<String>, BadSettings> {
    let mut names = vec![MAINNET.to_owned(), LOCAL.to_owned()];
    let of_dfx = project.dfx.as_ref().map(|file| &file.value["networks"]);
    let of_user = project.shared.as_ref().map(|file| &file.value);
    let objects = of_dfx
        .into_iter()
        .chain(of_user)
        .filter_map(Value::as_object);
    names.extend(objects.flat_map(|networks| networks.keys().cloned()));
    for list in ["environments", "networks"] {
        let items = project.items(list)?;
        names.extend(
            items
                .iter()
                .filter_map(|item| item["name"].as_str().map(str::to_owned)),
        );
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

fn unknown(name: &str, project: &Project) -> Result<BadSettings, BadSettings> {
    let known = known(project)?;
    let near = super::nearest(name, known.iter().map(String::as_str));
    let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Ok(BadSettings::new(
        "network",
        format!(
            "found {name}, expected one of {}, a network that dfx.json or icp.yaml defines, or an address{near}",
            known.join(", ")
        ),
    ))
}
