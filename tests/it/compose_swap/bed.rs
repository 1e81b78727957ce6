//! A Compose project on a real engine, made by Compose itself, and changes of it as the product makes them. Needs `DOCKER_HOST` and `REGISTRY`.

use crate::tools;
use lastgood::decide::guard::{self, Permission};
use lastgood::model::plan::{Change, OnStateConflict, Plan};
use lastgood::model::state::{Revision, Slot, State};
use lastgood::targets::{Base, ReleaseFacts, Story, Target, TargetError, Way, open};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest that any wait of these tests may take.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What the images differ in, by tag: lines of their Dockerfiles.
const IMAGES: [(&str, &str); 6] = [
    ("v1", "ENV VERSION=v1\nLABEL from=v1\nVOLUME /data\nHEALTH"),
    ("v2", "ENV VERSION=v2\nLABEL from=v2\nVOLUME /data\nHEALTH"),
    ("bad", "ENV VERSION=bad BAD=1\nHEALTH"),
    ("crash", "ENV VERSION=crash EXIT_AFTER_MS=100"),
    ("plain", "ENV VERSION=plain"),
    ("stubborn", "ENV VERSION=stubborn IGNORE_TERM=1\nHEALTH"),
];
const HEALTH: &str =
    "HEALTHCHECK --interval=300ms --timeout=2s --retries=2 CMD [\"/app\",\"probe\"]";

/// An engine with the images of these tests on it.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) socket: PathBuf,
    images: BTreeMap<&'static str, Image>,
}

#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) name: String,
    pub(super) digest: Revision,
    pub(super) id: String,
}

impl Engine {
    pub(super) fn image(&self, tag: &str) -> &Image {
        &self.images[tag]
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "Docker's own client makes the world of these tests"
)]
fn run(program: &str, args: &[&str], dir: &Path) -> Output {
    Command::new(program)
        .args(args)
        .current_dir(dir)
        .output()
        .unwrap()
}

#[track_caller]
pub(super) fn docker(args: &[&str]) -> String {
    let output = run("docker", args, Path::new("/"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {args:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The engine, once for all tests; `None` when there is none here, which is said loudly.
pub(super) fn engine() -> Option<&'static Engine> {
    static ENGINE: OnceLock<Option<Engine>> = OnceLock::new();
    let found = ENGINE.get_or_init(|| {
        let socket = tools::variable("DOCKER_HOST")?
            .strip_prefix("unix://")?
            .into();
        let registry = tools::variable("REGISTRY")?;
        Some(Engine {
            socket,
            images: build(&registry),
        })
    });
    tools::or_missing(
        found.as_ref(),
        "Docker engine and registry (DOCKER_HOST, REGISTRY)",
    )
}

fn build(registry: &str) -> BTreeMap<&'static str, Image> {
    let dir = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/compose_swap/app.rs");
    let source = source.to_str().unwrap();
    let flags = "--edition=2024 -O -Cstrip=symbols -Ctarget-feature=+crt-static -o app";
    let mut args: Vec<&str> = flags.split(' ').collect();
    args.push(source);
    let compiled = run("rustc", &args, dir.path());
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let mut images = BTreeMap::new();
    for (tag, lines) in IMAGES {
        let lines = lines.replace("HEALTH", HEALTH);
        let file = format!(
            "FROM scratch\nCOPY app /app\n{lines}\nENV KEEP=image\nEXPOSE 8080\nWORKDIR /\nENTRYPOINT [\"/app\"]\n"
        );
        fs::write(dir.path().join("Dockerfile"), file).unwrap();
        let name = format!("{registry}/lastgood-swap/app:{tag}");
        docker(&["build", "-q", "-t", &name, dir.path().to_str().unwrap()]);
        docker(&["push", "-q", &name]);
        let raw: Value = serde_json::from_str(&docker(&["image", "inspect", &name])).unwrap();
        let digest = raw[0]["RepoDigests"][0].as_str().unwrap();
        let digest = digest.split('@').nth(1).unwrap().to_owned();
        let id = raw[0]["Id"].as_str().unwrap().to_owned();
        let digest = Revision(digest);
        images.insert(tag, Image { name, digest, id });
    }
    images
}

/// A project of its own; taken down at the end.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) engine: &'static Engine,
    pub(super) name: String,
    dir: TempDir,
    settings: Mutex<Value>,
    told: Told,
}

#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Story for Told {
    fn progress(&self, slot: &Slot, text: &str) {
        self.0.lock().unwrap().push(format!("{slot}: {text}"));
    }
}

impl Project {
    /// Brings a project up. `IMAGE` in the file is the name of the demo image without its tag.
    pub(super) fn up(engine: &'static Engine, file: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lgswap{}-{count}", std::process::id());
        let socket = engine.socket.display();
        let settings = json!({"project": name, "host": format!("unix://{socket}"),
            "healthy-deadline": "20s", "running-for": "1s", "stop-grace": "5s"});
        let project = Self {
            engine,
            name,
            dir: tempfile::tempdir().unwrap(),
            settings: Mutex::new(settings),
            told: Told::default(),
        };
        project.write(file);
        project.compose(&["up", "-d", "--wait", "--quiet-pull"]);
        project
    }

    /// Another text of the same file.
    pub(super) fn write(&self, file: &str) {
        let (image, _) = self.engine.image("v1").name.rsplit_once(':').unwrap();
        let file = file.replace("IMAGE", image);
        fs::write(self.dir.path().join("compose.yml"), file).unwrap();
    }

