//! Values of options, parsed strictly: each refusal says what was expected (clap says what was found and where).

use crate::decide::alike::nearest;
use crate::model::ids::RunId;
use crate::model::payload::Digest;
use crate::targets::REGISTRY;
use std::str::FromStr;
use url::Url;

/// When output is coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// A run id, or the address of a run.
pub(super) fn run_id(text: &str) -> Result<RunId, String> {
    let digits = match text.split_once("/actions/runs/") {
        Some((_, rest)) => rest.split('/').next().unwrap_or_default(),
        None => text,
    };
    match digits.parse() {
        Ok(id) if id > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok(RunId(id)),
        _ => Err("a run id such as 9130000001, or the address of a run".to_owned()),
    }
}

pub(super) fn commit(text: &str) -> Result<String, String> {
    let ok = text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
    ok.then(|| text.to_ascii_lowercase())
        .ok_or_else(|| "a full commit id: 40 hex digits".to_owned())
}

pub(super) fn digest(text: &str) -> Result<Digest, String> {
    text.parse()
        .map_err(|_bad| "64 hex digits, as sha256sum prints them".to_owned())
}

pub(super) fn limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit @ 1..=1000) => Ok(limit),
        _ => Err("a whole number from 1 to 1000".to_owned()),
    }
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

pub(super) fn http_url(text: &str) -> Result<Url, String> {
    crate::config::check::http_url(text).map_err(str::to_owned)
}

/// `[NAME=]KIND:SETTINGS`.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetArg {
    /// As it was typed.
    pub text: String,
    pub name: Option<String>,
    pub kind: String,
    pub settings: serde_json::Map<String, serde_json::Value>,
}

impl FromStr for TargetArg {
    type Err = String;

    /// The settings of `directory` are its path, those of `kubernetes` a cluster and slots, those of `canister` a network and
    /// canisters, those of `compose` an engine, a project and services; those of any kind may be a JSON object.
    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "directory:PATH, compose:HOST@PROJECT, kubernetes:CONTEXT@NAMESPACE/KIND/NAME, \
             canister:NETWORK@NAME or KIND:{\"setting\": \"value\"}, with or without NAME= before it";
        let (head, value) = text.split_once(':').ok_or(EXPECTED)?;
        let (name, kind) = match head.split_once('=') {
            Some((name, kind)) => (Some(name), kind),
            None => (None, head),
        };
        if kind.is_empty() || value.is_empty() || name.is_some_and(str::is_empty) {
            return Err(EXPECTED.to_owned());
        }
        let mut kinds = REGISTRY.iter().map(|entry| entry.kind);
        if kinds.clone().all(|known| known != kind) {
            let meant = nearest(kind, kinds.clone()).or_else(|| kinds.next());
            return Err(format!(
                "a known kind of target, such as {}",
                meant.unwrap_or_default()
            ));
        }
        let settings = if value.starts_with('{') {
            serde_json::from_str(value)
                .map_err(|error| format!("settings as a JSON object ({error})"))?
        } else {
            match kind {
                "directory" => serde_json::Map::from_iter([("path".to_owned(), value.into())]),
                "kubernetes" => cluster_and_slots(value)?,
                "canister" => network_and_canisters(value)?,
                "compose" => engine_and_services(value)?,
                _ => {
                    return Err(format!(
                        "{kind}:{{…}} with the settings as a JSON object (only directory takes a plain path)"
                    ));
                }
            }
        };
        Ok(Self {
            text: text.to_owned(),
            name: name.map(str::to_owned),
            kind: kind.to_owned(),
            settings,
        })
    }
}

