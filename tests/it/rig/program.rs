//! The real program as a child: started, followed, signalled, waited for. Everything has a limit in time.

use super::{Journal, Point};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// No command of these tests takes longer, whatever goes wrong.
const LONGEST: Duration = Duration::from_secs(90);

/// How often a file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);

pub(crate) struct Running {
    child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    state_dir: PathBuf,
    /// Journals that were there before.
    known: Vec<PathBuf>,
}

/// How a command ended.
pub(crate) struct Ended {
    /// `None`: by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Running {
    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    pub(crate) fn start(args: &[&str], dir: &Path, env: &BTreeMap<String, String>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastgood"));
        command.args(args);
        Self::start_command(command, dir, env)
    }

    /// The same by way of another program.
    pub(crate) fn start_command(
        mut command: Command,
        dir: &Path,
        env: &BTreeMap<String, String>,
    ) -> Self {
        let state_dir = dir.join(".lastgood");
        let known = Journal::all(&state_dir);
        let mut child = command
            .current_dir(dir)
            .env_clear()
            .envs(env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            stdout: tokio::spawn(read(child.stdout.take().unwrap())),
            stderr: tokio::spawn(read(child.stderr.take().unwrap())),
            child,
            state_dir,
            known: known.into_iter().map(|journal| journal.path).collect(),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// This command's journal, once it is there.
    pub(crate) fn journal(&self) -> Option<Journal> {
        let mut all = Journal::all(&self.state_dir);
        all.retain(|journal| !self.known.contains(&journal.path));
        all.pop()
    }

    /// Waits for an event; ends at the latest when the program does.
    pub(crate) async fn reach(&mut self, point: Point) -> Journal {
        let what = format!("{point:?}");
        self.until(&what, |running| {
            running.journal().filter(|journal| journal.has(point))
        })
        .await
    }

    /// Waits until something is there.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            let ended = self.child.try_wait().unwrap();
            // It may have written it and ended between the two looks.
            if let Some(found) = look(self) {
                return found;
            }
            if ended.is_some() || LONGEST < started.elapsed() {
                let seen = self.journal().map(|journal| journal.kinds());
                let told = (&mut self.stderr).await.unwrap();
                panic!("{what} did not come: {ended:?}, {seen:?}\n{told}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(crate) async fn end(mut self) -> Ended {
        let all = async {
            let status = self.child.wait().await.unwrap();
            (
                status,
                self.stdout.await.unwrap(),
                self.stderr.await.unwrap(),
            )
        };
        let (status, stdout, stderr) = tokio::time::timeout(LONGEST, all)
            .await
            .expect("the program ends in time");
        Ended {
            code: status.code(),
            stdout,
            stderr,
        }
    }

    /// KILL: nothing of it runs any more when this returns. Programs that it started go on.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn with(&self, code: i32, text: &str) -> &Self {
        assert_eq!(self.code, Some(code), "{self}");
        let said = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(said, "{text:?} was not said: {self}");
        self
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
        } = self;
        let code = code.map_or("none: ended by a signal".to_owned(), |code| {
            code.to_string()
        });
        write!(
            f,
            "exit code {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}

pub(crate) fn send(id: u32, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
    kill_process(id, signal).unwrap();
}

/// Whether a process still does anything. One that ended and was not waited for does not.
pub(crate) fn lives(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().unwrap_or_default();
    !state.is_empty() && !state.starts_with('Z') && !state.starts_with('X')
}

async fn read(mut from: impl AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
