//! The schema of the config file: it is published, and the documentation and the reader agree with it.

use crate::bless;
use crate::config::{MINIMAL, example};
use crate::reference;
use crate::step::Step;
use lastgood::cli;
use lastgood::config::schema;
use serde_json::Value;

fn published_schema() -> Value {
    serde_json::from_str(&schema::text(&cli::target_schemas())).unwrap()
}

/// Every default that the schema states, written out, changes nothing.
#[test]
fn the_schema_states_the_defaults_that_hold() {
    let schema = published_schema();
    let defaults = |name: &str| -> Value {
        let properties = schema["$defs"][name]["properties"].as_object().unwrap();
        properties
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.get("default")?.clone())))
            .collect()
    };
    let with = |mut value: Value, more: Value| -> Value {
        value
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        value
    };
    let source = serde_json::json!({"repository": "example/shop", "workflow": "deploy.yml"});
    let probe = serde_json::json!({"url": "https://www.example.com/health/"});
    let target = serde_json::json!({"kind": "directory", "path": "/srv/web"});
    let written = serde_json::json!({
        "version": 1,
        "state-dir": schema["properties"]["state-dir"]["default"],
        "environments": {"production": {
            "source": with(defaults("Source"), source),
            "targets": [with(defaults("Target"), target)],
            "health": with(defaults("Health"), serde_json::json!({"probes": [with(defaults("Probe"), probe)]})),
            "policy": defaults("Policy"),
        }},
    });
    for (name, keys) in [
        ("Source", 8),
        ("Health", 10),
        ("Probe", 4),
        ("Policy", 6),
        ("Target", 1),
    ] {
        assert_eq!(defaults(name).as_object().unwrap().len(), keys, "{name}");
    }
    let step = Step::shell().config(MINIMAL);
    let silent = step.request(&["deploy", "--artifact", "x"]);
    let step = step.config(&written.to_string());
    let spoken = step.request(&["deploy", "--artifact", "x"]);
    let told = |request: &lastgood::engine::request::Request| {
        let mut environment = request.environment.clone();
        for target in &mut environment.targets {
            target.origin.places.clear();
        }
        format!(
            "{environment:#?} {:#?} {:?}",
            request.github, request.state_dir
        )
    };
    assert_eq!(told(&silent), told(&spoken));
}

#[test]
fn the_schema_is_published() {
    bless::check(
        "docs/config.schema.json",
        &schema::text(&cli::target_schemas()),
    );
}

#[test]
fn the_reference_tells_every_key() {
    let schema = published_schema();
    bless::check_section("docs/config.md", "reference", &reference::markdown(&schema));
    let page = std::fs::read_to_string(bless::root().join("docs/config.md")).unwrap();
    let mut keys = Vec::new();
    collect_keys(&schema, &mut keys);
    assert!(keys.len() >= 50, "{keys:?}");
    for key in keys {
        assert!(
            page.contains(&format!("`{key}`")),
            "docs/config.md does not mention {key}"
        );
    }
}

