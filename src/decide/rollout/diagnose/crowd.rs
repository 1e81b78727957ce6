//! The pods that a judgment counts, and those that only their nodes are to blame for.

use super::has_lasting_fault;
use crate::decide::rollout::seen::{Pod, Seen, WorkloadKind};

/// Why a pod as a whole was ended or lost by its node or for it (kubelet and node lifecycle controller).
const NODE_REASONS: &[&str] = &[
    "Evicted",
    "NodeLost",
    "NodeShutdown",
    "NodeAffinity",
    "Preempting",
    "Shutdown",
    "Terminated",
    "UnexpectedAdmissionError",
];

/// The pods of the wanted revision, as a whole.
pub(super) struct Crowd<'a> {
    /// Those that count for the workload, without those that are [`lame`](Self::lame).
    pub(super) new: Vec<&'a Pod>,
    /// How many of the wanted revision count, `lame` included.
    pub(super) size: usize,
    /// Not ready, or with a fault that lasts.
    pub(super) ill: usize,
    /// The pods that are not well, when no node of theirs is, and they are all that is missing. Of several, one pod elsewhere
    /// has to be well: a release that takes every node down is not excused by the nodes.
    pub(super) lame: Vec<&'a Pod>,
    /// All pods that a node is to blame for, `lame` included.
    pub(super) on_bad_nodes: Vec<&'a Pod>,
}

impl<'a> Crowd<'a> {
    pub(super) fn of(seen: &'a Seen) -> Self {
        // An old pod of a StatefulSet holds its ordinal and one of a DaemonSet its node, so it matters like a new one.
        let keeps_places = match seen.workload.kind {
            WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => true,
            WorkloadKind::Deployment => false,
        };
        let relevant = || {
            seen.pods
                .iter()
                .filter(move |pod| pod.is_new || keeps_places)
        };
        let on_bad_nodes: Vec<&Pod> = relevant().filter(|pod| is_on_bad_node(pod)).collect();
        let are_others_well =
            !relevant().any(|pod| pod.is_active() && is_ill(pod) && !is_on_bad_node(pod));
        let is_any_well = relevant().any(|pod| pod.is_active() && !is_ill(pod));
        let missing = seen.workload.wanted.saturating_sub(seen.workload.available);
        let explains = usize::try_from(missing).is_ok_and(|missing| missing <= on_bad_nodes.len());
        let is_excused = are_others_well && explains && (is_any_well || on_bad_nodes.len() == 1);
        let lame = if is_excused {
            on_bad_nodes.clone()
        } else {
            Vec::new()
        };
        let active: Vec<&Pod> = seen
            .pods
            .iter()
            .filter(|pod| pod.is_new && pod.is_active())
            .collect();
        let size = active.len();
        let ill = active.iter().filter(|pod| is_ill(pod)).count();
        let new = active
            .into_iter()
            .filter(|pod| lame.iter().all(|lame| lame.name != pod.name))
            .collect();
        Self {
            new,
            size,
            ill,
            lame,
            on_bad_nodes,
        }
    }

    /// Exactly one is not well and the others are ready: that says more about the one than about the release.
    pub(super) const fn is_single(&self) -> bool {
        self.ill <= 1 && 1 < self.size
    }
}

fn is_ill(pod: &Pod) -> bool {
    !pod.is_ready || has_lasting_fault(pod)
}

fn is_on_bad_node(pod: &Pod) -> bool {
    let is_lost = pod
        .reason
        .as_deref()
        .is_some_and(|reason| NODE_REASONS.contains(&reason) || reason.starts_with("OutOf"));
    is_lost || (pod.node_ready == Some(false) && !pod.is_ready)
}
