//! Judgment of the containers of a service while they are watched: which of what was seen is trouble, how bad, and when it is sure.
//! Values in, values out: asking the engine is the target's, what follows is `decide::mitigate`'s.

mod fault;
mod job;
mod ledger;
mod seen;
mod standing;
mod time;

pub use job::{Doing, Job, awaited, job};
pub use seen::{Container, Errors, Happened, Health, HealthStatus, Incident, Look, State};
pub use standing::{Rules, Standing, unseen};
pub use time::{Healthcheck, is_from_before, is_long_ago, too_fresh};
