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
