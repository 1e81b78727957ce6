//! Asks the service how it is, on an open-loop schedule. Classifies each answer and judges none.

mod ask;
mod body;
mod failure;
mod prober;
mod settings;
mod status;

pub use body::BodyMatch;
pub use prober::{IN_FLIGHT_MAX, LATE_MAX, Prober, Tick};
pub use settings::{BadSignal, Method, Signal, SignalSettings};
pub use status::StatusSet;
