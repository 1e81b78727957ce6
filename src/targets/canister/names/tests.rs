//! What names mean, and names that mean nothing.

use super::*;
use crate::targets::settings::parse;
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

const ONE: &str = "rrkah-fqaaa-aaaaa-aaaaq-cai";
const OTHER: &str = "ryjl3-tyaaa-aaaaa-aaaba-cai";

/// The mainnet's own key in the form that settings take (any point would do here).
fn key() -> String {
    let prefix = "308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100";
    format!("{prefix}{}", "ab".repeat(96))
}

/// Resolves settings beside these files; a file under `~/` belongs to the user.
fn resolved(settings: Value, files: &[(&str, &str)]) -> Result<Resolved, BadSettings> {
    let dir = TempDir::new().unwrap();
    for (path, text) in files {
        let path = match path.strip_prefix("~/") {
            Some(rest) => dir.path().join("home").join(rest),
            None => dir.path().join("project").join(path),
        };
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let home = dir.path().join("home").display().to_string();
    let base = Base {
        dir: dir.path().join("project"),
        environment: [("HOME".to_owned(), home)].into(),
        ..Base::default()
    };
    let settings: Settings = parse(settings).unwrap();
    crate::targets::canister::settings::check(&settings)?;
    resolve(&settings, &base)
}

/// The address and key of a network.
#[track_caller]
fn network(name: &str, files: &[(&str, &str)], url: &str, root_key: &RootKey) {
    let settings = json!({"network": name, "canisters": [ONE]});
    let found = resolved(settings, files).unwrap().network;
    assert_eq!((found.name.as_str(), found.url.as_str()), (name, url));
    assert_eq!(&found.root_key, root_key);
}

#[track_caller]
fn no_network(settings: &Value, files: &[(&str, &str)], key: &str, texts: &[&str]) {
    let mut whole = json!({"canisters": [ONE]});
    for (name, value) in settings.as_object().unwrap() {
        whole[name] = value.clone();
    }
    let error = resolved(whole, files).unwrap_err();
    assert_eq!(error.key, key, "{error}");
    for text in texts {
        assert!(error.what.contains(text), "{error} lacks {text:?}");
    }
}

/// The id that a name has.
#[track_caller]
fn id(network: &str, name: &str, files: &[(&str, &str)], id: &str) {
    let settings = json!({"network": network, "canisters": [name]});
    let found = resolved(settings, files).unwrap();
    assert_eq!(found.ids[name].to_text(), id);
}

#[track_caller]
fn no_id(network: &str, name: &str, files: &[(&str, &str)], texts: &[&str]) {
    let settings = json!({"network": network, "canisters": [name]});
    let error = resolved(settings, files).unwrap_err();
    for text in texts {
        assert!(error.to_string().contains(text), "{error} lacks {text:?}");
    }
}

const DFX: &str = r#"{"networks": {
    "local": {"bind": "127.0.0.1:8123", "type": "ephemeral"},
    "bare": {"type": "ephemeral"},
    "any": {"bind": "0.0.0.0:8124"},
    "moving": {"bind": "127.0.0.1:0"},
    "staging": {"providers": ["https://icp0.io"], "type": "persistent"},
    "testnet": {"providers": ["https://testnet.example.com"]},
    "empty": {"providers": []},
    "ic": {"providers": ["https://evil.example.com"]}
}}"#;

#[test]
fn the_mainnet_is_built_in_and_nobody_defines_it_anew() {
    let url = "https://icp-api.io/";
    network("ic", &[], url, &RootKey::Mainnet);
    network("ic", &[("dfx.json", DFX)], url, &RootKey::Mainnet);
    network("ic", &[("icp.yaml", "{")], url, &RootKey::Mainnet);
    network(
        "https://ic0.app",
        &[],
        "https://ic0.app/",
        &RootKey::Mainnet,
    );
    network(
        "https://eu.icp0.io",
        &[],
        "https://eu.icp0.io/",
        &RootKey::Mainnet,
    );
    let evil = json!({"network": "https://evil-ic0.app"});
    no_network(
        &evil,
        &[],
        "root-key",
        &["not the mainnet", "ask those who run it"],
    );
}

