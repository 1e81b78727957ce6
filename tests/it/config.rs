//! The config file: what it means, what is refused and how, and that schema, documentation and reader agree.

use crate::bless;
use crate::reference;
use crate::step::Step;
use lastgood::cli;
use lastgood::config::schema;
use lastgood::engine::request::{Latency, OnInconclusive, OnUnhealthy};
use serde_json::Value;
use std::time::Duration;

const MINIMAL: &str = "\
version: 1
environments:
  production:
    source: {repository: example/shop, workflow: deploy.yml}
    targets: [{kind: directory, path: /srv/web}]
    health: {probes: [{url: 'https://www.example.com/health/'}]}
";

fn example(name: &str) -> String {
    std::fs::read_to_string(bless::root().join("docs/examples").join(name)).unwrap()
}

fn published_schema() -> Value {
    serde_json::from_str(&schema::text(&cli::target_schemas())).unwrap()
}

#[test]
fn the_example_config_means_what_it_says() {
    let step = Step::shell()
        .config(&example("lastgood.yml"))
        .with("HEALTH_TOKEN", "Bearer hunter2")
        .with("GITHUB_REPOSITORY", "example/shop");
    let request = step.request(&["rollback", "--environment", "production"]);
    let environment = &request.environment;
    assert_eq!(environment.source.deploy_job.as_deref(), Some("deploy"));
    let web = &environment.targets[0];
    assert_eq!((web.name.as_str(), web.kind.as_str()), ("web", "directory"));
    assert_eq!(web.settings["restart"][2], "web");
    assert_eq!(web.settings["keep"], 5);
    assert!(web.settings.get("name").is_none());
    assert_eq!(
        web.origin.at("restart[2]"),
        ".github/lastgood.yml:14:39: environments.production.targets[0].restart[2]"
    );
    let health = &environment.health;
    assert_eq!(health.probes[0].expect_status, ["200"]);
    assert_eq!(health.probes[1].headers[0].1.expose(), "Bearer hunter2");
    assert!(!health.probes[1].gating);
    assert_eq!(health.bake, Duration::from_mins(5));
    assert_eq!(environment.guard.hostname.as_deref(), Some("web-1"));
    let printed = format!("{request:?}");
    assert!(
        !printed.contains("hunter2") && !printed.contains("ghs_secret"),
        "{printed}"
    );
    assert_eq!(request.secrets.len(), 2);

    let staging = step.request(&["rollback", "-e", "staging"]).environment;
    assert_eq!(staging.health.probes[0].name, "staging.example.com/health");
    assert_eq!(staging.targets[0].name, "directory");
}

