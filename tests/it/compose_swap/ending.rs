//! A container that was asked to stop ends, whatever became of the answer: it does not count as running.

use super::bed::Project;
use crate::compose_bed::{Mischief, Proxy};
use serde_json::{Value, json};

const STUBBORN: &str = "
services:
  web: {image: 'IMAGE:stubborn', networks: [back]}
networks: {back: {}}
";

async fn stubborn() -> Option<Project> {
    let project = Project::up(STUBBORN).await?;
    project.set("stop-grace", json!("3s"));
    Some(project)
}

/// It takes its whole grace, and the connection is gone for long.
#[tokio::test]
async fn a_stop_whose_answer_is_lost_is_waited_for() {
    let Some(project) = stubborn().await else {
        return;
    };
    let (mut from, mut to) = ("stubborn", "plain");
    for mischief in [Mischief::CutDuring, Mischief::GaveUp] {
        let proxy = Proxy::with(project.engine.socket(), "/stop", mischief);
        let change = project.install("web", from, to);
        project.apply_at(change, &proxy.host()).await.unwrap();
        project.serves("web", to).await;
        // So that the next one takes its time again.
        project
            .apply(project.install("web", to, from))
            .await
            .unwrap();
        project.serves("web", from).await;
        (from, to) = ("stubborn", "other");
    }
}

/// The engine has sent the signal and says that it failed: what went back is started again, before anything else goes.
#[tokio::test]
async fn what_was_asked_to_stop_is_started_again_on_the_way_back() {
    let Some(project) = stubborn().await else {
        return;
    };
    for order in ["stop-first", "start-first"] {
        project.set("order", json!(order));
        let before = project.container("web").await;
        let proxy = Proxy::with(project.engine.socket(), "/stop", Mischief::Failed);
        let change = project.install("web", "stubborn", "plain");
        let failed = project.apply_at(change, &proxy.host()).await;
        let told = format!("{:#}", failed.unwrap_err());
        assert!(told.contains("back and runs"), "{order}: {told}");
        let after = project.container("web").await;
        assert_eq!(after["Id"], before["Id"], "{order}");
        assert_eq!(after["State"]["Running"], true, "{order}");
        // The run that was to end is over: this one was asked for.
        let started = |raw: &Value| raw["State"]["StartedAt"].clone();
        assert_ne!(started(&after), started(&before), "{order}");
        project.serves("web", "stubborn").await;
    }
}

/// The release that did not come up may be writing to what the old one reads next.
#[tokio::test]
async fn the_new_one_has_its_grace_on_the_way_back() {
    let Some(project) = Project::up(&STUBBORN.replace("stubborn", "v1")).await else {
        return;
    };
    let failed = project.apply(project.install("web", "v1", "bad")).await;
    failed.unwrap_err();
    let told = project.told();
    let at = |part: &str| told.find(part).unwrap_or_else(|| panic!("{part}: {told}"));
    assert!(at("putting") < at("stopping the new"), "{told}");
    project.serves("web", "v1").await;
}
