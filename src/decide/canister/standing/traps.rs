//! Traps in a canister's log: those that are new, how often they came before, and those that nobody can tell apart from old
//! ones.

use super::{Baseline, Line, Look, Since, Watched};
use crate::model::sighting::{Sighting, Symptom};
use crate::model::verdict::Severity;
use std::collections::BTreeMap;

/// Older traps are no news.
const RECENT_NS: u64 = 600 * 1_000_000_000;

const SECOND_NS: u64 = 1_000_000_000;

/// Characters by which two texts of a trap are compared: long ones are cut, in the log and in a reject, at different places.
const COMPARED_CHARS: usize = 200;

const ADVICE: &str = "read the last lines of its log in the evidence, or roll back";

/// How often it trapped in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    pub traps: u64,
    /// Nanoseconds, at most ten minutes; less when the log does not reach back that far.
    pub over_ns: u64,
}

impl Pace {
    pub(super) fn of(lines: &[Line], time_ns: u64) -> Self {
        let begins = time_ns.saturating_sub(RECENT_NS);
        let oldest = lines.iter().min_by_key(|line| line.index);
        // The log is a ring: what was before its first line is not known, unless that is the first of all.
        let begins = oldest
            .filter(|line| 0 < line.index)
            .map_or(begins, |line| line.time_ns.max(begins));
        let is_then =
            |line: &&Line| (begins..=time_ns).contains(&line.time_ns) && line.trap().is_some();
        Self {
            traps: u64::try_from(lines.iter().filter(is_then).count()).unwrap_or(u64::MAX),
            over_ns: time_ns.saturating_sub(begins),
        }
    }

    /// Whether this is more than twice as often as `before`, to which one trap is added: a time without any, or a short one,
    /// does not prove that there are none.
    fn is_clearly_more_than(self, before: Self) -> bool {
        let often = |traps: u64, other_ns: u64| {
            u128::from(traps).saturating_mul(u128::from(other_ns.max(SECOND_NS)))
        };
        let was = often(before.traps.saturating_add(1), self.over_ns);
        was.saturating_mul(2) < often(self.traps, before.over_ns)
    }
}

/// The lines of traps since the change had ended, over all looks: the log holds few, so a later look may have lost what an
/// earlier saw.
pub(super) fn lines<'a>(ended: &Baseline, looks: &'a [Look]) -> Vec<&'a Line> {
    let mut traps: BTreeMap<(u64, u64), &Line> = BTreeMap::new();
    for line in looks
        .iter()
        .filter_map(|look| look.lines.as_ref())
        .flatten()
    {
        if ended.precedes(line) && line.trap().is_some() {
            traps.insert((line.time_ns, line.index), line);
        }
    }
    traps.into_values().collect()
}

/// More new traps than may be, and clearly more often than before: serious. Else they are told: a message that is wrong
/// makes a canister trap as a matter of course.
pub(super) fn new(watched: &Watched<'_>, ended: &Baseline, looks: &[Look]) -> Option<Sighting> {
    let traps = lines(ended, looks);
    let newest = traps.last()?;
    let limit = watched.rules.traps_max;
    let is_much = usize::try_from(limit).is_ok_and(|limit| limit < traps.len());
    let now = Pace {
        traps: u64::try_from(traps.len()).unwrap_or(u64::MAX),
        over_ns: looks.last()?.time_ns.saturating_sub(ended.time_ns),
    };
    // Nobody knows whose they were before a watch of somebody else's deploy.
    let before = watched.since.map(|since| since.baseline.trapped);
    let is_more = before.is_none_or(|before| now.is_clearly_more_than(before));
    let since = if watched.since.is_some() {
        "since the change"
    } else {
        "since it is watched"
    };
    let lost = match lost(ended, looks) {
        0 => String::new(),
        lost => format!(", {lost} lines were not kept"),
    };
    let often = match before {
        Some(before) if is_much && !is_more => format!(
            ", hardly more often than before: {} in {} s",
            before.traps,
            before.over_ns / SECOND_NS
        ),
        Some(_) | None => String::new(),
    };
    let what = format!(
        "{} {since} (at most {limit}{lost}){often}, the newest: {}",
        count(traps.len()),
        newest.trap().unwrap_or_default()
    );
    let severity = if is_much && is_more {
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

/// Traps that nobody can tell whose they are: while it was changed; or, when it was changed by somebody else, in the minutes
/// before the first look.
pub(super) fn older(watched: &Watched<'_>, ended: &Baseline, first: &Look) -> Option<Sighting> {
    let lines = first.lines.as_deref().unwrap_or_default();
    let mut traps: Vec<&Line> = lines.iter().filter(|line| line.trap().is_some()).collect();
    let (when, advice) = if let Some(since) = watched.since {
        traps.retain(|line| since.baseline.precedes(line) && !ended.precedes(line));
        take_rejected(since, &mut traps);
        ("while it was changed", "watch it again: those may be over")
    } else {
        let begins = first.time_ns.saturating_sub(RECENT_NS);
        traps.retain(|line| (begins..=first.time_ns).contains(&line.time_ns));
        (
            "in the 10 minutes before it was watched",
            "compare their times with that of the deploy, and watch again",
        )
    };
    let newest = traps.iter().max_by_key(|line| line.index)?;
    let what = format!(
        "{} {when}, perhaps of the module of before; the newest: {}",
        count(traps.len()),
        newest.trap().unwrap_or_default()
    );
    Some(Sighting::new(
        watched.slot,
        Severity::Monitor,
        Symptom::Trapped,
        &what,
        advice,
    ))
}

/// Takes out the trap of every rejected install, once each.
fn take_rejected(since: &Since, traps: &mut Vec<&Line>) {
    for message in &since.rejected {
        let said = said(message);
        let is_its = |line: &&Line| is_same(line.trap().unwrap_or_default(), said);
        if let Some(at) = traps.iter().position(is_its) {
            traps.remove(at);
        }
    }
}

/// What a module said as it trapped, by the first line of the reject: `…Canister called `ic0.trap` with message: 'boom'`.
/// A log says `(no message)` where that is empty. (`HypervisorError` and `CanisterLog` of dfinity/ic.)
fn said(message: &str) -> &str {
    let text = match message.split_once("with message: '") {
        Some((_, rest)) => {
            let rest = rest.strip_suffix('.').unwrap_or(rest);
            rest.strip_suffix('\'').unwrap_or(rest)
        }
        None => message
            .split_once("Canister trapped: ")
            .or_else(|| message.split_once("Canister trapped explicitly: "))
            .or_else(|| message.split_once("Canister violated contract: "))
            .map_or(message, |(_, rest)| rest.strip_suffix('.').unwrap_or(rest)),
    };
    match text.trim() {
        "" => "(no message)",
        text => text,
    }
}

/// A line of the log goes on with a backtrace; both may be cut.
fn is_same(trap: &str, said: &str) -> bool {
    let head = |text: &str| match text.char_indices().nth(COMPARED_CHARS) {
        Some((end, _)) => text.get(..end).map(str::to_owned),
        None => None,
    };
    match head(said) {
        Some(long) => trap.starts_with(&long),
        None => match trap.strip_prefix(said) {
            Some(rest) => rest.is_empty() || rest.starts_with(char::is_whitespace),
            // A text of the system, in other words around it.
            None => !trap.is_empty() && said.contains(trap),
        },
    }
}

/// Lines that were written and that no look has seen.
fn lost(ended: &Baseline, looks: &[Look]) -> u64 {
    let mut next = ended.next_index;
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