#[test]
fn local_is_where_dfx_and_icp_cli_have_it() {
    let at = |url: &str, files: &[(&str, &str)]| network("local", files, url, &RootKey::Fetch);
    at("http://127.0.0.1:4943/", &[]);
    at("http://127.0.0.1:4943/", &[("dfx.json", "{}")]);
    at("http://127.0.0.1:8123/", &[("dfx.json", DFX)]);
    at("http://localhost:8000/", &[("icp.yaml", "canisters: []")]);
    let shared = (
        "~/.config/dfx/networks.json",
        r#"{"local": {"bind": "127.0.0.1:9000"}}"#,
    );
    at("http://127.0.0.1:9000/", &[("dfx.json", "{}"), shared]);
    at("http://127.0.0.1:8123/", &[("dfx.json", DFX), shared]);
    let managed = "networks:\n- {name: local, mode: managed, gateway: {port: 8123}}\n";
    at("http://localhost:8123/", &[("icp.yaml", managed)]);
    at(
        "http://localhost:8123/",
        &[("icp.yaml", managed), ("dfx.json", DFX)],
    );
    let image = "networks:\n- {name: local, mode: managed, image: x, port-mapping: ['127.0.0.1:8200:4943']}\n";
    at("http://localhost:8200/", &[("icp.yaml", image)]);
    let local = json!({"network": "local"});
    no_network(
        &local,
        &[("dfx.json", "{}"), ("icp.yaml", "canisters: []")],
        "network",
        &[
            "http://127.0.0.1:4943 in dfx",
            "http://localhost:8000 in icp-cli",
            "write the address",
        ],
    );
    let random = "networks:\n- {name: local, mode: managed, gateway: {port: 0}}\n";
    no_network(
        &local,
        &[("icp.yaml", random)],
        "network",
        &["no gateway port"],
    );
}

#[test]
fn a_project_names_its_networks() {
    let dfx = [("dfx.json", DFX)];
    network("bare", &dfx, "http://127.0.0.1:8000/", &RootKey::Fetch);
    network("any", &dfx, "http://127.0.0.1:8124/", &RootKey::Fetch);
    network("staging", &dfx, "https://icp0.io/", &RootKey::Mainnet);
    no_network(
        &json!({"network": "moving"}),
        &dfx,
        "network",
        &["without a port"],
    );
    no_network(
        &json!({"network": "empty"}),
        &dfx,
        "network",
        &["no address in providers"],
    );
    no_network(
        &json!({"network": "testnet"}),
        &dfx,
        "root-key",
        &["found none for https://testnet"],
    );
    let given = resolved(
        json!({"network": "testnet", "canisters": [ONE], "root-key": key()}),
        &dfx,
    );
    let given = given.unwrap().network.root_key;
    assert!(matches!(given, RootKey::Given(der) if der.len() == 133));
    let icp = format!(
        "networks:\n- {{name: bed, mode: connected, api-url: 'https://bed.example.com', root-key: '{}'}}\n\
         - {{name: edge, mode: connected, url: 'https://edge.example.com', root-key: mainnet}}\n\
         - {{name: asks, mode: connected, url: 'https://asks.example.com', root-key: fetch}}\n\
         - more.yaml\nenvironments:\n- {{name: production, network: ic}}\n- {{name: trial, network: bed}}\n\
         - {{name: plain}}\n- {{name: lost, network: nowhere}}\n",
        key()
    );
    let more = (
        "more.yaml",
        "{name: far, mode: connected, url: 'http://127.0.0.1:7000'}",
    );
    let icp = [("icp.yaml", icp.as_str()), more];
    network("production", &icp, "https://icp-api.io/", &RootKey::Mainnet);
    network("edge", &icp, "https://edge.example.com/", &RootKey::Mainnet);
    network("far", &icp, "http://127.0.0.1:7000/", &RootKey::Fetch);
    network("plain", &icp, "http://localhost:8000/", &RootKey::Fetch);
    let bed = RootKey::from_text(&key()).unwrap();
    network("trial", &icp, "https://bed.example.com/", &bed);
    no_network(
        &json!({"network": "asks"}),
        &icp,
        "root-key",
        &["found none"],
    );
    no_network(
        &json!({"network": "lost"}),
        &icp,
        "network",
        &["nowhere", "in networks"],
    );
    let contrary = "networks:\n- {name: staging, mode: connected, url: 'https://other.example.com', root-key: mainnet}\n";
    no_network(
        &json!({"network": "staging"}),
        &[("dfx.json", DFX), ("icp.yaml", contrary)],
        "network",
        &[
            "https://icp0.io in dfx.json",
            "https://other.example.com in icp.yaml",
        ],
    );
    no_network(
        &json!({"network": "stagin"}),
        &dfx,
        "network",
        &["expected one of ic, local", "did you mean staging?"],
    );
    no_network(
        &json!({"network": "local"}),
        &[("dfx.json", "[1]")],
        "network",
        &["dfx.json: found no mapping"],
    );
    no_network(
        &json!({"network": "local"}),
        &[("dfx.json", "{")],
        "network",
        &["no JSON"],
    );
}

#[test]
fn only_this_machine_is_asked_for_its_key_and_only_it_is_spoken_to_over_http() {
    for url in [
        "http://127.8.0.1:4943/",
        "http://[::1]:4943/",
        "http://localhost:80/",
        "http://a.localhost/",
    ] {
        assert_eq!(
            address(url).map(|url| network::is_loopback(&url)),
            Ok(true),
            "{url}"
        );
    }
    for url in [
        "http://10.0.0.1:4943",
        "http://localhost.example.com",
        "http://128.0.0.1",
        "http://0.0.0.0:1",
    ] {
        let what = address(url).unwrap_err();
        assert!(what.contains("expected https://"), "{what}");
    }
    for url in [
        "ftp://x",
        "https://x/api",
        "https://x/?a=b",
        "https://",
        "https://x/#a",
    ] {
        assert!(
            address(url).unwrap_err().contains("expected an address"),
            "{url}"
        );
    }
    let secret = address("https://me:hunter2@example.com").unwrap_err();
    assert!(!secret.contains("hunter2"), "{secret}");
}

