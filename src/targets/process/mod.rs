//! The only place that starts programs: argument lists without a shell, a chosen environment, a deadline that ends the
//! whole process group, bounded and masked output. What an answer means is for the target to say.

mod capture;
mod group;

pub use capture::Captured;
pub(crate) use capture::mask;

use crate::model::secret::Secret;
use group::Group;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Between the polite TERM and the KILL.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long output is still read after the program ended: a daemon it left behind may keep the pipes open for ever.
const DRAIN: Duration = Duration::from_millis(500);

/// A program to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program and its arguments. Without a `/` the program is looked up in `PATH` of `env`; a relative path starts
    /// at `cwd`.
    pub argv: Vec<String>,
    pub cwd: PathBuf,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    pub deadline: Duration,
    /// Masked in its output.
    pub secrets: Vec<Secret>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: Captured,
    pub stderr: Captured,
}

/// Why a program has no exit status.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("could not start {program}: {why}")]
    NotStarted { program: String, why: String },
    /// The whole process group was ended. What the program had done by then is unknown.
    #[error("{program} did not end within {} s and was stopped{output}", .deadline.as_secs_f64())]
    Deadline {
        program: String,
        deadline: Duration,
        /// Its last words, led by `: `; or empty.
        output: String,
    },
    #[error("lost track of {program}: {why}")]
    Lost { program: String, why: String },
}

/// Runs a program to its end or deadline, with `stdin` as its whole input.
///
/// At the deadline, and when the returned future is dropped, every process of the program's group gets TERM, and KILL
/// after [`GRACE`]. A process that left the group (`setsid`) is not reached. A program that ends by itself may leave
/// background processes behind; they are not ended.
pub async fn run(program: &Program, stdin: Vec<u8>) -> Result<Ended, RunError> {
    let name = shown(&program.argv);
    let stop = CancellationToken::new();
    let group = start(program).map_err(|why| RunError::NotStarted {
        program: name.clone(),
        why,
    })?;
    // The group is watched from a task of its own, so that dropping this future still ends it politely.
    let watching = tokio::spawn(watch(group, stdin, program.deadline, stop.clone()));
    let _stop_when_dropped = stop.drop_guard();
    match watching.await {
        Ok(Ok(Watched::Exited(ended))) => Ok(ended),
        Ok(Ok(Watched::Killed { stdout, stderr })) => Err(RunError::Deadline {
            program: name,
            deadline: program.deadline,
            output: last_words(&stdout, &stderr, &program.secrets),
        }),
        Ok(Err(error)) => Err(RunError::Lost {
            program: name,
            why: error.to_string(),
        }),
        Err(join) => Err(RunError::Lost {
            program: name,
            why: join.to_string(),
        }),
    }
}

impl Ended {
    /// `exit code 3: the last line it wrote`, masked. Standard error speaks first.
    pub fn describe(&self, secrets: &[Secret]) -> String {
        use std::os::unix::process::ExitStatusExt as _;
        let how = match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("ended by signal {signal}"),
            (None, None) => "ended".to_owned(),
        };
        format!("{how}{}", last_words(&self.stdout, &self.stderr, secrets))
    }
}

/// Where a program would be started from, as [`run`] looks it up.
///
/// # Errors
/// In the operator's words: not found, or not executable.
pub fn locate(
    program: &str,
    cwd: &Path,
    env: &BTreeMap<String, String>,
) -> Result<PathBuf, String> {
    if program.contains('/') {
        let path = cwd.join(program);
        return match (executable(&path), path.exists()) {
            (true, _) => Ok(path),
            (false, true) => Err(format!("{} is not executable", path.display())),
            (false, false) => Err(format!("{} does not exist", path.display())),
        };
    }
    let dirs = env.get("PATH").map_or("/usr/bin:/bin", String::as_str);
    dirs.split(':')
        .filter(|dir| !dir.is_empty())
        .map(|dir| cwd.join(dir).join(program))
        .find(|path| executable(path))
        .ok_or_else(|| format!("{program} is not in PATH ({dirs})"))
}

