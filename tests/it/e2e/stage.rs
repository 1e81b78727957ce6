//! The stage of a story: a directory that is repository, server and scratch space at once, a GitHub, a service, and the
//! real program.

use super::output::Output;
use crate::world::service::{Behaviour, Service};
use crate::world::{ArtifactHandle, ArtifactSpec, JobSpec, RepoHandle, RunHandle, RunSpec, World};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

pub(super) const REPOSITORY: &str = "octo/shop";
/// The commit that is deployed by [`Call::step`].
pub(super) const HEAD: &str = "bad0bad0bad0bad0bad0bad0bad0bad0bad0bad0";
/// No story takes longer than this, whatever goes wrong.
const DEADLINE: Duration = Duration::from_secs(90);

pub(super) struct Stage {
    dir: TempDir,
    pub(super) world: World,
    pub(super) service: Service,
}

/// The config of the one environment, `production`. Each part is the inside of a YAML flow mapping.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) source: String,
    pub(super) targets: String,
    pub(super) health: Option<String>,
    pub(super) policy: String,
    pub(super) guard: String,
}

impl Stage {
    /// An empty server, a repository without runs, and a config without probes: nothing is judged.
    pub(super) async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        for name in ["server", "temp"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let world = crate::github_schema::world().await;
        let service = Service::start(&dir.path().join("server")).await;
        let stage = Self {
            dir,
            world,
            service,
        };
        stage.repo().workflow("deploy.yml");
        stage.configure(|_default| ());
        stage
    }

    /// The same with probes, fast enough for a test.
    pub(super) async fn judged() -> Self {
        let stage = Self::new().await;
        stage.configure(|config| config.judge(&stage));
        stage
    }

    pub(super) fn configure(&self, change: impl FnOnce(&mut Config)) {
        let mut config = Config {
            source: "workflow: deploy.yml, branch: main, artifact: site".to_owned(),
            targets: "{ name: shop, kind: directory, path: server }".to_owned(),
            health: None,
            policy: "on-inconclusive: pass".to_owned(),
            guard: String::new(),
        };
        change(&mut config);
        self.file(".github/lastgood.yml", &config.text());
    }

    pub(super) fn repo(&self) -> RepoHandle {
        self.world.repo(REPOSITORY)
    }

    /// A green run that deployed this version, and its artifact.
    pub(super) fn run_of(&self, id: u64, version: &str) -> (RunHandle, ArtifactHandle) {
        self.run_with(RunSpec::default().id(id), version)
    }

    /// Any run with a green deploy job and the artifact of this version.
    pub(super) fn run_with(&self, spec: RunSpec, version: &str) -> (RunHandle, ArtifactHandle) {
        let run = self.repo().run(spec);
        run.job(JobSpec::new("deploy", "success"));
        let artifact =
            run.add_artifact(ArtifactSpec::zip("site", zipped(&Behaviour::good(version))));
        (run, artifact)
    }

    /// The run that deploys: still going, with an artifact that behaves like this.
    pub(super) fn deploying(&self, id: u64, behaviour: &Behaviour) -> RunHandle {
        let run = self.repo().run(RunSpec::in_progress().id(id).sha(HEAD));
        run.artifact(ArtifactSpec::zip("site", zipped(behaviour)));
        run
    }

    /// A release in place that lastgood knows nothing of, as a deploy step of the user's own would leave it.
    pub(super) fn put(&self, behaviour: &Behaviour) {
        let name = format!("by-hand-{}", behaviour.version);
        let release = self.path("server/releases").join(&name);
        write_release(&release, behaviour);
        let next = self.path("server/next");
        symlink(Path::new("releases").join(name), &next).unwrap();
        fs::rename(next, self.path("server/current")).unwrap();
    }

    /// A release as files, as a build would leave it.
    pub(super) fn built(&self, name: &str, behaviour: &Behaviour) -> PathBuf {
        let dir = self.path(name);
        write_release(&dir, behaviour);
        dir
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(super) fn file(&self, path: &str, text: &str) -> PathBuf {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    /// The version behind `current`; `None` for an empty server.
    pub(super) fn holds(&self) -> Option<String> {
        let text = fs::read_to_string(self.path("server/current/service.json")).ok()?;
        let behaviour: Behaviour = serde_json::from_str(&text).unwrap();
        Some(behaviour.version)
    }

    /// Everything on the server but the lease: paths, contents, and where links lead.
    pub(super) fn server(&self) -> BTreeMap<PathBuf, String> {
        let mut all = listing(&self.path("server"));
        all.retain(|path, _| !path.ends_with(".lastgood-lease"));
        all
    }

    /// What is left in the directory for scratch files.
    pub(super) fn left_over(&self) -> Vec<PathBuf> {
        listing(&self.path("temp")).into_keys().collect()
    }

    /// A command in a shell on the server.
    pub(super) fn lastgood(&self, args: &[&str]) -> Call<'_> {
        let variables = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("GITHUB_API_URL", self.world.api_url()),
            ("GITHUB_REPOSITORY", REPOSITORY.to_owned()),
            ("GITHUB_TOKEN", self.world.token()),
            ("RUNNER_TEMP", self.path("temp").display().to_string()),
        ];
        Call {
            stage: self,
            args: args.iter().map(|&word| word.to_owned()).collect(),
            variables: variables
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }

    /// Runs a command in a shell on the server, with `--json`.
    pub(super) async fn run(&self, args: &[&str]) -> Output {
        self.lastgood(args).json().run().await
    }
}

/// One command before it is run.
pub(super) struct Call<'a> {
    stage: &'a Stage,
    args: Vec<String>,
    variables: BTreeMap<String, String>,
}

