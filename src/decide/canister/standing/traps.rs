//! Traps in a canister's log: those that are new, and those that nobody can tell apart from old ones.

use super::{Baseline, Line, Look, Watched};
use crate::model::sighting::{Sighting, Symptom};
use crate::model::verdict::Severity;
use std::collections::BTreeMap;

/// Older traps are no news.
const RECENT_NS: u64 = 600 * 1_000_000_000;

const ADVICE: &str = "read the last lines of its log in the evidence, or roll back";

/// The lines of traps since the baseline, over all looks: the log holds few, so a later look may have lost what an earlier saw.
/// The trap of a rejected install is taken out, once for each.
pub(super) fn lines<'a>(
    watched: &Watched<'_>,
    before: &Baseline,
    looks: &'a [Look],
) -> Vec<&'a Line> {
    let mut traps: BTreeMap<(u64, u64), &Line> = BTreeMap::new();
    for line in looks
        .iter()
        .filter_map(|look| look.lines.as_ref())
        .flatten()
    {
        if before.is_before(line) && line.trap().is_some() {
            traps.insert((line.time_ns, line.index), line);
        }
    }
    for message in watched.since.iter().flat_map(|since| &since.rejected) {
        let is_its = |line: &&Line| {
            let trap = line.trap().unwrap_or_default();
            !trap.is_empty() && message.contains(trap)
        };
        let found = traps.iter().find(|(_, line)| is_its(line));
        if let Some(key) = found.map(|(key, _)| *key) {
            traps.remove(&key);
        }
    }
    traps.into_values().collect()
}

/// More new traps than may be: serious. As many as may be: told.
pub(super) fn new(watched: &Watched<'_>, before: &Baseline, looks: &[Look]) -> Option<Sighting> {
    let traps = lines(watched, before, looks);
    let newest = traps.last()?;
    let limit = watched.rules.traps_max;
    let is_much = usize::try_from(limit).is_ok_and(|limit| limit < traps.len());
    let since = if watched.since.is_some() {
        "since the change"
    } else {
        "since it is watched"
    };
    let lost = match lost(before, looks) {
        0 => String::new(),
        lost => format!(", {lost} lines were not kept"),
    };
    let what = format!(
        "{} {since} (at most {limit}{lost}), the newest: {}",
        count(traps.len()),
        newest.trap().unwrap_or_default()
    );
    let severity = if is_much {
        Severity::Serious
    } else {
        Severity::Monitor
    };
    let symptom = Symptom::Trapped;
    Some(Sighting::new(
        watched.slot,
        severity,
        symptom,
        &what,
        ADVICE,
    ))
}

/// Traps of the minutes before the first look, when nobody knows since when the module is there.
pub(super) fn older(watched: &Watched<'_>, first: &Look) -> Option<Sighting> {
    if watched.since.is_some() {
        return None;
    }
    let begins = first.time_ns.saturating_sub(RECENT_NS);
    let is_recent =
        |line: &&Line| (begins..=first.time_ns).contains(&line.time_ns) && line.trap().is_some();
    let lines = first.lines.as_deref().unwrap_or_default();
    let traps: Vec<&Line> = lines.iter().filter(is_recent).collect();
    let newest = traps.iter().max_by_key(|line| line.index)?;
    let what = format!(
        "{} in the 10 minutes before it was watched, perhaps of the module of before; the newest: {}",
        count(traps.len()),
        newest.trap().unwrap_or_default()
    );
    Some(Sighting::new(
        watched.slot,
        Severity::Monitor,
        Symptom::Trapped,
        &what,
        "compare their times with that of the deploy, and watch again",
    ))
}

/// Lines that were written and that no look has seen.
fn lost(before: &Baseline, looks: &[Look]) -> u64 {
    let mut next = before.next_index;
    let mut lost = 0_u64;
    for lines in looks.iter().filter_map(|look| look.lines.as_ref()) {
        let first = lines.iter().map(|line| line.index).min();
        let last = lines.iter().map(|line| line.index).max();
        if let (Some(first), Some(last)) = (first, last) {
            lost = lost.saturating_add(first.saturating_sub(next));
            next = next.max(last.saturating_add(1));
        }
    }
    lost
}

fn count(traps: usize) -> String {
    format!("{traps} trap{}", if traps == 1 { "" } else { "s" })
}
