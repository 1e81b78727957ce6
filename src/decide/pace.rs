//! How long to wait before asking again. Waiting itself is done by whoever asks.

use std::time::Duration;

/// GitHub's own advice when it names no time: a minute, then doubling.
const UNNAMED_WAIT: Duration = Duration::from_mins(1);

/// Tries after which a limit is taken at its word.
const LIMIT_TRIES_MAX: u32 = 5;

/// Waits between tries: 1, 2, 4, 8, 16 units, then no more.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
    left: u32,
}

impl Backoff {
    /// Five waits, the first of one `unit` (a second; tests shorten it).
    pub const fn new(unit: Duration) -> Self {
        Self::with_tries(unit, 5)
    }

    /// At most `tries` waits.
    pub const fn with_tries(unit: Duration, tries: u32) -> Self {
        Self {
            next: unit,
            left: tries,
        }
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let wait = self.next;
        self.next = wait.saturating_mul(2);
        Some(wait)
    }
}

/// What an answer says of rate limits. Missing or unreadable headers are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateHeaders {
    /// `retry-after`, in seconds.
    pub retry_after_s: Option<u64>,
    /// `x-ratelimit-remaining`.
    pub remaining: Option<u64>,
    /// `x-ratelimit-reset`, in Unix seconds.
    pub reset_unix: Option<i64>,
}

/// What to do about a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    Sleep(Duration),
    /// Longer than the operator's cap, or tried often enough; `until` in Unix seconds.
    GiveUp {
        until: Option<i64>,
    },
}

/// How long a refused request must wait: `retry-after` when there is one, until the reset when nothing remains, else a minute,
/// doubling with every `attempt` (from 0). Never more than `cap` at once.
pub fn rate_limit_wait(headers: RateHeaders, attempt: u32, now_unix: i64, cap: Duration) -> Wait {
    let until_reset = headers
        .reset_unix
        .filter(|_| headers.remaining == Some(0))
        .map(|reset| {
            // One second more: the reset is cut to whole seconds.
            let seconds = reset.saturating_sub(now_unix).saturating_add(1);
            Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
        });
    let wait = match (headers.retry_after_s, until_reset) {
        (Some(seconds), _) => Duration::from_secs(seconds),
        (None, Some(wait)) => wait,
        (None, None) => UNNAMED_WAIT.saturating_mul(1 << attempt.min(10)),
    };
    if wait <= cap && attempt < LIMIT_TRIES_MAX {
        return Wait::Sleep(wait);
    }
    let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
    let named = headers.retry_after_s.is_some() || until_reset.is_some();
    Wait::GiveUp {
        until: named.then(|| now_unix.saturating_add(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_and_ends() {
        let seconds =
            |backoff: Backoff| -> Vec<u64> { backoff.map(|wait| wait.as_secs()).collect() };
        assert_eq!(
            seconds(Backoff::new(Duration::from_secs(1))),
            [1, 2, 4, 8, 16]
        );
        assert_eq!(
            seconds(Backoff::with_tries(Duration::from_secs(3), 2)),
            [3, 6]
        );
        assert_eq!(seconds(Backoff::with_tries(Duration::MAX, 0)), [0; 0]);
        assert_eq!(
            Backoff::with_tries(Duration::MAX, 2).last(),
            Some(Duration::MAX)
        );
    }

    /// `retry-after`, remaining, reset; attempt; the wait in seconds, or until when it gives up.
    #[track_caller]
    fn check(
        (retry_after_s, remaining, reset_unix): (Option<u64>, Option<u64>, Option<i64>),
        attempt: u32,
        expected: Result<u64, Option<i64>>,
    ) {
        let headers = RateHeaders {
            retry_after_s,
            remaining,
            reset_unix,
        };
        let expected = match expected {
            Ok(seconds) => Wait::Sleep(Duration::from_secs(seconds)),
            Err(until) => Wait::GiveUp { until },
        };
        let found = rate_limit_wait(headers, attempt, 1000, Duration::from_mins(5));
        assert_eq!(found, expected);
    }

    #[test]
    fn rate_limits() {
        check((Some(7), None, None), 0, Ok(7));
        check((Some(7), Some(0), Some(2000)), 0, Ok(7));
        check((None, Some(0), Some(1100)), 0, Ok(101));
        check((None, Some(0), Some(900)), 0, Ok(0)); // already over
        check((None, Some(0), Some(5000)), 0, Err(Some(5001)));
        check((None, Some(12), Some(5000)), 0, Ok(60)); // the reset is of another limit
        check((None, None, None), 1, Ok(120));
        check((None, None, None), 3, Err(None)); // 480 s
        check((Some(301), None, None), 0, Err(Some(1301)));
        check((Some(1), None, None), 5, Err(Some(1001)));
        check((Some(u64::MAX), None, None), 0, Err(Some(i64::MAX)));
        check((None, Some(0), Some(i64::MIN)), 0, Ok(0));
        check((None, None, None), u32::MAX, Err(None));
    }
}
