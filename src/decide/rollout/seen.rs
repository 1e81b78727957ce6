//! What was read of a workload and its pods, as far as a judgment needs it. No judgment here.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkloadKind {
    Deployment,
    StatefulSet,
    DaemonSet,
}

/// As the API writes it.
impl fmt::Display for WorkloadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        })
    }
}

/// What the API says of a workload, as far as its rollout is concerned. Counts that are absent are 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    pub kind: WorkloadKind,
    /// Counts the changes of the specification.
    pub generation: i64,
    /// The last one that the controller has worked on. Before it reaches `generation`, everything below is of the past.
    pub observed_generation: i64,
    /// `spec.replicas`, or `desiredNumberScheduled` of a `DaemonSet`.
    pub wanted: u32,
    /// Pods of all revisions.
    pub total: u32,
    /// Pods of the wanted revision.
    pub updated: u32,
    pub ready: u32,
    pub available: u32,
    /// `StatefulSet`: ordinals below it are not updated.
    pub partition: u32,
    /// `StatefulSet`: `currentRevision` is `updateRevision`. True for the others.
    pub revisions_agree: bool,
    /// Pods are replaced when somebody deletes them, so there is nothing to wait for.
    pub is_on_delete: bool,
    pub is_paused: bool,
    pub progressing: Option<Condition>,
    pub replica_failure: Option<Condition>,
}

impl Workload {
    /// The controller has worked on the last change, so its counts are of now.
    pub const fn is_observed(&self) -> bool {
        self.generation <= self.observed_generation
    }
}

/// A condition of a workload, as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    pub reason: String,
    pub message: String,
    /// `lastUpdateTime`, RFC 3339 with whole seconds.
    pub updated_at: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    pub name: String,
    pub node: Option<String>,
    /// `None`: not bound to a node, or nodes may not be read. A node that stopped reporting is not ready.
    pub node_ready: Option<bool>,
    /// Of the wanted revision.
    pub is_new: bool,
    pub is_ready: bool,
    pub is_terminating: bool,
    pub phase: String,
    /// `Evicted`, `NodeLost`: why the pod as a whole is where it is.
    pub reason: Option<String>,
    /// The scheduler's message.
    pub unschedulable: Option<String>,
    /// Init containers and sidecars too.
    pub containers: Vec<Container>,
}

impl Pod {
    /// Counts for its workload: neither on its way out nor ended. A `Deployment` leaves evicted pods behind and makes others.
    pub fn is_active(&self) -> bool {
        !self.is_terminating && !matches!(self.phase.as_str(), "Failed" | "Succeeded")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub name: String,
    pub is_init: bool,
    /// An init container with `restartPolicy: Always`: it runs as long as the pod does.
    pub is_sidecar: bool,
    pub restarts: u32,
    /// Reason and message of the current state.
    pub waiting: Option<(String, String)>,
    /// Exit code and reason of the current state.
    pub terminated: Option<(i32, String)>,
    /// Exit code and reason of the last end before the current state.
    pub last_terminated: Option<(i32, String)>,
    pub is_ready: bool,
    /// As the node reports it: `docker.io/x@sha256:…`.
    pub image_id: Option<String>,
}

impl Container {
    /// Runs before the others and has to end: not a sidecar.
    pub const fn must_end(&self) -> bool {
        self.is_init && !self.is_sidecar
    }

    /// Exit code and reason of its last end, the current state first.
    pub fn last_end(&self) -> Option<&(i32, String)> {
        self.terminated.as_ref().or(self.last_terminated.as_ref())
    }
}

/// All that one judgment looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub workload: Workload,
    pub pods: Vec<Pod>,
    /// Our own deadline is over, and the rollout was not done by then.
    pub deadline_passed: bool,
    /// The rollout was done once since the change: in the window after it nothing is merely starting, and nothing is stuck.
    pub was_done: bool,
    /// By [`Deadline`](super::Deadline).
    pub controller_gave_up: bool,
    /// Events `Unhealthy` of the new pods since the change.
    pub probe_failures: u32,
}

impl Seen {
    /// The time in which a pod may be merely starting is over.
    pub const fn is_over(&self) -> bool {
        self.deadline_passed || self.controller_gave_up || self.was_done
    }
}
