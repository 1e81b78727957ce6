//! The steps of the engine with scripted targets and a small HTTP service: no GitHub, no cluster, no config file. What a
//! whole command does is told in `tests/it`.

mod attend;
mod fake;
mod forward;
mod gradual;
mod lease;
mod numbered;
mod question;
mod service;
mod side_by_side;

use super::operation::Operation;
use super::request::{
    Environment, GitHubAccess, Guard, Health, Latency, Means, OnInconclusive, OnUnhealthy, Output,
    Page, Policy, Probe, Process, Request, RunContext, Source, Verb,
};
use crate::model::event::EventKind;
use crate::model::state::{Held, Phase, Revision, Slot, State};
use crate::report::journal::{self, JOURNAL_NAME};
use crate::targets::{ReleaseFacts, Target, Way};
use fake::Fake;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// An operation with these targets, and the directory it writes to.
fn operation(targets: &[&Fake], edit: impl FnOnce(&mut Request)) -> (Operation, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let operation = operation_in(dir.path(), targets, edit);
    (operation, dir)
}

fn operation_in(dir: &Path, targets: &[&Fake], edit: impl FnOnce(&mut Request)) -> Operation {
    let mut request = request(dir);
    edit(&mut request);
    let mut operation = Operation::begin(request).unwrap();
    operation.targets = targets
        .iter()
        .map(|&fake| -> Box<dyn Target> { Box::new(fake.clone()) })
        .collect();
    operation
}

fn request(dir: &Path) -> Request {
    Request {
        verb: Verb::Watch { slots: Vec::new() },
        environment: Environment {
            name: "production".to_owned(),
            source: source(),
            targets: Vec::new(),
            health: health(),
            policy: Policy {
                on_unhealthy: OnUnhealthy::Rollback,
                on_inconclusive: OnInconclusive::Fail,
                on_state_conflict: crate::model::plan::OnStateConflict::Stop,
                allow: Vec::new(),
            },
            guard: Guard::default(),
        },
        github: GitHubAccess {
            api_url: "https://api.github.com".to_owned(),
            server_url: "https://github.com".to_owned(),
            repository: None,
            token: None,
            request_deadline: Duration::from_secs(1),
            deadline: Duration::from_secs(1),
            rate_limit_wait: Duration::ZERO,
            ca_pem: None,
            proxy: None,
            no_proxy: None,
        },
        context: RunContext {
            run_id: None,
            attempt: None,
            sha: None,
            ref_name: None,
            workflow_ref: None,
            event: None,
            actor: None,
            run_url: None,
            repository: None,
            hostname: Some("runner".to_owned()),
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
        },
        output: Output {
            json: false,
            color: false,
            stdout_tty: false,
            stderr_tty: false,
            in_actions: false,
            verbosity: -1,
            github_output: None,
            step_summary: None,
        },
        process: Process {
            dir: dir.to_owned(),
            variables: BTreeMap::new(),
            temp_dir: dir.to_owned(),
        },
        state_dir: dir.to_owned(),
        dry_run: false,
        reason: None,
        secrets: Vec::new(),
    }
}

fn source() -> Source {
    Source {
        workflow: String::new(),
        branch: None,
        events: Vec::new(),
        artifact: String::new(),
        deploy_job: None,
        title: None,
        require_digest: false,
        require_ancestor: false,
        rollback_workflows: Vec::new(),
        max_candidates: 1,
        max_pages: 1,
        size_limit_bytes: 1,
        exclude_runs: Vec::new(),
        failing_commit: None,
    }
}

/// No probes. With some, a service without a failure passes in one second.
fn health() -> Health {
    Health {
        probes: Vec::new(),
        control_url: None,
        rate: 50,
        healthy_error_rate: 0.01,
        unhealthy_error_rate: 0.5,
        warm_up: Duration::ZERO,
        cap: Duration::from_secs(10),
        bake: Duration::ZERO,
        bake_rate: 50,
        baseline: Duration::ZERO,
        latency: Latency::Off,
    }
}

fn probe(url: &str) -> Probe {
    Probe {
        name: "web".to_owned(),
        gating: true,
        means: Means::Http(page(url)),
    }
}

fn page(url: &str) -> Page {
    Page {
        url: url.parse().unwrap(),
        via: None,
        method: "GET".to_owned(),
        expect_status: vec!["2xx".to_owned()],
        expect_body: None,
        headers: Vec::new(),
    }
}

fn facts(operation: &Operation, way: Way, emergency: bool) -> ReleaseFacts<'_> {
    ReleaseFacts {
        run: None,
        commit: None,
        manifest: None,
        environment: "production",
        way,
        emergency,
        on_state_conflict: crate::model::plan::OnStateConflict::Stop,
        allowed: &[],
        story: Some(operation),
    }
}

fn slot(name: &str) -> Slot {
    Slot(name.to_owned())
}

/// `a=1 b=2`, all running.
fn state(text: &str) -> State {
    text.split_whitespace()
        .map(|part| {
            let (slot, revision) = part.split_once('=').unwrap();
            let held = Held {
                revision: Some(Revision(revision.to_owned())),
                phase: Phase::Running,
            };
            (Slot(slot.to_owned()), held)
        })
        .collect()
}

/// `a=1 b=2`.
fn text(state: &State) -> String {
    state
        .iter()
        .map(|(slot, held)| {
            let revision = held.revision.as_ref().map_or("", |it| it.0.as_str());
            format!("{slot}={revision}")
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// What the journal on the disk tells, a few words an event; only what these tests are about.
fn told(operation: &Operation) -> Vec<String> {
    let events = journal::read(&operation.dir.join(JOURNAL_NAME)).unwrap();
    let words = |kind: EventKind| match kind {
        EventKind::Intent { change, .. } => Some(format!("intent {}", change.slot())),
        EventKind::Applied { slot, .. } => Some(format!("applied {slot}")),
        EventKind::ApplyFailed { slot, .. } => Some(format!("failed {slot}")),
        EventKind::Sighted { sighting, .. } => Some(format!("sighted {sighting}")),
        EventKind::Judged { verdict, .. } => Some(format!("judged {}", verdict.call)),
        EventKind::Warned { text } => Some(format!("warned {text}")),
        EventKind::Note { text } => Some(format!("note {text}")),
        _ => None,
    };
    events
        .into_iter()
        .filter_map(|event| words(event.kind))
        .collect()
}

#[track_caller]
fn has(operation: &Operation, wanted: &str) {
    let told = told(operation);
    assert!(
        told.iter().any(|line| line.contains(wanted)),
        "no {wanted} in {told:#?}"
    );
}
