//! Rolls a deployment back to the last release that was proven good, and proves that it worked.
//!
//! Floors, each using lower ones only (`docs/ARCHITECTURE.md`; `tests/it/tidy.rs` holds it):
//! 4 `cli`, `config` · 3 `engine` · 2 `github`, `artifact`, `targets`, `probes`, `report` · 1 `decide`, `net`, `tree` ·
//! 0 `model`.

pub mod artifact;
pub mod cli;
pub mod config;
pub mod decide;
pub mod engine;
pub mod github;
pub mod model;
pub mod net;
pub mod probes;
pub mod report;
pub mod targets;
pub mod tree;
