//! A project of one test, with images that no other test has: these tests remove images and move tags.

use crate::docker::{App, Engine, Project};
use lastgood::targets::{Base, Target};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Debug)]
pub(super) struct Bed {
    project: Project,
    pub(super) name: String,
}

impl Bed {
    /// `None` without an engine, after saying so.
    pub(super) fn find(yaml: &str) -> Option<Self> {
        let engine = Engine::find()?;
        let project = Project::new(&engine, "images", |_| String::new());
        let name = project.name.clone();
        let bed = Self { project, name };
        bed.write(yaml);
        Some(bed)
    }

    /// Another text of the compose file; `IMAGE` is the repository of this test.
    pub(super) fn write(&self, yaml: &str) {
        self.project
            .rewrite(&yaml.replace("IMAGE", &self.repository()));
    }

    pub(super) fn repository(&self) -> String {
        format!("{}/{}/app", self.project.engine.registry(), self.name)
    }

    pub(super) fn dir(&self) -> std::path::PathBuf {
        self.project.file().parent().map(Path::to_owned).unwrap()
    }

    /// `docker ...`; what it says.
    pub(super) async fn docker(&self, args: &[&str]) -> String {
        self.project.engine.docker(args).await
    }

    /// `docker compose ...` of this project.
    pub(super) async fn compose(&self, args: &[&str]) -> String {
        self.project.compose(args).await
    }

    /// An image of this version; answers its id. With Compose's own labels, as `docker compose build` sets them.
    pub(super) async fn build(&self, name: &str, version: &str) -> String {
        let labels = format!(
            "LABEL com.docker.compose.project={} com.docker.compose.service=web",
            self.name
        );
        let app = App::new(version).without_health();
        let app = app.change("VOLUME /data").change(&labels);
        self.project.engine.build(&app, name).await;
        self.docker(&["image", "inspect", "-f", "{{.Id}}", name])
            .await
    }

    /// An image in the registry; answers `NAME@sha256:...`.
    pub(super) async fn push(&self, version: &str) -> String {
        let name = format!("{}:{version}", self.repository());
        self.build(&name, version).await;
        self.project.engine.pushed(&name).await.pinned()
    }

    /// The ids of the project's containers.
    pub(super) async fn containers(&self) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", self.name);
        let list = ["ps", "-aq", "--no-trunc", "--filter", &filter];
        let ids = self.docker(&list).await;
        ids.lines().map(str::to_owned).collect()
    }

    /// The target, with further settings and variables.
    pub(super) fn target(&self, more: &Value, variables: &[(&str, &str)]) -> Box<dyn Target> {
        let host = self.project.engine.host();
        let mut settings = json!({"project": self.name, "host": host});
        for (key, value) in more.as_object().unwrap() {
            settings[key] = value.clone();
        }
        let base = Base {
            dir: self.dir(),
            environment: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>(),
            ..Base::default()
        };
        lastgood::targets::open("compose", "app", settings, &base).unwrap()
    }
}
