//! A step `uses: docker://…` as the runner starts it: the same `docker run`, mounts and variables (actions/runner v2.336.0:
//! `ContainerActionHandler`, `DockerCommandManager`), and the same way of cancelling (`ProcessInvoker`). Nothing here knows lastgood.

use crate::docker::Engine;
use crate::rig::{Ended, Running, send};
use crate::runner::{Log, outputs};
use rustix::process::{Signal, getuid};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::time::timeout;

/// The user of hosted runners.
const RUNNER: u32 = 1001;

/// What the runner waits after INT, and then after TERM.
const AFTER_INT: Duration = Duration::from_millis(7500);
const AFTER_TERM: Duration = Duration::from_millis(2500);

/// Files that a step writes for the runner, by the variable that names them.
const FILES: [(&str, &str); 5] = [
    ("GITHUB_OUTPUT", "set_output"),
    ("GITHUB_ENV", "set_env"),
    ("GITHUB_PATH", "add_path"),
    ("GITHUB_STEP_SUMMARY", "step_summary"),
    ("GITHUB_STATE", "save_state"),
];

static COUNT: AtomicU32 = AtomicU32::new(0);

pub(super) struct Job {
    engine: Engine,
    image: String,
    pub(super) container: String,
    workspace: PathBuf,
    temp: TempDir,
    variables: BTreeMap<String, String>,
    network: Option<String>,
}

/// What a step left.
pub(super) struct Left {
    pub(super) ended: Ended,
    pub(super) outputs: BTreeMap<String, String>,
    pub(super) summary: String,
    pub(super) log: Log,
}

/// At which point of a cancellation the client was gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    AfterInt,
    AfterTerm,
    Killed,
}

