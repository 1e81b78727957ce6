//! The config file: what it means, and what is refused and how.

use crate::bless;
use crate::step::Step;
use lastgood::engine::request::{Latency, Means, OnInconclusive, OnUnhealthy};
use std::time::Duration;

pub(crate) const MINIMAL: &str = "\
version: 1
environments:
  production:
    source: {repository: example/shop, workflow: deploy.yml}
    targets: [{kind: directory, path: /srv/web}]
    health: {probes: [{url: 'https://www.example.com/health/'}]}
";

pub(crate) fn example(name: &str) -> String {
    std::fs::read_to_string(bless::root().join("docs/examples").join(name)).unwrap()
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
    assert_eq!(health.probes[0].page().unwrap().expect_status, ["200"]);
    assert_eq!(
        health.probes[1].page().unwrap().headers[0].1.expose(),
        "Bearer hunter2"
    );
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
    assert_eq!(
        health.probes[0].page().unwrap().expect_status,
        ["2xx", "3xx"]
    );
    assert_eq!(environment.policy.on_unhealthy, OnUnhealthy::Rollback);
    assert_eq!(environment.policy.on_inconclusive, OnInconclusive::Fail);
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
fn a_probe_may_go_through_a_target() {
    let config = MINIMAL.replace(
        "{url: 'https://www.example.com/health/'}",
        "{via: 'shop/deployment/web:8001', url: 'http://web/health'}",
    );
    let step = Step::shell().config(&config);
    let request = step.request(&["rollback"]);
    let probe = &request.environment.health.probes[0];
    let page = probe.page().unwrap();
    assert_eq!(page.via.as_deref(), Some("shop/deployment/web:8001"));
    // Judging only needs the target that leads there.
    let request = step.request(&["watch", "--on-unhealthy", "fail"]);
    assert_eq!(request.environment.targets.len(), 1);
    let check = |to: &str, wanted: &str| {
        check(
            ("{url: 'https://www.example.com/health/'}", to),
            &format!(
                "error: .github/lastgood.yml:6:24: environments.production.health.probes[0].{wanted}\n{DOCS}"
            ),
        );
    };
    check(
        "{via: 'deployment/web', url: 'http://web/health'}",
        "via: found \"deployment/web\", expected KIND/NAME:PORT or NAMESPACE/KIND/NAME:PORT, such as deployment/web:8001",
    );
    check(
        "{via: 'deployment/web:0', url: 'http://web/health'}",
        "via: found \"deployment/web:0\", expected a port from 1 to 65535, or the name of one, after the last colon, such as \
         deployment/web:8001",
    );
    check(
        "{url: 'https://web/health', via: 'deployment/web:80'}",
        "url: found \"https://web/health\", expected an http:// address: with via, the target's own connection is asked, and \
         that is not TLS",
    );
}

#[test]
fn a_probe_may_be_a_query() {
    let url = "{url: 'https://www.example.com/health/'}";
    let asked = |query: &str| {
        let config = MINIMAL.replace(url, query);
        let step = Step::shell().config(&config);
        step.request(&["rollback"]).environment.health.probes[0].clone()
    };
    let probe = asked("{query: {slot: users, method: get_stats}}");
    assert_eq!(
        (probe.name.as_str(), probe.gating),
        ("users.get_stats", true)
    );
    let Means::Query(query) = probe.means else {
        panic!("{probe:?}");
    };
    assert_eq!((query.arguments.as_str(), query.expect), ("()", None));
    let probe = asked(
        "{name: stats, gating: false, query: {slot: users, method: m, arguments: '(record { limit = 10 : nat })', expect: '/users = [1-9]/'}}",
    );
    assert_eq!((probe.name.as_str(), probe.gating), ("stats", false));
    let Means::Query(query) = probe.means else {
        panic!("{probe:?}");
    };
    assert_eq!(query.expect.as_deref(), Some("/users = [1-9]/"));

    // Judging only needs the target that answers.
    let config = MINIMAL.replace(url, "{query: {slot: users, method: m}}");
    let request = Step::shell()
        .config(&config)
        .request(&["watch", "--on-unhealthy", "fail"]);
    assert_eq!(request.environment.targets.len(), 1);

    let check = |to: &str, wanted: &str| {
        let key = "environments.production.health.probes[0]";
        check(
            (url, to),
            &format!(
                "error: .github/lastgood.yml:6:{}\n{DOCS}",
                wanted.replace("KEY", key)
            ),
        );
    };
    check(
        "{name: a}",
        "23: KEY: found neither url nor query, expected url, the address that is asked, or query",
    );
    check(
        "{url: 'https://a.example/', query: {slot: a, method: b}}",
        "24: KEY.url: found \"https://a.example/\", expected either url or query, not both",
    );
    check(
        "{query: {slot: a, method: b}, via: 'deployment/web:80'}",
        "53: KEY.via: found via, expected no such key beside query: it belongs to url",
    );
    check(
        "{query: {slot: a, method: b}, method: GET}",
        "53: KEY.method: found method, expected it inside of query, where it names the method of the canister",
    );
    check(
        "{query: {slot: a, method: b}, headers-from-env: {A: B}}",
        "53: KEY.headers-from-env: found headers-from-env, expected no such key beside query: it belongs to url",
    );
    check(
        "{query: {slot: a, method: ''}}",
        "41: KEY.query.method: found \"\", expected a name",
    );
    check(
        "{query: {slot: a, method: b, expect: '/(/'}}",
        "52: KEY.query.expect: found \"/(/\", expected a regular expression that can be read (found open group without closing ')')",
    );
    let refusal = Step::shell()
        .config(&MINIMAL.replace(
            url,
            "{query: {slot: a, method: b, arguments: '{\"limit\": 1}'}}",
        ))
        .refusal(&["rollback"]);
    assert!(refusal.contains("query.arguments: found"), "{refusal}");
    assert!(
        refusal.contains(
            "expected Candid values in parentheses, such as (record { limit = 10 : nat })"
        ),
        "{refusal}"
    );
}

const CLUSTER: &str = "\
version: 1
environments:
  production:
    source: {repository: example/shop, workflow: deploy.yml}
    targets: [{kind: kubernetes, context: prod, namespace: shop, slots: [deployment/web]}]
";

/// A cluster tells by itself whether what is in place is well; a directory does not.
#[test]
fn a_target_that_can_tell_needs_no_probes() {
    let step = Step::shell().config(CLUSTER);
    let request = step.request(&["deploy", "--artifact", "x"]);
    assert!(request.environment.health.probes.is_empty());
    let request = step.request(&["watch", "--on-unhealthy", "fail"]);
    assert_eq!(request.environment.targets.len(), 1);
    let cluster = "kubernetes:prod@shop/deployment/web,deployment/api";
    let fail = ["watch", "--on-unhealthy", "fail", "--target"];
    let request = Step::shell().request(&[&fail[..], &[cluster]].concat());
    let settings = &request.environment.targets[0].settings;
    assert_eq!(
        *settings,
        serde_json::json!({"context": "prod", "namespace": "shop", "slots": ["deployment/web", "deployment/api"]})
    );
    let refusal = Step::shell().refusal(&[&fail[..], &["directory:/srv/web"]].concat());
    assert!(refusal.starts_with("error: no probe"), "{refusal}");
    assert_eq!(
        Step::shell().refusal(&["rollback", "--target", "kubernetes:shop/deployment/web"]),
        "error: --target: found \"kubernetes:shop/deployment/web\", expected kubernetes:CONTEXT@NAMESPACE/KIND/NAME: the cluster must be \
         named, by a context of the kubeconfig or by the https:// address of its API server\nhint: see lastgood rollback --help"
    );
}

/// What is secret in the variables that a target's settings name is masked, and the rest of it is not.
#[test]
fn the_credentials_of_a_target_are_secrets() {
    let config = CLUSTER.replace(
        "context: prod",
        "server: 'https://10.0.0.1:6443', token-from: TOKEN, ca-from: CA, registry-auth-from: LOGIN",
    );
    let request = Step::shell()
        .config(&config)
        .with("TOKEN", "eyJ.a.b\n")
        .with("CA", "-----BEGIN CERTIFICATE-----")
        .with(
            "LOGIN",
            r#"{"auths": {"ghcr.io": {"username": "bot", "password": "hunter2"}}}"#,
        )
        .request(&["rollback"]);
    let secrets: Vec<&str> = request
        .secrets
        .iter()
        .map(lastgood::model::secret::Secret::expose)
        .collect();
    assert_eq!(secrets, ["ghs_secret", "eyJ.a.b", "hunter2"]);
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
