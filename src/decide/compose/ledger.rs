//! What holds over several looks: what two in a row have, or what is of a kind that one look proves. What passed is told and decides
//! nothing, unless it is an event.

use super::fault::Proof;
use crate::model::sighting::{Sighting, Symptom, worst_first};
use crate::model::verdict::Severity;
use std::collections::BTreeMap;

/// What one look found, and how sure it is.
pub(super) type Found = (Sighting, Proof);

/// One symptom over time.
#[derive(Debug, Clone)]
struct Entry {
    /// As it was last seen.
    last: Sighting,
    proof: Proof,
    is_here: bool,
    /// How bad the look before the last one found it.
    before: Option<Severity>,
    /// It was believed at some time.
    was_believed: bool,
}

impl Entry {
    /// How bad it is for sure. Worse than before is believed when it is seen again.
    fn believed(&self) -> Option<Severity> {
        match self.proof {
            Proof::Event | Proof::OneLook => Some(self.last.severity),
            Proof::TwoLooks => self.before.map(|before| before.min(self.last.severity)),
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    entries: BTreeMap<Symptom, Entry>,
}

impl Ledger {
    /// Takes everything that one look found; of one symptom the worst counts.
    pub(super) fn look(&mut self, found: Vec<Found>) {
        let mut worst: BTreeMap<Symptom, Found> = BTreeMap::new();
        for one in found {
            let rank = |(sighting, proof): &Found| (sighting.severity, *proof);
            match worst.get(&one.0.symptom) {
                Some(known) if rank(&one) <= rank(known) => (),
                Some(_) | None => drop(worst.insert(one.0.symptom, one)),
            }
        }
        for (symptom, entry) in &mut self.entries {
            if !worst.contains_key(symptom) && entry.proof != Proof::Event {
                entry.is_here = false;
            }
        }
        for (symptom, (last, proof)) in worst {
            let known = self.entries.get(&symptom);
            let is_milder = known.is_some_and(|known| {
                known.proof == Proof::Event && last.severity < known.last.severity
            });
            if is_milder {
                continue;
            }
            let mut entry = Entry {
                before: known
                    .filter(|known| known.is_here)
                    .map(|known| known.last.severity),
                was_believed: known.is_some_and(|known| known.was_believed),
                last,
                proof,
                is_here: true,
            };
            entry.was_believed = entry.was_believed || entry.believed().is_some();
            self.entries.insert(symptom, entry);
        }
    }

    /// Something critical holds: nothing better comes of looking on.
    pub(super) fn is_over(&self) -> bool {
        self.here()
            .any(|entry| entry.believed() == Some(Severity::Critical))
    }

    /// The last look found something serious that is not believed yet: one more decides.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.here().any(|entry| {
            Severity::Serious <= entry.last.severity && entry.believed() < Some(entry.last.severity)
        })
    }

    fn here(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| entry.is_here)
    }

    /// What is believed, worst first.
    pub(super) fn told(&self) -> Vec<Sighting> {
        let mut told: Vec<Sighting> = self.entries.values().filter_map(tell).collect();
        worst_first(&mut told);
        told
    }
}

fn tell(entry: &Entry) -> Option<Sighting> {
    let mut sighting = entry.last.clone();
    if entry.is_here
        && let Some(severity) = entry.believed()
    {
        sighting.severity = severity;
        return Some(sighting);
    }
    // What was left over and is not any more is nobody's concern.
    if !entry.was_believed || sighting.symptom == Symptom::NotReplaced {
        return None;
    }
    let what = format!("passed: {}", sighting.what);
    Some(Sighting::new(
        &sighting.slot,
        Severity::Monitor,
        sighting.symptom,
        &what,
        sighting.advice,
    ))
}
