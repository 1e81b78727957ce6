//! The four servers as child processes: which flags, on which ports, and when each is ready. Knows nothing of tests.

use super::files::{Files, User};
use crate::tools;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where the servers lie.
#[derive(Debug, Clone)]
pub struct Programs {
    assets: PathBuf,
    etcd: PathBuf,
}

impl Programs {
    /// In `KUBEBUILDER_ASSETS` (the convention of envtest), else where `tests/run` puts them; etcd there, on the `PATH`,
    /// or where `tests/run` puts it.
    pub fn found() -> Option<Self> {
        let assets = tools::variable("KUBEBUILDER_ASSETS")
            .map_or_else(|| tools::cache().join("kubernetes"), PathBuf::from);
        let names = [
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
        ];
        let is_whole = names.iter().all(|name| assets.join(name).is_file());
        let assets = is_whole.then_some(assets);
        let assets = tools::or_missing(assets, "Kubernetes servers (KUBEBUILDER_ASSETS)")?;
        let etcd = Some(assets.join("etcd")).filter(|file| file.is_file());
        let etcd = etcd.or_else(|| tools::program("etcd"));
        let etcd = etcd.or_else(|| tools::cached("kubernetes/etcd"));
        let etcd = tools::or_missing(etcd, "etcd, the store of Kubernetes")?;
        Some(Self { assets, etcd })
    }

    pub fn assets(&self) -> &Path {
        &self.assets
    }
}

/// Of the API server: `Kubernetes v1.20.2` -> 20.
#[expect(clippy::disallowed_methods, reason = "asks a server for its version")]
fn minor_version(programs: &Programs) -> u32 {
    let server = programs.assets.join("kube-apiserver");
    let output = Command::new(&server)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("could not run {}: {error}", server.display()));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let minor = text.split('.').nth(1).and_then(|minor| minor.parse().ok());
    minor.unwrap_or_else(|| panic!("found {text:?}, expected a version such as Kubernetes v1.20.2"))
}

/// Ports of this start. They are free when they are taken, and all different.
#[derive(Debug)]
pub struct Ports {
    store: u16,
    peers: u16,
    api: u16,
    controllers: u16,
    scheduler: u16,
}

impl Ports {
    pub fn free() -> Self {
        let held = [(); 5].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [store, peers, api, controllers, scheduler] =
            held.map(|listener| listener.local_addr().expect("it is bound").port());
        Self {
            store,
            peers,
            api,
            controllers,
            scheduler,
        }
    }

    pub fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.api)
    }
}

/// One server.
#[derive(Debug)]
pub struct Server {
    pub name: &'static str,
    pub child: Child,
}

/// The store and the API server, which are needed by all others.
pub fn core(programs: &Programs, files: &Files, ports: &Ports) -> Vec<Server> {
    let store = format!("http://127.0.0.1:{}", ports.store);
    let path = |path: PathBuf| path.display().to_string();
    let etcd = flags(&[
        ("data-dir", &path(files.store())),
        ("listen-client-urls", &store),
        ("advertise-client-urls", &store),
        (
            "listen-peer-urls",
            &format!("http://127.0.0.1:{}", ports.peers),
        ),
        ("unsafe-no-fsync", "true"),
    ]);
    let mut api = flags(&[
        ("etcd-servers", &store),
        ("bind-address", "127.0.0.1"),
        ("advertise-address", "127.0.0.1"),
        ("endpoint-reconciler-type", "none"),
        ("secure-port", &ports.api.to_string()),
        ("tls-cert-file", &path(files.certificate())),
        ("tls-private-key-file", &path(files.key())),
        ("token-auth-file", &path(files.tokens())),
        ("authorization-mode", "RBAC"),
        ("service-account-issuer", "https://localhost"),
        (
            "service-account-key-file",
            &path(files.account_public_key()),
        ),
        (
            "service-account-signing-key-file",
            &path(files.account_key()),
        ),
        ("service-cluster-ip-range", "10.0.0.0/20"),
        // Without the controller that makes service accounts, pods would wait for theirs for ever.
        ("disable-admission-plugins", "ServiceAccount"),
    ]);
    // These ports are gone since 1.24, and open before, unless they are closed.
    if minor_version(programs) < 24 {
        api.push("--insecure-port=0".to_owned());
    }
    vec![
        start("etcd", &programs.etcd, &etcd, files),
        start(
            "kube-apiserver",
            &programs.assets.join("kube-apiserver"),
            &api,
            files,
        ),
    ]
}

/// No `nodelifecycle`: it would take a faked node for dead, and it alone removes the taint of new nodes (the kubelet of
/// the tests does that).
const CONTROLLERS: &str = "deployment,replicaset,statefulset,daemonset,job,endpoint,endpointslice,garbagecollector,\
    namespace,disruption,resourcequota,clusterrole-aggregation";

/// The controllers and the scheduler. Many tests share them, so they may ask as often as they like.
pub fn controllers(programs: &Programs, files: &Files, ports: &Ports) -> Vec<Server> {
    let minor = minor_version(programs);
    let common = |port: u16| {
        let mut flags = flags(&[
            (
                "kubeconfig",
                &files.kubeconfig(User::Admin).display().to_string(),
            ),
            ("bind-address", "127.0.0.1"),
            ("secure-port", &port.to_string()),
            ("leader-elect", "false"),
            ("kube-api-qps", "1000"),
            ("kube-api-burst", "2000"),
        ]);
        if minor < 24 {
            flags.push("--port=0".to_owned());
        }
        flags
    };
    let mut manager = common(ports.controllers);
    manager.extend(flags(&[
        ("controllers", CONTROLLERS),
        ("concurrent-deployment-syncs", "10"),
        ("concurrent-replicaset-syncs", "10"),
        ("concurrent-namespace-syncs", "10"),
    ]));
    let scheduler = common(ports.scheduler);
    [
        ("kube-controller-manager", manager),
        ("kube-scheduler", scheduler),
    ]
    .map(|(name, flags)| start(name, &programs.assets.join(name), &flags, files))
    .into()
}

fn flags(flags: &[(&str, &str)]) -> Vec<String> {
    let flag = |(name, value): &(&str, &str)| format!("--{name}={value}");
    flags.iter().map(flag).collect()
}

#[expect(clippy::disallowed_methods, reason = "starts the servers of the tests")]
fn start(name: &'static str, program: &Path, flags: &[String], files: &Files) -> Server {
    let log = File::create(files.log(name)).expect("the state can be written to");
    let child = Command::new(program)
        .args(flags)
        .current_dir(files.state())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be shared"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("could not start {}: {error}", program.display()));
    Server { name, child }
}

impl Server {
    /// The end of its log, when it has ended although it should not have.
    pub fn obituary(&mut self, files: &Files) -> Option<String> {
        let status = self.child.try_wait().expect("it is our child")?;
        let log = fs::read_to_string(files.log(self.name)).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n");
        Some(format!("{} ended ({status}):\n{tail}", self.name))
    }
}
