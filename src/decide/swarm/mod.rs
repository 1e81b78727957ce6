//! Whether a service of a swarm runs what its spec says, and what is wrong when it does not. A spec is a wish: the tasks say what
//! runs, and the update says whether the swarm still works at it, gave up, or went back by itself.

mod sightings;

pub use sightings::{fewer, look};

use crate::model::state::Phase;

/// How far an update of a service is, as `UpdateStatus.State` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateState {
    Updating,
    /// The swarm gave up (`failure_action: pause`), and waits for a person.
    Paused,
    Completed,
    /// The swarm goes back by itself (`failure_action: rollback`), or somebody told it to.
    RollbackStarted,
    RollbackPaused,
    RollbackCompleted,
}

impl UpdateState {
    /// `None`: a state that is not known here.
    pub fn read(text: &str) -> Option<Self> {
        Some(match text {
            "updating" => Self::Updating,
            "paused" => Self::Paused,
            "completed" => Self::Completed,
            "rollback_started" => Self::RollbackStarted,
            "rollback_paused" => Self::RollbackPaused,
            "rollback_completed" => Self::RollbackCompleted,
            _ => return None,
        })
    }
}

/// The last update of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    pub state: UpdateState,
    /// In the swarm's words.
    pub message: String,
}

/// Where a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// New, pending, assigned, accepted, preparing, ready or starting.
    Coming,
    /// By its HEALTHCHECK when it has one: the swarm calls a task running when it is healthy.
    Running,
    /// Shut down, removed, orphaned, or complete where it may be: it ended as it was told to.
    Ended,
    /// It ended, and should run on.
    Failed,
    /// The node would not even start it: no such image, no such mount.
    Rejected,
}

/// One task of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub id: String,
    pub image: String,
    pub state: TaskState,
    /// It is one of those that should run.
    pub is_wanted: bool,
    /// What is wrong, in the words of its node or of the scheduler.
    pub trouble: Option<String>,
}

/// A service as one look found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The image of the spec.
    pub image: String,
    /// How many tasks should run; `None`: one on every node.
    pub replicas: Option<u64>,
    pub update: Option<Update>,
    pub tasks: Vec<Task>,
}

impl Seen {
    /// Whether the spec names this digest.
    pub fn holds(&self, digest: &str) -> bool {
        digest_of(&self.image) == Some(digest)
    }

    /// Tasks that should run and are of the spec's image, running.
    pub fn up(&self) -> u64 {
        let is_up = |task: &&Task| task.image == self.image && task.state == TaskState::Running;
        count(self.wanted().filter(is_up))
    }

    /// Tasks of another image that should still run.
    pub fn old(&self) -> u64 {
        count(self.wanted().filter(|task| task.image != self.image))
    }

    /// How many should run.
    pub fn needed(&self) -> u64 {
        self.replicas.unwrap_or_else(|| count(self.wanted()))
    }

    fn wanted(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().filter(|task| task.is_wanted)
    }

    /// Whether all that should run does, and on the image of the spec.
    pub fn is_up(&self) -> bool {
        self.old() == 0 && self.needed() <= self.up()
    }

    /// Tasks of the spec's image that came to a bad end.
    pub fn failures(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().filter(|task| {
            task.image == self.image
                && matches!(task.state, TaskState::Failed | TaskState::Rejected)
        })
    }

    /// Why tasks are not where they should be: of those that ended badly, else of those that wait. Each once.
    pub fn troubles(&self) -> Vec<String> {
        let failed = self.failures().filter_map(|task| task.trouble.as_ref());
        let waits = |task: &&Task| task.state == TaskState::Coming;
        let waiting = self.tasks.iter().filter(waits);
        let waiting = waiting.filter_map(|task| task.trouble.as_ref());
        let mut told: Vec<String> = Vec::new();
        for trouble in failed.chain(waiting) {
            if !told.contains(trouble) {
                told.push(trouble.clone());
            }
        }
        told
    }
}

fn count<'a>(tasks: impl Iterator<Item = &'a Task>) -> u64 {
    u64::try_from(tasks.count()).unwrap_or(u64::MAX)
}

/// `sha256:...` of `name:tag@sha256:...`.
pub fn digest_of(image: &str) -> Option<&str> {
    let (_, digest) = image.rsplit_once('@')?;
    Some(digest)
}

/// Where a change to a digest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Done,
    /// `up`: how many run so far.
    Going {
        text: String,
        up: u64,
    },
    /// The swarm goes back to what ran before, and is not there yet.
    GoingBack {
        text: String,
    },
    /// The swarm gave up in the middle: what is in place is mixed.
    Paused {
        text: String,
    },
    /// The swarm went back by itself, or somebody told it to.
    WentBack {
        text: String,
    },
    /// Somebody else put another image in place.
    Replaced {
        image: String,
    },
}

/// Where a change to `digest` is.
pub fn standing(seen: &Seen, digest: &str) -> Standing {
    let holds = seen.holds(digest);
    let message = seen.update.as_ref().map_or("", |update| &update.message);
    let state = seen.update.as_ref().map(|update| update.state);
    let text = || progress(seen);
    match (holds, state) {
        (true, Some(UpdateState::Paused | UpdateState::RollbackPaused)) if !seen.is_up() => {
            Standing::Paused {
                text: format!("{message} ({})", text()),
            }
        }
        (true, Some(UpdateState::Updating | UpdateState::RollbackStarted)) => Standing::Going {
            text: text(),
            up: seen.up(),
        },
        (true, _) if seen.is_up() => Standing::Done,
        (true, _) => Standing::Going {
            text: text(),
            up: seen.up(),
        },
        (false, Some(UpdateState::RollbackStarted)) => Standing::GoingBack {
            text: message.to_owned(),
        },
        (false, Some(UpdateState::RollbackCompleted | UpdateState::RollbackPaused)) => {
            Standing::WentBack {
                text: message.to_owned(),
            }
        }
        (
            false,
            Some(UpdateState::Updating | UpdateState::Paused | UpdateState::Completed) | None,
        ) => Standing::Replaced {
            image: seen.image.clone(),
        },
    }
}

/// `1 of 2 run the new image, 1 still the old one: no suitable node`.
fn progress(seen: &Seen) -> String {
    let mut text = format!("{} of {} run the image", seen.up(), seen.needed());
    match seen.old() {
        0 => (),
        old => text = format!("{text}, {old} still another one"),
    }
    match seen.troubles().first() {
        None => text,
        Some(trouble) => format!("{text}: {trouble}"),
    }
}

/// Whether a service is at work on what its spec says.
///
/// An update that the swarm gave up on is pending work, and so is a service of which nothing runs: the plan starts it.
pub fn phase(seen: &Seen) -> Phase {
    let state = seen.update.as_ref().map(|update| update.state);
    let works = [UpdateState::Updating, UpdateState::RollbackStarted];
    let gave_up = [UpdateState::Paused, UpdateState::RollbackPaused];
    if state.is_some_and(|state| works.contains(&state)) {
        Phase::Moving
    } else if state.is_some_and(|state| gave_up.contains(&state)) && !seen.is_up() {
        Phase::Stopped
    } else if 0 < seen.old() {
        // Asked for, and the swarm has not begun.
        Phase::Moving
    } else if seen.up() == 0 && 0 < seen.needed() {
        Phase::Stopped
    } else {
        Phase::Running
    }
}

#[cfg(test)]
mod tests;
