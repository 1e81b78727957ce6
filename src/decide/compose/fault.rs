//! What one look shows to be wrong with one container, in words, with the one next action.

use super::seen::{Container, HealthStatus, State};
use crate::model::sighting::Symptom;
use crate::model::verdict::Severity;
use std::time::Duration;

/// Ends of code 0 that a policy follows with a start: a worker may end by itself now and then, and a loop ends often.
const RESTARTS_OF_ZERO_SERIOUS: u64 = 3;

/// Exit codes of a program that ended by SIGINT, SIGKILL and SIGTERM: what `docker stop` and `docker kill` leave.
const BY_SIGNAL: [i64; 3] = [130, 137, 143];

/// What is known of one container over all looks.
#[derive(Debug, Clone, Default)]
pub(super) struct Run {
    /// The count of the first look: what happened before counts against nobody.
    pub(super) restarts_before: u64,
    /// How its last end went, where the engine told.
    pub(super) ended: Option<i64>,
    pub(super) ended_by_hand: bool,
    pub(super) out_of_memory: bool,
    /// When its HEALTHCHECK was first seen to be starting, and in which run.
    pub(super) starting: Option<(String, Duration)>,
}

impl Run {
    /// Restarts since the first look.
    fn grown(&self, container: &Container) -> u64 {
        container.restarts.saturating_sub(self.restarts_before)
    }
}

/// How sure one look is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Proof {
    /// It may be a step of something that goes on: believed when the next look has it too.
    TwoLooks,
    /// It is so, and may pass.
    OneLook,
    /// It happened, and does not un-happen.
    Event,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) symptom: Symptom,
    pub(super) severity: Severity,
    pub(super) proof: Proof,
    /// After the name of the container.
    pub(super) what: String,
    pub(super) advice: &'static str,
}

/// What it has been watched for, besides the container.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    pub(super) at: Duration,
    pub(super) is_stability: bool,
    /// Whether any container of the service runs.
    pub(super) some_run: bool,
    pub(super) starting_max: Duration,
}

/// Whether it did what it was there for and ended: a migration, a job. What has ports of the host serves, and what a policy would
/// start again was stopped.
pub(super) fn is_done(container: &Container, run: &Run) -> bool {
    container.state == State::Exited
        && container.exit_code == 0
        && !container.is_restarted
        && !container.has_ports
        && !run.ended_by_hand
}

/// The one thing that explains most, if anything is wrong.
pub(super) fn fault(container: &Container, run: &Run, around: Around) -> Option<Fault> {
    let now = match container.state {
        State::Restarting => crash(container, run),
        State::Exited | State::Dead => (!is_done(container, run)).then(|| {
            could_not_start(container).unwrap_or_else(|| ended(container, run, around.some_run))
        }),
        State::Created => Some(
            could_not_start(container)
                .unwrap_or_else(|| not_running("does not run: it was never started".to_owned())),
        ),
        State::Paused => Some(not_running("is paused".to_owned())),
        State::Running => sick(container, run, around),
        State::Removing | State::Unknown => None,
    };
    let past = || {
        around
            .is_stability
            .then(|| restarted(container, run))
            .flatten()
    };
    now.or_else(past)
}

/// Ended with a failure, and about to be started again.
fn crash(container: &Container, run: &Run) -> Option<Fault> {
    if container.oom_killed || run.out_of_memory {
        return Some(out_of_memory(container.exit_code));
    }
    if container.exit_code == 0 {
        return None;
    }
    Some(crash_loop(Some(container.exit_code), run.grown(container)))
}

fn crash_loop(code: Option<i64>, times: u64) -> Fault {
    let with = code.map_or_else(String::new, |code| format!(" with exit code {code}"));
    let times = match times {
        0 => "it did so before it was watched".to_owned(),
        1 => "1 restart since it is watched".to_owned(),
        times => format!("{times} restarts since it is watched"),
    };
    Fault {
        symptom: Symptom::CrashLoop,
        severity: Severity::Critical,
        proof: Proof::Event,
        what: format!("ends{with} and is started again ({times})"),
        advice: "roll back, and read its log for the cause",
    }
}

