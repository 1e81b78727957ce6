//! The integration tests: one binary, so that the product is linked once.
#![cfg(test)]

pub mod cluster;
pub mod github_schema;
pub mod replica;
pub mod tools;
pub mod world;

mod action;
mod action_run;
mod bless;
mod canister;
mod cli;
mod config;
mod demo_service;
mod e2e;
mod evil_zip;
mod fetch;
mod fetch_again;
mod fetch_refusals;
mod github_client;
mod github_failures;
mod github_world;
mod kill;
mod kubernetes;
mod kubernetes_access;
mod kubernetes_traffic;
mod kubernetes_watch;
mod loopback;
mod official_clients;
mod payloads;
mod pocket_ic;
mod probes;
mod reference;
mod registry;
mod replica_icp;
mod report;
mod rig;
mod runner;
mod schema;
mod signals;
mod step;
mod targets;
mod tidy;
mod verdict;
mod workflows;
mod zip_lies;
mod zip_refusals;
