//! What was seen of one slot over several looks: what holds on two of them is believed, what passed is told and decides
//! nothing. No reading of the cluster.

use crate::model::sighting::{Sighting, Symptom, worst_first};
use crate::model::verdict::Severity;
use std::collections::BTreeMap;
use std::time::Duration;

/// A look that a single one of these is believed on: what happened once does not un-happen.
const fn is_an_event(symptom: Symptom) -> bool {
    match symptom {
        Symptom::RestartsGrow
        | Symptom::DriftedBack
        | Symptom::ImageNotReverted
        | Symptom::ErrorsLogged => true,
        Symptom::NotAdmitted
        | Symptom::ImageMissing
        | Symptom::ConfigError
        | Symptom::InitFails
        | Symptom::OutOfMemory
        | Symptom::CrashLoop
        | Symptom::ContainerExited
        | Symptom::Unschedulable
        | Symptom::HeldByOldPod
        | Symptom::ProbeFails
        | Symptom::StuckRollout
        | Symptom::NoneAvailable
        | Symptom::NoEndpoints
        | Symptom::NodeIssue
        | Symptom::NotReplaced
        | Symptom::Frozen
        | Symptom::NotRunning
        | Symptom::Trapped
        | Symptom::MemoryFull
        | Symptom::CyclesFall
        | Symptom::CyclesLow
        | Symptom::Unseen => false,
    }
}

/// One symptom over time.
#[derive(Debug, Clone)]
struct Entry {
    /// As it was last seen.
    last: Sighting,
    /// The last look had it.
    is_here: bool,
    /// Looks in a row that had it at its present severity or worse.
    looks: u32,
    /// When that row began, on the caller's clock.
    since: Duration,
    /// It held on two looks in a row, or is of a kind that one look proves.
    is_believed: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    entries: BTreeMap<Symptom, Entry>,
}

impl Ledger {
    /// Takes everything that one look saw. `at`: since the caller began.
    pub(super) fn look(&mut self, seen: Vec<Sighting>, at: Duration) {
        let mut worst: BTreeMap<Symptom, Sighting> = BTreeMap::new();
        for sighting in seen {
            match worst.get(&sighting.symptom) {
                Some(known) if sighting.severity <= known.severity => (),
                Some(_) | None => drop(worst.insert(sighting.symptom, sighting)),
            }
        }
        for (symptom, entry) in &mut self.entries {
            if !worst.contains_key(symptom) && !is_an_event(*symptom) {
                entry.is_here = false;
                entry.looks = 0;
            }
        }
        for (symptom, sighting) in worst {
            self.take(symptom, sighting, at);
        }
    }

    fn take(&mut self, symptom: Symptom, sighting: Sighting, at: Duration) {
        let goes_on = self
            .entries
            .get(&symptom)
            .filter(|entry| entry.is_here && entry.last.severity <= sighting.severity);
        // Worse than before begins a row of its own, so that one look cannot make it critical.
        let same = goes_on.filter(|entry| entry.last.severity == sighting.severity);
        let looks = same.map_or(1, |entry| entry.looks + 1);
        let entry = Entry {
            is_here: true,
            looks,
            since: same.map_or(at, |entry| entry.since),
            // A pod that nothing replaces needs no second look either, and may still be deleted.
            is_believed: is_an_event(symptom) || symptom == Symptom::NotReplaced || 2 <= looks,
            last: sighting,
        };
        let known = self.entries.get(&symptom);
        let is_milder = known
            .is_some_and(|known| is_an_event(symptom) && entry.last.severity < known.last.severity);
        if !is_milder {
            self.entries.insert(symptom, entry);
        }
    }

    /// Takes what is certain: our own deadline is over, or the controller gave up on two reads.
    pub(super) fn conclude(&mut self, seen: Vec<Sighting>, at: Duration) {
        let certain: Vec<Symptom> = seen.iter().map(|sighting| sighting.symptom).collect();
        self.look(seen, at);
        for symptom in certain {
            if let Some(entry) = self.entries.get_mut(&symptom) {
                entry.is_believed = true;
            }
        }
    }

    /// Takes one more certainty of the last look.
    pub(super) fn add(&mut self, seen: Option<Sighting>, at: Duration) {
        if let Some(sighting) = seen {
            let symptom = sighting.symptom;
            self.take(symptom, sighting, at);
            if let Some(entry) = self.entries.get_mut(&symptom) {
                entry.is_believed = true;
            }
        }
    }

