//! Whether a canister still holds what was put in place, and runs it.

use super::{Baseline, Look, Module, Told, Watched};
use crate::model::sighting::{Sighting, Symptom};
use crate::model::state::Phase;
use crate::model::verdict::Severity;

/// Another module than the one that was put in place.
///
/// A third one is believed at once. That of before, or none, is believed on two looks in a row: a node may be behind.
pub(super) fn other_module(
    watched: &Watched<'_>,
    before: &Baseline,
    looks: &[Look],
) -> Option<Sighting> {
    let is_other = |look: &Look| match &look.module {
        Module::Holds(revision) => revision != watched.held,
        Module::Empty | Module::Gone => true,
    };
    let is_third = |look: &Look| {
        // Without a change of ours the first look says nothing of what was there before it.
        watched.since.is_some()
            && is_other(look)
            && look.module != before.module
            && matches!(look.module, Module::Holds(_))
    };
    let twice = looks.array_windows().find_map(|[one, two]| {
        (is_other(one) && is_other(two) && one.module == two.module).then_some(two)
    });
    let other = looks.iter().find(|look| is_third(look)).or(twice)?;
    let what = match &other.module {
        Module::Holds(found) if other.module == before.module && watched.since.is_some() => {
            format!(
                "holds {} again, the module of before the change",
                found.short()
            )
        }
        Module::Holds(found) => format!(
            "holds {}, but {} was put in place: somebody else deployed",
            found.short(),
            watched.held.short()
        ),
        Module::Empty => "is empty: somebody uninstalled its module".to_owned(),
        Module::Gone => "does not exist any more on this network".to_owned(),
    };
    Some(Sighting::new(
        watched.slot,
        Severity::Critical,
        Symptom::DriftedBack,
        &what,
        "ask the other controllers who changed it, and deploy again once nobody else does",
    ))
}

/// Stopped or stopping on the last two looks that were told; earlier and not any more is told and decides nothing.
pub(super) fn not_running(watched: &Watched<'_>, looks: &[Look]) -> Option<Sighting> {
    if watched.rules.may_be_stopped {
        return None;
    }
    let phases: Vec<Phase> = looks
        .iter()
        .filter_map(|look| match &look.status {
            Told::Known(status) => status.phase,
            Told::OutOfCycles | Told::Unread(_) => None,
        })
        .collect();
    let is_down = |phase: &Phase| match phase {
        Phase::Stopped | Phase::Moving => true,
        Phase::Running => false,
    };
    let see = |severity, what: &str| {
        let advice = "start it, or roll back";
        let symptom = Symptom::NotRunning;
        Some(Sighting::new(watched.slot, severity, symptom, what, advice))
    };
    match phases.as_slice() {
        [.., one, Phase::Stopped] if is_down(one) => see(
            Severity::Critical,
            "is stopped: it answers nobody, and somebody else stopped it",
        ),
        [.., one, Phase::Moving] if is_down(one) => see(
            Severity::Critical,
            "is stopping: it takes no new messages, and waits for open calls to end",
        ),
        [.., Phase::Running] if phases.iter().any(is_down) => {
            see(Severity::Monitor, "was stopped for a while, and runs again")
        }
        _ => None,
    }
}