    pub(super) fn set(&self, key: &str, value: Value) {
        self.settings.lock().unwrap()[key] = value;
    }

    /// What Compose says, both ways.
    #[track_caller]
    pub(super) fn compose(&self, args: &[&str]) -> String {
        let all = [&["compose", "-p", &self.name], args].concat();
        let output = run("docker", &all, self.dir.path());
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(output.status.success(), "compose {args:?}: {text}");
        text
    }

    /// The target, as another run of the program opens it.
    pub(super) fn target(&self, socket: &Path) -> Box<dyn Target> {
        let mut settings = self.settings.lock().unwrap().clone();
        settings["host"] = json!(format!("unix://{}", socket.display()));
        open("compose", "shop", settings, &Base::default()).unwrap()
    }

    /// One change, on the engine itself.
    pub(super) async fn apply(&self, change: Change) -> Result<(), TargetError> {
        self.apply_at(change, self.engine.socket.clone()).await
    }

    /// One change, by way of another socket.
    pub(super) async fn apply_at(
        &self,
        change: Change,
        socket: PathBuf,
    ) -> Result<(), TargetError> {
        let target = self.target(&socket);
        let plan = Plan {
            before: State::new(),
            changes: vec![change],
            hazards: Vec::new(),
        };
        let permitted = guard::permit(plan, &Permission::default()).unwrap();
        let facts = ReleaseFacts {
            run: None,
            commit: None,
            manifest: None,
            environment: "production",
            way: Way::Back,
            emergency: false,
            on_state_conflict: OnStateConflict::Stop,
            allowed: &[],
            story: Some(&self.told),
        };
        let change = permitted.changes().next().unwrap();
        target.apply(change, None, &facts).await
    }

    pub(super) fn install(&self, service: &str, from: &str, to: &str) -> Change {
        Change::Install {
            slot: Slot(service.to_owned()),
            from: Some(self.engine.image(from).digest.clone()),
            to: self.engine.image(to).digest.clone(),
        }
    }

    /// What the next run does for this image: a plan of what is there now, carried out.
    pub(super) async fn again(&self, service: &str, to: &str) -> Result<(), TargetError> {
        let image = self.engine.image(to);
        let slot = Slot(service.to_owned());
        let replicas = self.containers(service);
        let mut named = replicas.iter().filter(|raw| !name(raw).ends_with("-aside"));
        let holds = named.all(|raw| raw["Image"] == image.id.as_str());
        let revision = image.digest.clone();
        let change = if holds {
            Change::Start { slot, revision }
        } else {
            let to = revision;
            Change::Install {
                slot,
                from: None,
                to,
            }
        };
        self.apply(change).await
    }

    /// All containers of a service, also those that do not run.
    pub(super) fn containers(&self, service: &str) -> Vec<Value> {
        let project = format!("label=com.docker.compose.project={}", self.name);
        let service = format!("label=com.docker.compose.service={service}");
        let ids = docker(&["ps", "-aq", "--filter", &project, "--filter", &service]);
        let mut found = Vec::new();
        for id in ids.lines() {
            let output = run("docker", &["inspect", id], Path::new("/"));
            // One that is removed meanwhile is none.
            if output.status.success() {
                let raw: Value = serde_json::from_slice(&output.stdout).unwrap();
                found.push(raw[0].clone());
            }
        }
        found.sort_by_key(name);
        found
    }

    /// The one container of a service.
    #[track_caller]
    pub(super) fn only(&self, service: &str) -> Value {
        let mut found = self.containers(service);
        assert_eq!(
            found.len(),
            1,
            "{:?}",
            found.iter().map(name).collect::<Vec<_>>()
        );
        found.remove(0)
    }

    /// One container has the name of the service, runs, and answers with this version; nothing else is left.
    #[track_caller]
    pub(super) fn serves(&self, service: &str, version: &str) {
        let raw = self.only(service);
        assert_eq!(name(&raw), format!("{}-{service}-1", self.name));
        assert_eq!(ask(&raw, "/"), version);
    }

    /// What was told so far.
    pub(super) fn told(&self) -> String {
        self.told.0.lock().unwrap().join("\n")
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let args = [
            "compose",
            "-p",
            &self.name,
            "down",
            "-v",
            "-t",
            "0",
            "--remove-orphans",
        ];
        run("docker", &args, self.dir.path());
    }
}

pub(super) fn name(raw: &Value) -> String {
    raw["Name"]
        .as_str()
        .unwrap()
        .trim_start_matches('/')
        .to_owned()
}

/// What the service in a container answers, as soon as it does.
#[track_caller]
pub(super) fn ask(raw: &Value, path: &str) -> String {
    let networks = raw["NetworkSettings"]["Networks"].as_object().unwrap();
    let address = networks
        .values()
        .find_map(|network| network["IPAddress"].as_str().filter(|ip| !ip.is_empty()));
    let address = address.unwrap_or_else(|| panic!("{} is in no network", name(raw)));
    let began = Instant::now();
    loop {
        if let Some(said) = get(address, path) {
            return said;
        }
        assert!(began.elapsed() < WAIT_MAX, "{} does not answer", name(raw));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect((address, 8080)).ok()?;
    stream.set_read_timeout(Some(WAIT_MAX)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}
