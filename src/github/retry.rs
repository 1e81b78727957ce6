//! When to ask GitHub again, and after how long. Pure: no clock, no waiting. "Now" is the `Date` of the answer itself, so
//! a wrong clock on the runner cannot lengthen or shorten a wait.

use http::HeaderMap;
use std::time::Duration;

/// Tries of one request, the first one included: waits of 1, 2, 4, 8 and 16 units between them.
pub(super) const TRIES_MAX: u32 = 6;

/// Waiting time before the try after `failed` failed ones (1 or more).
pub(super) fn backoff(unit: Duration, failed: u32) -> Duration {
    unit * 2_u32.pow(failed.saturating_sub(1).min(4))
}

/// What an answer says about its rate limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RateHeaders {
    pub(super) retry_after_s: Option<u64>,
    pub(super) remaining: Option<u64>,
    /// Unix seconds.
    pub(super) reset: Option<i64>,
    /// When the answer was given, by the server's clock, in Unix seconds.
    pub(super) now: Option<i64>,
}

impl RateHeaders {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
        let count = |name: &str| number(name).and_then(|count| u64::try_from(count).ok());
        let date = headers.get(http::header::DATE);
        Self {
            retry_after_s: count("retry-after"),
            remaining: count("x-ratelimit-remaining"),
            reset: number("x-ratelimit-reset"),
            now: date
                .and_then(|date| date.to_str().ok())
                .and_then(|date| jiff::fmt::rfc2822::parse(date).ok())
                .map(|date| date.timestamp().as_second()),
        }
    }
}

/// What to do about a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Sleep(Duration),
    /// The wait would be longer than the cap; the limit ends at `until` (Unix seconds), when that is known.
    GiveUp {
        until: Option<i64>,
    },
}

/// GitHub's rule for rate limits: `retry-after`; else, with nothing remaining, until the reset; else a minute, doubling.
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>
pub(super) fn rate_limit_wait(headers: RateHeaders, attempt: u32, cap: Duration) -> Wait {
    const MINUTE: Duration = Duration::from_mins(1);
    let (wait, until) = if let Some(seconds) = headers.retry_after_s {
        let until = i64::try_from(seconds)
            .ok()
            .and_then(|seconds| headers.now?.checked_add(seconds));
        (Some(Duration::from_secs(seconds)), until)
    } else if let (Some(0), Some(reset)) = (headers.remaining, headers.reset) {
        // One second more: both clocks are cut to whole seconds.
        let wait = headers
            .now
            .map(|now| u64::try_from(reset.saturating_sub(now)).unwrap_or(0) + 1)
            .map(Duration::from_secs);
        (wait, Some(reset))
    } else {
        (Some(MINUTE * 2_u32.pow(attempt.min(6))), None)
    };
    match wait {
        Some(wait) if wait <= cap => Wait::Sleep(wait),
        Some(_) | None => Wait::GiveUp { until },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> RateHeaders {
        let map = pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        RateHeaders::read(&map)
    }

    #[test]
    fn the_wait_that_github_asks_for() {
        #[track_caller]
        fn check(pairs: &[(&'static str, &'static str)], attempt: u32, wanted: Wait) {
            let cap = Duration::from_secs(100);
            assert_eq!(rate_limit_wait(headers(pairs), attempt, cap), wanted);
        }
        let sleep = |seconds| Wait::Sleep(Duration::from_secs(seconds));
        let date = ("date", "Thu, 01 Jan 1970 00:16:40 GMT"); // 1000
        check(&[("retry-after", "7"), date], 0, sleep(7));
        check(&[("retry-after", "0")], 0, sleep(0));
        check(
            &[("retry-after", "101"), date],
            0,
            Wait::GiveUp { until: Some(1101) },
        );
        let used_up = ("x-ratelimit-remaining", "0");
        check(
            &[used_up, ("x-ratelimit-reset", "1030"), date],
            0,
            sleep(31),
        );
        check(&[used_up, ("x-ratelimit-reset", "990"), date], 0, sleep(1));
        check(
            &[used_up, ("x-ratelimit-reset", "4600"), date],
            0,
            Wait::GiveUp { until: Some(4600) },
        );
        check(
            &[used_up, ("x-ratelimit-reset", "1030")],
            0,
            Wait::GiveUp { until: Some(1030) },
        );
        check(&[("x-ratelimit-remaining", "5")], 0, sleep(60));
        check(&[], 1, Wait::GiveUp { until: None });
        check(&[("retry-after", "soon")], 0, sleep(60));
    }

    #[test]
    fn backoff_doubles_up_to_sixteen_units() {
        let waits: Vec<_> = (1..TRIES_MAX + 2)
            .map(|failed| backoff(Duration::from_secs(1), failed).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 16, 16]);
    }
}
