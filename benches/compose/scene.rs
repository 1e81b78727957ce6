//! What is put back: services of one project that run a newer image than the recorded one, and the good run on the double of GitHub.

use crate::docker::{App, Engine, Image, Project};
use anyhow::ensure;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

pub(crate) const GOOD: &str = "v1";
pub(crate) const BAD: &str = "v2";

pub(crate) struct Scene {
    pub(crate) project: Project,
    pub(crate) good: Image,
    pub(crate) services: Vec<String>,
    dir: TempDir,
}

impl Scene {
    /// The project runs the good image; its file names the other one.
    pub(crate) async fn new(
        engine: &Engine,
        count: usize,
        app: impl Fn(&str) -> App,
    ) -> anyhow::Result<Self> {
        let good = engine.push(&app(GOOD), "bench/app", "good").await;
        let bad = engine.push(&app(BAD), "bench/app", "bad").await;
        let services: Vec<String> = (0..count).map(|number| format!("web{number}")).collect();
        let project = Project::new(engine, "bench", |port| {
            let mut yaml = "services:\n".to_owned();
            for (number, service) in services.iter().enumerate() {
                let image = bad.pinned();
                yaml.extend(["  ", service, ":\n    image: ", &image]);
                yaml.push_str("\n    stop_grace_period: 1s\n");
                if number == 0 {
                    let port = port.to_string();
                    yaml.extend(["    ports: ['127.0.0.1:", &port, ":8080']\n"]);
                }
            }
            yaml
        });
        let dir = TempDir::new()?;
        let mut pin = "services:\n".to_owned();
        for service in &services {
            pin.extend(["  ", service, ":\n    image: ", &good.pinned(), "\n"]);
        }
        fs::write(dir.path().join("pin.yml"), pin)?;
        Ok(Self {
            project,
            good,
            services,
            dir,
        })
    }

    pub(crate) fn pin(&self) -> PathBuf {
        self.dir.path().join("pin.yml")
    }

    pub(crate) const fn port(&self) -> u16 {
        self.project.port
    }

    /// A deploy of the other image, healthy, as nothing better can be waited for.
    pub(crate) async fn goes_bad(&self) {
        self.project.up().await;
    }

    /// Every service runs the good image, healthy.
    pub(crate) async fn is_good(&self) -> anyhow::Result<()> {
        for service in &self.services {
            let container = self.project.container(service).await;
            let state = &container["State"];
            ensure!(
                container["Image"] == self.good.id,
                "{service} runs another image"
            );
            ensure!(
                state["Health"]["Status"] == "healthy",
                "{service}: {state:#}"
            );
        }
        Ok(())
    }
}