fn executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// A program for messages: without its arguments, which may be long or secret.
fn shown(argv: &[String]) -> String {
    argv.first().cloned().unwrap_or_default()
}

fn last_words(stdout: &Captured, stderr: &Captured, secrets: &[Secret]) -> String {
    [stderr, stdout]
        .into_iter()
        .find_map(|captured| captured.last_line(secrets))
        .map(|line| format!(": {line}"))
        .unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that starts programs"
)]
fn start(program: &Program) -> Result<Group, String> {
    let Some((name, args)) = program.argv.split_first() else {
        return Err("no program was given".to_owned());
    };
    let path = locate(name, &program.cwd, &program.env)?;
    let child = tokio::process::Command::new(path)
        .arg0(name)
        .args(args)
        .current_dir(&program.cwd)
        .env_clear()
        .envs(&program.env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{error} (in {})", program.cwd.display()))?;
    Ok(Group::of(child))
}

enum Watched {
    Exited(Ended),
    Killed { stdout: Captured, stderr: Captured },
}

async fn watch(
    mut group: Group,
    stdin: Vec<u8>,
    deadline: Duration,
    stop: CancellationToken,
) -> io::Result<Watched> {
    let mut pipes = Pipes::of(&mut group, stdin);
    let exited = tokio::select! {
        status = group.wait() => Some(status?),
        () = tokio::time::sleep(deadline) => None,
        () = stop.cancelled() => None,
    };
    if exited.is_none() {
        group.end(GRACE, || pipes.closed()).await?;
    }
    pipes.drain(DRAIN).await;
    let (stdout, stderr) = pipes.take();
    Ok(match exited {
        Some(status) => Watched::Exited(Ended {
            status,
            stdout,
            stderr,
        }),
        None => Watched::Killed { stdout, stderr },
    })
}

/// The program's three pipes, served until they close or this is dropped.
struct Pipes {
    serving: JoinSet<()>,
    stdout: Arc<Mutex<Captured>>,
    stderr: Arc<Mutex<Captured>>,
}

impl Pipes {
    fn of(group: &mut Group, stdin: Vec<u8>) -> Self {
        let mut pipes = Self {
            serving: JoinSet::new(),
            stdout: Arc::default(),
            stderr: Arc::default(),
        };
        if let Some(out) = group.child().stdout.take() {
            pipes.serving.spawn(read(out, Arc::clone(&pipes.stdout)));
        }
        if let Some(err) = group.child().stderr.take() {
            pipes.serving.spawn(read(err, Arc::clone(&pipes.stderr)));
        }
        if let Some(mut input) = group.child().stdin.take() {
            pipes.serving.spawn(async move {
                // A program need not read its input: a closed pipe is its good right.
                if let Err(error) = input.write_all(&stdin).await {
                    tracing::debug!(%error, "the program did not read its input");
                }
            });
        }
        pipes
    }

    /// Whether nobody holds the other ends any more.
    fn closed(&mut self) -> bool {
        while self.serving.try_join_next().is_some() {}
        self.serving.is_empty()
    }

    async fn drain(&mut self, longest: Duration) {
        let all = async { while self.serving.join_next().await.is_some() {} };
        if tokio::time::timeout(longest, all).await.is_err() {
            tracing::debug!("a process left behind keeps the program's output open");
        }
    }

    fn take(self) -> (Captured, Captured) {
        let take = |captured: &Mutex<Captured>| {
            std::mem::take(&mut *captured.lock().expect("no reader panics"))
        };
        (take(&self.stdout), take(&self.stderr))
    }
}

async fn read(mut from: impl AsyncRead + Unpin, into: Arc<Mutex<Captured>>) {
    let mut buffer = [0; 8192];
    // Bounded by the deadline: the pipe closes when the group ends, and dropping `Pipes` aborts this task.
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        into.lock()
            .expect("no reader panics")
            .push(buffer.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests;
