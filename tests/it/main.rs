//! The integration tests: one binary, so that the product is linked once.
#![cfg(test)]

pub mod github_schema;
pub mod tools;
pub mod world;

mod demo_service;
mod evil_zip;
mod github_client;
mod github_world;
mod loopback;
mod official_clients;
mod probes;
mod targets;
mod zip_lies;
mod zip_refusals;
mod report;
//! The one test binary.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests: a panic is how they fail"
)]

mod action;
mod bless;
mod cli;
mod config;
mod reference;
mod schema;
mod step;
mod workflows;
