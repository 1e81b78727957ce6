//! Floor 1: the whole judgment of the product. Pure and synchronous: no clock, no network, no files.
//! What was seen comes in as values, what to do goes out as values; the doing is the engine's.

pub mod alike;
pub mod candidate;
pub mod canister;
pub mod compose;
pub mod diff;
pub mod guard;
pub mod judge;
pub mod mitigate;
pub mod pace;
pub mod rollout;
pub mod swarm;
pub mod verify;
