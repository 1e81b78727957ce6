//! The emergency workflow, run as the action gets it: every input a variable. And nothing of a key is left anywhere.

use super::keys::{ENCRYPTED, OWNER, PASSWORD};
use super::shop::{COUNT, NAME, Shop};
use crate::bless;
use crate::replica::modules;
use crate::rig::{Ended, Running};
use crate::runner::{Log, outputs};
use lastgood::cli::action;
use std::collections::BTreeMap;
use std::fs;

/// What the step of `canister-rollback.yml` gives, for what a person typed.
fn inputs(typed: &[(&str, &str)]) -> BTreeMap<String, String> {
    let path = bless::root().join("docs/examples/canister-rollback.yml");
    let text = fs::read_to_string(path).unwrap();
    let workflow: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let steps = workflow["jobs"]["rollback"]["steps"].as_array().unwrap();
    let step = steps
        .iter()
        .find(|step| step["uses"].as_str().unwrap().starts_with("lastgood/"))
        .unwrap();
    let defaults = workflow["on"]["workflow_dispatch"]["inputs"]
        .as_object()
        .unwrap();
    let with = step["with"].as_object().unwrap();
    let value = |text: &str| {
        let Some(name) = text.strip_prefix("${{ inputs.") else {
            return match text {
                "${{ secrets.DFX_IDENTITY_PEM }}" => OWNER.to_owned(),
                text => text.to_owned(),
            };
        };
        let name = name.strip_suffix(" }}").unwrap();
        let typed = typed.iter().find(|(typed, _)| *typed == name);
        match (typed, &defaults[name]["default"]) {
            (Some((_, value)), _) => (*value).to_owned(),
            (None, serde_json::Value::Null) => String::new(),
            (None, serde_json::Value::String(text)) => text.clone(),
            (None, other) => other.to_string(),
        }
    };
    with.iter()
        .map(|(name, text)| (name.clone(), value(text.as_str().unwrap())))
        .collect()
}

struct Left {
    ended: Ended,
    outputs: BTreeMap<String, String>,
    summary: String,
}

async fn step(shop: &Shop, inputs: &BTreeMap<String, String>) -> Left {
    let stage = &shop.stage;
    let path = |name: &str| stage.path(name).display().to_string();
    let mut variables: BTreeMap<String, String> = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("GITHUB_ACTIONS", "true".to_owned()),
        ("CI", "true".to_owned()),
        ("GITHUB_API_URL", stage.world.api_url()),
        ("GITHUB_SERVER_URL", "https://github.com".to_owned()),
        (
            "GITHUB_REPOSITORY",
            crate::e2e::stage::REPOSITORY.to_owned(),
        ),
        ("GITHUB_WORKSPACE", path("")),
        ("GITHUB_REF", "refs/heads/main".to_owned()),
        ("GITHUB_REF_NAME", "main".to_owned()),
        ("GITHUB_RUN_ID", "30".to_owned()),
        ("GITHUB_RUN_ATTEMPT", "1".to_owned()),
        ("GITHUB_EVENT_NAME", "workflow_dispatch".to_owned()),
        ("GITHUB_ACTOR", "on-call".to_owned()),
        ("GITHUB_OUTPUT", path("output")),
        ("GITHUB_STEP_SUMMARY", path("summary")),
        ("RUNNER_TEMP", path("temp")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for name in action::names() {
        variables.insert(format!("INPUT_{}", name.to_uppercase()), String::new());
    }
    let token = stage.world.token();
    variables.insert("INPUT_GITHUB-TOKEN".to_owned(), token);
    for (name, value) in inputs {
        variables.insert(format!("INPUT_{}", name.to_uppercase()), value.clone());
    }
    for file in ["output", "summary"] {
        fs::write(stage.path(file), "").unwrap();
    }
    let ended = Running::start(&[], &stage.path(""), &variables).end().await;
    shop.nothing_forbidden();
    println!("{ended}");
    let read = |file| fs::read_to_string(stage.path(file)).unwrap();
    let left = Left {
        ended,
        outputs: outputs(&read("output")),
        summary: read("summary"),
    };
    let shown = left.ended.stdout.lines();
    let shown: Vec<&str> = shown
        .filter(|line| !line.starts_with("::add-mask::"))
        .collect();
    let outputs = format!("{:?}", left.outputs);
    shop.nothing_secret(&[
        &shown.join("\n"),
        &left.ended.stderr,
        &outputs,
        &left.summary,
    ]);
    left
}

/// The shop with an environment as the workflow names it; something bad is installed.
async fn open() -> Shop {
    let shop = Shop::empty().await;
    shop.judged("");
    let path = shop.stage.path(".github/lastgood.yml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("  production:", "  mainnet:")).unwrap();
    shop.fill(shop.id);
    shop.record(11, &[("user_service.wasm", modules::good_v1())])
        .await;
    shop.replica.install(shop.id, &modules::bad_query());
    shop
}

#[tokio::test]
async fn the_emergency_button() {
    let shop = open().await;
    let typed = [
        ("canister_name", NAME),
        ("network", "mainnet"),
        ("rollback_run_id", "11"),
    ];
    let dry = [&typed[..], &[("dry_run", "true")]].concat();
    let left = step(&shop, &inputs(&dry)).await;
    assert_eq!(left.ended.code, Some(0), "{}", left.ended);
    assert_eq!(left.outputs["outcome"], "planned");
    assert_eq!(shop.changes(), [""; 0]);

    let left = step(&shop, &inputs(&typed)).await;
    assert_eq!(left.ended.code, Some(0), "{}", left.ended);
    shop.holds(&modules::good_v1(), COUNT);
    assert_eq!(left.outputs["outcome"], "restored");
    assert_eq!(left.outputs["run-id"], "11");
    assert_eq!(left.outputs["changed"], "true");
    for word in ["## lastgood: restored", NAME, "Timeline"] {
        assert!(left.summary.contains(word), "{word}: {}", left.summary);
    }
    let log = Log::read(&left.ended.stdout);
    for line in OWNER.lines().filter(|line| !line.starts_with('-')) {
        assert!(log.masks.iter().any(|mask| mask == line), "{:?}", log.masks);
    }
}

#[tokio::test]
async fn a_person_who_types_nothing_gets_the_last_good_release() {
    let shop = open().await;
    let left = step(&shop, &inputs(&[])).await;
    assert_eq!(left.ended.code, Some(0), "{}", left.ended);
    shop.holds(&modules::good_v1(), COUNT);
}

#[tokio::test]
async fn names_that_are_not_there_are_refused() {
    let shop = open().await;
    for typed in [
        ("canister_name", "user_servise"),
        ("network", "staging"),
        ("rollback_run_id", "11; rm -rf /"),
        ("rollback_run_id", "999"),
    ] {
        let left = step(&shop, &inputs(&[typed])).await;
        assert_ne!(left.ended.code, Some(0), "{typed:?}: {}", left.ended);
        assert_ne!(
            left.outputs.get("changed").map(String::as_str),
            Some("true")
        );
        assert_eq!(shop.changes(), [""; 0]);
    }
}

/// The encrypted key of a stranger: its password is right, and what it is refused with holds neither.
#[tokio::test]
async fn a_password_is_not_shown() {
    let shop = open().await;
    let mut inputs = inputs(&[]);
    inputs.insert("identity".to_owned(), ENCRYPTED.to_owned());
    inputs.insert("identity-password".to_owned(), PASSWORD.to_owned());
    let left = step(&shop, &inputs).await;
    assert_eq!(left.ended.code, Some(15), "{}", left.ended);
    assert_eq!(left.outputs["outcome"], "refused");
}
