//! A real Docker engine for the tests, with a registry of its own on loopback and Compose v2; `tests/run` starts one for a
//! run (`tests/tools/docker.sh`). The engine that a machine has is never used.
//!
//! ```ignore
//! #[tokio::test]
//! async fn a_service_is_put_back() {
//!     let Some(engine) = Engine::find() else { return };            // no engine: said loudly, fails under CI
//!     let good = engine.push(&App::new("v1"), "shop/web", "v1").await;
//!     let bad = engine.push(&App::new("v2").bad(), "shop/web", "v2").await;
//!     let project = Project::new(&engine, "shop", |port| format!(
//!         "services:\n  web:\n    image: {}\n    ports: ['127.0.0.1:{port}:8080']\n", good.pinned()));
//!     project.up().await;                                           // docker compose up -d --wait
//!     assert_eq!(project.get("/").await, "v1");
//!     let web = project.container("web").await;                     // docker inspect
//! }                                                                 // containers, volumes, networks are gone
//! ```
//!
//! | what | names |
//! |---|---|
//! | the engine | `Engine::find() -> Option<Engine>`, `.host()` (`unix://…`), `.socket()`, `.registry()` (`127.0.0.1:PORT`), `.bridge()`, `.config()` (a `DOCKER_CONFIG`) |
//! | the CLI | `.docker(&[…]) -> String` (panics), `.try_docker(&[…]) -> Result<String, String>`, `.inspect(name) -> Value`, `.command()` |
//! | images | `App::new(version).bad().exits_after_ms(5)…`, `.push(&app, "shop/web", "v1") -> Image{id, digest, name}`, `.local(&app)` (as if built there), `.build(&app, name)` (one of its own), `.import(…)` |
//! | projects | `Project::new(&engine, prefix, yaml)`, `.name`, `.port`, `.up()`, `.compose(&[…])`, `.dry_run()`, `.container(service)`, `.containers(service)`, `.get(path)`, `.rewrite(yaml)`; `name(&container)`, `ask(&container, path)` |
//! | alone | `Alone::start() -> Option<Alone>`: an engine for one test; derefs to `Engine` |
//! | swarm | `Swarm::start().await -> Option<Swarm>`: such an engine in a swarm of its own; `.service(stack, image, &[…])`, `.put(service, image)`, `.said(service)`; its tests are called `swarm_…` |
//!
//! What a container does is told by the variables of its image (`service/main.rs`), which a compose file may override.
//!
//! Not in here: anything of the product.

mod alone;
mod app;
mod container;
mod program;
mod project;
mod swarm;
#[cfg(test)]
mod tests;

pub use alone::Alone;
pub use app::{App, Image};
pub use container::{ask, name, send};
pub use program::compiled as program;
pub use project::{Project, free_port};
pub use swarm::Swarm;

use crate::tools;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// The directory of the engine of this run; its file `env` says where the engine is.
const DIRECTORY: &str = "LASTGOOD_TEST_DOCKER";

/// No command of the docker CLI takes longer, whatever goes wrong.
const LONGEST: Duration = Duration::from_secs(90);

/// A running engine. It is shared by all tests of a run: names are unique, nothing is pruned.
#[derive(Debug, Clone)]
pub struct Engine {
    directory: PathBuf,
    env: BTreeMap<String, String>,
}

impl Engine {
    /// `None` without an engine, after saying so.
    #[track_caller]
    pub fn find() -> Option<Self> {
        let found = tools::variable(DIRECTORY)
            .map(PathBuf::from)
            .filter(|directory| directory.join("env").is_file());
        let directory =
            tools::or_missing(found, "Docker engine of the tests (LASTGOOD_TEST_DOCKER)")?;
        Some(Self::at(&directory))
    }

    fn at(directory: &Path) -> Self {
        let text = fs::read_to_string(directory.join("env")).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self {
            directory: directory.to_owned(),
            env: pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// As `DOCKER_HOST` has it: `unix:///…/docker.sock`.
    pub fn host(&self) -> &str {
        &self.env["DOCKER_HOST"]
    }

    pub fn socket(&self) -> &Path {
        Path::new(self.host().strip_prefix("unix://").unwrap())
    }

    /// `127.0.0.1:PORT`, without TLS and without a login.
    pub fn registry(&self) -> &str {
        &self.env["REGISTRY"]
    }

    /// The directory that the CLI takes as `DOCKER_CONFIG`.
    pub fn config(&self) -> &Path {
        Path::new(&self.env["DOCKER_CONFIG"])
    }

    /// Where locks of this engine lie.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The docker CLI for this engine, with nothing else of the environment.
    #[expect(
        clippy::disallowed_methods,
        reason = "the docker CLI is what people use"
    )]
    pub fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .env_clear()
            .env("PATH", tools::variable("PATH").unwrap_or_default())
            .env("HOME", self.config())
            .env("DOCKER_HOST", self.host())
            .env("DOCKER_CONFIG", self.config())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// What the docker CLI answers, without the last line break.
    #[track_caller]
    pub fn docker(&self, args: &[&str]) -> impl Future<Output = String> {
        let line = args.join(" ");
        let answer = self.try_docker(args);
        async move {
            answer
                .await
                .unwrap_or_else(|error| panic!("docker {line}: {error}"))
        }
    }

    /// The same; what it says on stderr when it fails.
    pub fn try_docker(
        &self,
        args: &[&str],
    ) -> impl Future<Output = Result<String, String>> + use<> {
        let mut command = self.command();
        command.args(args);
        finish(command, Vec::new())
    }

    async fn docker_reading(&self, args: &[&str], input: &[u8]) -> String {
        let mut command = self.command();
        command.args(args).stdin(Stdio::piped());
        let answer = finish(command, input.to_vec()).await;
        answer.unwrap_or_else(|error| panic!("docker {}: {error}", args.join(" ")))
    }

    /// `docker inspect` of one thing.
    pub async fn inspect(&self, name: &str) -> Value {
        let text = self.docker(&["inspect", name]).await;
        let all: Vec<Value> = serde_json::from_str(&text).unwrap();
        all.into_iter().next().unwrap()
    }
}

async fn finish(mut command: Command, input: Vec<u8>) -> Result<String, String> {
    let whole = async {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        if let Some(mut stdin) = child.stdin.take() {
            // Whoever ends before it has read all says why on stderr.
            drop(stdin.write_all(&input).await);
        }
        let output = child
            .wait_with_output()
            .await
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(format!("{}: {}", output.status, text(&output.stderr)))
        }
    };
    let late = Err(format!("no end after {} s", LONGEST.as_secs()));
    timeout(LONGEST, whole).await.unwrap_or(late)
}