#[test]
fn what_is_not_said_has_its_default() {
    let environment = Step::shell()
        .config(MINIMAL)
        .request(&["rollback"])
        .environment;
    let source = &environment.source;
    assert_eq!(source.artifact, "*");
    assert_eq!(source.events.len(), 5);
    assert_eq!((source.max_candidates, source.max_pages), (10, 3));
    assert!(source.require_digest && !source.require_ancestor);
    assert_eq!(source.size_limit_bytes, 2 * 1024 * 1024 * 1024);
    let health = &environment.health;
    assert_eq!((health.rate, health.bake_rate), (10, 2));
    assert_eq!(
        (health.healthy_error_rate, health.unhealthy_error_rate),
        (0.01, 0.05)
    );
    assert_eq!(health.latency, Latency::Warn);
    assert_eq!(health.probes[0].expect_status, ["2xx", "3xx"]);
    assert_eq!(environment.policy.on_unhealthy, OnUnhealthy::Rollback);
    assert_eq!(environment.policy.on_inconclusive, OnInconclusive::Fail);
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
        ("Policy", 5),
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

#[track_caller]
fn check(change: (&str, &str), wanted: &str) {
    let (from, to) = change;
    assert!(MINIMAL.contains(from), "{from}");
    let refusal = Step::shell()
        .config(&MINIMAL.replacen(from, to, 1))
        .refusal(&["rollback"]);
    assert_eq!(refusal, wanted.trim());
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_one() {
    check(
        ("workflow:", "workfow:"),
        "error: .github/lastgood.yml:4:40: environments.production.source.workfow: unknown key\n\
         hint: did you mean workflow?",
    );
    check(
        ("health:", "helth:"),
        "error: .github/lastgood.yml:6:5: environments.production.helth: unknown key\n\
         hint: did you mean health?",
    );
    check(
        ("{url:", "{expect_status: 200, url:"),
        "error: .github/lastgood.yml:6:24: environments.production.health.probes[0].expect_status: unknown key\n\
         hint: did you mean expect-status?",
    );
    check(
        ("version: 1", "version: 1\nxyz: 2"),
        "error: .github/lastgood.yml:2:1: xyz: unknown key\n\
         hint: known keys here: version, state-dir, environments",
    );
}

const DOCS: &str = "hint: correct that line; docs/config.md lists every key";

#[test]
fn a_wrong_value_is_named_with_what_was_expected() {
    let check = |from: &str, to: &str, wanted: &str| {
        check(
            (from, to),
            &format!("error: .github/lastgood.yml:{wanted}\n{DOCS}"),
        );
    };
    let health = "health: {";
    let key = "environments.production";
    check(
        health,
        "health: {warm-up: 90, ",
        &format!(
            "6:23: {key}.health.warm-up: found the number 90, expected a duration such as 500ms, 90s, 15m, 1h or 2d"
        ),
    );
    check(
        health,
        "health: {unhealthy-error-rate: 0.05, ",
        &format!(
            "6:36: {key}.health.unhealthy-error-rate: found the number 0.05, expected a percentage from 0% to 100%, such as 1% or 0.5%"
        ),
    );
    check(
        health,
        "health: {rate: -1, ",
        &format!("6:20: {key}.health.rate: found the number -1, expected a whole number"),
    );
    check(
        health,
        "health: {rate: 51, ",
        &format!(
            "6:14: {key}.health.rate: found the number 51, expected a whole number from 1 to 50"
        ),
    );
    check(
        health,
        "health: {latency: 1, ",
        &format!("6:23: {key}.health.latency: found the number 1, expected warn, gate or off"),
    );
    check(
        "targets: [{kind: directory, path: /srv/web}]",
        "targets: {kind: directory}",
        &format!("5:14: {key}.targets: found a mapping, expected a list"),
    );
    check(
        "repository: example/shop",
        "repository: shop",
        &format!("4:14: {key}.source.repository: found \"shop\", expected owner/name"),
    );
    check(
        "workflow: deploy.yml",
        "workflow: deploy.yml, events: [push, pull_request]",
        &format!(
            "4:77: {key}.source.events[1]: found \"pull_request\", expected an event that a pull request cannot start, such as push"
        ),
    );
    check(
        "'https://www.example.com/health/'",
        "www.example.com",
        &format!(
            "6:24: {key}.health.probes[0].url: found \"www.example.com\", expected an address such as https://example.com/health"
        ),
    );
    check(
        "{url:",
        "{expect-status: [200, 2x], url:",
        &format!(
            "6:45: {key}.health.probes[0].expect-status[1]: found \"2x\", expected a status such as 200 or 2xx"
        ),
    );
    check(
        "version: 1",
        "version: 2",
        "1:1: version: found version 2, expected version 1",
    );
}

#[test]
fn a_word_that_does_not_exist_is_named_with_the_nearest_one() {
    check(
        (
            "health: {",
            "policy: {on-unhealthy: rolback}\n    health: {",
        ),
        "error: .github/lastgood.yml:6:28: environments.production.policy.on-unhealthy: found \"rolback\", expected \
         rollback or fail\nhint: did you mean rollback?",
    );
}

#[test]
fn what_is_missing_is_named() {
    check(
        ("kind: directory, ", ""),
        "error: .github/lastgood.yml:5:15: environments.production.targets[0]: the key kind is missing\n\
         hint: add kind there (docs/config.md)",
    );
    check(
        ("version: 1\n", ""),
        "error: .github/lastgood.yml:1:1: the key version is missing\nhint: add version there (docs/config.md)",
    );
    check(
        (
            "targets: [{kind: directory, path: /srv/web}]",
            "targets: []",
        ),
        &format!(
            "error: .github/lastgood.yml:5:5: environments.production.targets: found no target, expected at least one\n{DOCS}"
        ),
    );
}

#[test]
fn what_can_never_work_is_refused() {
    let check = |to: &str, wanted: &str| {
        let wanted = format!(
            "error: .github/lastgood.yml:6:14: environments.production.health.{wanted}\n{DOCS}"
        );
        check(("health: {", &format!("health: {{{to}, ")), &wanted);
    };
    check(
        "cap: 0s",
        "cap: found 0s, expected time to judge in, such as 180s",
    );
    check("warm-up: 11m", "warm-up: found 11m, expected at most 10m");
    check(
        "bake: 1500ms",
        "bake: found 1500ms, expected whole seconds (each second is one vote)",
    );
    check(
        "unhealthy-error-rate: 1.5%",
        "unhealthy-error-rate: found 1.5%, expected at least twice healthy-error-rate (1%): what lies closer cannot \
         be told apart in time",
    );
}

#[test]
fn a_header_without_its_variable_is_refused_before_anything_is_contacted() {
    let config = MINIMAL.replace("{url:", "{headers-from-env: {Authorization: TOKEN}, url:");
    let step = Step::shell().config(&config);
    assert_eq!(
        step.refusal(&["rollback"]),
        format!(
            "error: .github/lastgood.yml:6:43: environments.production.health.probes[0].headers-from-env.Authorization: found the \
         environment variable TOKEN, which is not set, expected one that holds the header's value\n{DOCS}"
        )
    );
    step.request(&["list"]);
    let refusal = step.with("TOKEN", "hunter2\n").refusal(&["rollback"]);
    assert!(!refusal.contains("hunter2"), "{refusal}");
}

#[test]
fn two_of_the_same_name_are_refused() {
    check(
        (
            "[{kind: directory, path: /srv/web}]",
            "[{kind: directory, path: /a}, {kind: directory, path: /b}]",
        ),
        "error: .github/lastgood.yml:5:44: environments.production.targets[1]: there are two targets called directory\n\
         hint: give each its own name",
    );
    check(
        ("version: 1\n", "version: 1\nversion: 1\n"),
        "error: .github/lastgood.yml:2:1: not readable as YAML: duplicate mapping key `version` is not allowed here\n\
         hint: correct that line; docs/config.md lists every key",
    );
}

#[test]
fn the_environment_is_named_unless_there_is_only_one() {
    let step = Step::shell()
        .config(&example("lastgood.yml"))
        .with("HEALTH_TOKEN", "x");
    insta::assert_snapshot!(step.refusal(&["rollback"]), @r"
    error: .github/lastgood.yml:3:1: environments: there are several, name one with --environment: production or staging
    hint: correct that line; docs/config.md lists every key
    ");
    insta::assert_snapshot!(step.refusal(&["rollback", "-e", "prodution"]), @r#"
    error: .github/lastgood.yml:3:1: environments: found environment "prodution", expected production or staging
    hint: did you mean production?
    "#);
    step.request(&["history"]);
}

#[test]
fn a_config_that_cannot_be_read_is_named() {
    let step = Step::shell();
    insta::assert_snapshot!(step.refusal(&["list", "--config", "x.yml"]), @r"
    error: --config: x.yml: No such file or directory (os error 2)
    hint: name a config file that can be read
    ");
    let step = step.config("");
    insta::assert_snapshot!(step.refusal(&["list"]), @r"
    error: .github/lastgood.yml: found an empty file, expected version: 1 and environments
    hint: correct that line; docs/config.md lists every key
    ");
}

#[test]
fn targets_are_ordered_by_group() {
    let config = MINIMAL.replace(
        "[{kind: directory, path: /srv/web}]",
        "[{name: web, kind: directory, group: 2}, {name: db, kind: command, group: 1}, {name: api, kind: command, group: 1}]",
    );
    let request = Step::shell().config(&config).request(&["rollback"]);
    let names: Vec<&str> = request
        .environment
        .targets
        .iter()
        .map(|t| t.name.as_str())
        .collect();
    assert_eq!(names, ["db", "api", "web"]);
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
