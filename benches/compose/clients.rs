//! The ways to put services back, as their users would: `docker compose up` with a file of digests, and one command of lastgood.

use crate::scene::Scene;
use crate::world::{ArtifactSpec, JobSpec, RunSpec, World, zip};
use anyhow::{Context as _, ensure};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::Command;

const REPOSITORY: &str = "octo/shop";
/// Longer than the slowest takes on a busy machine.
const TIME_MAX: Duration = Duration::from_mins(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Compose,
    /// lastgood, with the record in a directory.
    File,
    /// lastgood, which finds the good run on GitHub and fetches its artifact.
    GitHub,
}

impl Client {
    pub(crate) const ALL: [Self; 3] = [Self::Compose, Self::File, Self::GitHub];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Compose => "docker compose, pinned file",
            Self::File => "lastgood, from a file",
            Self::GitHub => "lastgood, from GitHub",
        }
    }
}

pub(crate) struct Clients {
    dir: TempDir,
    lastgood: PathBuf,
    world: World,
}

impl Clients {
    /// Brings the good release up, records it, and puts the record on GitHub.
    pub(crate) async fn prepare(scene: &Scene, lastgood: &str) -> anyhow::Result<Self> {
        let clients = Self {
            dir: TempDir::new()?,
            lastgood: fs::canonicalize(lastgood)?,
            world: World::start().await,
        };
        for name in [".github", "release"] {
            fs::create_dir_all(clients.dir.path().join(name))?;
        }
        scene.project.up().await;
        clients.compose(scene).await?;
        clients.configure(scene, scene.project.engine.host())?;
        clients.lastgood(&["record", "--path", "release"]).await?;
        let record = fs::read(clients.dir.path().join("release/lastgood.json"))?;
        let archive = zip::zip(&[("lastgood.json", &record)]);
        let repo = clients.world.repo(REPOSITORY);
        for _ in 0..5 {
            repo.run(RunSpec::default());
        }
        repo.run(RunSpec::default())
            .job(JobSpec::new("deploy", "success"))
            .artifact(ArtifactSpec::zip("release", archive));
        repo.run(RunSpec::concluded("failure"));
        Ok(clients)
    }

    fn configure(&self, scene: &Scene, host: &str) -> anyhow::Result<()> {
        let config = format!(
            "version: 1\nenvironments:\n  production:\n    source: {{workflow: deploy.yml, branch: main, artifact: release, deploy-job: deploy}}\n    targets:\n      - {{name: shop, kind: compose, project: {}, host: \"{host}\", stable: 0s, drift: []}}\n",
            scene.project.name
        );
        fs::write(self.dir.path().join(".github/lastgood.yml"), config)?;
        Ok(())
    }

    /// Puts everything back, and says how long that took.
    pub(crate) async fn run(&self, scene: &Scene, client: Client) -> anyhow::Result<Duration> {
        match client {
            Client::Compose => self.compose(scene).await,
            Client::File => self.lastgood(&["rollback", "--artifact", "release"]).await,
            Client::GitHub => self.lastgood(&["rollback"]).await,
        }
    }

    /// The same from a file, by way of another address of the engine.
    pub(crate) async fn run_through(&self, scene: &Scene, host: &str) -> anyhow::Result<()> {
        self.configure(scene, host)?;
        self.run(scene, Client::File).await?;
        self.configure(scene, scene.project.engine.host())
    }

    async fn compose(&self, scene: &Scene) -> anyhow::Result<Duration> {
        let mut command = scene.project.engine.command();
        command
            .args(["compose", "--project-name", &scene.project.name, "--file"])
            .arg(scene.project.file())
            .arg("--file")
            .arg(scene.pin())
            .args(["up", "-d", "--wait", "--no-deps", "--pull", "missing"])
            .args(&scene.services);
        timed(command).await
    }

    async fn lastgood(&self, arguments: &[&str]) -> anyhow::Result<Duration> {
        let mut command = Command::new(&self.lastgood);
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .env("GITHUB_API_URL", self.world.api_url())
            .env("GITHUB_REPOSITORY", REPOSITORY)
            .env("GITHUB_TOKEN", self.world.token());
        timed(command).await
    }

    /// The newest journal.
    pub(crate) fn journal(&self) -> anyhow::Result<PathBuf> {
        let mut journals = Vec::new();
        for entry in fs::read_dir(self.dir.path().join(".lastgood"))? {
            let journal = entry?.path().join("journal.jsonl");
            if let Ok(metadata) = fs::metadata(&journal) {
                journals.push((metadata.modified()?, journal));
            }
        }
        let newest = journals.into_iter().max();
        Ok(newest.context("there is no journal")?.1)
    }
}

async fn timed(mut command: Command) -> anyhow::Result<Duration> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let began = Instant::now();
    let out = tokio::time::timeout(TIME_MAX, command.output()).await??;
    let took = began.elapsed();
    ensure!(
        out.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    Ok(took)
}
