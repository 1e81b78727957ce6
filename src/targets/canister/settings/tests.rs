//! Settings that hold, and settings that do not.

use super::*;
use crate::targets::settings::parse;
use serde_json::{Value, json};

const ID: &str = "rrkah-fqaaa-aaaaa-aaaaq-cai";

fn read(change: &Value) -> Result<Settings, BadSettings> {
    let mut settings = json!({"network": "ic", "canisters": ["user_service"]});
    for (name, value) in change.as_object().unwrap() {
        settings[name] = value.clone();
    }
    let settings = parse::<Settings>(settings)?;
    check(&settings)?;
    Ok(settings)
}

#[track_caller]
fn refused(change: &Value, key: &str, text: &str) {
    let error = read(change).unwrap_err();
    assert_eq!(error.key, key, "{error}");
    assert!(error.what.contains(text), "{error}");
}

/// One canister with this in its mapping.
#[track_caller]
fn refused_canister(canister: &Value, key: &str, text: &str) {
    refused(
        &json!({"canisters": [canister]}),
        &format!("canisters[0]{key}"),
        text,
    );
}

#[test]
fn a_canister_is_a_name_an_id_or_a_mapping() {
    let settings = read(&json!({"canisters": [
        "user_service",
        ID,
        {"name": "other", "id": "ryjl3-tyaaa-aaaaa-aaaba-cai", "wasm": "other*.wasm*", "argument": "(record {})",
         "reinstall": "ryjl3-tyaaa-aaaaa-aaaba-cai"},
    ]}))
    .unwrap();
    let labels: Vec<&str> = settings.canisters.iter().map(Canister::label).collect();
    assert_eq!(labels, ["user_service", ID, "other"]);
    assert_eq!(
        settings.canisters[0].modules(),
        ["user_service.wasm", "user_service.wasm.gz"]
    );
    assert_eq!(settings.canisters[2].modules(), ["other*.wasm*"]);
    assert_eq!(
        (settings.parallel, settings.snapshots, settings.traps_max),
        (1, 1, 3)
    );
    assert_eq!(settings.when_stopped, WhenStopped::Start);
    assert_eq!(
        (settings.stop_deadline, settings.stable),
        (Time::seconds(60), Time::seconds(30))
    );
}

#[test]
fn mistakes_are_named() {
    refused(&json!({"network": ""}), "network", "expected ic, local");
    refused(
        &json!({"network": "http://10.0.0.1"}),
        "network",
        "expected https://",
    );
    refused(&json!({"ids": " "}), "ids", "an empty text");
    refused(&json!({"root-key": "00"}), "root-key", "expected none");
    let elsewhere = |key: &str| json!({"network": "bed", "root-key": key});
    refused(&elsewhere("xyz"), "root-key", "not hex");
    refused(&elsewhere("00ff"), "root-key", "found 2 bytes");
    refused(&elsewhere(&"00".repeat(133)), "root-key", "no BLS12-381");
    assert!(read(&elsewhere("mainnet")).is_ok());
    refused(
        &json!({"principal": "me"}),
        "principal",
        "expected a principal",
    );
    refused(
        &json!({"identity-from": "A", "identity-file": "b"}),
        "identity-file",
        "one of them",
    );
    refused(
        &json!({"identity-file": ""}),
        "identity-file",
        "an empty text",
    );
    refused(&json!({"parallel": 0}), "parallel", "1 to 16");
    refused(&json!({"parallel": 17}), "parallel", "1 to 16");
    refused(&json!({"snapshots": 10}), "snapshots", "0 to 9");
    refused(&json!({"snapshots": 999}), "snapshots", "999");
    refused(
        &json!({"cycles-days-min": 4000}),
        "cycles-days-min",
        "0 to 3650",
    );
    refused(
        &json!({"stop-deadline": "0s"}),
        "stop-deadline",
        "1s to 10m",
    );
    refused(
        &json!({"stop-deadline": "11m"}),
        "stop-deadline",
        "1s to 10m",
    );
    refused(&json!({"stable": "2h"}), "stable", "at most 1h");
    refused(&json!({"when-stopped": "never"}), "when-stopped", "leave");
    refused(&json!({"reinstall": true}), "reinstall", "unknown field");
}

#[test]
fn a_key_that_was_written_where_its_name_belongs_is_not_repeated() {
    let error = read(&json!({"identity-from": "-----BEGIN PRIVATE KEY-----hunter2"})).unwrap_err();
    assert_eq!(error.key, "identity-from");
    assert!(!error.what.contains("hunter2"), "{error}");
}

#[test]
fn mistakes_in_a_canister_are_named() {
    refused(&json!({"canisters": []}), "canisters", "an empty list");
    refused_canister(
        &json!(7),
        "",
        "the name of a canister, its id, or a mapping",
    );
    refused_canister(&json!(""), "", "expected the name or the id");
    refused_canister(&json!("a/b"), "", "expected the name or the id");
    refused_canister(&json!({}), "", "neither name nor id");
    refused_canister(&json!({"name": "a", "wsam": "x"}), ".wsam", "unknown field");
    refused_canister(&json!({"name": ID}), ".name", "write it as id");
    // One letter off: the checksum tells, and no file is asked for a name of that form.
    refused_canister(
        &json!("rrkah-fqaaa-aaaaa-aaaar-cai"),
        ".id",
        "expected the id of a canister",
    );
    refused_canister(&json!({"id": "aaaaa-aa"}), ".id", "which is no canister");
    refused_canister(&json!("2vxsx-fae"), ".id", "which is no canister");
    let person = "3vaub-sdctq-eeoxm-ynjbt-7l6m6-f73jr-tga4c-bqhmg-ggfz7-twi4e-yqe";
    refused_canister(&json!(person), ".id", "which is no canister");
    refused_canister(
        &json!({"name": "a", "wasm": "../a"}),
        ".wasm",
        "inside the artifact",
    );
    refused_canister(
        &json!({"name": "a", "argument": "(record {"}),
        ".argument",
        "expected Candid text",
    );
    refused_canister(
        &json!({"name": "a", "reinstall": "yes"}),
        ".reinstall",
        "expected the id of a canister",
    );
    refused_canister(
        &json!({"id": ID, "reinstall": "ryjl3-tyaaa-aaaaa-aaaba-cai"}),
        ".reinstall",
        "expected the id of this canister",
    );
    refused(
        &json!({"canisters": ["a", "a"]}),
        "canisters[1]",
        "found a twice",
    );
    refused(
        &json!({"canisters": [ID, {"name": "a", "id": ID}]}),
        "canisters[1]",
        "twice",
    );
}

#[test]
fn the_schema_takes_what_the_settings_take() {
    let schema = schemars::schema_for!(Settings);
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    let whole =
        json!({"network": "ic", "canisters": ["a", {"id": ID, "reinstall": ID}], "stable": "1m"});
    assert!(validator.is_valid(&whole));
    for wrong in [
        json!({"network": "ic"}),
        json!({"network": "ic", "canisters": []}),
        json!({"network": "ic", "canisters": [{"nmae": "a"}]}),
        json!({"network": "ic", "canisters": ["a"], "parallel": 17}),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}
