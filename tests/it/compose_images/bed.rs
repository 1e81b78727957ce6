//! A Docker engine and a registry that are told by `DOCKER_HOST` and `REGISTRY`, with projects of unique names. What a test makes is
//! removed when it ends.

use crate::tools;
use lastgood::model::release::{Pin, Release};
use lastgood::model::state::Slot;
use lastgood::targets::{Base, ReleaseFacts, Story, Target, Way};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use tempfile::TempDir;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// What the containers run: nothing, for a long time, and an end when asked for it.
const SERVICE: &str = r#"fn main() { if std::env::var_os("DONE").is_some() { return; } loop { std::thread::sleep(std::time::Duration::from_secs(3600)); } }"#;

/// A project of one test.
#[derive(Debug)]
pub(super) struct Bed {
    host: String,
    registry: String,
    pub(super) project: String,
    pub(super) dir: TempDir,
    images: Mutex<Vec<String>>,
}

impl Bed {
    /// `None` without an engine, after saying so.
    pub(super) fn find(yaml: &str) -> Option<Self> {
        let found = tools::variable("DOCKER_HOST").zip(tools::variable("REGISTRY"));
        let (host, registry) = tools::or_missing(found, "Docker engine (DOCKER_HOST, REGISTRY)")?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let bed = Self {
            host,
            registry,
            project: format!("imgs{}x{count}", std::process::id()),
            dir: TempDir::new().unwrap(),
            images: Mutex::default(),
        };
        fs::create_dir(bed.dir.path().join("context")).unwrap();
        fs::copy(program(), bed.dir.path().join("context/app")).unwrap();
        bed.write(yaml);
        Some(bed)
    }

    /// Another text of the compose file; `IMAGE` is the repository of this test.
    pub(super) fn write(&self, yaml: &str) {
        let text = yaml.replace("IMAGE", &self.repository());
        fs::write(self.dir.path().join("compose.yml"), text).unwrap();
    }

    pub(super) fn repository(&self) -> String {
        format!("{}/{}/app", self.registry, self.project)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the CLI of Docker makes what is tested"
    )]
    fn run(&self, args: &[&str]) -> Output {
        Command::new("docker")
            .args(args)
            .current_dir(self.dir.path())
            .env("DOCKER_HOST", &self.host)
            .output()
            .unwrap()
    }

    /// `docker ...`; what it says.
    #[track_caller]
    pub(super) fn docker(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {args:?}: {told}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// `docker compose ...` of this project.
    #[track_caller]
    pub(super) fn compose(&self, args: &[&str]) -> String {
        let mut all = vec!["compose", "-p", &self.project, "-f", "compose.yml"];
        all.extend(args);
        self.docker(&all)
    }

    /// An image with this version in its environment; answers its id. With Compose's own labels, as `docker compose build` sets them.
    #[track_caller]
    pub(super) fn build(&self, name: &str, version: &str) -> String {
        let text = format!(
            "FROM scratch\nCOPY app /app\nENV VERSION={version}\nVOLUME /data\n\
             LABEL com.docker.compose.project={} com.docker.compose.service=web\nENTRYPOINT [\"/app\"]\n",
            self.project
        );
        fs::write(self.dir.path().join("context/Dockerfile"), text).unwrap();
        let id = self.docker(&["build", "-q", "-t", name, "context"]);
        self.images.lock().unwrap().push(name.to_owned());
        id.lines().last().unwrap().to_owned()
    }

    /// An image in the registry; answers `NAME@sha256:...`.
    #[track_caller]
    pub(super) fn push(&self, version: &str) -> String {
        let name = format!("{}:{version}", self.repository());
        self.build(&name, version);
        self.docker(&["push", "-q", &name]);
        self.docker(&["image", "inspect", "-f", "{{index .RepoDigests 0}}", &name])
    }

    /// The ids of the project's containers.
    pub(super) fn containers(&self) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let ids = self.docker(&["ps", "-aq", "--no-trunc", "--filter", &filter]);
        ids.lines().map(str::to_owned).collect()
    }

    /// The target, with further settings and variables.
    pub(super) fn target(&self, more: &Value, variables: &[(&str, &str)]) -> Box<dyn Target> {
        let mut settings = json!({"project": self.project, "host": self.host});
        for (key, value) in more.as_object().unwrap() {
            settings[key] = value.clone();
        }
        let base = Base {
            dir: self.dir.path().to_owned(),
            environment: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>(),
            ..Base::default()
        };
        lastgood::targets::open("compose", "app", settings, &base).unwrap()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        drop(self.run(&[
            "compose",
            "-p",
            &self.project,
            "-f",
            "compose.yml",
            "down",
            "-v",
            "-t",
            "0",
        ]));
        let filter = format!("label=lastgood.project={}", self.project);
        let kept = self.run(&["ps", "-aq", "--filter", &filter]);
        for id in String::from_utf8_lossy(&kept.stdout).lines() {
            drop(self.run(&["rm", "-fv", id]));
        }
        let label = format!("label=com.docker.compose.project={}", self.project);
        let left = self.run(&["images", "-aq", "--filter", &label]);
        for id in String::from_utf8_lossy(&left.stdout).lines() {
            drop(self.run(&["rmi", "-f", id]));
        }
    }
}

/// The static program, compiled once.
#[expect(
    clippy::disallowed_methods,
    reason = "a program of the tests is compiled"
)]
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, program) = PROGRAM.get_or_init(|| {
        let dir = TempDir::new().unwrap();
        let (source, program) = (dir.path().join("app.rs"), dir.path().join("app"));
        fs::write(&source, SERVICE).unwrap();
        let built = Command::new("rustc")
            .args([
                "-O",
                "-C",
                "target-feature=+crt-static",
                "-C",
                "strip=symbols",
                "-o",
            ])
            .args([&program, &source])
            .output()
            .unwrap();
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        (dir, program)
    });
    program
}

/// What was told.
#[derive(Debug, Default)]
pub(super) struct Told(pub(super) Mutex<Vec<String>>);

impl Told {
    pub(super) fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl Story for Told {
    fn progress(&self, slot: &Slot, text: &str) {
        self.0.lock().unwrap().push(format!("{slot}: {text}"));
    }
}

/// A manifest with these pins.
pub(super) fn release(pins: impl IntoIterator<Item = (Slot, Pin)>) -> Release {
    Release {
        schema: 1,
        repository: None,
        run: None,
        attempt: None,
        commit: None,
        environment: None,
        slots: pins.into_iter().collect(),
        baseline: None,
        tool: "0".to_owned(),
    }
}

pub(super) fn facts<'a>(manifest: Option<&'a Release>, story: &'a Told) -> ReleaseFacts<'a> {
    ReleaseFacts {
        run: None,
        commit: None,
        manifest,
        environment: "test",
        way: Way::Back,
        emergency: false,
        on_state_conflict: lastgood::model::plan::OnStateConflict::Stop,
        allowed: &[],
        story: Some(story),
    }
}
