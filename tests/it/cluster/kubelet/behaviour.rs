//! What a container does, and what can be seen of it at a moment of its life. Pure: time is given.
//!
//! | word | what is seen |
//! |---|---|
//! | `crash` | CrashLoopBackOff, exit code 1; 1 restart at once, the 2nd after 0.5 s, the 3rd after 1.5 s, 3.5 s, … the 8th |
//! | `oom` | the same with OOMKilled, exit code 137 |
//! | `missing` | ErrImagePull, after 0.3 s ImagePullBackOff; no imageID, phase Pending |
//! | `config` | CreateContainerConfigError; phase Pending |
//! | `slow` | ready after 3 s |
//! | `unready` | runs, is never ready; an event Unhealthy each second |
//! | `dies-later` | ready for 3 s, then a restart each 1.5 s; from the 3rd on CrashLoopBackOff |
//! | `one-bad` | `crash` for the first pod of an owner (a ReplicaSet, say), the others are good |
//! | `init-fails` | for an init container, `crash`; for another, good |
//! | anything else | ready at once; of a Job: done after 0.2 s |

use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Good,
    Crash,
    Oom,
    Missing,
    Config,
    Slow,
    Unready,
    DiesLater,
    OneBad,
    InitFails,
}

/// Longer words first: they may contain shorter ones.
const WORDS: &[(&str, Behaviour)] = &[
    ("init-fails", Behaviour::InitFails),
    ("dies-later", Behaviour::DiesLater),
    ("one-bad", Behaviour::OneBad),
    ("unready", Behaviour::Unready),
    ("missing", Behaviour::Missing),
    ("config", Behaviour::Config),
    ("crash", Behaviour::Crash),
    ("slow", Behaviour::Slow),
    ("oom", Behaviour::Oom),
];

impl Behaviour {
    /// By the first word in the text.
    pub fn of(text: &str) -> Self {
        let found = WORDS.iter().find(|(word, _)| text.contains(word));
        found.map_or(Self::Good, |(_, behaviour)| *behaviour)
    }
}