    /// Something critical holds: nothing better comes of looking on.
    pub(super) fn is_over(&self) -> bool {
        self.holds(Severity::Critical, Duration::ZERO, Duration::ZERO)
    }

    /// Something at least this bad is believed, is there, and has been for this long.
    pub(super) fn holds(&self, severity: Severity, length: Duration, at: Duration) -> bool {
        self.entries.values().any(|entry| {
            entry.is_here
                && entry.is_believed
                && severity <= entry.last.severity
                && length <= at.saturating_sub(entry.since)
        })
    }

    /// Seen on the last look and not believed yet: one more look decides.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.entries.values().any(|entry| {
            entry.is_here && !entry.is_believed && Severity::Serious <= entry.last.severity
        })
    }

    /// What is believed, worst first. What has passed is told as something to keep an eye on.
    pub(super) fn told(self) -> Vec<Sighting> {
        let mut told: Vec<Sighting> = self
            .entries
            .into_values()
            .filter(|entry| entry.is_believed)
            .filter(|entry| entry.is_here || entry.last.symptom != Symptom::NotReplaced)
            .map(|entry| {
                let mut sighting = entry.last;
                if !entry.is_here && Severity::Monitor < sighting.severity {
                    sighting.severity = Severity::Monitor;
                    let what = format!("passed: {}", sighting.what);
                    sighting = Sighting::new(
                        &sighting.slot,
                        Severity::Monitor,
                        sighting.symptom,
                        &what,
                        sighting.advice,
                    );
                }
                sighting
            })
            .collect();
        worst_first(&mut told);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::state::Slot;

    fn seen(severity: Severity, symptom: Symptom) -> Sighting {
        let slot = Slot("deployment/web".to_owned());
        Sighting::new(&slot, severity, symptom, "x", "y")
    }

    /// Looks, one a second: what each saw.
    fn ledger(looks: &[&[(Severity, Symptom)]]) -> Ledger {
        let mut ledger = Ledger::default();
        for (at, look) in (0_u64..).zip(looks) {
            let sightings = look
                .iter()
                .map(|(severity, symptom)| seen(*severity, *symptom));
            ledger.look(sightings.collect(), Duration::from_secs(at));
        }
        ledger
    }

    #[track_caller]
    fn check(looks: &[&[(Severity, Symptom)]], is_over: bool, told: &[(Severity, Symptom)]) {
        let ledger = ledger(looks);
        assert_eq!(ledger.is_over(), is_over);
        let found: Vec<_> = ledger
            .told()
            .iter()
            .map(|one| (one.severity, one.symptom))
            .collect();
        assert_eq!(found, told);
    }

    #[test]
    fn two_looks_make_it_true() {
        use Severity::{Critical, Monitor, Serious};
        let none = (Critical, Symptom::NoneAvailable);
        check(&[&[none]], false, &[]);
        check(&[&[none], &[none]], true, &[none]);
        check(&[&[none], &[], &[none]], false, &[]);
        // What passed is told and decides nothing.
        check(
            &[&[none], &[none], &[]],
            false,
            &[(Monitor, Symptom::NoneAvailable)],
        );
        // Worse is believed on a look of its own.
        check(
            &[
                &[(Serious, Symptom::CrashLoop)],
                &[(Critical, Symptom::CrashLoop)],
            ],
            false,
            &[],
        );
        // One restart is a restart, and stays one.
        let restart = (Serious, Symptom::RestartsGrow);
        check(&[&[restart], &[]], false, &[restart]);
        check(
            &[&[restart], &[(Monitor, Symptom::RestartsGrow)]],
            false,
            &[restart],
        );
        let other = (Critical, Symptom::ImageNotReverted);
        check(&[&[other, restart]], true, &[other, restart]);
    }

    #[test]
    fn what_is_certain_needs_no_second_look() {
        let mut ledger = Ledger::default();
        ledger.conclude(
            vec![seen(Severity::Serious, Symptom::StuckRollout)],
            Duration::ZERO,
        );
        assert_eq!(ledger.told().len(), 1);
    }

    #[test]
    fn how_long_it_holds_is_known() {
        let bad = (Severity::Serious, Symptom::ImageMissing);
        let ledger = ledger(&[&[bad], &[bad], &[bad]]);
        let s = Duration::from_secs;
        assert!(ledger.holds(Severity::Serious, s(2), s(2)));
        assert!(!ledger.holds(Severity::Serious, s(3), s(2)));
        assert!(!ledger.is_in_doubt());
    }
}
