//! What is wrong with a canister, by several looks at it: whether it still holds and runs what was put in place, whether it
//! traps, and for how long its cycles last. How a look is taken is the target's; what follows is `decide::mitigate`'s.

mod held;
mod supply;
#[cfg(test)]
mod tests;
mod traps;
mod words;

pub use traps::Pace;
pub use words::{cycles, days, summary};

use crate::model::sighting::{Sighting, Symptom, worst_first};
use crate::model::state::{Phase, Revision, Slot};
use crate::model::verdict::Severity;

/// What the certified state tree says of the module. It is signed by the subnet, but a node may be some seconds behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Module {
    Holds(Revision),
    /// The canister is there and has no module.
    Empty,
    /// There is no such canister.
    Gone,
}

/// What controllers are told, agreed on by the subnet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// [`Phase::Moving`]: it is stopping. `None`: a state that is not known here.
    pub phase: Option<Phase>,
    pub cycles: u128,
    /// Cycles set aside for storage: the freezing limit is lower by them.
    pub reserved_cycles: u128,
    /// Cycles that are burned in a day without any message.
    pub burn_per_day: u128,
    /// Seconds that the cycles must last, or it is frozen.
    pub freezing_threshold_s: u128,
    /// Bytes of everything that is paid for.
    pub memory_bytes: u128,
    /// Bytes of its snapshots in `memory_bytes`, where the network says so.
    pub snapshots_bytes: Option<u128>,
    /// Bytes of Wasm memory, where the network says so.
    pub wasm_bytes: Option<u128>,
    /// Bytes that Wasm memory may have before updates are refused; `None`: no limit of its own.
    pub wasm_bytes_max: Option<u128>,
}

impl Status {
    /// Cycles below which it is frozen: what lasts for the threshold, less what is reserved (`freeze_threshold_cycles` of
    /// the cycles account manager in dfinity/ic).
    pub const fn freezing_limit(&self) -> u128 {
        const DAY_S: u128 = 86_400;
        let limit = self.burn_per_day.saturating_mul(self.freezing_threshold_s) / DAY_S;
        limit.saturating_sub(self.reserved_cycles)
    }

    /// Cycles that are left until it is frozen.
    pub const fn headroom(&self) -> u128 {
        self.cycles.saturating_sub(self.freezing_limit())
    }

    /// Days until it is frozen if nothing but time passes. `None`: never, it burns nothing.
    pub const fn days_left(&self) -> Option<u128> {
        self.headroom().checked_div(self.burn_per_day)
    }
}

/// What became of asking for the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Known(Status),
    /// It cannot pay for the question: it is frozen.
    OutOfCycles,
    /// Why it could not be read, in one clause with secrets masked.
    Unread(String),
}

/// One line of a canister's log. A canister may write anything there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counts up from 0 over the life of a canister.
    pub index: u64,
    /// Nanoseconds since 1970 by the network's clock.
    pub time_ns: u64,
    /// One line, bounded, with secrets masked.
    pub text: String,
}

impl Line {
    /// What a message trapped with. The network itself writes these lines (`[TRAP]: …`), for updates, timers, heartbeats and
    /// the hooks of an install; a query leaves none.
    pub fn trap(&self) -> Option<&str> {
        let text = self.text.trim_start().strip_prefix("[TRAP]")?;
        Some(text.trim_start_matches(':').trim())
    }
}

/// One look that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Nanoseconds since 1970, as the network certified it.
    pub time_ns: u64,
    pub module: Module,
    pub status: Told,
    /// Every line that the log holds, the oldest first. `None`: it may not be read.
    pub lines: Option<Vec<Line>>,
}

impl Look {
    pub(in crate::decide::canister) const fn known(&self) -> Option<&Status> {
        match &self.status {
            Told::Known(status) => Some(status),
            Told::OutOfCycles | Told::Unread(_) => None,
        }
    }
}

/// What later looks are compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    pub time_ns: u64,
    pub module: Module,
    /// Index of the line that comes next.
    pub next_index: u64,
    /// When the last line of then was written, nanoseconds since 1970; 0: there was none.
    pub newest_ns: u64,
    /// How often it trapped, as far as the log of then reaches back.
    pub trapped: Pace,
    pub status: Option<Status>,
}

