//! The ways to put a canister back, as their users would: one command of lastgood, and six of the official client.

use crate::scene::{REPOSITORY, Scene};
use anyhow::{Context as _, ensure};
use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::Command;

/// Longer than the slowest takes on a busy machine.
const TIME_MAX: Duration = Duration::from_mins(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Icp,
    /// lastgood, with the module in a file.
    File,
    /// lastgood, which finds the good run on GitHub and fetches its artifact.
    GitHub,
}

impl Client {
    pub(crate) const ALL: [Self; 3] = [Self::Icp, Self::File, Self::GitHub];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Icp => "icp, six commands",
            Self::File => "lastgood, from a file",
            Self::GitHub => "lastgood, from GitHub",
        }
    }
}

pub(crate) const STEPS: [&str; 6] = [
    "stop",
    "snapshot create",
    "install",
    "start",
    "status",
    "call --query",
];

pub(crate) struct Clients {
    dir: TempDir,
    lastgood: PathBuf,
    icp: PathBuf,
    /// Arguments that say which network, and who asks.
    network: Vec<String>,
    canister: String,
    github: [(&'static str, String); 3],
}

impl Clients {
    /// Writes the config, and gives both the same key.
    pub(crate) async fn prepare(scene: &Scene, lastgood: &str, icp: &str) -> anyhow::Result<Self> {
        let (url, key) = (scene.replica.url(), scene.replica.root_key_hex());
        let network = ["-n", &url, "-k", &key, "--identity", "bench"];
        let clients = Self {
            dir: TempDir::new()?,
            lastgood: fs::canonicalize(lastgood)?,
            icp: fs::canonicalize(icp).with_context(|| format!("there is no {icp}"))?,
            network: network.map(str::to_owned).to_vec(),
            canister: scene.id.to_text(),
            github: [
                ("GITHUB_API_URL", scene.world.api_url()),
                ("GITHUB_REPOSITORY", REPOSITORY.to_owned()),
                ("GITHUB_TOKEN", scene.world.token()),
            ],
        };
        let dir = clients.dir.path();
        let config = format!(
            "version: 1\nenvironments:\n  production:\n    source: {{workflow: deploy.yml, branch: main, artifact: wasm, deploy-job: deploy}}\n    targets:\n      - {{name: shop, kind: canister, network: \"{url}\", root-key: \"{key}\", identity-file: key.pem, stable: 0s, canisters: [{{name: app, id: {}}}]}}\n",
            clients.canister
        );
        fs::create_dir_all(dir.join(".github"))?;
        fs::create_dir_all(dir.join("release"))?;
        fs::write(dir.join(".github/lastgood.yml"), config)?;
        fs::write(dir.join("key.pem"), &scene.pem)?;
        fs::write(dir.join("release/app.wasm"), &scene.good)?;
        clients.lastgood(&["record", "--path", "release"]).await?;
        let import = [
            "identity",
            "import",
            "--storage",
            "plaintext",
            "--from-pem",
            "key.pem",
            "bench",
        ];
        clients.icp(&import).await?;
        Ok(clients)
    }

    /// Puts it back, and says how long each command took.
    pub(crate) async fn run(&self, client: Client) -> anyhow::Result<Vec<Duration>> {
        let mut took = Vec::new();
        match client {
            Client::File => took.push(
                self.lastgood(&["rollback", "--artifact", "release"])
                    .await?,
            ),
            Client::GitHub => took.push(self.lastgood(&["rollback"]).await?),
            Client::Icp => {
                for step in STEPS {
                    let mut arguments = vec!["canister"];
                    arguments.extend(step.split(' ').filter(|word| !word.starts_with('-')));
                    arguments.push(&self.canister);
                    arguments.extend(match step {
                        "install" => ["--mode", "upgrade", "--wasm", "release/app.wasm"].as_slice(),
                        "call --query" => &["--query", "version", "()"],
                        _ => &[],
                    });
                    arguments.extend(self.network.iter().map(String::as_str));
                    took.push(self.icp(&arguments).await?);
                }
            }
        }
        Ok(took)
    }

    /// How long `icp` takes to say its version.
    pub(crate) async fn version(&self) -> anyhow::Result<Duration> {
        self.icp(&["--version"]).await
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

    /// What the whole program takes at most while it puts the canister back, as GNU time says.
    pub(crate) async fn peak_mib(&self) -> anyhow::Result<f64> {
        let mut command = Command::new("/usr/bin/time");
        command
            .args(["-f", "%M", "-o", "peak"])
            .arg(&self.lastgood)
            .args(["rollback", "--artifact", "release"]);
        self.timed(command).await?;
        let text = fs::read_to_string(self.dir.path().join("peak"))?;
        let kib: f64 = text.trim().parse()?;
        Ok(kib / 1024.0)
    }

    async fn lastgood(&self, arguments: &[&str]) -> anyhow::Result<Duration> {
        let mut command = Command::new(&self.lastgood);
        command.args(arguments);
        self.timed(command).await
    }

    async fn icp(&self, arguments: &[&str]) -> anyhow::Result<Duration> {
        let mut command = Command::new(&self.icp);
        command.args(arguments);
        self.timed(command).await
    }

    async fn timed(&self, mut command: Command) -> anyhow::Result<Duration> {
        command
            .current_dir(self.dir.path())
            .env_clear()
            .envs(self.github.iter().map(|(name, value)| (name, value)))
            // Where it keeps keys; and it reports to nobody.
            .env("HOME", self.dir.path())
            .env("DO_NOT_TRACK", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let began = Instant::now();
        let out = tokio::time::timeout(TIME_MAX, command.output()).await??;
        let took = began.elapsed();
        let Output {
            status,
            stdout,
            stderr,
        } = out;
        ensure!(
            status.success(),
            "{command:?}: {status}\n{}{}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        );
        Ok(took)
    }
}
