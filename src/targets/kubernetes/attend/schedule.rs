//! When it is looked, after a rollout is done. No clock: times since then.

use std::time::Duration;

/// Between two looks of a short window.
const PACE_MIN: Duration = Duration::from_secs(2);

/// Looks that a long window is divided into, so that an hour does not cost more than its answers are worth.
const LOOKS: u32 = 60;

/// Logs are read of the last two minutes, so this often leaves no gap.
pub(super) const LOGS_EVERY: Duration = Duration::from_mins(2);

/// One look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) at: Duration,
    /// Within the window in which restarts must not grow, its end included.
    pub(super) is_stability: bool,
    pub(super) reads_logs: bool,
}

/// The looks of both windows, which begin together: the last one is at the end of the longer.
pub(super) fn looks(stable: Duration, drift: &[Duration]) -> Vec<Look> {
    let pace = (stable / LOOKS).max(PACE_MIN);
    let mut times = vec![Duration::ZERO, stable];
    let steps = stable.as_millis() / pace.as_millis();
    times.extend((1..=u32::try_from(steps).unwrap_or(LOOKS)).map(|step| pace * step));
    times.extend(drift);
    times.sort();
    times.dedup();
    let end = times.last().copied().unwrap_or_default();
    let mut logs_at = Duration::ZERO;
    times
        .into_iter()
        .map(|at| {
            let reads_logs =
                at == stable || at == end || LOGS_EVERY < at.saturating_sub(logs_at) + pace;
            if reads_logs {
                logs_at = at;
            }
            Look {
                at,
                is_stability: at <= stable,
                reads_logs,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stable: u64, drift: &[u64], times: &[u64], logs: &[u64]) {
        let drift: Vec<Duration> = drift.iter().copied().map(Duration::from_secs).collect();
        let looks = looks(Duration::from_secs(stable), &drift);
        let of = |test: &dyn Fn(&Look) -> bool| -> Vec<u64> {
            let chosen = looks.iter().filter(|look| test(look));
            chosen.map(|look| look.at.as_secs()).collect()
        };
        assert_eq!(of(&|_| true), times);
        assert_eq!(of(&|look| look.reads_logs), logs);
        assert!(
            looks
                .iter()
                .all(|look| look.is_stability == (look.at.as_secs() <= stable))
        );
    }

    #[test]
    fn the_windows_overlap() {
        check(0, &[], &[0], &[0]);
        check(6, &[5, 10], &[0, 2, 4, 5, 6, 10], &[6, 10]);
        check(5, &[], &[0, 2, 4, 5], &[5]);
    }

    #[test]
    fn a_long_window_is_looked_at_more_rarely_and_its_logs_without_a_gap() {
        let hour = Duration::from_hours(1);
        let looks = looks(hour, &[]);
        assert_eq!(looks.len(), 61);
        let mut last = Duration::ZERO;
        for look in looks.iter().filter(|look| look.reads_logs) {
            assert!(look.at <= last + LOGS_EVERY);
            last = look.at;
        }
        assert_eq!(last, hour);
    }
}
