//! A swarm of one node: an engine of its own, because an engine that was in a swarm answers names in its Compose networks no more after it
//! left (engine 20.10). It shares no bridge and no rule of the firewall with others. Images come from the registry of the bed.

use crate::tools;
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const APP: &str = r#"use std::time::Duration;
fn main() {
    let is = |name: &str| std::env::var(name).is_ok_and(|value| value == "1");
    if std::env::args().nth(1).as_deref() == Some("probe") {
        std::process::exit(i32::from(is("BAD")));
    }
    println!("serving {}", std::env::var("VERSION").unwrap_or_default());
    if is("CRASH") {
        std::thread::sleep(Duration::from_millis(300));
        std::process::exit(3);
    }
    std::thread::sleep(Duration::from_secs(3600));
}
"#;

/// The engine, in a swarm, with the images of the tests in a registry.
pub(super) struct Bed {
    dir: TempDir,
    engine: Child,
    host: String,
    image: String,
    digests: BTreeMap<&'static str, String>,
}

/// One for all tests that run at the same time.
pub(super) fn bed() -> Option<Arc<Bed>> {
    static SHARED: Mutex<Weak<Bed>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bed) = shared.upgrade() {
        return Some(bed);
    }
    let registry = tools::variable("REGISTRY");
    let registry = tools::or_missing(registry, "registry for images (REGISTRY)")?;
    let dockerd = ["/usr/sbin/dockerd", "/usr/bin/dockerd"];
    let dockerd = dockerd.into_iter().find(|path| Path::new(path).is_file());
    let dockerd = tools::or_missing(dockerd, "dockerd")?;
    let bed = Arc::new(Bed::start(dockerd, &registry));
    *shared = Arc::downgrade(&bed);
    Some(bed)
}

#[expect(clippy::disallowed_methods, reason = "programs of the bed")]
fn command(program: &str) -> Command {
    Command::new(program)
}

/// What a program printed; it must succeed.
#[track_caller]
pub(super) fn run(host: &str, program: &str, arguments: &[&str]) -> String {
    let output = command(program)
        .args(arguments)
        .env("DOCKER_HOST", host)
        .env("DOCKER_BUILDKIT", "0")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said.trim().to_owned()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

impl Bed {
    fn start(dockerd: &str, registry: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("lgsw")
            .tempdir_in("/tmp")
            .expect("a directory");
        let path = |name: &str| dir.path().join(name).display().to_string();
        let host = format!("unix://{}", path("docker.sock"));
        let log = fs::File::create(path("log")).expect("a log");
        let engine = command(dockerd)
            .args(["--data-root", &path("data"), "--exec-root", &path("exec")])
            .args(["--pidfile", &path("pid"), "-H", &host])
            .args(["--bridge=none", "--iptables=false", "--ip-masq=false"])
            .args(["--shutdown-timeout", "2"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("dockerd starts");
        let mut bed = Self {
            image: format!("{registry}/lastgood-swarm/app"),
            dir,
            engine,
            host,
            digests: BTreeMap::new(),
        };
        bed.await_engine();
        let listen = format!("127.0.0.1:{}", free_port());
        let data = free_port().to_string();
        bed.docker(&[
            "swarm",
            "init",
            "--advertise-addr",
            "127.0.0.1",
            "--listen-addr",
            &listen,
            "--data-path-port",
            &data,
        ]);
        bed.build();
        bed
    }

    fn await_engine(&self) {
        let began = Instant::now();
        loop {
            let asked = command("docker")
                .args(["-H", &self.host, "version"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            if asked.is_ok_and(|status| status.success()) {
                return;
            }
            let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "no engine: {log}"
            );
            sleep(Duration::from_millis(100));
        }
    }

    fn build(&mut self) {
        let context = self.dir.path().join("image");
        fs::create_dir(&context).expect("a directory");
        let file = |name: &str| context.join(name).display().to_string();
        fs::write(file("app.rs"), APP).expect("written");
        run(
            "",
            "rustc",
            &[
                "--edition",
                "2024",
                "-O",
                "-C",
                "strip=symbols",
                "-C",
                "target-feature=+crt-static",
                &file("app.rs"),
                "-o",
                &file("app"),
            ],
        );
        for (tag, more) in [
            ("v1", "A=1"),
            ("v2", "A=1"),
            ("bad", "BAD=1"),
            ("crash", "CRASH=1"),
        ] {
            let text = format!(
                "FROM scratch\nCOPY app /app\nENV VERSION={tag} {more}\nHEALTHCHECK --interval=500ms --timeout=1s --retries=2 CMD [\"/app\",\"probe\"]\nENTRYPOINT [\"/app\"]\n"
            );
            fs::write(file("Dockerfile"), text).expect("written");
            let name = self.at(tag);
            self.docker(&["build", "-q", "-t", &name, &context.display().to_string()]);
            self.docker(&["push", "-q", &name]);
            let digests = "{{index .RepoDigests 0}}";
            let pinned = self.docker(&["inspect", "-f", digests, &name]);
            let digest = pinned.rsplit('@').next().expect("a digest").to_owned();
            self.digests.insert(tag, digest);
        }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn digest(&self, tag: &str) -> &str {
        &self.digests[tag]
    }

    /// The image by its tag.
    pub(super) fn at(&self, tag: &str) -> String {
        format!("{}:{tag}", self.image)
    }

    /// The image as a stack file makes the swarm store it.
    pub(super) fn stored(&self, tag: &str) -> String {
        format!("{}@{}", self.at(tag), self.digest(tag))
    }

    #[track_caller]
    pub(super) fn docker(&self, arguments: &[&str]) -> String {
        run(&self.host, "docker", arguments)
    }

    /// A service `web` of a stack as `docker stack deploy` would make it. It is removed with what comes back.
    #[track_caller]
    pub(super) fn service<'a>(&'a self, stack: &str, image: &str, more: &[&str]) -> Made<'a> {
        let name = format!("{stack}_web");
        let (label, said) = (
            format!("com.docker.stack.namespace={stack}"),
            format!("com.docker.stack.image={image}"),
        );
        let mut arguments = vec![
            "service",
            "create",
            "-d",
            "--no-resolve-image",
            "--name",
            &name,
            "--label",
            &label,
            "--label",
            &said,
            "--stop-grace-period",
            "1s",
            "--restart-delay",
            "300ms",
            "--update-monitor",
            "1500ms",
            "--rollback-monitor",
            "1s",
        ];
        arguments.extend(more);
        arguments.push(image);
        self.docker(&arguments);
        Made { bed: self, name }
    }
}

/// A service; dropping it removes it.
pub(super) struct Made<'a> {
    bed: &'a Bed,
    pub(super) name: String,
}

impl Made<'_> {
    /// One field of it.
    #[track_caller]
    pub(super) fn field(&self, template: &str) -> String {
        self.bed
            .docker(&["service", "inspect", "-f", template, &self.name])
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        let host = self.bed.host();
        let removed = command("docker")
            .args(["-H", host, "service", "rm", &self.name])
            .stdout(Stdio::null())
            .status();
        drop(removed);
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.engine);
        if rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok() {
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(30) {
                if matches!(self.engine.try_wait(), Ok(Some(_))) {
                    return;
                }
                sleep(Duration::from_millis(50));
            }
        }
        let killed = self.engine.kill();
        drop((killed, self.engine.wait()));
    }
}
