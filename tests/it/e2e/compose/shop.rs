//! The shop on a Docker engine: a project of its own, a repository with runs, and the config that joins them.

use crate::docker::{App, Engine, Image, Project};
use crate::e2e::output::Output;
use crate::e2e::stage::{Call, Stage, zipped_dir};
use crate::world::{ArtifactSpec, JobSpec, RunSpec};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The run that deploys.
pub(super) const NEW: u64 = 20;

/// What the name of a container begins with that keeps two operations apart.
const MARK: &str = "lastgood-lease-";

/// No service takes longer to be back.
const BACK_WITHIN: Duration = Duration::from_secs(15);

pub(super) struct Shop {
    pub(super) stage: Stage,
    pub(super) engine: Engine,
    pub(super) project: Project,
}

impl Shop {
    /// `web` runs v1, healthy; nothing is recorded yet. `None`: no engine, said loudly.
    pub(super) async fn open(prefix: &str) -> Option<Self> {
        let engine = Engine::find()?;
        let v1 = v1(&engine).await;
        Some(Self::of(engine, prefix, |port| web(&v1.pinned(), port, "")).await)
    }

    /// The same with any compose file, given the free port.
    pub(super) async fn of(engine: Engine, prefix: &str, yaml: impl FnOnce(u16) -> String) -> Self {
        let project = Project::new(&engine, prefix, yaml);
        let stage = Stage::new().await;
        let shop = Self {
            stage,
            engine,
            project,
        };
        shop.configure("");
        shop.project.up().await;
        shop
    }

    /// The one target, with short windows, and more settings.
    pub(super) fn configure(&self, more: &str) {
        self.configure_at(self.engine.host(), more, "");
    }

    /// The same by way of another address, and with probes.
    pub(super) fn configure_at(&self, host: &str, more: &str, health: &str) {
        let mut all = format!(
            "name: shop, kind: compose, project: {}, host: \"{host}\"",
            self.project.name
        );
        let usual = [
            ("stable", "1s"),
            ("drift", "[1s]"),
            ("running-for", "1s"),
            ("healthy-deadline", "20s"),
        ];
        for (key, value) in usual {
            if !more.contains(&format!("{key}:")) {
                all.extend([", ", key, ": ", value]);
            }
        }
        if !more.is_empty() {
            all.extend([", ", more]);
        }
        self.stage.configure(|config| {
            config.targets = format!("{{ {all} }}");
            config.health = Some(health.to_owned());
            "".clone_into(&mut config.policy);
        });
    }

    /// A probe over the published port, at a pace that gives a verdict in seconds.
    pub(super) fn probe(&self) -> String {
        format!(
            "probes: [{{ name: home, url: \"http://127.0.0.1:{}/health\" }}], control-url: \"{}\", rate: 50, warm-up: 2s, cap: 20s, baseline: 1s",
            self.project.port,
            self.stage.service.control_url()
        )
    }