fn collect_keys(value: &Value, keys: &mut Vec<String>) {
    if let Some(properties) = value["properties"].as_object() {
        keys.extend(properties.keys().cloned());
    }
    match value {
        Value::Object(object) => object.values().for_each_key(keys),
        Value::Array(items) => items.iter().for_each_key(keys),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}

trait EachKey {
    fn for_each_key(self, keys: &mut Vec<String>);
}

impl<'a, I: Iterator<Item = &'a Value>> EachKey for I {
    fn for_each_key(self, keys: &mut Vec<String>) {
        for value in self {
            collect_keys(value, keys);
        }
    }
}

/// An editor and the program say the same of a config.
#[test]
fn the_schema_and_the_reader_agree() {
    let validator = jsonschema::validator_for(&published_schema()).unwrap();
    let accepts = |text: &str| {
        let value: Value = serde_saphyr::from_str(text).unwrap();
        validator.is_valid(&value)
    };
    assert!(accepts(&example("lastgood.yml")));
    assert!(accepts(MINIMAL));
    let wrong = [
        ("version: 1", "version: 2"),
        ("version: 1", "versio: 1"),
        ("version: 1\n", ""),
        ("workflow:", "workfow:"),
        ("health: {", "health: {warm-up: 90, "),
        ("health: {", "health: {warm-up: 1h30m, "),
        ("health: {", "health: {rate: 0, "),
        ("health: {", "health: {rate: 51, "),
        ("health: {", "health: {latency: loud, "),
        ("health: {", "health: {healthy-error-rate: 0.01, "),
        ("{url:", "{expect-status: 2x, url:"),
        ("{url:", "{expect-status: 99, url:"),
        ("{url:", "{expect-status: [], url:"),
        ("{url:", "{method: POST, url:"),
        ("{url:", "{uri:"),
        ("kind: directory, ", ""),
        ("kind: directory, ", "kind: directory, group: -1, "),
        (
            "workflow: deploy.yml",
            "workflow: deploy.yml, size-limit: 2G",
        ),
        (
            "workflow: deploy.yml",
            "workflow: deploy.yml, max-pages: 11",
        ),
        ("workflow: deploy.yml", "workflow: deploy.yml, events: []"),
        ("workflow: deploy.yml", "workflow: deploy.yml, events: push"),
        (
            "workflow: deploy.yml",
            "workflow: deploy.yml, require-digest: 'yes'",
        ),
    ];
    for (from, to) in wrong {
        let text = MINIMAL.replacen(from, to, 1);
        assert_ne!(text, MINIMAL, "{from}");
        assert!(!accepts(&text), "the schema accepts {to}");
        Step::shell().config(&text).refusal(&["rollback"]);
    }
    let right = [
        (
            "health: {",
            "health: {warm-up: 0s, rate: 50, latency: gate, ",
        ),
        ("{url:", "{expect-status: [200, 3xx], method: HEAD, url:"),
        (
            "workflow: deploy.yml",
            "workflow: deploy.yml, size-limit: 500MB, title: '*prod*'",
        ),
        ("workflow: deploy.yml", "workflow: deploy.yml, title: ~"),
    ];
    for (from, to) in right {
        let text = MINIMAL.replacen(from, to, 1);
        assert!(accepts(&text), "the schema refuses {to}");
        Step::shell().config(&text).request(&["rollback"]);
    }
}

/// The schemas of target kinds are merged so that a wrong setting of a kind is refused, and only there.
#[test]
fn settings_of_a_kind_are_checked_by_the_kinds_schema() {
    #[derive(schemars::JsonSchema)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    #[expect(dead_code, reason = "read by its schema alone")]
    struct Folder {
        path: String,
        on_switch: Option<Hook>,
    }
    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "read by its schema alone")]
    struct Hook {
        argv: Vec<String>,
    }
    #[derive(schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read by its schema alone")]
    struct Program {
        observe: Vec<String>,
    }
    let kinds = [
        ("directory", schemars::schema_for!(Folder)),
        ("command", schemars::schema_for!(Program)),
    ];
    let schema: Value = schema::schema(&kinds).into();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let accepts = |target: &str| {
        let text = MINIMAL.replace("{kind: directory, path: /srv/web}", target);
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        validator.is_valid(&value)
    };
    assert!(accepts("{kind: directory, path: /srv/web}"));
    assert!(accepts(
        "{kind: directory, name: web, group: 1, payload: '.', path: /srv/web, on-switch: {argv: [a]}}"
    ));
    assert!(accepts("{kind: command, observe: [a]}"));
    assert!(!accepts("{kind: directory}"));
    assert!(!accepts("{kind: directory, path: /srv/web, observe: [a]}"));
    assert!(!accepts(
        "{kind: directory, path: /srv/web, on-switch: {argv: a}}"
    ));
    assert!(!accepts("{kind: command, path: /srv/web}"));
    assert!(!accepts("{kind: comand, observe: [a]}"));
    assert!(!accepts("{kind: command, observe: [a], group: x}"));
}
