//! What is kept of images that are in no registry, and for how long: by when each was last proven good.

use super::bed::Bed;
use super::web;
use lastgood::targets::Target;
use serde_json::json;

/// A project whose one service is built, with the targets that keep so many.
struct Built {
    bed: Bed,
    name: String,
}

impl Built {
    fn find() -> Option<Self> {
        let bed = Bed::find("services: {}\n")?;
        let name = format!("{}-web", bed.name);
        bed.write(&format!(
            "services:\n  web:\n    image: {name}\n    stop_grace_period: 0s\n"
        ));
        Some(Self { bed, name })
    }

    fn target(&self, keep: usize) -> Box<dyn Target> {
        self.bed
            .target(&json!({"keep": keep, "running-for": "1s"}), &[])
    }

    /// Builds a version and brings it up; answers the id of its image.
    async fn deploy(&self, version: &str) -> String {
        let id = self.bed.build(&self.name, version).await;
        self.bed.compose(&["up", "-d", "-t", "0"]).await;
        id
    }

    async fn back_to(&self, id: &str) {
        self.bed.docker(&["tag", id, &self.name]).await;
        self.bed.compose(&["up", "-d", "-t", "0"]).await;
    }

    /// Recorded, each in a second of its own: containers are listed by the second in which they were made.
    async fn record(&self, target: &dyn Target) {
        let pins = target.record().await.unwrap().unwrap();
        assert_eq!(pins[&web()].recorded.as_ref().unwrap()["built"], true);
        assert_eq!(target.protect(&pins).await.unwrap().len(), 1);
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    }

    /// The ids of the images that are kept, and the names of the containers that keep them.
    async fn kept(&self) -> (Vec<String>, Vec<String>) {
        let filter = format!("label=lastgood.project={}", self.bed.name);
        let format = "{{.Label \"lastgood.keeps\"}} {{.Names}}";
        let list = ["ps", "-a", "--filter", &filter, "--format", format];
        let listed = self.bed.docker(&list).await;
        let pairs = listed.lines().filter_map(|line| line.split_once(' '));
        let mut pairs: Vec<(String, String)> = pairs
            .map(|(id, name)| (id.to_owned(), name.to_owned()))
            .collect();
        pairs.sort();
        pairs.into_iter().unzip()
    }
}

fn sorted(ids: &[&String]) -> Vec<String> {
    let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn an_image_that_was_recorded_again_is_the_newest() {
    let Some(built) = Built::find() else { return };
    let target = built.target(2);
    let mut ids = Vec::new();
    for version in ["v1", "v2", "v3"] {
        ids.push(built.deploy(version).await);
        built.record(target.as_ref()).await;
    }
    built.back_to(&ids[0]).await;
    // One who made it anew was killed in the middle.
    let (kept, names) = built.kept().await;
    let first = kept.iter().position(|id| *id == ids[0]).unwrap();
    let left = format!("{}-next", names[first]);
    let create = ["create", "--name", &left];
    let none = ["project=", "service="].map(|label| format!("--label=com.docker.compose.{label}"));
    let none = none.each_ref().map(String::as_str);
    built
        .bed
        .docker(&[&create[..], &none, &[&ids[0], "x"]].concat())
        .await;
    built.record(target.as_ref()).await;
    assert_eq!(built.kept().await, (kept, names));

    // Somebody else deploys, and what was replaced a moment ago stays.
    built.deploy("v4").await;
    let gone = target.retire(&[]).await.unwrap();
    assert_eq!(gone.len(), 1, "{gone:?}");
    let (kept, _) = built.kept().await;
    assert_eq!(kept, sorted(&[&ids[0], &ids[2]]));
}

#[tokio::test]
async fn an_image_that_was_judged_good_again_is_the_newest() {
    let Some(built) = Built::find() else { return };
    let target = built.target(3);
    let mut ids = Vec::new();
    for version in ["v1", "v2"] {
        ids.push(built.deploy(version).await);
        built.record(target.as_ref()).await;
    }
    built.back_to(&ids[0]).await;
    assert_eq!(target.retire(&[]).await.unwrap(), [""; 0]);
    let (kept, _) = built.kept().await;
    assert_eq!(kept, sorted(&[&ids[0], &ids[1]]));

    built.deploy("v3").await;
    assert_eq!(built.target(1).retire(&[]).await.unwrap().len(), 1);
    let (kept, _) = built.kept().await;
    assert_eq!(kept, [ids[0].clone()]);
}
