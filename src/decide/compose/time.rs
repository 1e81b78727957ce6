//! Times of containers, by the clock of their engine: what was so before a deploy, and how long a HEALTHCHECK may take.

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// What is down for so long was not taken down by a deploy that is watched now.
const LONG: SignedDuration = SignedDuration::from_mins(10);

/// A deploy in several steps (`up db`, then `up web`) creates containers so far apart and is one deploy.
const ONE_DEPLOY: SignedDuration = SignedDuration::from_mins(1);

/// A restart so short ago says nothing of how long it stays up.
const SETTLED: SignedDuration = SignedDuration::from_mins(1);

/// Longest wait that a HEALTHCHECK gets, whatever it says.
const PATIENCE_MAX: Duration = Duration::from_hours(1);

/// Whether a container that is down at `now` went down before the deploy at hand. `created`: when the newest container of its project was made.
pub fn is_from_before(down_since: Timestamp, created: Option<Timestamp>, now: Timestamp) -> bool {
    is_long_ago(down_since, now)
        || created.is_some_and(|created| ONE_DEPLOY < created.duration_since(down_since))
}

/// More than 10 minutes.
pub fn is_long_ago(then: Timestamp, now: Timestamp) -> bool {
    LONG < now.duration_since(then)
}

/// Why a container that has no word of its HEALTHCHECK does not run for long enough to be proof, in words.
pub fn too_fresh(
    started: Timestamp,
    restarts: u64,
    now: Timestamp,
    running_for: Duration,
) -> Option<String> {
    let runs = now.duration_since(started).max(SignedDuration::ZERO);
    if 0 < restarts && runs < SETTLED {
        let seconds = runs.as_secs();
        return Some(format!(
            "was restarted {seconds} s ago (restart {restarts})"
        ));
    }
    let is_short = runs.unsigned_abs() < running_for;
    is_short.then(|| format!("runs for {:.1} s only", runs.as_secs_f64()))
}

/// When a HEALTHCHECK says what it finds, with the engine's defaults in place of what is not given (docs.docker.com, Dockerfile HEALTHCHECK).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Healthcheck {
    pub start_period: Duration,
    pub interval: Duration,
    pub timeout: Duration,
    pub retries: u32,
}

impl Healthcheck {
    /// When at the latest a container that comes up has been found well, at most an hour: `setting`, or what the check itself takes.
    pub fn patience(&self, setting: Duration) -> Duration {
        let checks = self
            .interval
            .saturating_mul(self.retries.saturating_add(1))
            .saturating_add(self.timeout);
        let own = self.start_period.saturating_add(checks);
        own.min(PATIENCE_MAX).max(setting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64, second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + 60 * minute + second).unwrap()
    }

    #[test]
    fn what_went_down_before_the_deploy() {
        let check = |down, created, expected| {
            assert_eq!(is_from_before(down, created, at(60, 0)), expected);
        };
        check(at(49, 59), None, true);
        check(at(50, 1), None, false);
        // The deploy of a minute ago.
        check(at(57, 58), Some(at(59, 0)), true);
        check(at(58, 30), Some(at(59, 0)), false);
        check(at(59, 59), Some(at(59, 0)), false);
    }

    #[test]
    fn what_has_just_come_up_is_no_proof() {
        let three = Duration::from_secs(3);
        let check = |started, restarts, expected: Option<&str>| {
            let found = too_fresh(started, restarts, at(60, 0), three);
            assert_eq!(found.as_deref(), expected);
        };
        check(at(59, 57), 0, None);
        check(at(59, 58), 0, Some("runs for 2.0 s only"));
        check(at(59, 30), 2, Some("was restarted 30 s ago (restart 2)"));
        check(at(58, 0), 2, None);
        // Clocks of two hosts behind one address.
        check(at(61, 0), 0, Some("runs for 0.0 s only"));
    }

    #[test]
    fn a_healthcheck_gets_the_time_that_it_takes() {
        let s = Duration::from_secs;
        let check = |start, interval, timeout, retries, expected| {
            let check = Healthcheck {
                start_period: s(start),
                interval: s(interval),
                timeout: s(timeout),
                retries,
            };
            assert_eq!(check.patience(s(120)), s(expected));
        };
        check(0, 30, 30, 3, 150);
        check(0, 5, 5, 3, 120);
        check(300, 10, 5, 3, 345);
        check(7200, 30, 30, 3, 3600);
        check(u64::MAX, u64::MAX, u64::MAX, u32::MAX, 3600);
    }
}
