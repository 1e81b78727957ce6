//! One cluster for all tests of a run: found, or started by whoever comes first. The test's side; the other side is
//! [`super::keeper`].

use super::files::Files;
use super::keeper;
use super::servers::Programs;
use crate::tools;
use std::env;
use std::fs::{self, File, TryLockError};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};
use tokio::time::sleep;

/// Starting takes about six seconds on an idle machine.
const LONGEST: Duration = Duration::from_mins(2);

/// How often a lock is tried, and a file looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The directory of the cluster of this run, when whoever started the run wants to stop it too.
const DIRECTORY: &str = "LASTGOOD_TEST_CLUSTER";

/// The files of a running cluster, and a lock that keeps it running.
pub async fn join(programs: &Programs) -> (Files, File) {
    let files = Files::new(&directory());
    let starting = files.start_lock();
    locked(|| starting.try_lock(), "another test to start the cluster").await;
    let share = files.users_lock();
    // A keeper which is about to end holds this lock to its end.
    locked(|| share.try_lock_shared(), "the last cluster to end").await;
    if files.keeper_lock().try_lock().is_ok() {
        clear_away(&files);
        let keeper = start_keeper(&files, programs);
        until_ready(&files, keeper).await;
    }
    starting.unlock().expect("it is our lock");
    (files, share)
}

/// Tests of another build have another kubelet, so they get another cluster.
fn directory() -> PathBuf {
    if let Some(directory) = tools::variable(DIRECTORY) {
        return directory.into();
    }
    let program = env::current_exe().expect("a process knows its program");
    let changed = fs::metadata(&program).and_then(|meta| meta.modified());
    let changed = changed
        .expect("the program is there")
        .duration_since(UNIX_EPOCH);
    let build = changed.unwrap_or_default().as_millis();
    let user = rustix::process::getuid().as_raw();
    let cache = tools::cache();
    remove_old(&cache);
    cache.join(format!("cluster-{user}-{build:x}"))
}

/// Directories of clusters that nobody keeps any more.
fn remove_old(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let is_cluster = entry.file_name().to_string_lossy().starts_with("cluster-");
        let is_old = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| Duration::from_hours(24) < age));
        let files = Files::new(&entry.path());
        if is_cluster && is_old && files.keeper_lock().try_lock().is_ok() {
            clear_away(&files);
            // Another process may be removing it too.
            drop(fs::remove_dir_all(files.root()));
        }
    }
}

async fn locked(try_lock: impl Fn() -> Result<(), TryLockError>, what: &str) {
    let since = Instant::now();
    loop {
        match try_lock() {
            Ok(()) => return,
            Err(TryLockError::WouldBlock) => (),
            Err(TryLockError::Error(error)) => panic!("could not lock a file: {error}"),
        }
        let waited = since.elapsed();
        assert!(waited < LONGEST, "waited {} s for {what}", waited.as_secs());
        sleep(LOOK_EVERY).await;
    }
}

/// Ends servers whose keeper was killed, by pid where the start time is theirs, and makes room.
fn clear_away(files: &Files) {
    let text = fs::read_to_string(files.processes()).unwrap_or_default();
    for line in text.lines() {
        let mut words = line.split(' ').filter_map(|word| word.parse().ok());
        let (Some(pid), Some(started)) = (words.next(), words.next()) else {
            continue;
        };
        if keeper::start_time(pid) == Some(started) {
            keeper::end(pid);
        }
    }
    files.clear();
}

/// This program again, with the one hidden test; outside of the process group of this test, which a runner may end.
#[expect(
    clippy::disallowed_methods,
    reason = "starts the keeper of the cluster"
)]
fn start_keeper(files: &Files, programs: &Programs) -> Child {
    let log = File::create(files.keeper_log()).expect("the cache can be written to");
    let program = env::current_exe().expect("a process knows its program");
    let mut command = Command::new(program);
    command
        .args(["--exact", keeper::TEST, "--ignored", "--nocapture"])
        .env(keeper::DIRECTORY, files.root())
        .env("KUBEBUILDER_ASSETS", programs.assets())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be shared"))
        .stderr(log)
        .process_group(0);
    command.spawn().expect("this program runs")
}

async fn until_ready(files: &Files, mut keeper: Child) {
    let since = Instant::now();
    while !files.ready().exists() {
        let ended = keeper.try_wait().expect("it is our child");
        let is_late = LONGEST < since.elapsed();
        if ended.is_some() || is_late {
            let log = fs::read_to_string(files.keeper_log()).unwrap_or_default();
            panic!("the cluster did not come up ({ended:?}):\n{log}");
        }
        sleep(LOOK_EVERY).await;
    }
}