impl Baseline {
    pub fn of(look: &Look) -> Self {
        // A node may be ahead of the one that certified the time.
        let before = |line: &&Line| line.time_ns <= look.time_ns;
        let lines = look.lines.as_deref().unwrap_or_default();
        let last = lines.iter().filter(before).max_by_key(|line| line.index);
        Self {
            time_ns: look.time_ns,
            module: look.module.clone(),
            next_index: last.map_or(0, |line| line.index.saturating_add(1)),
            newest_ns: last.map_or(0, |line| line.time_ns),
            trapped: Pace::of(lines, look.time_ns),
            status: look.known().cloned(),
        }
    }

    /// Whether a line was written after it. A log that was purged may count anew, and a node that is behind may have
    /// answered without the last lines: so neither the index nor the time alone says it.
    fn precedes(&self, line: &Line) -> bool {
        let is_later = self.newest_ns < line.time_ns && self.time_ns < line.time_ns;
        is_later || (self.next_index <= line.index && self.time_ns <= line.time_ns)
    }
}

/// Since when the looks count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// From before the change.
    pub baseline: Baseline,
    /// From when the change had ended: what trapped until then may have been the module of before. `None`: that is not
    /// known, and the first look after it is taken.
    pub ended: Option<Baseline>,
    /// Cycles some time before the baseline, for the rate at which they went then.
    pub earlier: Option<Supply>,
    /// First lines of the messages of installs that the network rejected on the way: the trap of each is in the log, and is
    /// not the release's.
    pub rejected: Vec<String>,
}

/// Cycles at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supply {
    /// Nanoseconds since 1970, as the network certified it.
    pub time_ns: u64,
    pub cycles: u128,
}

/// What is still well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// New traps in the log, at most; more count when they also come clearly more often than before.
    pub traps_max: u32,
    /// Days until frozen, at least.
    pub cycles_days_min: u32,
    /// Whether it runs is none of our business (`when-stopped: leave`).
    pub may_be_stopped: bool,
}

/// One canister that is watched.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    pub slot: &'a Slot,
    /// What was put in place.
    pub held: &'a Revision,
    /// `None`: it was changed by somebody else, at a time that is not known; the first look is what is compared with.
    pub since: Option<&'a Since>,
    pub rules: Rules,
}

impl<'a> Watched<'a> {
    /// What comes after this is held against what is in place. `own`: the first look.
    fn ended(&self, own: &'a Baseline) -> &'a Baseline {
        let ended = self.since.and_then(|since| since.ended.as_ref());
        ended.unwrap_or(own)
    }
}

/// What is wrong, worst first. `looks` in the order they were taken, at least 1.
///
/// Once it holds something else, everything else is said of a module that is not judged here, and left out.
pub fn standing(watched: &Watched<'_>, looks: &[Look]) -> Vec<Sighting> {
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else {
        return Vec::new();
    };
    let own = Baseline::of(first);
    let before = watched.since.map_or(&own, |since| &since.baseline);
    let ended = watched.ended(&own);
    if let Some(other) = held::other_module(watched, before, looks) {
        return vec![other];
    }
    let mut sightings: Vec<Sighting> = Vec::new();
    sightings.extend(held::not_running(watched, looks));
    sightings.extend(traps::new(watched, ended, looks));
    sightings.extend(traps::older(watched, ended, first));
    sightings.extend(supply::seen(watched, before, looks));
    if let Told::Unread(why) = &last.status {
        let why = format!("its status could not be read: {why}");
        sightings.push(unseen(watched.slot, &why));
    }
    worst_first(&mut sightings);
    sightings
}

/// Whether one more look may make it worse than it is called now: what is believed on two looks was seen on the last alone.
pub fn is_in_doubt(watched: &Watched<'_>, looks: &[Look]) -> bool {
    let Some(last) = looks.last() else {
        return false;
    };
    let mut again = looks.to_vec();
    again.push(last.clone());
    let worst = |looks: &[Look]| {
        let seen = standing(watched, looks);
        seen.first().map_or(Severity::None, |worst| worst.severity)
    };
    worst(looks) < worst(&again)
}

/// It could not be looked at to the end. `why`: with secrets masked.
pub fn unseen(slot: &Slot, why: &str) -> Sighting {
    let what = format!("could not be watched: {why}");
    Sighting::new(
        slot,
        Severity::Monitor,
        Symptom::Unseen,
        &what,
        "mend the way to the network (address, identity, permissions), and watch again",
    )
}
