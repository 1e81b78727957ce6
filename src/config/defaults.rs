//! What holds when nothing is said. The schema states the same values (`tests/it/config.rs` holds that), and
//! `docs/config.md` is made from the schema.

use crate::engine::request::{
    Environment, Guard, Health, Latency, OnInconclusive, OnStateConflict, OnUnhealthy, Policy,
    Source,
};
use std::time::Duration;

/// The config file, relative to the working directory.
pub const CONFIG_FILE: &str = ".github/lastgood.yml";

/// Where journals lie, relative to the working directory.
pub const STATE_DIR: &str = ".lastgood";

/// The environment's name when there is no config file and none is given.
pub const ENVIRONMENT: &str = "default";

/// Events that only people with write access can start.
pub const EVENTS: [&str; 5] = [
    "push",
    "workflow_dispatch",
    "schedule",
    "release",
    "repository_dispatch",
];

/// GitHub answers within seconds, or not at all.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

pub const DEADLINE: Duration = Duration::from_mins(10);

pub const RATE_LIMIT_WAIT: Duration = Duration::from_mins(2);

/// An environment of which nothing was said.
pub fn environment(name: &str) -> Environment {
    Environment {
        name: name.to_owned(),
        source: source(),
        targets: Vec::new(),
        health: health(),
        policy: policy(),
        guard: Guard::default(),
    }
}

pub fn source() -> Source {
    Source {
        workflow: String::new(),
        branch: None,
        events: EVENTS.map(str::to_owned).to_vec(),
        artifact: "*".to_owned(),
        deploy_job: None,
        title: None,
        require_digest: true,
        require_ancestor: false,
        rollback_workflows: vec!["rollback.yml".to_owned()],
        max_candidates: 10,
        max_pages: 3,
        size_limit_bytes: 2 << 30,
        exclude_runs: Vec::new(),
        failing_commit: None,
    }
}

pub fn health() -> Health {
    Health {
        probes: Vec::new(),
        control_url: None,
        rate: 10,
        healthy_error_rate: 0.01,
        unhealthy_error_rate: 0.05,
        warm_up: Duration::from_mins(1),
        cap: Duration::from_mins(3),
        bake: Duration::ZERO,
        bake_rate: 2,
        baseline: Duration::from_secs(30),
        latency: Latency::Warn,
    }
}

pub fn policy() -> Policy {
    Policy {
        on_unhealthy: OnUnhealthy::Rollback,
        on_inconclusive: OnInconclusive::Fail,
        on_state_conflict: OnStateConflict::Stop,
        allow: Vec::new(),
    }
}
