//! What is broken or in the way stands in nobody's way: a new container that cannot be removed, an old one that does not stay up, one that was
//! restarted long ago, one that is gone, and an engine that cannot be asked for a while.

use super::bed::Project;
use crate::compose_bed::{Mischief, Proxy};
use crate::docker::{ask, free_port, name};
use lastgood::model::payload::Payloads;
use lastgood::targets::TargetError;
use serde_json::json;

const ONE: &str = "
services:
  web: {image: 'IMAGE:v1', networks: [back], restart: always}
networks: {back: {}}
";

#[tokio::test]
async fn a_new_one_that_cannot_be_removed_keeps_the_old_one_from_nothing() {
    let file = ONE.replace("restart:", "ports: ['127.0.0.1:PORT:8080'], restart:");
    let file = file.replace("PORT", &free_port().to_string());
    let Some(project) = Project::up(&file).await else {
        return;
    };
    let before = project.container("web").await;
    let proxy = Proxy::start(project.engine.socket(), 0, Mischief::NoRemovals);
    let change = project.install("web", "v1", "bad");
    let failed = project.apply_at(change, &proxy.host()).await.unwrap_err();
    let told = failed.to_string();
    assert!(
        matches!(failed, TargetError::OutcomeUnknown { .. }),
        "{told}"
    );
    for part in ["cannot be removed", "the container of before runs"] {
        assert!(told.contains(part), "{told}");
    }
    let found = project.containers("web").await;
    let mut running = found.iter().filter(|raw| raw["State"]["Running"] == true);
    let old = running.next().expect("something runs");
    assert_eq!(old["Id"], before["Id"], "{told}");
    assert_eq!(running.next(), None, "{told}");
    assert_eq!(ask(old, "/").await, "v1");
    project.again("web", "v1").await.unwrap();
    project.serves("web", "v1").await;
    assert_eq!(project.container("web").await["Id"], before["Id"]);
}

/// `ready` tells it before anything is touched.
#[tokio::test]
async fn whoever_may_not_remove_containers_is_told_by_ready() {
    let Some(project) = Project::up(ONE).await else {
        return;
    };
    for (mischief, is_ok) in [(Mischief::NoRemovals, false), (Mischief::NoEvents, true)] {
        let proxy = Proxy::start(project.engine.socket(), 0, mischief);
        let target = project.target(&proxy.host());
        let findings = target.preflight(&Payloads::none()).await;
        let found = findings.iter().find(|found| found.check == "permission");
        let found = found.expect("it is looked at");
        assert_eq!(found.ok, is_ok, "{found:?}");
    }
}

/// It is the reason for the rollback, and it serves nobody whatever becomes of it.
#[tokio::test]
async fn an_old_one_that_starts_over_and_over_goes_back_and_is_replaced() {
    let Some(project) = Project::up(ONE).await else {
        return;
    };
    let crash = ONE.replace("IMAGE:v1", &format!("{}:crash", project.image("v1").name));
    project.rewrite(&crash);
    project.up_without_waiting().await;
    let restarts = |raw: &serde_json::Value| raw["RestartCount"].as_u64() >= Some(2);
    project.until("web", "a restart", restarts).await;
    let failed = project.apply(project.install("web", "crash", "bad")).await;
    assert!(
        matches!(failed, Err(TargetError::Unhealthy { .. })),
        "{failed:?}"
    );
    let old = project.container("web").await;
    assert_eq!(name(&old), format!("{}-web-1", project.name));
    project
        .apply(project.install("web", "crash", "v1"))
        .await
        .unwrap();
    project.serves("web", "v1").await;
}

/// A run was killed after it had stopped the old one, whose port somebody else took since.
#[tokio::test]
async fn a_leftover_that_cannot_be_started_gets_its_name_and_is_replaced() {
    let port = free_port().to_string();
    let file = ONE.replace("restart:", "ports: ['127.0.0.1:PORT:8080'], restart:");
    let Some(project) = Project::up(&file.replace("PORT", &port)).await else {
        return;
    };
    let own = format!("{}-web-1", project.name);
    let engine = &project.engine;
    engine.docker(&["stop", "-t", "1", &own]).await;
    let named_aside = format!("{own}-lastgood-aside");
    engine.docker(&["rename", &own, &named_aside]).await;
    let publish = format!("127.0.0.1:{port}:8080");
    let image = project.image("plain").pinned();
    let taken = engine.docker(&["run", "-d", "-p", &publish, &image]).await;
    let failed = project.again("web", "v2").await.unwrap_err();
    engine.docker(&["rm", "-f", &taken]).await;
    assert!(
        !matches!(failed, TargetError::OutcomeUnknown { .. }),
        "{failed:?}"
    );
    assert_eq!(name(&project.container("web").await), own);
    assert!(project.told().contains("cannot be started"), "{failed:?}");
    project.again("web", "v2").await.unwrap();
    project.serves("web", "v2").await;
}

/// Its policy has started it again twice, and it runs well: the new one still goes first.
#[tokio::test]
async fn restarts_of_before_do_not_break_the_promise_of_start_first() {
    let file = ONE.replace("IMAGE:v1", "IMAGE:plain");
    // Then TERM is not what a person stops it with, and its policy starts it again.
    let file = file.replace("restart:", "stop_signal: SIGINT, restart:");
    let Some(project) = Project::up(&file).await else {
        return;
    };
    project.set("order", json!("start-first"));
    project.set("stop-grace", json!("1s"));
    for count in 1..=2 {
        let id = project.container("web").await["Id"].clone();
        let kill = ["kill", "-s", "TERM", id.as_str().unwrap()];
        project.engine.docker(&kill).await;
        let is_again = |raw: &serde_json::Value| {
            raw["RestartCount"] == count && raw["State"]["Status"] == "running"
        };
        let raw = project.until("web", "a restart", is_again).await;
        // It handles the signal by then.
        ask(&raw, "/").await;
    }
    let before = project.container("web").await;
    let failed = project.apply(project.install("web", "plain", "bad")).await;
    assert!(
        matches!(failed, Err(TargetError::Unhealthy { .. })),
        "{failed:?}"
    );
    let after = project.container("web").await;
    assert_eq!(after["Id"], before["Id"]);
    let (was, is) = (&before["State"]["StartedAt"], &after["State"]["StartedAt"]);
    assert_eq!(was, is, "it was away");
}

/// Somebody replaced it after it was looked at.
#[tokio::test]
async fn one_that_is_gone_when_it_is_put_aside_is_a_conflict() {
    let Some(project) = Project::up(ONE).await else {
        return;
    };
    let before = project.container("web").await;
    let proxy = Proxy::with(project.engine.socket(), "/rename", Mischief::Absent);
    let change = project.install("web", "v1", "v2");
    let applied = project.apply_at(change, &proxy.host()).await;
    assert!(
        matches!(applied, Err(TargetError::Conflict { .. })),
        "{applied:?}"
    );
    let after = project.container("web").await;
    assert_eq!(after["State"]["StartedAt"], before["State"]["StartedAt"]);
}

#[tokio::test]
async fn looks_that_fail_for_a_while_undo_nothing() {
    let Some(project) = Project::up(ONE).await else {
        return;
    };
    let proxy = Proxy::with(project.engine.socket(), "/start", Mischief::BadLooks);
    let change = project.install("web", "v1", "v2");
    project.apply_at(change, &proxy.host()).await.unwrap();
    project.serves("web", "v2").await;
    assert!(project.told().contains("cannot look"), "{}", project.told());
}
