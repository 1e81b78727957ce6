//! What a canister lives on: cycles until it is frozen, and room in its memory. An old debt is nobody's reason to roll back;
//! what the release made worse is.

use super::words::{cycles, days};
use super::{Baseline, Look, Since, Status, Supply, Told, Watched};
use crate::model::sighting::{Sighting, Symptom};
use crate::model::verdict::Severity;

const DAY_NS: u128 = 86_400 * 1_000_000_000;

/// What a look itself costs the canister, at most: a replicated call of the management canister on a large subnet.
const OWN_CYCLES: u128 = 10_000_000;

/// A shorter time says nothing of a day.
const FALL_NS_MIN: u64 = 1_000_000_000;

const TOP_UP: &str = "top it up with cycles";

/// One status and when it was so.
type At<'a> = (u64, &'a Status);

pub(super) fn seen(watched: &Watched<'_>, before: &Baseline, looks: &[Look]) -> Vec<Sighting> {
    let told: Vec<At<'_>> = looks
        .iter()
        .filter_map(|look| Some((look.time_ns, look.known()?)))
        .collect();
    if let Some(frozen) = frozen(watched, looks) {
        return vec![frozen];
    }
    let Some((_, last)) = told.last() else {
        return Vec::new();
    };
    let old = before.status.as_ref();
    let falls = falls(watched, &told);
    let is_fast = falls.is_some();
    let mut sightings: Vec<Sighting> = falls.into_iter().collect();
    sightings.extend(low(watched, old, &told));
    if !is_fast {
        sightings.extend(burns_more(watched, old, last));
    }
    sightings.extend(memory(watched, old, last));
    sightings
}

/// A frozen canister takes no messages, and cannot be changed either.
fn frozen(watched: &Watched<'_>, looks: &[Look]) -> Option<Sighting> {
    let what = match &looks.last()?.status {
        Told::Known(status) if status.cycles < status.freezing_limit() => format!(
            "is frozen: {} cycles, below the freezing limit of {}",
            cycles(status.cycles),
            cycles(status.freezing_limit())
        ),
        Told::OutOfCycles => {
            "is frozen: it has not the cycles to be asked for its status".to_owned()
        }
        Told::Known(_) | Told::Unread(_) => return None,
    };
    Some(Sighting::new(
        watched.slot,
        Severity::Critical,
        Symptom::Frozen,
        &what,
        "top it up with cycles first: a frozen canister cannot be rolled back",
    ))
}

/// Cycles go so fast that it is frozen within a day. Both halves of the time must say so: one expensive call is no habit.
/// Serious when they went clearly slower before the change: a canister that is busy was so before.
fn falls(watched: &Watched<'_>, told: &[At<'_>]) -> Option<Sighting> {
    let rate = fall_per_day(told)?;
    let (_, last) = told.last()?;
    let is_bad = last.headroom() <= rate && last.burn_per_day.saturating_mul(2) < rate;
    let was = watched.since.and_then(fell_per_day);
    let severity = if was.is_some_and(|was| was.saturating_mul(2) < rate) {
        Severity::Serious
    } else {
        Severity::Monitor
    };
    let before = was.map_or(String::new(), |was| format!(", {} before", cycles(was)));
    let what = format!(
        "loses {} cycles a day at this rate{before}, and has {} until it is frozen",
        cycles(rate),
        cycles(last.headroom())
    );
    let advice = "roll back, or top it up with cycles and look for what spends them";
    is_bad.then(|| Sighting::new(watched.slot, severity, Symptom::CyclesFall, &what, advice))
}

/// Cycles a day, by the slower half; what looking costs is taken off. `None`: too few looks, or too short a time.
fn fall_per_day(told: &[At<'_>]) -> Option<u128> {
    let middle = told.len() / 2;
    let (first, half, last) = (told.first()?, told.get(middle)?, told.last()?);
    if told.len() < 3 {
        return None;
    }
    let supply = |at: &At<'_>| Supply {
        time_ns: at.0,
        cycles: at.1.cycles,
    };
    let early = rate(supply(first), supply(half), middle)?;
    let late = rate(supply(half), supply(last), told.len() - 1 - middle)?;
    Some(early.min(late))
}

/// Cycles a day before the change. `None`: not measured, or in too short a time.
fn fell_per_day(since: &Since) -> Option<u128> {
    let then = Supply {
        time_ns: since.baseline.time_ns,
        cycles: since.baseline.status.as_ref()?.cycles,
    };
    rate(since.earlier?, then, 1)
}

