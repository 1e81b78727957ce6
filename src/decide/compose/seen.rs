//! What one look at the containers of a service sees. Text that comes from outside is masked before it gets here.

use std::time::Duration;

/// One look at one service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// Since the watching began.
    pub at: Duration,
    /// Whether restarts still count: the time in which they must not grow is not over.
    pub is_stability: bool,
    /// Whether other services wait for its good end: it is a job.
    pub is_awaited: bool,
    /// In any order. Without those that a change has put aside.
    pub containers: Vec<Container>,
    /// Names of containers that a change has put aside.
    pub aside: Vec<String>,
    /// What the engine told since the look before, in order. May lack things: a stream of events can break.
    pub happened: Vec<Happened>,
    /// When logs were read.
    pub errors: Option<Errors>,
}

/// One container.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub state: State,
    /// How often its own policy has started it again (`RestartCount`).
    pub restarts: u64,
    /// Of its last end; 0 while it runs.
    pub exit_code: i64,
    /// Whether its last end was the kernel's, for lack of memory.
    pub oom_killed: bool,
    /// Why it could not be started; else empty.
    pub error: String,
    /// `None`: it has no HEALTHCHECK.
    pub health: Option<Health>,
    /// Whether its policy is to be started again whatever it ended with.
    pub is_restarted: bool,
    /// Whether ports of the host lead to it: then it serves, and is no job.
    pub has_ports: bool,
    /// Whether it is known to serve: its HEALTHCHECK has found it well, as far as the engine remembers, or it ran when its release was
    /// recorded.
    pub has_served: bool,
    /// How long its HEALTHCHECK takes at the most by its own settings; zero without one.
    pub health_within: Duration,
    /// Whether it was made within the last minutes, so that all its restarts are of this deploy.
    pub is_young: bool,
    /// It is down, and was so before the deploy at hand.
    pub is_from_before: bool,
    /// When it was started, as the engine writes it: another text is another run.
    pub started_at: String,
    /// The image as it was asked for, for words.
    pub image: String,
    pub image_id: String,
    /// Whether its image is the one that was put in place. `None`: the engine cannot tell.
    pub is_wanted: Option<bool>,
}

/// The engine's words for what a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Created,
    Running,
    Paused,
    /// It ended, and its policy starts it again after a while.
    Restarting,
    Removing,
    Exited,
    Dead,
    /// A word of a newer engine.
    Unknown,
}

/// What its HEALTHCHECK says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub status: HealthStatus,
    /// Failures in a row.
    pub failures: u64,
    /// What the check printed last.
    pub output: String,
}

/// `Unhealthy` comes after as many failures in a row as the check's own `retries`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthStatus {
    Starting,
    Healthy,
    Unhealthy,
}

/// One event of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// Its id.
    pub container: String,
    pub incident: Incident,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incident {
    /// `by_hand`: somebody asked for it (`docker stop`, `restart`, `kill`).
    Ended { code: i64, by_hand: bool },
    /// The kernel killed something in it for lack of memory; not always what keeps it alive.
    OutOfMemory,
}

/// Lines of the logs that count as errors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Errors {
    pub lines: usize,
    /// Containers that have any.
    pub containers: usize,
    /// One of them.
    pub first: String,
}
