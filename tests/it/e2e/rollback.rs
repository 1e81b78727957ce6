//! `rollback` and what belongs to it: `list`, `ready`, `record`, `history`, `report`, `watch --replay`.

use super::stage::{HEAD, Stage, zipped_dir};
use crate::world::service::Behaviour;
use crate::world::{ArtifactSpec, JobSpec, RunSpec};
use serde_json::{Value, json};
use std::fs;

/// A shop that runs a bad release; run 11 deployed the last good one, run 10 one before it.
fn broken_shop(stage: Stage) -> Stage {
    stage.run_of(10, "v1");
    stage.run_of(11, "v2");
    stage.put(&Behaviour::failing("v3", 0.5));
    stage
}

#[tokio::test]
async fn the_last_good_release_is_restored_and_a_second_time_there_is_nothing_to_do() {
    let stage = broken_shop(Stage::judged().await);
    let out = stage.run(&["rollback", "--reason", "checkout fails"]).await;
    out.ended(0, "restored")
        .says("the last good release is back");
    assert_eq!(stage.holds().as_deref(), Some("v2"));
    assert_eq!(stage.left_over(), Vec::<std::path::PathBuf>::new());
    let json = out.json();
    assert_eq!(json["run"], 11);
    assert_eq!(json["changed"], true);
    let order: Vec<&str> = ["intent", "applied", "verified"]
        .into_iter()
        .filter(|kind| out.events(kind).len() == 1)
        .collect();
    assert_eq!(order, ["intent", "applied", "verified"]);
    replay_agrees(&stage, &out).await;

    let again = stage.run(&["rollback"]).await;
    again.ended(0, "already-good");
    assert_eq!(again.json()["changed"], false);
    assert_eq!(again.events("intent").len(), 0);
    assert_eq!(stage.holds().as_deref(), Some("v2"));

    let history = stage.lastgood(&["history"]).run().await;
    assert_eq!(history.code, Some(0), "{history}");
    for word in ["restored", "checkout fails", "run 11"] {
        assert!(history.stdout.contains(word), "{word}: {history}");
    }
    let id = out.json()["id"].as_str().unwrap().to_owned();
    let report = stage.lastgood(&["report", "--journal", &id]).run().await;
    assert_eq!(report.code, Some(0), "{report}");
    assert_eq!(report.stdout, out.report());
}

/// The verdict is a function of the log: computed again it is the same, number by number.
async fn replay_agrees(stage: &Stage, out: &super::output::Output) {
    let log = out.dir().join("probes.jsonl");
    let replay = stage
        .run(&["watch", "--replay", log.to_str().unwrap()])
        .await;
    let journal: Vec<Value> = out
        .events("judged")
        .into_iter()
        .map(|event| json!({"stage": event["stage"], "verdict": event["verdict"]}))
        .collect();
    assert!(!journal.is_empty(), "{out}");
    assert_eq!(replay.json()["verdicts"], json!(journal));
}

#[tokio::test]
async fn a_dry_run_plans_and_changes_nothing() {
    let stage = broken_shop(Stage::judged().await);
    let before = stage.server();
    let out = stage.run(&["rollback", "--dry-run"]).await;
    out.ended(0, "planned").says("1 change would be made");
    assert_eq!(stage.server(), before);
    assert!(
        stage
            .world
            .requests()
            .iter()
            .all(|seen| seen.method == "GET")
    );
    assert_eq!(
        stage.service.counters().requests,
        0,
        "nothing was put in place, so there is nothing to judge"
    );
    assert_eq!(out.json()["plan"][0]["changes"][0]["change"], "install");
}

#[tokio::test]
async fn a_named_run_is_held_to_the_same_checks_and_nothing_takes_its_place() {
    let stage = broken_shop(Stage::new().await);
    let skipped = stage.repo().run(RunSpec::default().id(12));
    skipped.job(JobSpec::new("deploy", "skipped"));
    stage
        .repo()
        .run(RunSpec::concluded("failure").id(13))
        .artifact(ArtifactSpec::zip("site", b"x".to_vec()));
    stage.run_with(RunSpec::default().id(14).branch("feature"), "v9");
    stage.configure(|config| config.source.push_str(", deploy-job: deploy"));

    let before = stage.server();
    for (run, why) in [
        ("12", "job deploy was skipped: nothing was deployed"),
        ("13", "concluded failure"),
        ("14", "on branch feature"),
    ] {
        let out = stage.run(&["rollback", "--run-id", run]).await;
        out.ended(13, "no-known-good").says(why).says_not("v2");
        assert_eq!(out.json()["passed_over"][0]["run"].to_string(), run);
        assert_eq!(stage.server(), before);
    }
    let gone = stage.run(&["rollback", "--run-id", "99"]).await;
    gone.ended(13, "no-known-good").says("run 99");

    let good = stage.run(&["rollback", "--run-id", "10"]).await;
    good.ended(0, "restored");
    assert_eq!(stage.holds().as_deref(), Some("v1"));
    assert_eq!(good.json()["chosen"]["via"], "run-id");
}