/// What is seen of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub state: State,
    pub restarts: u32,
    /// How it ended the last time: exit code and reason.
    pub last_end: Option<(i32, &'static str)>,
    /// Since when, counted from the start of the pod.
    pub since: Duration,
    /// When something else will be seen, counted from the start of the pod.
    pub until: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Running { ready: bool },
    Waiting(&'static str),
    Ended(i32, &'static str),
}

/// A crash loop is cut short here, lest old pods keep the API server busy.
const RESTARTS_MAX: u32 = 8;

const SLOW: Duration = Duration::from_secs(3);
const LATER: Duration = Duration::from_secs(3);
const BETWEEN_DEATHS: Duration = Duration::from_millis(1500);
const PULL: Duration = Duration::from_millis(300);
const JOB: Duration = Duration::from_millis(200);

/// Of a container that shall go on for ever, this long after its start.
pub fn service(behaviour: Behaviour, age: Duration) -> Moment {
    let zero = Duration::ZERO;
    match behaviour {
        Behaviour::Good | Behaviour::OneBad | Behaviour::InitFails => {
            steady(State::Running { ready: true }, zero, None)
        }
        Behaviour::Crash => looping(age, (1, "Error")),
        Behaviour::Oom => looping(age, (137, "OOMKilled")),
        Behaviour::Missing if age < PULL => {
            steady(State::Waiting("ErrImagePull"), zero, Some(PULL))
        }
        Behaviour::Missing => steady(State::Waiting("ImagePullBackOff"), PULL, None),
        Behaviour::Config => steady(State::Waiting("CreateContainerConfigError"), zero, None),
        Behaviour::Slow if age < SLOW => steady(State::Running { ready: false }, zero, Some(SLOW)),
        Behaviour::Slow => steady(State::Running { ready: true }, zero, None),
        Behaviour::Unready => steady(State::Running { ready: false }, zero, None),
        Behaviour::DiesLater => dying(age),
    }
}

/// Of an init container, or a container of a Job.
pub fn task(behaviour: Behaviour, age: Duration) -> Moment {
    match behaviour {
        Behaviour::Good | Behaviour::OneBad | Behaviour::Unready | Behaviour::DiesLater => {
            steady(State::Ended(0, "Completed"), Duration::ZERO, None)
        }
        Behaviour::Slow if SLOW <= age => steady(State::Ended(0, "Completed"), SLOW, None),
        Behaviour::InitFails => service(Behaviour::Crash, age),
        Behaviour::Slow
        | Behaviour::Crash
        | Behaviour::Oom
        | Behaviour::Missing
        | Behaviour::Config => service(behaviour, age),
    }
}

/// Of a container of a Job: good ones run for a moment, crashing ones end once and for all.
pub fn job(behaviour: Behaviour, age: Duration) -> Moment {
    match task(behaviour, age).state {
        State::Ended(..) if age < JOB => {
            steady(State::Running { ready: true }, Duration::ZERO, Some(JOB))
        }
        State::Waiting("CrashLoopBackOff") => {
            let (code, reason) = looping(age, (1, "Error")).last_end.unwrap_or((1, "Error"));
            steady(State::Ended(code, reason), Duration::ZERO, None)
        }
        State::Ended(..) | State::Running { .. } | State::Waiting(_) => task(behaviour, age),
    }
}

fn steady(state: State, since: Duration, until: Option<Duration>) -> Moment {
    Moment {
        state,
        restarts: 0,
        last_end: None,
        since,
        until,
    }
}

/// The n-th restart comes 0.5 s * (2^(n-1) - 1) after the start.
fn looping(age: Duration, end: (i32, &'static str)) -> Moment {
    let at = |restart: u32| Duration::from_millis(500) * (2_u32.pow(restart - 1) - 1);
    let seen = (1..=RESTARTS_MAX).rev().find(|restart| at(*restart) <= age);
    let restarts = seen.unwrap_or(1);
    Moment {
        state: State::Waiting("CrashLoopBackOff"),
        restarts,
        last_end: Some(end),
        since: at(restarts),
        until: (restarts < RESTARTS_MAX).then(|| at(restarts + 1)),
    }
}

fn dying(age: Duration) -> Moment {
    let at = |restart: u32| LATER + BETWEEN_DEATHS * (restart - 1);
    let seen = (1..=RESTARTS_MAX).rev().find(|restart| at(*restart) <= age);
    let Some(restarts) = seen else {
        return steady(State::Running { ready: true }, Duration::ZERO, Some(LATER));
    };
    let is_loop = 3 <= restarts;
    Moment {
        state: if is_loop {
            State::Waiting("CrashLoopBackOff")
        } else {
            State::Running { ready: true }
        },
        restarts,
        last_end: Some((1, "Error")),
        since: at(restarts),
        until: (restarts < RESTARTS_MAX).then(|| at(restarts + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(behaviour: Behaviour, age_ms: u64, restarts: u32, state: State) {
        let moment = service(behaviour, Duration::from_millis(age_ms));
        assert_eq!((moment.restarts, moment.state), (restarts, state));
    }

    #[test]
    fn restarts_grow_over_time() {
        let looping = State::Waiting("CrashLoopBackOff");
        let ready = State::Running { ready: true };
        check(Behaviour::Crash, 0, 1, looping);
        check(Behaviour::Crash, 500, 2, looping);
        check(Behaviour::Crash, 3_499, 3, looping);
        check(Behaviour::Crash, 3_600_000, 8, looping);
        check(Behaviour::DiesLater, 2_999, 0, ready);
        check(Behaviour::DiesLater, 3_000, 1, ready);
        check(Behaviour::DiesLater, 6_000, 3, looping);
        check(Behaviour::Slow, 2_999, 0, State::Running { ready: false });
        check(Behaviour::Slow, 3_000, 0, ready);
    }

    #[test]
    fn the_longest_word_counts() {
        assert_eq!(Behaviour::of("shop/web:2-unready"), Behaviour::Unready);
        assert_eq!(Behaviour::of("shop/web:2-dies-later"), Behaviour::DiesLater);
        assert_eq!(Behaviour::of("shop/web:2"), Behaviour::Good);
    }
}
