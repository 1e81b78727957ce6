//! How well rollbacks and deploys went, in numbers whose definitions are stated with them. Pure.

use super::{Entry, History, Rollback};
use crate::model::outcome::Outcome;

/// Figures over all environments of a history. Times in milliseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Real rollbacks that were tried and came to an end.
    pub rollbacks: usize,
    /// Of these, the ones that ended `restored` or `rolled-back`.
    pub succeeded: usize,
    /// From the start of the command to its end, of the succeeded ones.
    pub rto_ms_p50: Option<u64>,
    pub rto_ms_p95: Option<u64>,
    /// From the change to the verdict against it, where it was measured.
    pub ttd_ms_p50: Option<u64>,
    pub ttd_ms_p95: Option<u64>,
    /// Deploys that were put in place (or watched) and came to an end.
    pub deploys: usize,
    /// Of these, the ones that ended `rolled-back`, `unhealthy` or `still-unhealthy`.
    pub deploys_failed: usize,
    /// Operations without an end.
    pub unfinished: usize,
}

impl Figures {
    /// From 0 to 1; `None` when there was no rollback.
    pub fn success_rate(&self) -> Option<f64> {
        share(self.succeeded, self.rollbacks)
    }

    /// From 0 to 1; `None` when there was no deploy.
    pub fn change_failure_rate(&self) -> Option<f64> {
        share(self.deploys_failed, self.deploys)
    }
}

/// The figures of all real operations; dry runs are left out.
pub fn figures(history: &History) -> Figures {
    let real = || history.entries.iter().filter(|entry| !entry.dry_run);
    let rollbacks: Vec<(&Entry, Outcome)> = real()
        .filter_map(|entry| Some((entry, entry.outcome?)))
        .filter(|(entry, outcome)| entry.rollback != Rollback::No && was_tried(*outcome))
        .collect();
    let succeeded: Vec<&Entry> = rollbacks
        .iter()
        .filter(|(_entry, outcome)| matches!(outcome, Outcome::Restored | Outcome::RolledBack))
        .map(|(entry, _outcome)| *entry)
        .collect();
    let rto: Vec<u64> = succeeded.iter().map(|entry| entry.took_ms).collect();
    let ttd: Vec<u64> = real().filter_map(|entry| entry.time_to_detect_ms).collect();
    let deploys: Vec<Outcome> = real()
        .filter(|entry| entry.verb == "watch" || (entry.verb == "deploy" && entry.changed))
        .filter_map(|entry| entry.outcome)
        .collect();
    let failed = |outcome: &&Outcome| {
        matches!(
            outcome,
            Outcome::RolledBack | Outcome::Unhealthy | Outcome::StillUnhealthy
        )
    };
    Figures {
        rollbacks: rollbacks.len(),
        succeeded: succeeded.len(),
        rto_ms_p50: percentile(&rto, 50),
        rto_ms_p95: percentile(&rto, 95),
        ttd_ms_p50: percentile(&ttd, 50),
        ttd_ms_p95: percentile(&ttd, 95),
        deploys: deploys.len(),
        deploys_failed: deploys.iter().filter(failed).count(),
        unfinished: real().filter(|entry| entry.outcome.is_none()).count(),
    }
}

/// Whether an end says that a rollback was needed and tried, well or not.
const fn was_tried(outcome: Outcome) -> bool {
    match outcome {
        Outcome::AlreadyGood | Outcome::Planned | Outcome::Ready | Outcome::Usage => false,
        Outcome::Healthy
        | Outcome::Restored
        | Outcome::Error
        | Outcome::RolledBack
        | Outcome::Unhealthy
        | Outcome::StillUnhealthy
        | Outcome::NoKnownGood
        | Outcome::ArtifactRefused
        | Outcome::Refused
        | Outcome::Inconclusive
        | Outcome::Incomplete
        | Outcome::Unreachable
        | Outcome::NotReady => true,
    }
}

/// Nearest rank: the smallest value that at least `percent` of all do not exceed.
fn percentile(values: &[u64], percent: usize) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

fn share(part: usize, whole: usize) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of operations are far below 2^52"
    )]
    let share = |part: usize, whole: usize| part as f64 / whole as f64;
    (whole > 0).then(|| share(part, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_nearest_rank() {
        let values: Vec<u64> = (1..=20).collect();
        assert_eq!(percentile(&values, 50), Some(10));
        assert_eq!(percentile(&values, 95), Some(19));
        assert_eq!(percentile(&[7], 95), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }
}
