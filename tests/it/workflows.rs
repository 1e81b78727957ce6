//! The workflows of this repository and the ones in `docs/examples` that people copy: pinned, without injection, and
//! with inputs that the action has.

use crate::bless;
use crate::step::Step;
use lastgood::cli::action;
use serde_json::Value;
use std::path::PathBuf;

const COPIED: [&str; 8] = [
    "docs/examples/canister-deploy.yml",
    "docs/examples/canister-rollback.yml",
    "docs/examples/compose-deploy.yml",
    "docs/examples/compose-rollback.yml",
    "docs/examples/deploy.yml",
    "docs/examples/kubernetes-deploy.yml",
    "docs/examples/kubernetes-rollback.yml",
    "docs/examples/rollback.yml",
];

fn workflows() -> Vec<(PathBuf, String, Value)> {
    let own = std::fs::read_dir(bless::root().join(".github/workflows")).unwrap();
    let own = own.map(|entry| entry.unwrap().path());
    let copied = COPIED.iter().map(|path| bless::root().join(path));
    own.chain(copied)
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let value = serde_saphyr::from_str(&text).unwrap();
            (path, text, value)
        })
        .collect()
}

fn jobs(workflow: &Value) -> impl Iterator<Item = &Value> {
    workflow["jobs"].as_object().unwrap().values()
}

fn steps(workflow: &Value) -> impl Iterator<Item = &Value> {
    jobs(workflow).flat_map(|job| job["steps"].as_array().unwrap())
}

#[test]
fn nothing_has_more_rights_than_it_needs() {
    for (path, _, workflow) in workflows() {
        let path = path.display();
        assert_eq!(workflow["permissions"], serde_json::json!({}), "{path}");
        for job in jobs(&workflow) {
            assert!(job["permissions"].is_object(), "{path}");
            assert!(job["timeout-minutes"].is_number(), "{path}");
        }
        for step in steps(&workflow) {
            let uses = step["uses"].as_str().unwrap_or_default();
            if uses.starts_with("actions/checkout@") {
                assert_eq!(step["with"]["persist-credentials"], false, "{path}");
            }
        }
    }
}

#[test]
fn actions_of_others_are_pinned_by_commit() {
    for (path, _, workflow) in workflows() {
        for uses in steps(&workflow).filter_map(|step| step["uses"].as_str()) {
            let commit = uses.split_once('@').map_or("", |(_, commit)| commit);
            let is_pinned = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
            let is_ours = uses == "./" || uses.starts_with("lastgood/lastgood@");
            assert!(is_pinned || is_ours, "{}: {uses}", path.display());
        }
    }
}

#[test]
fn no_expression_is_part_of_a_script() {
    for (path, _, workflow) in workflows() {
        for script in steps(&workflow).filter_map(|step| step["run"].as_str()) {
            assert!(!script.contains("${{"), "{}: {script}", path.display());
        }
    }
}

