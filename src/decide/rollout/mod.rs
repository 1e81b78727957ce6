//! Judgment of a rollout in a cluster: how far it is, whether its controller gave up, and what ails its pods.
//! Values in, values out: reading the cluster and waiting are the target's, what follows is `decide::mitigate`'s.

mod deadline;
mod diagnose;
mod seen;
pub mod stable;
mod standing;
#[cfg(test)]
mod tests;

pub use deadline::Deadline;
pub use diagnose::{PROBE_FAILURES_SERIOUS, RESTARTS_SERIOUS, advice, diagnose};
pub use seen::{Condition, Container, Pod, Seen, Workload, WorkloadKind};
pub use standing::{Standing, is_partial, standing};
