//! A program and everything it started: one process group, ended as a whole.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

/// How often a group that was asked to end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Longest wait for the kernel to hand over a killed program; more would mean it hangs in a device.
const REAP: Duration = Duration::from_secs(5);

/// Owns a child that leads its own process group. Dropped before the child was waited for: the group is killed.
#[derive(Debug)]
pub(super) struct Group {
    child: Child,
    /// The group's id. `None` once the leader was reaped: from then on the number may belong to somebody else.
    leader: Option<Pid>,
}

impl Group {
    pub(super) fn of(child: Child) -> Self {
        let leader = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Self { child, leader }
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for the leader alone. Cancel-safe.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.leader = None;
        Ok(status)
    }

    /// TERM to all, KILL once the grace is over, or once the leader ended and `quiet` says that nobody holds its pipes.
    pub(super) async fn end(
        &mut self,
        grace: Duration,
        mut quiet: impl FnMut() -> bool,
    ) -> io::Result<()> {
        self.signal(Signal::TERM);
        let until = Instant::now() + grace;
        while Instant::now() < until && !(self.leader_exited() && quiet()) {
            sleep(LOOK_EVERY).await;
        }
        self.signal(Signal::KILL);
        match timeout(REAP, self.wait()).await {
            Ok(status) => status.map(|_status| ()),
            Err(_late) => Err(io::Error::other("killed, and still not gone")),
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader
            && let Err(error) = kill_process_group(leader, signal)
        {
            tracing::debug!(%error, "the process group is gone already");
        }
    }

    /// Looks without reaping, so that the group's id stays ours until the KILL is sent.
    fn leader_exited(&self) -> bool {
        let Some(leader) = self.leader else {
            return true;
        };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(leader), options), Ok(None))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
