//! An artifact that is not what was promised: refused, with nothing changed on the server and nothing left in the
//! scratch directory.

use super::output::Output;
use super::stage::{HEAD, Stage, zipped, zipped_dir};
use crate::world::service::Behaviour;
use crate::world::{ArtifactSpec, Digest, RunSpec};
use serde_json::Value;
use std::fs;

/// A shop that runs v0, and a run 10 whose artifact is these bytes.
async fn shop(artifact: ArtifactSpec) -> Stage {
    let stage = Stage::new().await;
    stage.put(&Behaviour::good("v0"));
    let run = stage.repo().run(RunSpec::default().id(10).sha(HEAD));
    run.artifact(artifact);
    stage
}

#[track_caller]
fn refused(stage: &Stage, out: &Output, words: &str) {
    out.ended(14, "artifact-refused").says(words);
    let next = out.stderr.lines().filter(|line| line.starts_with("next:"));
    assert_eq!(next.count(), 1, "one next action: {out}");
    assert_eq!(stage.holds().as_deref(), Some("v0"));
    assert_eq!(stage.server().len(), 3, "{:?}", stage.server().keys());
    assert!(stage.left_over().is_empty(), "{:?}", stage.left_over());
    assert!(out.events("intent").is_empty());
}

fn good() -> ArtifactSpec {
    ArtifactSpec::zip("site", zipped(&Behaviour::good("v1")))
}

/// A build of run 10 with its manifest, changed by `meddle` after it was recorded.
async fn recorded(meddle: impl FnOnce(&mut Value, &std::path::Path)) -> (Stage, Output) {
    let stage = shop(good()).await;
    let dist = stage.built("dist", &Behaviour::good("v1"));
    let call = stage.lastgood(&["record", "--path", "dist"]).json();
    call.step(10).run().await.ended(0, "healthy");
    let file = dist.join("lastgood.json");
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    meddle(&mut manifest, &dist);
    fs::write(&file, manifest.to_string()).unwrap();
    stage.repo().change(|repo| repo.artifacts.clear());
    let run = stage.repo().run(RunSpec::default().id(11).sha(HEAD));
    run.artifact(ArtifactSpec::zip("site", zipped_dir(&dist)));
    let out = stage.run(&["rollback"]).await;
    (stage, out)
}

#[tokio::test]
async fn bytes_that_github_did_not_promise() {
    let stage = shop(good().digest(Digest::Says(format!("sha256:{}", "ab".repeat(32))))).await;
    let out = stage.run(&["rollback"]).await;
    refused(&stage, &out, "abababababab");
}

#[tokio::test]
async fn bytes_that_were_swapped_in_the_store() {
    let stage = shop(good()).await;
    stage
        .run_of(11, "v2")
        .1
        .swap_bytes(zipped(&Behaviour::good("evil")));
    let out = stage.run(&["rollback"]).await;
    refused(&stage, &out, "could not take artifact site");
}

#[tokio::test]
async fn a_payload_that_is_not_the_one_that_was_recorded() {
    let (stage, out) = recorded(|manifest, dist| {
        manifest["run"] = 11.into();
        fs::write(dist.join("index.html"), "defaced").unwrap();
    })
    .await;
    refused(&stage, &out, "lastgood.json");
}

#[tokio::test]
async fn a_manifest_of_another_run_environment_or_repository() {
    let (stage, out) = recorded(|_manifest, _dist| ()).await;
    refused(&stage, &out, "lastgood.json is of run 10, expected 11");
    for (key, value) in [
        ("environment", "staging"),
        ("repository", "octo/other"),
        ("commit", "1234567"),
    ] {
        let (stage, out) = recorded(|manifest, _dist| {
            manifest["run"] = 11.into();
            manifest[key] = value.into();
        })
        .await;
        refused(&stage, &out, &format!("lastgood.json is of {key} {value}"));
    }
}

#[tokio::test]
async fn an_artifact_without_a_digest_is_no_candidate_unless_the_config_says_so() {
    let stage = shop(good().digest(Digest::Null)).await;
    let before = stage.server();
    let out = stage.run(&["rollback"]).await;
    out.ended(13, "no-known-good").says("has no digest");
    assert_eq!(stage.server(), before);

    stage.configure(|config| config.source.push_str(", require-digest: false"));
    let out = stage.run(&["rollback"]).await;
    out.ended(0, "restored").says("taken as it is");
    assert_eq!(stage.holds().as_deref(), Some("v1"));
}

#[tokio::test]
async fn the_operators_digest_decides() {
    let stage = shop(good()).await;
    let wrong = "cd".repeat(32);
    let out = stage.run(&["rollback", "--expected-sha256", &wrong]).await;
    refused(&stage, &out, "cdcdcdcdcdcd");

    let call = stage.lastgood(&["list"]).json();
    assert_eq!(call.run().await.code, Some(0));
    let plan = stage.run(&["rollback", "--dry-run"]).await.json();
    let right = plan["plan"][0]["changes"][0]["to"]
        .as_str()
        .unwrap()
        .to_owned();
    let out = stage.run(&["rollback", "--expected-sha256", &right]).await;
    out.ended(0, "restored");
    assert_eq!(stage.holds().as_deref(), Some("v1"));
}

#[tokio::test]
async fn an_artifact_without_the_payload_names_what_it_holds() {
    let stage = shop(good()).await;
    stage.configure(|config| {
        "{ name: shop, kind: directory, path: server, payload: shop.tar.gz }"
            .clone_into(&mut config.targets);
    });
    let out = stage.run(&["rollback"]).await;
    refused(&stage, &out, "index.html");
}
