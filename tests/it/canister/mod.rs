//! The `canister` target against the double of a replica, through the public door of the targets.

mod attend;
mod preflight;
mod preflight_hazards;
mod preflight_world;