impl Call<'_> {
    pub(super) fn json(mut self) -> Self {
        self.args.push("--json".to_owned());
        self
    }

    pub(super) fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// As a step of this run, which deploys [`HEAD`].
    pub(super) fn step(self, run: u64) -> Self {
        self.env("GITHUB_RUN_ID", &run.to_string())
            .env("GITHUB_RUN_ATTEMPT", "1")
            .env("GITHUB_SHA", HEAD)
    }

    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    pub(super) fn start(self) -> Running {
        let child = Command::new(env!("CARGO_BIN_EXE_lastgood"))
            .args(&self.args)
            .current_dir(self.stage.dir.path())
            .env_clear()
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Running {
            child,
            args: self.args,
            at: self.stage.dir.path().to_owned(),
        }
    }

    pub(super) async fn run(self) -> Output {
        self.start().end().await
    }
}

/// A command that is running.
pub(super) struct Running {
    child: Child,
    args: Vec<String>,
    at: PathBuf,
}

impl Running {
    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// As an out-of-memory kill would end it.
    pub(super) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    pub(super) async fn end(mut self) -> Output {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut out = self.child.stdout.take().unwrap();
        let mut err = self.child.stderr.take().unwrap();
        let all = async {
            let read = tokio::join!(out.read_to_end(&mut stdout), err.read_to_end(&mut stderr));
            read.0.and(read.1).unwrap();
            self.child.wait().await.unwrap()
        };
        let status = tokio::time::timeout(DEADLINE, all).await;
        let told = String::from_utf8(stderr).unwrap();
        let args = self.args.join(" ");
        let Ok(status) = status else {
            panic!("lastgood {args} did not end in time:\n{told}");
        };
        Output {
            args,
            at: self.at,
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: told,
        }
    }
}

impl Config {
    /// Probes of the stage's service, at a pace that gives a verdict in seconds.
    pub(super) fn judge(&mut self, stage: &Stage) {
        self.health = Some(format!(
            "probes: [{{ name: home, url: \"{}\" }}], control-url: \"{}\", rate: 50, warm-up: 2s, cap: 30s, baseline: 2s",
            stage.service.health_url(),
            stage.service.control_url(),
        ));
        "".clone_into(&mut self.policy);
    }

    fn text(&self) -> String {
        let head = format!(
            "version: 1\nenvironments:\n  production:\n    source: {{ {} }}\n    targets: [{}]\n",
            self.source, self.targets
        );
        let parts = [
            ("health", self.health.as_deref().unwrap_or_default()),
            ("policy", &self.policy),
            ("guard", &self.guard),
        ];
        let parts = parts
            .iter()
            .filter(|(_, inside)| !inside.is_empty())
            .map(|(name, inside)| format!("    {name}: {{ {inside} }}\n"));
        head + &parts.collect::<String>()
    }
}

fn write_release(dir: &Path, behaviour: &Behaviour) {
    fs::create_dir_all(dir).unwrap();
    for (name, text) in files(behaviour) {
        fs::write(dir.join(name), text).unwrap();
    }
}

fn files(behaviour: &Behaviour) -> [(&'static str, String); 2] {
    let page = format!("<h1>The shop, {}</h1>\n", behaviour.version);
    [("index.html", page), ("service.json", behaviour.to_json())]
}

/// A release as upload-artifact would zip it.
pub(super) fn zipped(behaviour: &Behaviour) -> Vec<u8> {
    let files = files(behaviour);
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, text)| (*name, text.as_bytes()))
        .collect();
    crate::world::zip::zip(&files)
}

/// The files of a directory as upload-artifact would zip them.
pub(super) fn zipped_dir(dir: &Path) -> Vec<u8> {
    let files: Vec<(String, String)> = listing(dir)
        .into_iter()
        .map(|(path, text)| {
            let path = path.strip_prefix(dir).unwrap();
            (path.to_str().unwrap().to_owned(), text)
        })
        .collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_bytes()))
        .collect();
    crate::world::zip::zip(&files)
}

fn listing(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_symlink() {
            let to = fs::read_link(&path).unwrap();
            all.insert(path, format!("-> {}", to.display()));
        } else if kind.is_dir() {
            let inside = listing(&path);
            if inside.is_empty() {
                all.insert(path, "(empty)".to_owned());
            }
            all.extend(inside);
        } else {
            let text = fs::read(&path).unwrap();
            all.insert(path, String::from_utf8_lossy(&text).into_owned());
        }
    }
    all
}
