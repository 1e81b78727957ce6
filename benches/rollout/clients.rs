//! The two ways to put Deployments back, as their users would: one command of lastgood, and kubectl's `rollout undo` and
//! `rollout status` for each Deployment, side by side.

use crate::cluster::{Cluster, Space, User};
use anyhow::Context as _;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::Command;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Client {
    Lastgood,
    Kubectl,
}

impl Client {
    pub(crate) const ALL: [Self; 2] = [Self::Lastgood, Self::Kubectl];
}

pub(crate) struct Clients {
    dir: TempDir,
    lastgood: PathBuf,
    kubectl: String,
    kubeconfig: PathBuf,
    namespace: String,
    names: Vec<String>,
}

impl Clients {
    /// Writes the config, and records the release that runs now.
    pub(crate) fn prepare(
        cluster: &Cluster,
        space: &Space,
        lastgood: &str,
        kubectl: &str,
        names: &[String],
    ) -> anyhow::Result<Self> {
        let clients = Self {
            dir: TempDir::new()?,
            lastgood: fs::canonicalize(lastgood)?,
            kubectl: kubectl.to_owned(),
            kubeconfig: cluster.kubeconfig(User::Admin),
            namespace: space.name.clone(),
            names: names.to_vec(),
        };
        let slots: Vec<String> = names
            .iter()
            .map(|name| format!("deployment/{name}"))
            .collect();
        let config = format!(
            "version: 1\nenvironments:\n  production:\n    source: {{workflow: deploy.yml}}\n    targets:\n      - {{name: shop, kind: kubernetes, namespace: {}, context: test, kubeconfig: {}, check-images: false, stable: 0s, drift: [], slots: [{}]}}\n",
            clients.namespace,
            clients.kubeconfig.display(),
            slots.join(", ")
        );
        fs::create_dir_all(clients.dir.path().join(".github"))?;
        fs::create_dir_all(clients.dir.path().join("release"))?;
        fs::write(clients.dir.path().join(".github/lastgood.yml"), config)?;
        let out = std::process::Command::new(&clients.lastgood)
            .args(["record", "--path", "release"])
            .current_dir(clients.dir.path())
            .env_clear()
            .output()?;
        anyhow::ensure!(
            out.status.success(),
            "record: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        Ok(clients)
    }

    /// Puts everything back, and says how long that took.
    pub(crate) async fn run(&self, client: Client) -> anyhow::Result<Duration> {
        let began = Instant::now();
        match client {
            Client::Lastgood => self.lastgood().await?,
            Client::Kubectl => self.kubectl().await?,
        }
        Ok(began.elapsed())
    }

    async fn lastgood(&self) -> anyhow::Result<()> {
        let out = Command::new(&self.lastgood)
            .args(["rollback", "--artifact", "release"])
            .current_dir(self.dir.path())
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .await?;
        anyhow::ensure!(
            out.status.success(),
            "lastgood: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        Ok(())
    }

    async fn kubectl(&self) -> anyhow::Result<()> {
        for verb in ["undo", "status"] {
            let running = self.names.iter().map(|name| {
                Command::new(&self.kubectl)
                    .args(["--kubeconfig", &self.kubeconfig.display().to_string()])
                    .args(["--namespace", &self.namespace, "rollout", verb])
                    .arg(format!("deployment/{name}"))
                    .stdin(Stdio::null())
                    .output()
            });
            for out in futures_util::future::join_all(running).await {
                let out = out.context("kubectl")?;
                anyhow::ensure!(
                    out.status.success(),
                    "kubectl: {}",
                    String::from_utf8_lossy(&out.stderr)
                );
            }
        }
        Ok(())
    }
}