#[test]
fn ids_come_from_the_files_of_dfx_and_icp_cli() {
    let by_dfx = format!(
        r#"{{"web": {{"ic": "{ONE}", "local": "{OTHER}"}}, "api": {{"__default": "{OTHER}"}}}}"#
    );
    let plain = format!(r#"{{"web": "{ONE}"}}"#);
    let dfx =
        format!(r#"{{"canisters": {{"ledger": {{"remote": {{"id": {{"ic": "{OTHER}"}}}}}}}}}}"#);
    id("ic", "web", &[("canister_ids.json", &by_dfx)], ONE);
    id(
        "https://icp-api.io",
        "web",
        &[("canister_ids.json", &by_dfx)],
        ONE,
    );
    id("ic", "api", &[("canister_ids.json", &by_dfx)], OTHER);
    id(
        "local",
        "web",
        &[(".dfx/local/canister_ids.json", &by_dfx)],
        OTHER,
    );
    id(
        "http://127.0.0.1:4943",
        "web",
        &[(".dfx/local/canister_ids.json", &by_dfx)],
        OTHER,
    );
    id(
        "ic",
        "web",
        &[(".icp/data/mappings/ic.ids.json", &plain)],
        ONE,
    );
    id(
        "local",
        "web",
        &[(".icp/cache/mappings/local.ids.json", &plain)],
        ONE,
    );
    id("ic", "ledger", &[("dfx.json", &dfx)], OTHER);
    id(
        "ic",
        "web",
        &[
            ("canister_ids.json", &by_dfx),
            (".icp/data/mappings/ic.ids.json", &plain),
        ],
        ONE,
    );
    let given = resolved(
        json!({"network": "ic", "canisters": ["web", {"name": "api", "id": OTHER}], "ids": "ids/prod.json"}),
        &[("ids/prod.json", &plain), ("canister_ids.json", "broken, and not read")],
    )
    .unwrap();
    let ids: Vec<(&str, String)> = given
        .ids
        .iter()
        .map(|(name, id)| (name.as_str(), id.to_text()))
        .collect();
    assert_eq!(ids, [("web", ONE.to_owned()), ("api", OTHER.to_owned())]);
}

#[test]
fn a_name_without_one_id_is_refused() {
    let by_dfx = format!(r#"{{"web_app": {{"ic": "{ONE}"}}, "old": {{"staging": "{OTHER}"}}}}"#);
    let files = [("canister_ids.json", by_dfx.as_str())];
    no_id(
        "ic",
        "web",
        &[],
        &[
            "canisters[0]: found no id of web on ic",
            "there is none of canister_ids.json",
        ],
    );
    no_id(
        "ic",
        "web_ap",
        &files,
        &[
            "looked in canister_ids.json",
            "no .icp/data/mappings/ic.ids.json",
            "did you mean web_app?",
        ],
    );
    no_id("ic", "old", &files, &["it has one on staging"]);
    let contrary = format!(r#"{{"web_app": "{OTHER}"}}"#);
    no_id(
        "ic",
        "web_app",
        &[files[0], (".icp/data/mappings/ic.ids.json", &contrary)],
        &[&format!(
            "{ONE} in canister_ids.json and {OTHER} in .icp/data/mappings/ic.ids.json"
        )],
    );
    no_id(
        "ic",
        "web",
        &[("canister_ids.json", r#"{"web": {"ic": "nonsense"}}"#)],
        &["canister_ids.json: web: found \"nonsense\""],
    );
    no_id(
        "ic",
        "web",
        &[("canister_ids.json", r#"{"web": {"ic": 7}}"#)],
        &["web: found no text"],
    );
    let error = resolved(
        json!({"network": "ic", "canisters": ["web"], "ids": "lost.json"}),
        &[],
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "ids: found no file lost.json, expected the ids of canisters"
    );
}

#[test]
fn a_canister_is_there_once_and_reinstalled_by_its_own_id() {
    let plain = format!(r#"{{"web": "{ONE}"}}"#);
    let files = [(".icp/data/mappings/ic.ids.json", plain.as_str())];
    let twice = resolved(json!({"network": "ic", "canisters": ["web", ONE]}), &files).unwrap_err();
    assert_eq!(twice.key, "canisters[1]");
    assert!(twice.what.contains("which are both"), "{twice}");
    let reinstall = |typed: &str| {
        resolved(
            json!({"network": "ic", "canisters": [{"name": "web", "reinstall": typed}]}),
            &files,
        )
    };
    assert!(reinstall(ONE).is_ok());
    let other = reinstall(OTHER).unwrap_err();
    assert_eq!(other.key, "canisters[0].reinstall");
    assert!(
        other.what.contains("a reinstall removes its state"),
        "{other}"
    );
}