fn out_of_memory(code: i64) -> Fault {
    Fault {
        symptom: Symptom::OutOfMemory,
        severity: Severity::Critical,
        proof: Proof::Event,
        what: format!("was killed for lack of memory (exit code {code})"),
        advice: "raise the memory limit of the service, or roll back",
    }
}

fn could_not_start(container: &Container) -> Option<Fault> {
    (!container.error.is_empty()).then(|| Fault {
        symptom: Symptom::ConfigError,
        severity: Severity::Critical,
        proof: Proof::TwoLooks,
        what: format!("could not be started: {}", container.error),
        advice: "mend what the message names (a port, a mount, a command), or roll back",
    })
}

fn ended(container: &Container, run: &Run, some_run: bool) -> Fault {
    let code = container.exit_code;
    if container.oom_killed || run.out_of_memory {
        return out_of_memory(code);
    }
    if run.ended_by_hand || code == 0 || BY_SIGNAL.contains(&code) {
        return not_running(format!("does not run: it was stopped (exit code {code})"));
    }
    Fault {
        symptom: Symptom::ContainerExited,
        severity: if some_run {
            Severity::Serious
        } else {
            Severity::Critical
        },
        proof: Proof::TwoLooks,
        what: format!("ended with exit code {code} and is not started again"),
        advice: "read its log, and roll back",
    }
}

fn not_running(what: String) -> Fault {
    Fault {
        symptom: Symptom::NotRunning,
        severity: Severity::Serious,
        proof: Proof::TwoLooks,
        what,
        advice: "somebody stopped it: start it (docker compose start), or roll back",
    }
}

/// It runs, and is not well.
fn sick(container: &Container, run: &Run, around: Around) -> Option<Fault> {
    let health = container.health.as_ref()?;
    match health.status {
        HealthStatus::Healthy => None,
        HealthStatus::Unhealthy => {
            let said = if health.output.trim().is_empty() {
                String::new()
            } else {
                format!(": {}", health.output.trim())
            };
            Some(Fault {
                symptom: Symptom::ProbeFails,
                severity: Severity::Critical,
                proof: Proof::OneLook,
                what: format!(
                    "is unhealthy by its HEALTHCHECK ({} failures in a row){said}",
                    health.failures
                ),
                advice: "read its log, and roll back",
            })
        }
        HealthStatus::Starting => {
            let since = run.starting.as_ref().map_or(around.at, |(_, since)| *since);
            let length = around.at.saturating_sub(since);
            (around.starting_max <= length).then(|| Fault {
                symptom: Symptom::StuckRollout,
                severity: Severity::Serious,
                proof: Proof::OneLook,
                what: format!(
                    "has not become healthy: its HEALTHCHECK is starting since {} s",
                    length.as_secs()
                ),
                advice: "read its log, and compare the start period of its HEALTHCHECK with the time that it needs",
            })
        }
    }
}

/// It runs again, or is about to.
fn restarted(container: &Container, run: &Run) -> Option<Fault> {
    let grown = run.grown(container);
    if run.out_of_memory {
        let mut fault = out_of_memory(run.ended.unwrap_or(137));
        if grown == 0 {
            fault.severity = Severity::Serious;
            "lacks memory: the kernel killed something in it".clone_into(&mut fault.what);
        }
        return Some(fault);
    }
    if grown == 0 {
        return None;
    }
    let severity = match run.ended {
        // A person restarted it, and a policy before that.
        _ if run.ended_by_hand => Severity::Monitor,
        Some(0) if grown < RESTARTS_OF_ZERO_SERIOUS => Severity::Monitor,
        Some(0) => Severity::Serious,
        Some(code) => return Some(crash_loop(Some(code), grown)),
        None if grown == 1 => Severity::Serious,
        None => return Some(crash_loop(None, grown)),
    };
    let times = if grown == 1 {
        "once".to_owned()
    } else {
        format!("{grown} times")
    };
    let last = run
        .ended
        .map_or_else(String::new, |code| format!(" (exit code {code})"));
    Some(Fault {
        symptom: Symptom::RestartsGrow,
        severity,
        proof: Proof::Event,
        what: format!("was started again {times} since it is watched{last}"),
        advice: "read its log of the time before the restart",
    })
}
