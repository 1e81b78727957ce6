//! Services that stand on the one that is replaced: in its network namespace, or restarted with it.

use super::bed::Project;
use crate::compose_bed::{Mischief, Proxy};
use crate::docker::ask;
use lastgood::targets::TargetError;
use std::time::{Duration, Instant};

const SHOP: &str = "
services:
  web: {image: 'IMAGE:v1', networks: [back]}
  side: {image: 'IMAGE:v1', network_mode: 'service:web', environment: {PORT: '9090'}}
  dep:
    image: IMAGE:v1
    networks: [back]
    depends_on: {web: {condition: service_started, restart: true}}
  other:
    image: IMAGE:v1
    networks: [back]
    depends_on: [web]
networks: {back: {}}
";

/// The container that another one shares the network of, as that one itself is asked.
async fn shares(project: &Project) {
    let (web, side) = (
        project.container("web").await,
        project.container("side").await,
    );
    let mode = format!("container:{}", web["Id"].as_str().unwrap());
    assert_eq!(side["HostConfig"]["NetworkMode"], mode.as_str());
    assert_eq!(side["State"]["Running"], true);
    // Its own check goes through the namespace: it is healthy only in one that is alive.
    project
        .engine
        .docker(&["exec", side["Id"].as_str().unwrap(), "/app", "probe"])
        .await;
}

#[tokio::test]
async fn a_namespace_is_followed_and_dependents_are_restarted() {
    let Some(project) = Project::up(SHOP).await else {
        return;
    };
    let dep = project.container("dep").await;
    let other = project.container("other").await;
    project
        .apply(project.install("web", "v1", "v2"))
        .await
        .unwrap();
    project.serves("web", "v2").await;
    shares(&project).await;
    let restarted = project.container("dep").await;
    assert_eq!(restarted["Id"], dep["Id"]);
    assert_ne!(restarted["State"]["StartedAt"], dep["State"]["StartedAt"]);
    let left = project.container("other").await;
    assert_eq!(left["State"]["StartedAt"], other["State"]["StartedAt"]);
    // What does not come up goes back, with all that stands on it.
    let bad = project.apply(project.install("web", "v2", "bad")).await;
    assert!(matches!(bad, Err(TargetError::Unhealthy { .. })), "{bad:?}");
    project.serves("web", "v2").await;
    shares(&project).await;
}

const THREE: &str = "
services:
  web: {image: 'IMAGE:v1', networks: [back]}
  side: {image: 'IMAGE:v1', network_mode: 'service:web', environment: {PORT: '9090'}}
  tail: {image: 'IMAGE:v1', network_mode: 'service:web', environment: {PORT: '9191'}}
networks: {back: {}}
";

/// Whichever of them is moved first, none is left in a namespace that is gone.
#[tokio::test]
async fn all_that_share_a_namespace_go_back_when_one_of_them_fails() {
    let Some(project) = Project::up(THREE).await else {
        return;
    };
    for failing in ["side", "tail"] {
        let changes = vec![
            project.install("web", "v1", "v2"),
            project.install(failing, "v1", "bad"),
        ];
        let failed = project.first_of(changes).await;
        let told = failed.unwrap_err().to_string();
        assert!(told.contains(failing), "{told}");
        project.serves("web", "v1").await;
        let web = project.container("web").await;
        let mode = format!("container:{}", web["Id"].as_str().unwrap());
        for name in ["side", "tail"] {
            let raw = project.container(name).await;
            assert_eq!(raw["HostConfig"]["NetworkMode"], mode.as_str(), "{told}");
            assert_eq!(raw["Image"], project.image("v1").id.as_str());
            // Its own check goes through the namespace. Only one that is well decides about the next change.
            until_healthy(&project, name).await;
        }
    }
    project
        .apply(project.install("web", "v1", "v2"))
        .await
        .unwrap();
    shares(&project).await;
}

/// It was started just now.
async fn until_healthy(project: &Project, name: &str) {
    let began = Instant::now();
    loop {
        let raw = project.container(name).await;
        if raw["State"]["Health"]["Status"] == "healthy" {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{raw:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_namespace_is_never_lost_whatever_fails() {
    let (both, _) = SHOP.split_once("  dep:").unwrap();
    let file = format!("{both}networks: {{back: {{}}}}\n");
    let Some(project) = Project::up(&file).await else {
        return;
    };
    let (mut from, mut to) = ("v1", "v2");
    for at in 1..=20 {
        let proxy = Proxy::start(project.engine.socket(), at, Mischief::Refused);
        let applied = project
            .apply_at(project.install("web", from, to), &proxy.host())
            .await;
        if proxy.calls() < at {
            applied.unwrap();
            return;
        }
        let running = project
            .containers("web")
            .await
            .into_iter()
            .find(|raw| raw["State"]["Running"] == true);
        ask(
            &running.unwrap_or_else(|| panic!("call {at}: nothing runs: {applied:?}")),
            "/",
        )
        .await;
        let sides = project.containers("side").await;
        assert!(
            sides.iter().any(|raw| raw["State"]["Running"] == true),
            "call {at}: {applied:?}"
        );
        project.again("web", to).await.unwrap();
        project.again("side", "v1").await.unwrap();
        project.serves("web", to).await;
        shares(&project).await;
        (from, to) = (to, from);
    }
    panic!("a change makes more than 20 calls");
}