    /// A green run that recorded what runs now, as a deploy workflow does after it has judged it. What it wrote down.
    pub(super) async fn record(&self, run: u64) -> Value {
        let dir = self.stage.path(&format!("record-{run}"));
        fs::create_dir(&dir).unwrap();
        let path = dir.to_str().unwrap().to_owned();
        let call = self.call(&["record", "--path", &path]);
        let out = of_run(call, run).run().await;
        assert_eq!(out.code, Some(0), "{out}");
        self.green(run, &dir);
        let text = fs::read_to_string(dir.join("lastgood.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// A green run whose artifact is this directory.
    pub(super) fn green(&self, id: u64, dir: &Path) {
        let run = RunSpec::default().id(id).sha(&sha(id));
        let run = self.stage.repo().run(run);
        run.job(JobSpec::new("deploy", "success"));
        run.artifact(ArtifactSpec::zip("site", zipped_dir(dir)));
    }

    /// A directory with a file of images, as a build would leave it.
    pub(super) fn images(&self, name: &str, text: &str) -> PathBuf {
        let dir = self.stage.path(name);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("images.txt"), text).unwrap();
        dir
    }

    /// A deploy step of the user's own: another image of `web`, and `docker compose up`.
    pub(super) async fn put(&self, image: &str) {
        self.project.rewrite(&web(image, self.project.port, ""));
        self.project.up_without_waiting().await;
    }

    /// The bad release: its HEALTHCHECK fails.
    pub(super) async fn put_bad(&self) {
        let bad = bad(&self.engine).await;
        self.put(&bad.pinned()).await;
    }

    pub(super) fn call(&self, args: &[&str]) -> Call<'_> {
        self.stage.lastgood(args).json()
    }

    pub(super) async fn run(&self, args: &[&str]) -> Output {
        self.call(args).run().await
    }

    /// `watch` in the run [`NEW`], after a deploy step.
    pub(super) async fn watch(&self) -> Output {
        self.call(&["watch"]).step(NEW).run().await
    }

    /// The id of the one container of `web`.
    pub(super) async fn id(&self) -> String {
        let web = self.project.container("web").await;
        web["Id"].as_str().unwrap().to_owned()
    }

    /// The names of all containers that have to do with the project, sorted.
    pub(super) async fn names(&self) -> Vec<String> {
        let filter = format!("name={}", self.project.name);
        let args = ["ps", "--all", "--format", "{{.Names}}", "--filter", &filter];
        let text = self.engine.docker(&args).await;
        let mut names: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
        // The filter takes the project 12 for the project 1.
        let within = format!("{}-", self.project.name);
        names.retain(|name| name.contains(&within) || name.ends_with(&self.project.name));
        names.sort();
        names
    }

    /// The marks that keep two operations apart.
    pub(super) async fn marks(&self) -> Vec<String> {
        let mut names = self.names().await;
        names.retain(|name| name.starts_with(MARK));
        names
    }

    /// `web` is one container of this image under its own name, runs, is healthy, and answers this version. Nothing of a change
    /// is left.
    pub(super) async fn serves(&self, image: &Image, version: &str) {
        self.holds("web", image).await;
        assert_eq!(self.project.get("/").await, version);
        let name = format!("{}-web-1", self.project.name);
        let mut names = self.names().await;
        // Of an operation that was killed, until the next change.
        names.retain(|name| !name.starts_with(MARK));
        assert_eq!(names, [name]);
    }

    /// Every container of a service runs this image, healthy.
    pub(super) async fn holds(&self, service: &str, image: &Image) {
        let all = self.project.containers(service).await;
        assert!(!all.is_empty(), "no container of {service}");
        for container in all {
            let state = &container["State"];
            assert_eq!(container["Image"], image.id, "{}", container["Name"]);
            assert_eq!(state["Status"], "running", "{state:#}");
            assert_eq!(state["Health"]["Status"], "healthy", "{state:#}");
        }
    }

    /// Waits until the port answers this.
    pub(super) async fn answers(&self, version: &str) {
        let started = Instant::now();
        loop {
            let answer = self.project.get("/").await;
            if answer == version {
                return;
            }
            assert!(
                started.elapsed() < BACK_WITHIN,
                "expected {version}, found {answer}; there are {:?}",
                self.names().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// As a step of the run that recorded.
pub(super) fn of_run(call: Call<'_>, run: u64) -> Call<'_> {
    call.env("GITHUB_RUN_ID", &run.to_string())
        .env("GITHUB_RUN_ATTEMPT", "1")
        .env("GITHUB_SHA", &sha(run))
}

/// The commit of a run.
fn sha(run: u64) -> String {
    format!("{run:040x}")
}

pub(super) async fn v1(engine: &Engine) -> Image {
    engine.push(&App::new("v1"), "shop/web", "v1").await
}

pub(super) async fn v2(engine: &Engine) -> Image {
    engine.push(&App::new("v2"), "shop/web", "v2").await
}

/// It answers, and its HEALTHCHECK fails.
pub(super) async fn bad(engine: &Engine) -> Image {
    engine
        .push(&App::new("v3").bad(), "shop/web", "v3-bad")
        .await
}

/// A compose file with one service, and more of it.
pub(super) fn web(image: &str, port: u16, more: &str) -> String {
    format!(
        "services:\n  web:\n    image: {image}\n    ports: ['127.0.0.1:{port}:8080']\n    stop_grace_period: 2s\n{more}"
    )
}

/// `NAME@sha256:…`: what was written down of `web`.
pub(super) fn pinned(manifest: &Value) -> String {
    let image = &manifest["slots"]["web"]["images"][0];
    image
        .as_str()
        .unwrap_or_else(|| panic!("{manifest:#}"))
        .to_owned()
}
