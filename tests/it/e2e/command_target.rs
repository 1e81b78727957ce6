//! The `command` target with programs such as a user would write.

use super::output::Output;
use super::stage::{HEAD, Stage};
use crate::world::{ArtifactSpec, RunSpec};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const OBSERVE: &str = r#"#!/bin/sh
revision=null
test -e state/revision && revision="\"$(cat state/revision)\""
echo "{\"slots\": {\"api\": {\"revision\": $revision}}}"
"#;

const APPLY: &str = r#"#!/bin/sh
set -eu
read -r line
echo "$line" >> state/asked
env >> state/environment
if test -e state/broken; then echo "the disk is full" >&2; exit 3; fi
echo "$line" | sed 's/.*"to":"\([^"]*\)".*/\1/' > state/revision
cp "$(echo "$line" | sed 's/.*"payload":{"path":"\([^"]*\)".*/\1/')" state/api
"#;

/// Run 10 released `api`; the programs keep what is deployed in `state/`.
async fn shop(settings: &str) -> Stage {
    let stage = Stage::new().await;
    program(&stage, "observe", OBSERVE);
    program(&stage, "apply", APPLY);
    stage.file("state/revision", "before");
    stage.configure(|config| {
        config.targets = format!(
            "{{ name: api, kind: command, observe: [./observe], apply: [./apply], payload: api{settings} }}"
        );
    });
    let zip = crate::world::zip::zip(&[("api", b"#!/bin/sh\necho v1\n"), ("README", b"read me")]);
    let run = stage.repo().run(RunSpec::default().id(10).sha(HEAD));
    run.artifact(ArtifactSpec::zip("site", zip));
    stage
}

fn program(stage: &Stage, name: &str, text: &str) {
    let file = stage.file(name, text);
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn read(stage: &Stage, path: &str) -> String {
    fs::read_to_string(stage.path(path)).unwrap_or_default()
}

#[tokio::test]
async fn a_users_programs_put_a_release_back() {
    let stage = shop(", env: [DEPLOY_TOKEN]").await;
    let call = stage.lastgood(&["rollback"]).json();
    let out = call
        .env("DEPLOY_TOKEN", "hunter2")
        .env("OTHER", "x")
        .run()
        .await;
    out.ended(0, "restored");
    assert_eq!(read(&stage, "state/api"), "#!/bin/sh\necho v1\n");
    let to = out.json()["after"]["api"]["revision"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(read(&stage, "state/revision").trim(), to);
    let asked: serde_json::Value = serde_json::from_str(&read(&stage, "state/asked")).unwrap();
    assert_eq!(asked["from"], "before");
    assert_eq!(asked["run"], 10);
    assert_eq!(asked["commit"], HEAD);
    assert_eq!(
        format!("sha256:{}", asked["payload"]["sha256"].as_str().unwrap()),
        to
    );
    let seen = read(&stage, "state/environment");
    assert!(seen.contains("DEPLOY_TOKEN=hunter2"), "{seen}");
    assert!(
        !seen.contains("OTHER=") && !seen.contains("GITHUB_TOKEN"),
        "{seen}"
    );
    assert!(stage.left_over().is_empty());
    stage.run(&["rollback"]).await.ended(0, "already-good");
}

#[tokio::test]
async fn a_program_that_fails_leaves_a_command_to_resume() {
    let stage = shop("").await;
    stage.file("state/broken", "");
    let out = stage.run(&["rollback"]).await;
    out.ended(17, "incomplete").says("the disk is full");
    assert_eq!(out.events("apply-failed").len(), 1);
    assert_eq!(read(&stage, "state/revision"), "before");

    fs::remove_file(stage.path("state/broken")).unwrap();
    let out = stage.run(&["rollback"]).await;
    out.ended(0, "restored");
}

#[tokio::test]
async fn a_slot_that_somebody_else_changed_is_left_alone() {
    let stage = shop("").await;
    // What is observed for the plan is not what is there when the change is due.
    let twice = OBSERVE.replace(
        "#!/bin/sh\n",
        "#!/bin/sh\nif test -e state/seen; then echo hotfix > state/revision; fi\ntouch state/seen\n",
    );
    program(&stage, "observe", &twice);
    let out = stage.run(&["rollback"]).await;
    out.ended(15, "refused").says("somebody else changed it");
    assert_eq!(read(&stage, "state/revision"), "hotfix\n");
    assert!(!stage.path("state/asked").exists());
    assert!(out.events("intent").is_empty());
}

#[tokio::test]
async fn a_program_that_hangs_is_ended_with_all_it_started() {
    let stage = shop(", apply-deadline: 1s").await;
    let hang = "#!/bin/sh\n(sleep 3; touch state/still-there) &\nsleep 60\n";
    program(&stage, "apply", hang);
    let out = stage.run(&["rollback"]).await;
    out.ended(17, "incomplete").says("observes first");
    assert_eq!(read(&stage, "state/revision"), "before");
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(!stage.path("state/still-there").exists());
}

#[track_caller]
fn unchanged(stage: &Stage, out: &Output) {
    assert_eq!(read(stage, "state/revision"), "before");
    assert!(out.events("intent").is_empty(), "{out}");
}

#[tokio::test]
async fn an_observation_that_cannot_be_trusted_changes_nothing() {
    let stage = shop("").await;
    for (text, code, outcome, words) in [
        (
            "echo '{\"slots\": {\"web\": {\"revision\": \"x\"}}}'",
            1,
            "error",
            "slot api is missing; found web",
        ),
        ("echo up and running", 1, "error", "expected {\"slots\""),
        (
            "echo 'no route to host' >&2; exit 75",
            18,
            "unreachable",
            "no route to host",
        ),
    ] {
        program(&stage, "observe", &format!("#!/bin/sh\n{text}\n"));
        let out = stage.run(&["rollback"]).await;
        out.ended(code, outcome).says(words);
        unchanged(&stage, &out);
    }
}

#[tokio::test]
async fn ready_asks_the_users_own_check() {
    let stage = shop(", check: [./check]").await;
    program(&stage, "check", "#!/bin/sh\nexit 0\n");
    stage.run(&["ready"]).await.ended(0, "ready");
    program(
        &stage,
        "check",
        "#!/bin/sh\necho 'the licence has run out' >&2\nexit 1\n",
    );
    let out = stage.run(&["ready"]).await;
    out.ended(19, "not-ready").says("the licence has run out");
    unchanged(&stage, &out);
}

#[tokio::test]
async fn of_two_targets_the_second_failing_is_told_and_resumed() {
    let stage = shop("").await;
    stage.configure(|config| {
        "{ name: shop, kind: directory, path: server }, { name: api, kind: command, group: 1, observe: [./observe], apply: [./apply], payload: api }"
            .clone_into(&mut config.targets);
    });
    stage.file("state/broken", "");
    let out = stage.run(&["rollback"]).await;
    out.ended(17, "incomplete").says("1 of 2 changes done");
    assert!(stage.path("server/current/README").exists());
    fs::remove_file(stage.path("state/broken")).unwrap();
    let out = stage.run(&["rollback"]).await;
    out.ended(0, "restored");
    assert_eq!(
        out.events("intent").len(),
        1,
        "what was done is not done again"
    );

    // A refusal in the middle is not "nothing was applied".
    fs::remove_file(stage.path("server/current")).unwrap();
    stage.file("state/revision", "before");
    let twice = OBSERVE.replace(
        "#!/bin/sh\n",
        "#!/bin/sh\nif test -e state/seen; then echo hotfix > state/revision; fi\ntouch state/seen\n",
    );
    program(&stage, "observe", &twice);
    let out = stage.run(&["rollback"]).await;
    out.ended(17, "incomplete")
        .says("1 of 2 changes done")
        .says("somebody else changed it");
}
