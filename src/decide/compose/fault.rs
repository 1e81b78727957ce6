//! What one look shows to be wrong with one container, in words, with the one next action.

use super::job::Doing;
use super::seen::{Container, HealthStatus, State};
use crate::model::sighting::Symptom;
use crate::model::verdict::Severity;
use std::time::Duration;

/// Ends of code 0 that a policy follows with a start: a worker may end by itself now and then, and a loop ends often.
const RESTARTS_OF_ZERO_SERIOUS: u64 = 3;

/// In the middle of its first restart so long: it stays down.
const RESTARTING_LONG: Duration = Duration::from_secs(2);

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
    /// Since when it is seen to be between an end and a start.
    pub(super) restarting: Option<Duration>,
    /// It was down before the deploy, and not started since: when it was started last.
    pub(super) from_before: Option<String>,
}

impl Run {
    /// Restarts since the first look.
    fn grown(&self, container: &Container) -> u64 {
        container.restarts.saturating_sub(self.restarts_before)
    }

    /// How often it ended and was started again, if it did so while it was watched. What it did before counts when it is of this deploy.
    fn times(&self, container: &Container) -> u64 {
        match self.grown(container) {
            0 => 0,
            _ if container.is_young => container.restarts,
            grown => grown,
        }
    }

    /// Whether it is down since before the deploy: no fault of that.
    pub(super) fn is_from_before(&self, container: &Container) -> bool {
        let is_down = matches!(
            container.state,
            State::Created | State::Exited | State::Dead
        );
        is_down && self.from_before.as_ref() == Some(&container.started_at)
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
    /// Whether others wait for the good end of the service.
    pub(super) is_awaited: bool,
    /// Whether any container of the service runs.
    pub(super) some_run: bool,
    pub(super) starting_max: Duration,
}

/// Whether it did what it was there for and ended: a migration, a job.
pub(super) fn is_done(container: &Container, run: &Run, is_awaited: bool) -> bool {
    let doing = Doing {
        state: container.state,
        exit_code: container.exit_code,
        starts_again: container.is_restarted,
        has_ports: container.has_ports,
        has_served: container.has_served,
        by_hand: run.ended_by_hand,
    };
    doing.is_done(is_awaited)
}

/// The one thing that explains most, if anything is wrong.
pub(super) fn fault(container: &Container, run: &Run, around: Around) -> Option<Fault> {
    let now = match container.state {
        State::Restarting => crash(container, run, around.at),
        State::Exited | State::Dead => (!is_done(container, run, around.is_awaited))
            .then(|| could_not_start(container).unwrap_or_else(|| ended(container, run, around))),
        State::Created => Some(
            could_not_start(container).unwrap_or_else(|| Fault {
                advice: "whoever made it was cut short: run that command again (lastgood rollback finishes its own first), or roll back",
                ..not_running("does not run: it was never started".to_owned())
            }),
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

/// Ended with a failure, and about to be started again. Once is told: it may have come up before what it needs.
fn crash(container: &Container, run: &Run, at: Duration) -> Option<Fault> {
    if container.oom_killed || run.out_of_memory {
        return Some(out_of_memory(container.exit_code));
    }
    if container.exit_code == 0 {
        return None;
    }
    let times = run.times(container);
    let loops_already = run.grown(container) == 0 && 2 <= container.restarts;
    let stays_down = run
        .restarting
        .is_some_and(|since| RESTARTING_LONG <= at.saturating_sub(since));
    if 2 <= times || loops_already || stays_down {
        return Some(crash_loop(Some(container.exit_code), times));
    }
    let code = container.exit_code;
    Some(Fault {
        symptom: Symptom::RestartsGrow,
        severity: Severity::Monitor,
        proof: Proof::Event,
        what: format!("ended with exit code {code} once, and is started again"),
        advice: "read its log of the time before the restart",
    })
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

fn ended(container: &Container, run: &Run, around: Around) -> Fault {
    let code = container.exit_code;
    if container.oom_killed || run.out_of_memory {
        return out_of_memory(code);
    }
    if run.ended_by_hand || code == 0 || BY_SIGNAL.contains(&code) {
        return not_running(format!("does not run: it was stopped (exit code {code})"));
    }
    if around.is_awaited {
        return Fault {
            symptom: Symptom::ContainerExited,
            severity: Severity::Serious,
            proof: Proof::TwoLooks,
            what: format!("is a job that others wait for, and ended with exit code {code}"),
            advice: "read its log; a rollback puts the others back and leaves it alone",
        };
    }
    Fault {
        symptom: Symptom::ContainerExited,
        severity: if around.some_run {
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
            let longest = around.starting_max.max(container.health_within);
            (longest <= length).then(|| Fault {
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
    let grown = run.times(container);
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
        // It may have come up before what it needs.
        Some(_) | None if grown == 1 => Severity::Monitor,
        code => return Some(crash_loop(code, grown)),
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
