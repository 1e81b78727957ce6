//! From what was seen to what is wrong: one row per symptom, worst first. The same as the failure table of the documentation.
//! What no pod can show (endpoints, logs, drift, restarts over time) is seen by the target; the advice for it is here too.

mod advice;
mod crowd;
mod fault;
mod pods;
mod workload;

pub use advice::advice;
pub use fault::RESTARTS_SERIOUS;
pub use workload::PROBE_FAILURES_SERIOUS;

use super::seen::{Pod, Seen};
use crate::model::sighting::{Sighting, Symptom, worst_first};
use crate::model::state::Slot;
use crate::model::verdict::Severity;
use crowd::Crowd;

/// A line of the diagnosis, before it has its slot.
struct Row {
    severity: Severity,
    symptom: Symptom,
    what: String,
    advice: &'static str,
}

impl Row {
    fn new(severity: Severity, symptom: Symptom, what: String) -> Self {
        let advice = advice(symptom);
        Self {
            severity,
            symptom,
            what,
            advice,
        }
    }
}

/// What is wrong with a workload, worst first. Nothing for one that is well, or on a good way.
///
/// Where everything that is missing is on bad nodes, it is told as [`Symptom::NodeIssue`] and is never more than
/// [`Severity::Monitor`], nor is what follows from it: another release would fare no better on those nodes.
pub fn diagnose(slot: &Slot, seen: &Seen) -> Vec<Sighting> {
    let crowd = Crowd::of(seen);
    let mut rows = pods::rows(seen, &crowd);
    rows.extend(workload::rows(seen, &crowd));
    let mut sightings: Vec<Sighting> = rows
        .into_iter()
        .map(|row| Sighting::new(slot, row.severity, row.symptom, &row.what, row.advice))
        .collect();
    worst_first(&mut sightings);
    sightings
}

/// Whether a container of it has a fault that does not pass by itself.
pub(super) fn has_lasting_fault(pod: &Pod) -> bool {
    pod.containers
        .iter()
        .filter_map(fault::of)
        .any(|fault| fault.lasts)
}
