//! What keeps an image that is in no registry is no container of its project, also where the image brings the labels of Compose.

use super::lease::{Project, volumes_of};
use super::web;
use lastgood::model::release::Pin;
use lastgood::model::state::Revision;
use serde_json::json;

#[tokio::test]
async fn what_keeps_an_image_is_no_container_of_the_project() {
    let Some(project) = Project::new("kept").await else {
        return;
    };
    let engine = &project.engine;
    let id = engine.inspect(&project.image).await["Id"].clone();
    let pin = Pin {
        revision: Revision(id.as_str().unwrap().to_owned()),
        payload: None,
        images: Vec::new(),
        recorded: Some(json!({"image": project.image, "id": id, "built": true})),
    };
    let target = project.target();
    let before = target.observe_one(&web()).await.unwrap().unwrap();
    let pins = [(web(), pin)].into_iter().collect();
    // Again is no harm, and the name being taken no failure.
    for _ in 0..2 {
        let told = target.protect(&pins).await.unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
    }
    let web_1 = format!("{}-web-1", project.name);
    assert_eq!(project.containers().await, [web_1]);
    let after = target.observe_one(&web()).await.unwrap().unwrap();
    assert_eq!(before, after);
    let filter = format!("label=lastgood.project={}", project.name);
    let list = ["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"];
    let keeper = engine.docker(&list).await;
    let keeper = engine.inspect(&keeper).await;
    assert_eq!(volumes_of(&keeper), 0, "{}", keeper["Mounts"]);
    assert_eq!(keeper["State"]["Status"], "created");
}