impl Job {
    /// A step of a job whose checkout is `workspace`.
    pub(super) fn new(engine: &Engine, image: &str, workspace: &Path) -> Self {
        let temp = TempDir::new().unwrap();
        for name in ["_github_home", "_github_workflow", "_runner_file_commands"] {
            fs::create_dir(temp.path().join(name)).unwrap();
        }
        fs::write(temp.path().join("_github_workflow/event.json"), "{}").unwrap();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut job = Self {
            engine: engine.clone(),
            image: image.to_owned(),
            container: format!("image_{}_{count}", std::process::id()),
            workspace: workspace.to_owned(),
            temp,
            variables: BTreeMap::new(),
            network: None,
        };
        for (variable, name) in FILES {
            fs::write(job.file(name), "").unwrap();
            let path = format!("/github/file_commands/{name}_{}", job.container);
            job.variables.insert(variable.to_owned(), path);
        }
        for (name, value) in [
            ("HOME", "/github/home"),
            ("GITHUB_WORKSPACE", "/github/workspace"),
            ("GITHUB_EVENT_PATH", "/github/workflow/event.json"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REF", "refs/heads/main"),
            ("GITHUB_REF_NAME", "main"),
            ("GITHUB_EVENT_NAME", "push"),
            ("GITHUB_ACTOR", "alice"),
            ("GITHUB_JOB", "rollback"),
            ("GITHUB_WORKFLOW", "Deploy"),
            (
                "GITHUB_WORKFLOW_REF",
                "octo/shop/.github/workflows/deploy.yml@refs/heads/main",
            ),
            ("RUNNER_OS", "Linux"),
            ("RUNNER_ARCH", "X64"),
            ("RUNNER_TEMP", "/github/runner_temp"),
            ("RUNNER_TOOL_CACHE", "/opt/hostedtoolcache"),
            ("ACTIONS_RUNTIME_URL", "http://127.0.0.1:9/"),
            ("ACTIONS_RESULTS_URL", "http://127.0.0.1:9/"),
            ("ACTIONS_RUNTIME_TOKEN", "runtime"),
        ] {
            job.variables.insert(name.to_owned(), value.to_owned());
        }
        // Every input that is not given is an empty variable.
        for name in lastgood::cli::action::names() {
            job = job.input(&name, "");
        }
        job
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// An input: upper case, and hyphens stay.
    pub(super) fn input(self, name: &str, value: &str) -> Self {
        let name = format!("INPUT_{}", name.to_uppercase().replace(' ', "_"));
        self.with(&name, value)
    }

    /// As in a job that has services or a container.
    pub(super) fn network(mut self, network: &str) -> Self {
        self.network = Some(network.to_owned());
        self
    }

    /// Where a file that the step writes lies for the runner.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        let name = format!("_runner_file_commands/{name}_{}", self.container);
        self.temp.path().join(name)
    }

    fn args(&self) -> Vec<String> {
        let temp = self.temp.path().display();
        let mut args: Vec<String> = ["run", "--name", &self.container, "--label", "a1b2c3"]
            .map(str::to_owned)
            .into();
        args.extend(["--workdir", "/github/workspace", "--rm"].map(str::to_owned));
        // Names only: the values come with the client's own environment.
        for name in self.variables.keys() {
            args.extend(["-e".to_owned(), name.clone()]);
        }
        args.extend(["-e", "GITHUB_ACTIONS=true", "-e", "CI=true"].map(str::to_owned));
        if let Some(network) = &self.network {
            args.extend(["--network".to_owned(), network.clone()]);
        }
        for mount in [
            format!("{}:/var/run/docker.sock", self.engine.socket().display()),
            format!("{temp}:/github/runner_temp"),
            format!("{temp}/_github_home:/github/home"),
            format!("{temp}/_github_workflow:/github/workflow"),
            format!("{temp}/_runner_file_commands:/github/file_commands"),
            format!("{}:/github/workspace", self.workspace.display()),
        ] {
            args.extend(["-v".to_owned(), mount]);
        }
        args.push(self.image.clone());
        args
    }

    pub(super) fn start(&self) -> Running {
        // Who is not root is the runner already.
        if getuid().is_root() {
            give(&self.workspace, RUNNER);
            give(self.temp.path(), RUNNER);
        }
        let mut command = self.engine.command();
        command.args(self.args());
        let client = command.as_std().get_envs();
        let client = client.filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)));
        let mut env: BTreeMap<String, String> = client
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        env.extend(self.variables.clone());
        Running::start_command(command, &self.workspace, &env)
    }

    pub(super) async fn run(&self) -> Left {
        self.left(self.start().end().await)
    }

    pub(super) fn left(&self, ended: Ended) -> Left {
        let read = |name| fs::read_to_string(self.file(name)).unwrap();
        for name in ["set_env", "add_path", "save_state"] {
            assert_eq!(read(name), "", "{name} is not ours to write");
        }
        Left {
            outputs: outputs(&read("set_output")),
            summary: read("step_summary"),
            log: Log::read(&format!("{}{}", ended.stdout, ended.stderr)),
            ended,
        }
    }

    /// Cancels as the runner does: how the client ended, when, and what is left.
    pub(super) async fn cancel(&self, running: Running) -> (Gone, Duration, Left) {
        let (client, since) = (running.id(), Instant::now());
        let mut ended = tokio::spawn(running.end());
        send(client, Signal::INT);
        let mut how = Gone::AfterInt;
        let mut left = timeout(AFTER_INT, &mut ended).await;
        if left.is_err() {
            send(client, Signal::TERM);
            how = Gone::AfterTerm;
            left = timeout(AFTER_TERM, &mut ended).await;
        }
        if left.is_err() {
            send(client, Signal::KILL);
            how = Gone::Killed;
            left = Ok(ended.await);
        }
        let took = since.elapsed();
        (how, took, self.left(left.unwrap().unwrap()))
    }

    /// Whether the container is there, running or not.
    pub(super) async fn is_there(&self) -> bool {
        let filter = format!("name=^{}$", self.container);
        let list = ["ps", "--all", "--quiet", "--filter", &filter];
        !self.engine.docker(&list).await.is_empty()
    }
}

/// The directory and all in it belong to this user now.
fn give(path: &Path, user: u32) {
    lchown(path, Some(user), Some(user)).unwrap();
    if fs::symlink_metadata(path).unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
}

impl Drop for Job {
    #[expect(clippy::disallowed_methods, reason = "the container writes as root")]
    fn drop(&mut self) {
        let mut remove = self.engine.command().into_std();
        drop(remove.args(["rm", "--force", &self.container]).output());
        if !getuid().is_root() {
            let mut take = std::process::Command::new("sudo");
            take.args(["-n", "chown", "-R", &getuid().as_raw().to_string()]);
            drop(take.arg(&self.workspace).arg(self.temp.path()).status());
        }
    }
}
