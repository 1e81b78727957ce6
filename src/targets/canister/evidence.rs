//! What a person will want to see of canisters before they are changed: status, cycles, controllers, snapshots, the last log
//! lines. Taken first, because loading a snapshot or a reinstall purges the log. Nothing is judged here.

use super::call::CallError;
use super::certified::{self, Certified};
use super::logs;
use super::look::Baselines;
use super::site::Site;
use super::wire::{Activity, Status, number};
use crate::decide::canister::standing::{Line, Supply, cycles};
use crate::model::secret::Secret;
use crate::targets::process::mask;
use candid::{Nat, Principal};
use futures_util::future::join_all;
use ic_management_canister_types::Snapshot;
use jiff::Timestamp;
use std::time::Duration;
use tokio::time::timeout;

/// For each answer: evidence never holds up a rollback for longer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Of one file: the newest lines of the log are kept.
const LOG_BYTES_MAX: usize = 128 * 1024;

const CONTROLLERS_MAX: usize = 50;
const CANISTERS_MAX: usize = 200;

/// Name and text of one file each: `user_service.txt`. What could not be had is said in its place.
/// The cycles are noted, so that a later look can tell how fast they went before a change.
pub(super) async fn gather(
    sites: &[Site<'_>],
    baselines: &Baselines,
    secrets: &[Secret],
) -> Vec<(String, String)> {
    let files = sites
        .iter()
        .take(CANISTERS_MAX)
        .map(|site| one(site, baselines, secrets));
    join_all(files).await
}

async fn one(site: &Site<'_>, baselines: &Baselines, secrets: &[Secret]) -> (String, String) {
    let management = site.management();
    let (certified, controllers, status, snapshots, lines) = tokio::join!(
        bounded(certified::read(site.network, site.id)),
        bounded(certified::controllers(site.network, site.id)),
        bounded(management.status()),
        bounded(management.snapshots()),
        bounded(logs::read(site, secrets)),
    );
    if let (Ok(Some(certified)), Ok(status)) = (&certified, &status) {
        let supply = Supply {
            time_ns: certified.time_ns,
            cycles: number(&status.cycles),
        };
        baselines.earlier(site.slot, supply);
    }
    let parts = [
        format!(
            "canister: {} ({})\nnetwork: {}\n",
            site.slot, site.id, site.network.name
        ),
        part("module", certified, |found| module(found.as_ref())),
        part("controllers", controllers, |all| controllers_text(&all)),
        part("status", status, |status| status_text(&status)),
        part("snapshots", snapshots, |all| snapshots_text(&all)),
        part("log", lines, |lines| log_text(&lines)),
    ];
    (file_name(&site.slot.0), mask(&parts.concat(), secrets))
}

async fn bounded<T>(asking: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    timeout(ANSWER_MAX, asking)
        .await
        .unwrap_or_else(|_elapsed| {
            let why = format!("no answer within {} s", ANSWER_MAX.as_secs());
            Err(CallError::Unreachable(why))
        })
}

/// `user_service.txt`: characters that a file name should not have become `-`.
fn file_name(slot: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let stem: String = slot
        .chars()
        .map(|c| if is_plain(c) { c } else { '-' })
        .collect();
    format!("{stem}.txt")
}

/// A heading and what was answered, or why nothing was.
fn part<T>(name: &str, answer: Result<T, CallError>, text: impl Fn(T) -> String) -> String {
    match answer {
        Ok(answer) => format!("\n== {name}\n{}", text(answer)),
        Err(error) => {
            let why = logs::shown(&error.to_string(), &[]);
            format!("\n== {name}\n[not to be had: {why}]\n")
        }
    }
}

fn module(certified: Option<&Certified>) -> String {
    match certified {
        Some(certified) => {
            let hash = certified.module_hash.as_ref();
            let hash = hash.map_or("none".to_owned(), ToString::to_string);
            format!(
                "certified hash: {hash}\nat (network time): {}\n",
                moment(certified.time_ns)
            )
        }
        None => "there is no such canister on this network\n".to_owned(),
    }
}

fn controllers_text(all: &[Principal]) -> String {
    let mut lines: Vec<String> = all
        .iter()
        .take(CONTROLLERS_MAX)
        .map(Principal::to_text)
        .collect();
    let more = all.len().saturating_sub(CONTROLLERS_MAX);
    if 0 < more {
        lines.push(format!("[{more} more left out]"));
    }
    lines.push(String::new());
    lines.join(
        "
",
    )
}

fn status_text(status: &Status) -> String {
    let running = match status.activity {
        Some(Activity::Running) => "running",
        Some(Activity::Stopping) => "stopping",
        Some(Activity::Stopped) => "stopped",
        None => "a state that is not known here",
    };
    let amount = |nat: &Nat| format!("{nat} ({})", cycles(number(nat)));
    let mut lines = vec![
        format!("status: {running}"),
        format!("cycles: {}", amount(&status.cycles)),
        format!(
            "idle cycles burned per day: {}",
            amount(&status.idle_cycles_burned_per_day)
        ),
        format!(
            "freezing threshold: {} s",
            status.settings.freezing_threshold
        ),
        format!("memory: {} bytes", status.memory_size),
    ];
    if let Some(reserved) = &status.reserved_cycles {
        lines.push(format!("reserved cycles: {}", amount(reserved)));
    }
    if let Some(metrics) = &status.memory_metrics {
        lines.push(format!("Wasm memory: {} bytes", metrics.wasm_memory_size));
        lines.push(format!("snapshots: {} bytes", metrics.snapshots_size));
    }
    if let Some(limit) = &status.settings.wasm_memory_limit {
        lines.push(format!("Wasm memory limit: {limit} bytes"));
    }
    if let Some(queries) = &status.query_stats {
        lines.push(format!("queries so far: {}", queries.num_calls_total));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn snapshots_text(all: &[Snapshot]) -> String {
    if all.is_empty() {
        return "none
"
        .to_owned();
    }
    let mut lines: Vec<String> = all
        .iter()
        .map(|one| {
            let id: Vec<String> = one.id.iter().map(|byte| format!("{byte:02x}")).collect();
            let at = moment(one.taken_at_timestamp);
            format!("{} of {at}, {} bytes", id.concat(), one.total_size)
        })
        .collect();
    lines.push(String::new());
    lines.join(
        "
",
    )
}

/// The newest lines that there is room for.
fn log_text(lines: &[Line]) -> String {
    let mut room = LOG_BYTES_MAX;
    let mut kept: Vec<String> = Vec::new();
    for line in lines.iter().rev() {
        let text = format!("[{}. {}] {}\n", line.index, moment(line.time_ns), line.text);
        match room.checked_sub(text.len()) {
            Some(left) => room = left,
            None => break,
        }
        kept.push(text);
    }
    let left_out = lines.len() - kept.len();
    if 0 < left_out {
        kept.push(format!("[{left_out} older lines left out]\n"));
    }
    if kept.is_empty() {
        return "empty\n".to_owned();
    }
    kept.reverse();
    kept.concat()
}

/// `2026-11-21T15:00:00Z`, of nanoseconds since 1970.
fn moment(ns: u64) -> String {
    Timestamp::from_nanosecond(i128::from(ns))
        .map_or_else(|_out_of_range| format!("{ns} ns"), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_its_canister() {
        assert_eq!(file_name("user_service"), "user_service.txt");
        assert_eq!(file_name("../etc/x y"), "---etc-x-y.txt");
    }

    #[test]
    fn what_could_not_be_had_is_said_in_its_place() {
        let error = CallError::Unreachable("no answer within 10 s".to_owned());
        assert_eq!(
            part("status", Err(error), |status: Status| status_text(&status)),
            "\n== status\n[not to be had: no answer within 10 s]\n"
        );
        assert_eq!(
            part("module", Ok(()), |()| module(None)),
            "\n== module\nthere is no such canister on this network\n"
        );
    }

    #[test]
    fn the_newest_lines_are_kept() {
        let line = |index: u64, text: &str| Line {
            index,
            time_ns: 1_732_201_200_000_000_000,
            text: text.to_owned(),
        };
        assert_eq!(log_text(&[]), "empty\n");
        assert_eq!(
            log_text(&[line(0, "hello"), line(1, "[TRAP]: x")]),
            "[0. 2024-11-21T15:00:00Z] hello\n[1. 2024-11-21T15:00:00Z] [TRAP]: x\n"
        );
        let long = "x".repeat(2000);
        let many: Vec<Line> = (0..200).map(|index| line(index, &long)).collect();
        let text = log_text(&many);
        assert!(text.len() <= LOG_BYTES_MAX + 40);
        assert!(text.starts_with("[136 older lines left out]\n[136. "));
        assert!(text.contains("[199. "));
    }

    #[test]
    fn a_snapshot_is_told_by_id_time_and_size() {
        assert_eq!(snapshots_text(&[]), "none\n");
        let one = Snapshot {
            id: vec![0, 255],
            taken_at_timestamp: 0,
            total_size: 7,
        };
        assert_eq!(
            snapshots_text(&[one]),
            "00ff of 1970-01-01T00:00:00Z, 7 bytes\n"
        );
    }
}