/// `CLUSTER@NAMESPACE/KIND/NAME[,[NAMESPACE/]KIND/NAME…]`: the namespace of the first slot is the target's. `CLUSTER` is a
/// context of the kubeconfig, or the address of the API server; it may hold any character, slots hold no `@`.
fn cluster_and_slots(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    const SLOT: &str = "slots such as shop/deployment/web,deployment/api after the @, the first one with its namespace";
    let (cluster, slots) = match text.rsplit_once('@') {
        Some((cluster, slots)) if !cluster.is_empty() => (cluster, slots),
        Some(_) | None => {
            return Err(
                "kubernetes:CONTEXT@NAMESPACE/KIND/NAME: the cluster must be named, by a context of the kubeconfig or by \
                 the https:// address of its API server"
                    .to_owned(),
            );
        }
    };
    let mut slots = slots.split(',').map(str::trim);
    let first = slots.next().unwrap_or_default();
    let (namespace, first) = match first.split_once('/') {
        Some((namespace, rest)) if !namespace.is_empty() && rest.contains('/') => (namespace, rest),
        Some(_) | None => return Err(SLOT.to_owned()),
    };
    let slots: Vec<&str> = std::iter::once(first).chain(slots).collect();
    let is_whole = |slot: &&str| {
        (2..=3).contains(&slot.split('/').count()) && slot.split('/').all(|part| !part.is_empty())
    };
    if !slots.iter().all(is_whole) || first.split('/').count() != 2 {
        return Err(SLOT.to_owned());
    }
    let key = if cluster.starts_with("https://") {
        "server"
    } else {
        "context"
    };
    Ok(serde_json::Map::from_iter([
        (key.to_owned(), cluster.into()),
        ("namespace".to_owned(), namespace.into()),
        ("slots".to_owned(), slots.into()),
    ]))
}

/// `NETWORK@NAME_OR_ID[,NAME_OR_ID…]`. `NETWORK` is `ic`, `local`, a name or an address; it may hold any character, names and ids
/// hold no `@`.
fn network_and_canisters(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    let (network, canisters) = match text.rsplit_once('@') {
        Some((network, canisters)) if !network.is_empty() => (network, canisters),
        Some(_) | None => {
            return Err(
                "canister:NETWORK@NAME: the network must be named, by ic, local, a name in dfx.json or icp.yaml, or an address"
                    .to_owned(),
            );
        }
    };
    let canisters: Vec<&str> = canisters.split(',').map(str::trim).collect();
    if canisters.iter().any(|canister| canister.is_empty()) {
        return Err(
            "names or ids of canisters after the @, such as canister:ic@user_service,rrkah-fqaaa-aaaaa-aaaaq-cai"
                .to_owned(),
        );
    }
    Ok(serde_json::Map::from_iter([
        ("network".to_owned(), network.into()),
        ("canisters".to_owned(), canisters.into()),
    ]))
}

/// `[HOST@]PROJECT[/SERVICE[,SERVICE…]]`. `HOST` is an address in the form of `DOCKER_HOST`, or a context of Docker's client; it may hold
/// any character, projects and services hold no `@`. Without it the engine is the one that Docker's client would ask.
fn engine_and_services(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    const EXPECTED: &str = "compose:PROJECT or compose:HOST@PROJECT/SERVICE,SERVICE such as compose:ssh://deploy@web-1@shop/web,api";
    let (host, rest) = match text.rsplit_once('@') {
        Some(("", _)) => return Err(format!("{EXPECTED}: no @ without a host before it")),
        Some((host, rest)) => (Some(host), rest),
        None => (None, text),
    };
    let is_address = |text: &str| text.contains("://");
    // `ssh://a@b`: whether b is the host or the project, nobody can tell.
    let is_userless = |host: &str| host.starts_with("ssh://") && !host.contains('@');
    if host.is_some_and(is_userless) {
        return Err(format!(
            "{EXPECTED}: user, host and project, with an @ between each"
        ));
    }
    if is_address(rest) {
        return Err(format!(
            "{EXPECTED}: the project must be named, after the host and an @"
        ));
    }
    let (project, services) = match rest.split_once('/') {
        Some((project, services)) => (project, Some(services)),
        None => (rest, None),
    };
    let is_name = |name: &str| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        !name.is_empty() && name.chars().all(is_allowed)
    };
    let services: Vec<&str> = services
        .into_iter()
        .flat_map(|services| services.split(','))
        .map(str::trim)
        .collect();
    if !is_name(project) || !services.iter().all(|service| is_name(service)) {
        return Err(EXPECTED.to_owned());
    }
    let mut settings = serde_json::Map::new();
    if let Some(host) = host {
        let key = if is_address(host) { "host" } else { "context" };
        settings.insert(key.to_owned(), host.into());
    }
    settings.insert("project".to_owned(), project.into());
    if !services.is_empty() {
        settings.insert("services".to_owned(), services.into());
    }
    Ok(settings)
}