#[test]
fn every_input_that_is_given_exists() {
    let known = action::names();
    let mut seen = 0;
    for (path, _, workflow) in workflows() {
        for step in steps(&workflow) {
            let uses = step["uses"].as_str().unwrap_or_default();
            let is_ours = uses == "./" || uses.starts_with("lastgood/lastgood@");
            let with = step["with"].as_object().filter(|_| is_ours);
            let inputs = with.into_iter().flatten().map(|(name, _)| name.clone());
            let variables = step["env"].as_object().into_iter().flatten();
            let variables =
                variables.filter_map(|(name, _)| Some(name.strip_prefix("INPUT_")?.to_lowercase()));
            for name in inputs.chain(variables) {
                assert!(known.contains(&name), "{}: {name}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn a_rollback_is_never_cut_off_by_the_next() {
    let own = bless::root().join(".github/workflows/rollback.yml");
    let simple = ["environment", "slot", "run-id", "dry-run"];
    let cluster = [
        "environment",
        "slot",
        "run-id",
        "to-revision",
        "emergency",
        "dry-run",
    ];
    let canister = [
        "canister_name",
        "network",
        "rollback_run_id",
        "on_state_conflict",
        "allow",
        "dry_run",
    ];
    let example = |name: &str| bless::root().join("docs/examples").join(name);
    for (path, inputs_wanted) in [
        (own, &cluster[..]),
        (example("canister-rollback.yml"), &canister),
        (example("compose-rollback.yml"), &simple),
        (example("kubernetes-rollback.yml"), &cluster),
        (example("rollback.yml"), &simple),
    ] {
        let text = std::fs::read_to_string(&path).unwrap();
        let workflow: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(workflow["concurrency"]["cancel-in-progress"], false);
        let inputs = workflow["on"]["workflow_dispatch"]["inputs"].as_object();
        let names: Vec<&str> = inputs.unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, inputs_wanted);
    }
}

/// A container keeps nothing. What was rolled back from is known to the next run by what the last one saved, whatever became of it.
#[test]
fn what_was_done_is_kept_for_the_next_run() {
    let mut seen = 0;
    for (path, _, workflow) in workflows() {
        if !path.starts_with(bless::root().join("docs")) {
            continue;
        }
        for job in jobs(&workflow) {
            let steps = job["steps"].as_array().unwrap();
            let at = |wanted: &dyn Fn(&Value) -> bool| steps.iter().position(wanted);
            let uses = |step: &Value, name: &str| {
                let uses = step["uses"].as_str();
                uses.is_some_and(|uses| uses.starts_with(name))
            };
            let decides =
                |step: &Value| uses(step, "lastgood/lastgood@") && step["with"]["verb"] != "record";
            let Some(decided) = at(&decides) else {
                continue;
            };
            let restored = at(&|step| uses(step, "actions/cache/restore@")).unwrap();
            let saved = at(&|step| uses(step, "actions/cache/save@")).unwrap();
            assert!(restored < decided && saved == steps.len() - 1);
            let (restored, saved) = (&steps[restored]["with"], &steps[saved]);
            assert_eq!(saved["if"], "always()");
            let environment = steps[decided]["with"]["environment"].as_str().unwrap();
            let prefix = format!("lastgood/{environment}/");
            let key = format!("{prefix}${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}");
            for with in [restored, &saved["with"]] {
                assert_eq!(with["path"], ".lastgood", "{}", path.display());
                assert_eq!(with["key"], key.as_str(), "{}", path.display());
            }
            assert_eq!(restored["restore-keys"], prefix.as_str());
            seen += 1;
        }
    }
    assert_eq!(seen, 7);
}

/// A cache is found by its key and its path: what is saved must be what is looked for.
#[test]
fn the_servers_of_the_tests_are_built_once() {
    let path = bless::root().join(".github/workflows/ci.yml");
    let text = std::fs::read_to_string(path).unwrap();
    let workflow: Value = serde_saphyr::from_str(&text).unwrap();
    let with = |name: &str| {
        let step = steps(&workflow).find(|step| {
            let uses = step["uses"].as_str();
            uses.is_some_and(|uses| uses.starts_with(name))
        });
        step.unwrap()["with"].clone()
    };
    let (restored, saved) = (with("actions/cache/restore@"), with("actions/cache/save@"));
    assert_eq!(restored["path"], saved["path"]);
    let install = std::fs::read_to_string(bless::root().join("tests/tools/install.sh")).unwrap();
    let cache = install.lines().find_map(|line| line.strip_prefix("cache="));
    let built = format!("{}/kubernetes", cache.unwrap());
    assert_eq!(restored["path"], built.as_str());
    let script = "hashFiles('tests/tools/kubernetes.sh')";
    assert!(restored["key"].as_str().unwrap().contains(script));
    assert_eq!(
        saved["key"],
        "${{ steps.kubernetes.outputs.cache-primary-key }}"
    );
}

/// An older Rust is told as such, before anything is installed.
#[test]
fn the_rust_that_is_needed_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::TempDir::new().unwrap();
    let cargo = dir.path().join("cargo");
    let script = "source tests/tools/install.sh && expect_rust";
    let path = format!(
        "{}:{}",
        dir.path().display(),
        crate::tools::variable("PATH").unwrap()
    );
    let needed = env!("CARGO_PKG_RUST_VERSION");
    for (version, wanted) in [
        (format!("cargo {needed}.0 (f2d3ce0bd 2026-03-21)"), None),
        ("cargo 1.1000.0".to_owned(), None),
        ("cargo 1.9.0".to_owned(), Some("found Rust 1.9.0")),
        (String::new(), Some("found no cargo")),
    ] {
        std::fs::write(&cargo, format!("#!/bin/sh\necho '{version}'\n")).unwrap();
        std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
        #[expect(clippy::disallowed_methods, reason = "what tests/run does first")]
        let mut bash = std::process::Command::new("bash");
        let bash = bash.args(["-euo", "pipefail", "-c", script]);
        let bash = bash.current_dir(bless::root()).env("PATH", &path);
        let output = bash.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), wanted.is_none(), "{told}");
        let wanted = wanted.map_or(String::new(), |found| {
            format!("{found}, expected Rust {needed} or newer: ")
        });
        assert!(told.starts_with(&wanted), "{told}");
    }
}

/// What the examples run is what the program takes, with the example's config.
#[test]
fn the_examples_are_commands_that_work() {
    let config = crate::config::example("lastgood.yml");
    let step = Step::workflow()
        .config(&config)
        .with("HEALTH_TOKEN", "x")
        .with("GITHUB_TOKEN", "ghs_x");
    let mut seen = 0;
    for (_, text, _) in workflows() {
        for line in text.lines() {
            let Some((_, command)) = line.split_once("run: lastgood ") else {
                continue;
            };
            let argv: Vec<&str> = command.split_whitespace().collect();
            step.request(&argv);
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
    let emergency = step
        .with("INPUT_VERB", "rollback")
        .with("INPUT_ENVIRONMENT", "production")
        .with("INPUT_SLOT", "")
        .with("INPUT_RUN-ID", "")
        .with("INPUT_DRY-RUN", "true")
        .with("INPUT_REASON", "Roll back by hand");
    assert!(emergency.request(&[]).dry_run);
}
