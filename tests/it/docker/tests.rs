//! The bed itself: what the other tests take for granted.

use super::{Alone, App, Engine, Project};
use serde_json::json;

#[tokio::test]
async fn a_project_comes_up_and_goes_away() {
    let Some(engine) = Engine::find() else { return };
    let web = engine.push(&App::new("v1"), "bed/web", "v1").await;
    let project = Project::new(&engine, "bed", |port| {
        format!(
            "services:\n  web:\n    image: {}\n    ports: ['127.0.0.1:{port}:8080']\n  db:\n    image: {}\n    environment: {{ VERSION: db }}\n",
            web.pinned(),
            web.pinned()
        )
    });
    project.up().await;
    assert_eq!(project.get("/").await, "v1");
    assert_eq!(project.get("/reach/db:8080").await, "HTTP/1.1 200 OK");
    let container = project.container("web").await;
    assert_eq!(container["Image"], web.id);
    assert_eq!(container["State"]["Health"]["Status"], "healthy");
    assert!(
        project.dry_run().await.contains("Running"),
        "{}",
        project.dry_run().await
    );
    let name = project.name.clone();
    drop(project);
    let filter = format!("label=com.docker.compose.project={name}");
    for list in [&["ps", "--all"][..], &["network", "ls"], &["volume", "ls"]] {
        let args: Vec<&str> = list
            .iter()
            .copied()
            .chain(["--quiet", "--filter", &filter])
            .collect();
        assert_eq!(engine.docker(&args).await, "", "{list:?}");
    }
}

#[tokio::test]
async fn a_service_behaves_as_its_image_says() {
    let Some(engine) = Engine::find() else { return };
    let bad = engine.push(&App::new("v2").bad(), "bed/bad", "v2").await;
    let short = engine
        .push(&App::new("v3").exits_after_ms(1), "bed/short", "v3")
        .await;
    let project = Project::new(&engine, "behave", |port| {
        format!(
            "services:\n  bad:\n    image: {}\n    ports: ['127.0.0.1:{port}:8080']\n  short: {{ image: {} }}\n",
            bad.pinned(),
            short.pinned()
        )
    });
    project.up_without_waiting().await;
    let container = project
        .until("bad", "unhealthy", |it| {
            it["State"]["Health"]["Status"] == "unhealthy"
        })
        .await;
    let log = &container["State"]["Health"]["Log"][0];
    assert_eq!(log["Output"], "HTTP/1.1 500 Bad\n");
    assert_eq!(project.get("/").await, "v2");
    let ended = project
        .until("short", "ended", |it| it["State"]["Status"] == "exited")
        .await;
    assert_eq!(ended["State"]["ExitCode"], 1);
    // TERM ends it at once.
    let started = std::time::Instant::now();
    project.compose(&["stop", "bad"]).await;
    assert!(started.elapsed().as_secs() < 5);
}

/// A tag moves, a digest stays.
#[tokio::test]
async fn what_is_pushed_again_has_the_same_digest() {
    let Some(engine) = Engine::find() else { return };
    let one = engine.push(&App::new("v1"), "bed/tag", "stable").await;
    let two = engine.push(&App::new("v2"), "bed/tag", "stable").await;
    let again = engine.push(&App::new("v1"), "bed/other", "stable").await;
    assert_ne!(one.digest, two.digest);
    assert_eq!(
        (one.digest, one.id),
        (again.digest.clone(), again.id.clone())
    );
    assert_eq!(engine.inspect(&again.pinned()).await["Id"], json!(again.id));
}

#[tokio::test]
async fn an_engine_alone_is_another_one() {
    let Some(alone) = Alone::start() else { return };
    let shared = Engine::find().unwrap();
    let root = ["info", "--format", "{{.DockerRootDir}}"];
    assert_ne!(alone.docker(&root).await, shared.docker(&root).await);
    let socket = alone.socket().to_owned();
    drop(alone);
    assert!(!socket.exists());
}
