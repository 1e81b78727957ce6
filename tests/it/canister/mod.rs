//! The `canister` target against the double of a replica, through the public door of the targets.

mod apply;
mod apply_lost;
mod apply_snapshots;
mod apply_state;
mod apply_world;
mod attend;
mod preflight;
mod preflight_hazards;
mod preflight_world;