#[tokio::test]
async fn list_gives_the_chosen_run_and_every_reason() {
    let stage = Stage::new().await;
    stage.configure(|config| config.source.push_str(", deploy-job: deploy"));
    stage.run_of(10, "v1");
    stage.run_of(11, "v2");
    stage.run_with(RunSpec::from_fork("mallory").id(12), "v3");
    stage.run_with(RunSpec::concluded("failure").id(13), "v3");
    stage.run_with(RunSpec::default().id(14).event("pull_request"), "v3");
    stage.run_with(RunSpec::default().id(15).branch("feature"), "v3");
    let (_, expired) = stage.run_of(16, "v3");
    expired.expire();
    stage
        .repo()
        .run(RunSpec::default().id(17))
        .job(JobSpec::new("deploy", "skipped"));
    stage
        .repo()
        .run(RunSpec::default().id(18))
        .job(JobSpec::new("build", "success"));
    stage.run_with(RunSpec::default().id(19).sha(HEAD), "v3");
    stage.deploying(20, &Behaviour::good("v4"));

    let call = stage.lastgood(&["list", "--failing-commit", HEAD]).json();
    let out = call.step(20).run().await;
    out.ended(0, "planned").says("run 11");
    let json = out.json();
    assert_eq!(json["chosen"]["run"], 11);
    assert_eq!(json["chosen"]["artifact"]["name"], "site");
    let reasons = [
        (20, "own run"),
        (19, "failing commit"),
        (18, "no deploy job"),
        (17, "deploy job not successful"),
        (16, "artifact expired"),
        (15, "other branch"),
        (14, "event not allowed"),
        (13, "not successful"),
        (12, "fork"),
        (10, "older"),
    ];
    assert_eq!(
        out.passed_over(),
        reasons.map(|(run, word)| (run, word.to_owned()))
    );
    assert_eq!(json["requests"], stage.world.api_requests().len());
    assert!(stage.server().is_empty());
}

#[tokio::test]
async fn ready_proves_every_precondition_or_names_what_is_missing() {
    let stage = broken_shop(Stage::new().await);
    let before = stage.server();
    let out = stage.run(&["ready"]).await;
    out.ended(0, "ready").says("a rollback could be done now");
    assert_eq!(stage.server(), before);
    let checks = out.json()["checks"].as_array().unwrap().clone();
    assert!(!checks.is_empty() && checks.iter().all(|check| check["ok"] == true));

    stage.configure(|config| {
        "{ name: shop, kind: directory, path: server, restart: [no-such-program] }"
            .clone_into(&mut config.targets);
    });
    let out = stage.run(&["ready"]).await;
    out.ended(19, "not-ready").says("no-such-program");
    assert_eq!(stage.server(), before);

    stage.configure(|config| {
        "{ name: shop, kind: directory, path: nowhere }".clone_into(&mut config.targets);
    });
    let out = stage.run(&["ready"]).await;
    out.ended(19, "not-ready").says("nowhere");

    stage.configure(|config| config.source.push_str(", deploy-job: publish"));
    let out = stage.run(&["ready"]).await;
    out.ended(19, "not-ready").says("no job publish");
    assert_eq!(stage.server(), before);
}

#[tokio::test]
async fn what_record_wrote_down_is_what_a_rollback_goes_by() {
    let stage = Stage::new().await;
    let dist = stage.built("dist", &Behaviour::good("v1"));
    let recorded = stage
        .lastgood(&["record", "--path", "dist"])
        .json()
        .step(10)
        .run()
        .await;
    recorded.ended(0, "healthy");
    let manifest: Value =
        serde_json::from_str(&fs::read_to_string(dist.join("lastgood.json")).unwrap()).unwrap();
    assert_eq!(manifest, recorded.json()["manifest"]);
    assert_eq!(manifest["run"], 10);
    assert_eq!(manifest["environment"], "production");
    let pin = &manifest["slots"]["shop"];
    assert_eq!(pin["payload"]["path"], ".");
    assert_eq!(pin["revision"], pin["payload"]["sha256"]);

    let run = stage.repo().run(RunSpec::default().id(10).sha(HEAD));
    run.artifact(ArtifactSpec::zip("site", zipped_dir(&dist)));
    let out = stage.run(&["rollback"]).await;
    out.ended(0, "restored").says("lastgood.json");
    assert_eq!(stage.holds().as_deref(), Some("v1"));
    assert_eq!(out.json()["after"]["shop"]["revision"], pin["revision"]);
    assert!(!stage.path("server/current/lastgood.json").exists());
}