fn rate(from: Supply, to: Supply, looks: usize) -> Option<u128> {
    let length = to.time_ns.checked_sub(from.time_ns);
    let length = length.filter(|ns| FALL_NS_MIN <= *ns)?;
    let own = OWN_CYCLES.saturating_mul(u128::try_from(looks).ok()?);
    let fall = from.cycles.saturating_sub(to.cycles);
    let fall = fall.saturating_sub(own);
    Some(fall.saturating_mul(DAY_NS) / u128::from(length))
}

/// Fewer days than the rule. Serious when it got worse: it burns more than before, or fell below the rule while it was
/// watched, by more than time alone takes.
fn low(watched: &Watched<'_>, old: Option<&Status>, told: &[At<'_>]) -> Option<Sighting> {
    let ((began, first), (ended, last)) = (told.first()?, told.last()?);
    let least = u128::from(watched.rules.cycles_days_min);
    let is_low = |status: &Status| status.days_left().is_some_and(|days| days < least);
    if !is_low(last) {
        return None;
    }
    let burns_more = old.is_some_and(|old| {
        let (was, is) = own_burns(old, last).unwrap_or_default();
        was.saturating_mul(11) < is.saturating_mul(10)
    });
    let idle = last
        .burn_per_day
        .saturating_mul(u128::from(ended.saturating_sub(*began)))
        / DAY_NS;
    let own = OWN_CYCLES.saturating_mul(u128::try_from(told.len()).unwrap_or(u128::MAX));
    let fell = first.headroom().saturating_sub(last.headroom());
    let fell_below = !is_low(first) && idle.saturating_add(own).saturating_mul(2) < fell;
    let (severity, why) = if burns_more {
        (Severity::Serious, ", and it burns more than before")
    } else if fell_below {
        (Severity::Serious, ", fewer with every look")
    } else {
        (Severity::Monitor, "")
    };
    let what = format!(
        "{} until frozen (at least {least}): {} cycles, {} burned a day{why}",
        days(last),
        cycles(last.cycles),
        cycles(last.burn_per_day)
    );
    Some(Sighting::new(
        watched.slot,
        severity,
        Symptom::CyclesLow,
        &what,
        TOP_UP,
    ))
}

/// What is burned without the snapshots, which are ours: before and now. `None`: the network does not say how large they are.
fn own_burns(old: &Status, last: &Status) -> Option<(u128, u128)> {
    let own = |status: &Status| {
        let own = status.memory_bytes.saturating_sub(status.snapshots_bytes?);
        let burn = status.burn_per_day.saturating_mul(own);
        burn.checked_div(status.memory_bytes)
    };
    Some((own(old)?, own(last)?))
}

/// Burns more than twice of what it did.
fn burns_more(watched: &Watched<'_>, old: Option<&Status>, last: &Status) -> Option<Sighting> {
    let (was, is) = own_burns(old?, last)?;
    let is_much = 0 < was && was.saturating_mul(2) < is;
    let what = format!(
        "burns {} cycles a day without any message, {} before",
        cycles(is),
        cycles(was)
    );
    let advice = "compare its memory with that of before: it is what the burning pays for";
    is_much.then(|| {
        Sighting::new(
            watched.slot,
            Severity::Monitor,
            Symptom::CyclesFall,
            &what,
            advice,
        )
    })
}

/// Wasm memory near its limit, where updates are refused. Serious when it came there with the change.
fn memory(watched: &Watched<'_>, old: Option<&Status>, last: &Status) -> Option<Sighting> {
    let max = last.wasm_bytes_max.filter(|max| 0 < *max)?;
    let percent = |bytes: u128| bytes.saturating_mul(100) / max;
    let now = percent(last.wasm_bytes?);
    let was = old.and_then(|old| old.wasm_bytes).map(percent);
    let severity = match (was, now) {
        (_, ..90) => return None,
        (Some(..90), 98..) => Severity::Serious,
        (Some(_) | None, 90..) => Severity::Monitor,
    };
    let before = was.map_or(String::new(), |was| format!(", {was} % before"));
    let what = format!("Wasm memory is at {now} % of its limit{before}: past it, updates fail");
    Some(Sighting::new(
        watched.slot,
        severity,
        Symptom::MemoryFull,
        &what,
        "raise its wasm_memory_limit, or roll back and look for what keeps the memory",
    ))
}