/// `[SLOT=]NUMBER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedArg {
    /// `None`: the only slot.
    pub slot: Option<String>,
    pub number: u64,
}

impl FromStr for NumberedArg {
    type Err = String;

    /// 0 is refused: for kubectl it is "the one before", which may well be the bad one.
    fn from_str(text: &str) -> Result<Self, String> {
        let (slot, digits) = match text.rsplit_once('=') {
            Some((slot, digits)) => (Some(slot), digits),
            None => (None, text),
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        match digits.parse() {
            Ok(number) if is_number && 0 < number && slot != Some("") => Ok(Self {
                slot: slot.map(str::to_owned),
                number,
            }),
            Ok(_) | Err(_) => Err(
                "a number from 1 on, alone or after its slot, such as deployment/web=7".to_owned(),
            ),
        }
    }
}

/// `SLOT=REVISION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionArg {
    pub slot: String,
    pub revision: String,
}

impl FromStr for RevisionArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((slot, revision)) if !slot.is_empty() && !revision.is_empty() => Ok(Self {
                slot: slot.to_owned(),
                revision: revision.to_owned(),
            }),
            _ => Err("SLOT=REVISION such as web=sha256:4f5a…".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_its_id_or_its_address() {
        let run = RunId(9_130_000_001);
        assert_eq!(run_id("9130000001"), Ok(run));
        assert_eq!(
            run_id("https://github.com/o/r/actions/runs/9130000001/job/7"),
            Ok(run)
        );
        for wrong in [
            "",
            "0",
            "-1",
            "+1",
            "12a",
            "latest",
            "https://github.com/o/r/runs/1",
        ] {
            assert!(run_id(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_target_is_a_kind_and_its_settings() {
        let target: TargetArg = "web=directory:/srv/web".parse().unwrap();
        assert_eq!(target.name.as_deref(), Some("web"));
        assert_eq!(target.settings["path"], "/srv/web");
        let target: TargetArg = r#"command:{"observe": ["./is", "a=b"]}"#.parse().unwrap();
        assert_eq!((target.name, target.kind.as_str()), (None, "command"));
        assert_eq!(target.settings["observe"][1], "a=b");
        for wrong in [
            "",
            "directory",
            "directory:",
            "=directory:/x",
            "command:./x",
            "command:{x}",
        ] {
            assert!(wrong.parse::<TargetArg>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_cluster_and_its_slots_are_said_in_one_word() {
        let check = |text: &str, wanted: serde_json::Value| {
            assert_eq!(
                serde_json::Value::Object(cluster_and_slots(text).unwrap()),
                wanted,
                "{text}"
            );
        };
        check(
            "prod@shop/deployment/web,deployment/api, db/statefulset/main",
            serde_json::json!({
                "context": "prod", "namespace": "shop",
                "slots": ["deployment/web", "deployment/api", "db/statefulset/main"],
            }),
        );
        check(
            "https://10.0.0.1:6443@shop/service/web",
            serde_json::json!({"server": "https://10.0.0.1:6443", "namespace": "shop", "slots": ["service/web"]}),
        );
        check(
            "arn:aws:eks:eu-1:7:cluster/me@prod@shop/deployment/web",
            serde_json::json!({
                "context": "arn:aws:eks:eu-1:7:cluster/me@prod", "namespace": "shop", "slots": ["deployment/web"],
            }),
        );
        for unnamed in ["shop/deployment/web", "@shop/deployment/web"] {
            let expected = cluster_and_slots(unnamed).unwrap_err();
            assert!(expected.contains("the cluster must be named"), "{expected}");
        }
        for wrong in [
            "prod@",
            "prod@deployment/web",
            "prod@shop",
            "prod@/deployment/web",
            "prod@shop/deployment/",
            "prod@shop/deployment/web,",
            "prod@shop/deployment/web,api",
            "prod@a/shop/deployment/web",
        ] {
            let expected = cluster_and_slots(wrong).unwrap_err();
            assert!(
                expected.contains("shop/deployment/web"),
                "{wrong}: {expected}"
            );
        }
    }

    #[test]
    fn an_engine_and_its_services_are_said_in_one_word() {
        let check = |text: &str, wanted: serde_json::Value| {
            assert_eq!(
                serde_json::Value::Object(engine_and_services(text).unwrap()),
                wanted,
                "{text}"
            );
        };
        check("shop", serde_json::json!({"project": "shop"}));
        check(
            "shop/web, api",
            serde_json::json!({"project": "shop", "services": ["web", "api"]}),
        );
        check(
            "ssh://deploy@web-1:2222/run/docker.sock@shop/web",
            serde_json::json!({
                "host": "ssh://deploy@web-1:2222/run/docker.sock", "project": "shop", "services": ["web"],
            }),
        );
        check(
            "unix:///var/run/docker.sock@shop",
            serde_json::json!({"host": "unix:///var/run/docker.sock", "project": "shop"}),
        );
        check(
            "me@prod@shop",
            serde_json::json!({"context": "me@prod", "project": "shop"}),
        );
        for wrong in [
            "@shop",
            "prod@",
            "prod@shop/",
            "prod@shop/web,",
            "prod@/web",
            "a b",
            "ssh://deploy@web-1",
            "ssh://web-1",
            "tcp://web-1:2376",
        ] {
            let expected = engine_and_services(wrong).unwrap_err();
            assert!(
                expected.starts_with("compose:PROJECT or"),
                "{wrong}: {expected}"
            );
        }
    }

    #[test]
    fn a_network_and_its_canisters_are_said_in_one_word() {
        let check = |text: &str, wanted: serde_json::Value| {
            let read = network_and_canisters(text).unwrap();
            assert_eq!(serde_json::Value::Object(read), wanted, "{text}");
        };
        check(
            "ic@user_service, rrkah-fqaaa-aaaaa-aaaaq-cai",
            serde_json::json!({"network": "ic", "canisters": ["user_service", "rrkah-fqaaa-aaaaa-aaaaq-cai"]}),
        );
        check(
            "http://127.0.0.1:4943@web",
            serde_json::json!({"network": "http://127.0.0.1:4943", "canisters": ["web"]}),
        );
        for unnamed in ["user_service", "@user_service"] {
            let expected = network_and_canisters(unnamed).unwrap_err();
            assert!(expected.contains("the network must be named"), "{expected}");
        }
        for empty in ["ic@", "ic@a,,b", "ic@,a", "ic@a,"] {
            let expected = network_and_canisters(empty).unwrap_err();
            assert!(expected.contains("names or ids"), "{empty}: {expected}");
        }
    }

    #[test]
    fn a_kept_revision_has_a_number_and_may_name_its_slot() {
        let numbered: NumberedArg = "deployment/web=7".parse().unwrap();
        assert_eq!(
            (numbered.slot.as_deref(), numbered.number),
            (Some("deployment/web"), 7)
        );
        let bare: NumberedArg = "12".parse().unwrap();
        assert_eq!((bare.slot, bare.number), (None, 12));
        for wrong in ["", "0", "web=0", "=3", "web=", "+3", "-1", "latest", "3,4"] {
            assert!(wrong.parse::<NumberedArg>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_revision_belongs_to_a_slot() {
        let told: RevisionArg = "web=sha256:ab=".parse().unwrap();
        assert_eq!(
            (told.slot.as_str(), told.revision.as_str()),
            ("web", "sha256:ab=")
        );
        for wrong in ["", "web", "web=", "=x"] {
            assert!(wrong.parse::<RevisionArg>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn commits_and_digests_are_whole() {
        assert_eq!(commit(&"A".repeat(40)), Ok("a".repeat(40)));
        assert!(commit("abc1234").is_err());
        assert!(digest(&"0".repeat(63)).is_err());
        assert!(boolean("yes").is_err());
    }
}
