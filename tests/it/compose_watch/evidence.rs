//! What is kept of containers before a change.

use super::{one, pushed, target};
use crate::docker::{App, Engine, Project};
use serde_json::json;
use std::collections::BTreeMap;

#[tokio::test]
async fn a_container_that_is_not_well_is_kept_on_file_without_secrets() {
    let Some(engine) = Engine::find() else { return };
    let app = App::new("bad")
        .bad()
        .with("SAY", "cannot log in with hunter22");
    let image = pushed(&engine, &app, "evidence").await;
    let more = "    environment: {DB_HOST: db-7, DB_PASSWORD: swordfish}\n";
    let project = Project::new(&engine, "watch-files", |_| one(&image, more));
    project.up_without_waiting().await;
    let is_unhealthy =
        |container: &serde_json::Value| container["State"]["Health"]["Status"] == "unhealthy";
    project.until("web", "unhealthy", is_unhealthy).await;
    let target = target(engine.host(), &project, &json!({}));
    let files: BTreeMap<String, String> = target.evidence().await.into_iter().collect();
    let name = format!("{}-web-1", project.name);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let (log, inspect) = (
        format!("web.{name}.log"),
        format!("web.{name}.inspect.json"),
    );
    assert_eq!(names, ["events.txt", "web.describe.txt", &inspect, &log]);
    let describe = &files["web.describe.txt"];
    for part in [
        "state: running",
        "health: unhealthy",
        "exit code 1, ",
        "500",
    ] {
        assert!(describe.contains(part), "{part} in {describe}");
    }
    assert!(files[&log].contains("cannot log in with ***"), "{files:#?}");
    let events = &files["events.txt"];
    assert!(events.contains("health_status: unhealthy"), "{events}");
    assert!(files[&inspect].contains("DB_HOST=***"));
    for text in files.values() {
        for secret in ["hunter22", "swordfish", "db-7"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_had_says_so() {
    let Some(engine) = Engine::find() else { return };
    let project = Project::new(&engine, "watch-none", |_| {
        "services: {web: {image: none}}\n".to_owned()
    });
    let target = target("unix:///nowhere/docker.sock", &project, &json!({}));
    let files = target.evidence().await;
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].0, "containers.txt");
    assert!(files[0].1.starts_with("[not to be had: "), "{}", files[0].1);
}
