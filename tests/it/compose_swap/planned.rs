//! A plan of several services: nothing of any is touched before the images of all are there.

use super::bed::Project;
use lastgood::model::plan::Change;
use lastgood::model::state::{Revision, Slot};
use lastgood::targets::TargetError;
use serde_json::json;

const PAIR: &str = "
services:
  web: {image: 'IMAGE:plain', networks: [back]}
  db: {image: 'IMAGE:plain', networks: [back]}
networks: {back: {}}
";

const SHARED: &str = "
services:
  web: {image: 'IMAGE:v1', networks: [back]}
  side: {image: 'IMAGE:plain', network_mode: 'service:web', environment: {PORT: '9090'}}
  idle: {image: 'IMAGE:plain', network_mode: 'service:web', environment: {PORT: '9191'}}
networks: {back: {}}
";

#[tokio::test]
async fn an_image_that_cannot_be_had_leaves_every_service_untouched() {
    let Some(project) = Project::up(PAIR).await else {
        return;
    };
    project.set("check-images", json!(false));
    let before = project.container("db").await;
    let gone = Change::Install {
        slot: Slot("web".to_owned()),
        from: Some(Revision(project.image("plain").digest.clone())),
        to: Revision(format!("sha256:{}", "a".repeat(64))),
    };
    let changes = vec![project.install("db", "plain", "other"), gone];
    let error = project.first_of(changes).await.unwrap_err();
    assert!(error.to_string().contains("web"), "{error:?}");
    assert!(
        !matches!(error, TargetError::OutcomeUnknown { .. }),
        "{error:?}"
    );
    let after = project.container("db").await;
    assert_eq!(after["Id"], before["Id"]);
    assert_eq!(after["State"]["StartedAt"], before["State"]["StartedAt"]);
    assert!(!project.told().contains("stopping"), "{}", project.told());
}

#[tokio::test]
async fn what_shares_a_namespace_gets_its_planned_image_and_what_did_not_run_does_not() {
    let Some(project) = Project::up(SHARED).await else {
        return;
    };
    let idle = project.container("idle").await;
    let idle = idle["Id"].as_str().unwrap();
    project.engine.docker(&["stop", "-t", "0", idle]).await;
    let changes = vec![
        project.install("web", "v1", "v2"),
        project.install("side", "plain", "v1"),
    ];
    project.first_of(changes).await.unwrap();
    project.serves("web", "v2").await;
    let [web, side, idle] = [
        project.container("web").await,
        project.container("side").await,
        project.container("idle").await,
    ];
    assert_eq!(side["Image"], project.image("v1").id.as_str());
    assert_eq!(side["State"]["Running"], true);
    assert_eq!(idle["State"]["Status"], "created");
    let mode = format!("container:{}", web["Id"].as_str().unwrap());
    for sharer in [side, idle] {
        assert_eq!(sharer["HostConfig"]["NetworkMode"], mode.as_str());
    }
}
