//! When it is looked while nothing happens. No clock: times since the watching began.

use crate::targets::compose::Settings;
use std::time::Duration;

/// Between two looks of a short window.
const PACE_MIN: Duration = Duration::from_secs(2);

/// Looks that a long window is divided into, so that an hour does not cost more than its answers are worth.
const LOOKS: u32 = 60;

/// Logs are read of the last two minutes, so this often leaves no gap.
const LOGS_EVERY: Duration = Duration::from_mins(2);

/// The looks of both windows, which begin together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schedule {
    stable: Duration,
    /// In order, each once; the first is zero, the last the end.
    times: Vec<Duration>,
}

impl Schedule {
    pub(super) fn of(settings: &Settings) -> Self {
        let drift: Vec<Duration> = settings.drift.iter().map(|time| time.0).collect();
        Self::new(settings.stable.0, &drift)
    }

    fn new(stable: Duration, drift: &[Duration]) -> Self {
        let pace = (stable / LOOKS).max(PACE_MIN);
        let steps = u32::try_from(stable.as_millis() / pace.as_millis()).unwrap_or(LOOKS);
        let mut times = vec![Duration::ZERO, stable];
        times.extend((1..=steps).map(|step| pace * step));
        times.extend(drift);
        times.sort();
        times.dedup();
        Self { stable, times }
    }

    /// Whether restarts still count.
    pub(super) fn is_stability(&self, at: Duration) -> bool {
        at <= self.stable
    }

    pub(super) fn end(&self) -> Duration {
        self.times.last().copied().unwrap_or_default()
    }

    /// The next look after the one that was due at `done`. Looks that were missed by `now` are not made up for, but the end is.
    pub(super) fn after(&self, done: Duration, now: Duration) -> Option<Duration> {
        let mut left = self.times.iter().copied().filter(|at| done < *at);
        left.clone()
            .find(|at| now <= *at)
            .or_else(|| left.next_back())
    }

    /// Whether the logs are read at this look, when they were last at `read`.
    pub(super) fn reads_logs(&self, at: Duration, read: Duration) -> bool {
        at == self.stable || at == self.end() || {
            let next = self.after(at, at).unwrap_or(at);
            LOGS_EVERY < next.saturating_sub(read)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When it is looked, and when the logs are read, when every look takes no time.
    fn walk(stable: u64, drift: &[u64]) -> (Vec<u64>, Vec<u64>) {
        let drift: Vec<Duration> = drift.iter().copied().map(Duration::from_secs).collect();
        let schedule = Schedule::new(Duration::from_secs(stable), &drift);
        let (mut times, mut logs) = (Vec::new(), Vec::new());
        let mut read = Duration::ZERO;
        let mut due = Some(Duration::ZERO);
        while let Some(at) = due {
            times.push(at.as_secs());
            assert_eq!(schedule.is_stability(at), at.as_secs() <= stable);
            if schedule.reads_logs(at, read) {
                assert!(at.saturating_sub(read) <= LOGS_EVERY);
                read = at;
                logs.push(at.as_secs());
            }
            due = schedule.after(at, at);
        }
        (times, logs)
    }

    #[test]
    fn the_windows_overlap() {
        assert_eq!(walk(0, &[]), (vec![0], vec![0]));
        assert_eq!(walk(6, &[5, 10]), (vec![0, 2, 4, 5, 6, 10], vec![6, 10]));
        assert_eq!(walk(5, &[]), (vec![0, 2, 4, 5], vec![5]));
    }

    #[test]
    fn a_long_window_is_looked_at_more_rarely_and_its_logs_without_a_gap() {
        let (times, logs) = walk(3600, &[]);
        assert_eq!(times.len(), 61);
        assert_eq!(logs.last(), Some(&3600));
    }

    #[test]
    fn what_was_missed_is_not_made_up_for_but_the_end_is() {
        let s = Duration::from_secs;
        let schedule = Schedule::new(s(6), &[]);
        assert_eq!(schedule.after(s(0), s(3)), Some(s(4)));
        assert_eq!(schedule.after(s(0), s(30)), Some(s(6)));
        assert_eq!(schedule.after(s(6), s(30)), None);
    }
}
