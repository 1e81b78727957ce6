//! How far a rollout is, by counts alone. Conditions say "complete" before a rollout has begun (the controller raises
//! `observedGeneration` one write earlier), and for ever after it was complete once, so they are not looked at.

use super::seen::{Workload, WorkloadKind};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Done,
    Going {
        /// "2 of 3 updated, 1 old still there, 2 available".
        text: String,
    },
}

/// Whether everything that is wanted runs the wanted revision and is available, and nothing else is left.
///
/// A workload whose pods are replaced by hand (`OnDelete`) is always done: there is nothing to wait for.
pub fn standing(workload: &Workload) -> Standing {
    if workload.is_on_delete {
        return Standing::Done;
    }
    if !workload.is_observed() {
        let text = format!(
            "the controller has not seen the change yet (generation {}, seen {})",
            workload.generation, workload.observed_generation
        );
        return Standing::Going { text };
    }
    if is_complete(workload) {
        return Standing::Done;
    }
    Standing::Going {
        text: counts(workload),
    }
}

/// What keeps a workload that is [`Standing::Done`] by the letter from running the wanted revision everywhere: pods that
/// nobody has deleted yet (`OnDelete`), or not enough of those that are there available.
pub fn is_partial(workload: &Workload) -> Option<String> {
    if !workload.is_on_delete {
        return None;
    }
    let Workload {
        wanted,
        updated,
        available,
        ..
    } = *workload;
    if !workload.is_observed() {
        return Some("the controller has not seen the change yet".to_owned());
    }
    (updated < wanted || available < wanted).then(|| {
        format!(
            "{updated} of {wanted} pods run the new template, {available} available; with the update strategy OnDelete the others stay until they are deleted"
        )
    })
}

fn is_complete(workload: &Workload) -> bool {
    let Workload {
        wanted,
        total,
        updated,
        ready,
        available,
        partition,
        ..
    } = *workload;
    let is_up = wanted <= available;
    match workload.kind {
        WorkloadKind::Deployment => updated == wanted && total == updated && is_up,
        WorkloadKind::StatefulSet => {
            wanted.saturating_sub(partition) <= updated
                && total == wanted
                && is_up
                && wanted <= ready
                // With a partition the two revisions stay apart for as long as it is set.
                && (0 < partition || workload.revisions_agree)
        }
        WorkloadKind::DaemonSet => wanted <= updated && total <= updated && is_up,
    }
}

fn counts(workload: &Workload) -> String {
    let to_update = match workload.kind {
        WorkloadKind::StatefulSet => workload.wanted.saturating_sub(workload.partition),
        WorkloadKind::Deployment | WorkloadKind::DaemonSet => workload.wanted,
    };
    let old = match workload.kind {
        // What the partition keeps is not in the way.
        WorkloadKind::StatefulSet => to_update.saturating_sub(workload.updated),
        WorkloadKind::Deployment | WorkloadKind::DaemonSet => {
            workload.total.saturating_sub(workload.updated)
        }
    };
    let there = match old {
        0 => String::new(),
        old => format!(", {old} old still there"),
    };
    let paused = if workload.is_paused {
        "; it is paused and goes on when it is resumed"
    } else {
        ""
    };
    format!(
        "{} of {to_update} updated{there}, {} available{paused}",
        workload.updated, workload.available
    )
}
