//! A Compose project with a name and a port of its own, made by `docker compose` itself.

use super::Engine;
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// It is taken down, with its volumes and networks, when this is dropped.
#[derive(Debug)]
pub struct Project {
    pub engine: Engine,
    /// Unique on the engine.
    pub name: String,
    /// A free port of the machine, for what the file publishes.
    pub port: u16,
    dir: TempDir,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A port that nobody listens on, below those that the system gives away by itself.
pub fn free_port() -> u16 {
    for _ in 0..100 {
        let mut bytes = [0; 2];
        getrandom::fill(&mut bytes).unwrap();
        let port = 10_000 + u16::from_le_bytes(bytes) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("found no free port in 100 tries");
}

impl Project {
    /// A compose file, given the free port. Nothing is started yet.
    pub fn new(engine: &Engine, prefix: &str, yaml: impl FnOnce(u16) -> String) -> Self {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let port = free_port();
        let project = Self {
            engine: engine.clone(),
            name: format!("{prefix}-{}-{count}", std::process::id()),
            port,
            dir: TempDir::new().unwrap(),
        };
        project.rewrite(&yaml(port));
        project
    }

    /// Another text of the compose file.
    pub fn rewrite(&self, yaml: &str) {
        fs::write(self.file(), yaml).unwrap();
    }

    /// The compose file; what it binds may lie beside it.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("compose.yml")
    }

    fn args<'a>(&'a self, file: &'a str, args: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["compose", "--project-name", &self.name, "--file", file];
        all.extend(args);
        all
    }

    /// `docker compose …` of this project.
    pub async fn compose(&self, args: &[&str]) -> String {
        let file = self.file();
        let all = self.args(file.to_str().unwrap(), args);
        self.engine.docker(&all).await
    }

    /// The same; what it says on stderr when it fails.
    pub async fn try_compose(&self, args: &[&str]) -> Result<String, String> {
        let file = self.file();
        let all = self.args(file.to_str().unwrap(), args);
        self.engine.try_docker(&all).await
    }

    /// `docker compose up`, until everything runs and what has a health check is healthy.
    pub async fn up(&self) {
        self.compose(&["up", "--detach", "--wait", "--wait-timeout", "60"])
            .await;
    }

    /// `docker compose up`, whatever becomes of it.
    pub async fn up_without_waiting(&self) {
        self.compose(&["up", "--detach"]).await;
    }

    /// What `docker compose up` would do now, as it says it.
    pub async fn dry_run(&self) -> String {
        let file = self.file();
        let args = self.args(file.to_str().unwrap(), &["--dry-run", "up", "--detach"]);
        let mut command = self.engine.command();
        let output = command.args(&args).output().await.unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    }

    /// `docker inspect` of every container of a service, also of those that do not run, by name.
    pub async fn containers(&self, service: &str) -> Vec<Value> {
        let project = format!("label=com.docker.compose.project={}", self.name);
        let service = format!("label=com.docker.compose.service={service}");
        let list = [
            "ps",
            "--all",
            "--quiet",
            "--no-trunc",
            "--filter",
            &project,
            "--filter",
            &service,
        ];
        let ids = self.engine.docker(&list).await;
        if ids.is_empty() {
            return Vec::new();
        }
        let mut args = vec!["container", "inspect"];
        args.extend(ids.lines());
        // One that is removed meanwhile is none; the others are told all the same.
        let mut command = self.engine.command();
        let output = command.args(&args).output().await.unwrap();
        let mut all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        all.sort_by_key(|container| container["Name"].to_string());
        all
    }

    /// The one container of a service.
    pub async fn container(&self, service: &str) -> Value {
        let mut all = self.containers(service).await;
        assert_eq!(all.len(), 1, "{service}: {all:#?}");
        all.remove(0)
    }

    /// Waits for something to be true of the one container of a service, 30 s at most.
    pub async fn until(&self, service: &str, what: &str, test: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let container = self.container(service).await;
            if test(&container) {
                return container;
            }
            let state = &container["State"];
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "{service}: {what} did not come: {state:#}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the service on the free port answers; the error as text when it does not.
    pub async fn get(&self, path: &str) -> String {
        lastgood::net::install_tls_provider();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()
            .unwrap();
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let answer = async { client.get(url).send().await?.text().await };
        answer.await.unwrap_or_else(|error| format!("{error:#}"))
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let file = self.file();
        let args = ["down", "--volumes", "--timeout", "0", "--remove-orphans"];
        let mut down = self.engine.command().into_std();
        down.args(self.args(file.to_str().unwrap(), &args))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // A test that has failed has said so; what it leaves ends with the engine.
        drop(down.status());
    }
}
