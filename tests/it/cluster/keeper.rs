//! The process that keeps the cluster: this test binary, started by [`super::shared`] with one test that is ignored
//! otherwise. It starts the servers, plays the kubelet, and stops everything when nobody has used the cluster for a
//! minute, or on SIGTERM.

use super::files::{Files, User, write_secret};
use super::servers::{Ports, Programs, Server, controllers, core};
use super::{certificates, client, kubelet};
use crate::tools;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

/// The name of the hidden test.
pub const TEST: &str = "cluster::keeper::keeps_the_cluster";

/// Tells the hidden test that it is meant, and where.
pub const DIRECTORY: &str = "LASTGOOD_TEST_KEEPER";

/// Between two tests of one run there is less; after the run the memory is wanted for something else.
const IDLE: Duration = Duration::from_mins(1);

/// A server that is not ready by then never will be.
const LONGEST: Duration = Duration::from_secs(90);

#[test]
#[ignore = "not a test: the process that keeps the cluster of the others"]
fn keeps_the_cluster() {
    keep_if_asked();
}

/// Keeps the cluster when this process was started for that; `false` at once when it was not.
pub fn keep_if_asked() -> bool {
    let Some(directory) = tools::variable(DIRECTORY) else {
        return false;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the system has threads");
    runtime.block_on(keep(&Files::new(Path::new(&directory))));
    true
}

async fn keep(files: &Files) {
    let mine = files.keeper_lock();
    mine.try_lock().expect("whoever started this saw to it");
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be caught");
    let mut keeper = Keeper {
        files: files.clone(),
        servers: Vec::new(),
    };
    let result = tokio::select! {
        result = keeper.start() => result,
        _ = terminate.recv() => Err("stopped while it started".to_owned()),
    };
    // Held to the end, so that nobody joins a cluster that ends.
    let mut users = None;
    if result.is_ok() {
        users = tokio::select! {
            users = keeper.until_unused() => users,
            _ = terminate.recv() => None,
        };
    }
    keeper.stop();
    files.remove();
    drop(users);
    result.expect("the cluster starts");
}

struct Keeper {
    files: Files,
    servers: Vec<Server>,
}

impl Keeper {
    async fn start(&mut self) -> Result<(), String> {
        let began = Instant::now();
        let programs = Programs::found().ok_or("the servers are not there")?;
        let ports = Ports::free();
        certificates::make(&self.files);
        self.files.write_tokens();
        self.files.write_kubeconfigs(&ports.server());
        self.write_processes();
        self.servers = core(&programs, &self.files, &ports);
        self.write_processes();
        self.until_answering().await?;
        let answered = began.elapsed();
        self.servers
            .extend(controllers(&programs, &self.files, &ports));
        self.write_processes();
        let admin = client::of(&self.files.kubeconfig(User::Admin)).await;
        kubelet::start(admin, certificates::server_config(&self.files)).await;
        write_secret(&self.files.ready(), &ports.server());
        eprintln!(
            "the API server answered after {} ms, everything was up after {} ms",
            answered.as_millis(),
            began.elapsed().as_millis()
        );
        Ok(())
    }

    /// `/readyz` is good once the roles that come with RBAC are there.
    async fn until_answering(&mut self) -> Result<(), String> {
        let client = client::of(&self.files.kubeconfig(User::Admin)).await;
        let since = Instant::now();
        loop {
            if let Some(obituary) = self.obituary() {
                return Err(obituary);
            }
            let ask = http::Request::get("/readyz").body(Vec::new());
            let ask = ask.expect("a path makes a request");
            let answer = timeout(Duration::from_secs(5), client.request_text(ask)).await;
            if matches!(answer, Ok(Ok(_))) {
                return Ok(());
            }
            if LONGEST < since.elapsed() {
                return Err(format!("no answer from the API server: {answer:?}"));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn obituary(&mut self) -> Option<String> {
        let files = self.files.clone();
        self.servers
            .iter_mut()
            .find_map(|server| server.obituary(&files))
    }

    /// The lock of the users, held; `None` when a server ended by itself.
    async fn until_unused(&mut self) -> Option<File> {
        let users = self.files.users_lock();
        let mut used = Instant::now();
        loop {
            if users.try_lock().is_err() {
                used = Instant::now();
            } else if IDLE < used.elapsed() {
                return Some(users);
            } else {
                users.unlock().expect("it is our lock");
            }
            if let Some(obituary) = self.obituary() {
                eprintln!("{obituary}");
                return None;
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// At once: what they hold is thrown away. The store last: the others complain while they lose it.
    fn stop(&mut self) {
        for server in self.servers.iter_mut().rev() {
            let ended = server.child.kill().and_then(|()| server.child.wait());
            if let Err(error) = ended {
                eprintln!("could not end {}: {error}", server.name);
            }
        }
    }

    fn write_processes(&self) {
        let servers = self
            .servers
            .iter()
            .map(|server| (server.child.id(), server.name));
        let mut text = String::new();
        for (pid, name) in std::iter::once((std::process::id(), "keeper")).chain(servers) {
            let started = start_time(u64::from(pid)).unwrap_or_default();
            writeln!(text, "{pid} {started} {name}").expect("a string takes all");
        }
        write_secret(&self.files.processes(), &text);
    }
}

/// Ends a process; that it has ended by itself is as good.
pub fn end(pid: u64) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    if let Err(error) = kill_process(pid, Signal::KILL)
        && error != Errno::SRCH
    {
        eprintln!("could not end process {pid:?}: {error}");
    }
}

/// When a process started, in clock ticks since the system did: field 22 of `/proc/PID/stat` (proc(5)). With the pid it
/// names a process until the next boot.
pub fn start_time(pid: u64) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(") ")?;
    after_name.split(' ').nth(19)?.parse().ok()
}
