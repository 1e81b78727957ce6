//! The `canister` target against a double of a replica.

mod preflight;
mod preflight_hazards;
mod preflight_world;
