//! Numbers of a canister in words for people.

use super::traps;
use super::{Baseline, Look, Module, Status, Told, Watched};

/// `3.1 T`, `250 M`: trillions, billions, millions, as cycles are counted everywhere.
pub fn cycles(count: u128) -> String {
    for (unit, name) in [
        (1_000_000_000_000, "T"),
        (1_000_000_000, "B"),
        (1_000_000, "M"),
    ] {
        if unit <= count {
            let tenths = count / (unit / 10);
            return match (tenths / 10, tenths % 10) {
                (whole @ 100.., _) | (whole, 0) => format!("{whole} {name}"),
                (whole, tenth) => format!("{whole}.{tenth} {name}"),
            };
        }
    }
    count.to_string()
}

/// `120 days`; nothing is burned: `for ever`.
pub fn days(status: &Status) -> String {
    match status.days_left() {
        None => "for ever".to_owned(),
        Some(1) => "1 day".to_owned(),
        Some(days @ ..=9999) => format!("{days} days"),
        Some(_) => "more than 9999 days".to_owned(),
    }
}

/// The last look in one line: `runs sha256:0f3a…, 3.1 T cycles, 120 days until frozen, no new traps`.
pub fn summary(watched: &Watched<'_>, looks: &[Look]) -> String {
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else {
        return "not looked at yet".to_owned();
    };
    let own = Baseline::of(first);
    let ended = watched.ended(&own);
    let holds = match &last.module {
        Module::Holds(revision) => {
            let digest = revision.0.strip_prefix("sha256:").map_or("", |_| "sha256:");
            format!("{digest}{}", revision.short())
        }
        Module::Empty => "no module".to_owned(),
        Module::Gone => return "does not exist on this network".to_owned(),
    };
    let (verb, supply) = match &last.status {
        Told::Known(status) => (verb(status), supply(status)),
        Told::OutOfCycles => ("holds", "frozen".to_owned()),
        Told::Unread(_) => ("holds", "its status cannot be read".to_owned()),
    };
    let traps = match (&last.lines, traps::lines(ended, looks).len()) {
        (None, 0) => "log not readable".to_owned(),
        (Some(_), 0) => "no new traps".to_owned(),
        (_, 1) => "1 new trap".to_owned(),
        (_, traps) => format!("{traps} new traps"),
    };
    format!("{verb} {holds}, {supply}, {traps}")
}

const fn verb(status: &Status) -> &'static str {
    use crate::model::state::Phase;
    match status.phase {
        Some(Phase::Running) => "runs",
        Some(Phase::Stopped) => "stopped, holds",
        Some(Phase::Moving) => "stopping, holds",
        None => "holds",
    }
}

fn supply(status: &Status) -> String {
    let cycles = cycles(status.cycles);
    match status.days_left() {
        None => format!("{cycles} cycles"),
        Some(_) if status.cycles < status.freezing_limit() => format!("{cycles} cycles, frozen"),
        Some(_) => format!("{cycles} cycles, {} until frozen", days(status)),
    }
}
