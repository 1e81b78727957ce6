//! Floor 0: the vocabulary. Values and the checks a value can make of itself.
//! No clock, no network, no files, no async.

pub mod body;
pub mod candidate;
pub mod event;
pub mod ids;
pub mod outcome;
pub mod payload;
pub mod plan;
pub mod probe;
pub mod release;
pub mod secret;
pub mod sighting;
pub mod state;
pub mod verdict;
