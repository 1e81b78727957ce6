//! Asks the service how it is, on an open-loop schedule. Classifies each HTTP answer and judges none; what a target is
//! asked (`model::probe::Ask`) comes with its class.

mod ask;
mod failure;
mod prober;
mod settings;
mod status;

pub use prober::{IN_FLIGHT_MAX, LATE_MAX, Prober, Tick};
pub use settings::{BadSignal, Means, Method, Page, Signal, SignalSettings};
pub use status::StatusSet;
