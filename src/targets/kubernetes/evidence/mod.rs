//! What a person will want to see of the state before a change: workloads, pods, logs, events and history, as they are now.
//! Bounded in size and time, masked, never the data of a Secret. What it means is for whoever reads it.

mod config;
mod describe;
mod gather;
mod masked;
#[cfg(test)]
mod tests;

use super::Kubernetes;
use super::slots::Place;
use futures_util::future::join_all;
use gather::Slotted;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// For everything together: evidence never holds up a rollback for longer.
const GATHER_MAX: Duration = Duration::from_secs(10);

/// Of one file, and of all.
const FILE_BYTES_MAX: usize = 256 * 1024;
const ALL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What is told first when there is no room for everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Describe,
    Events,
    Config,
    Previous,
    History,
    Log,
    Object,
}

/// The files so far, and what is being waited for.
#[derive(Debug, Default)]
struct Files {
    files: Mutex<BTreeMap<(Rank, String), String>>,
    /// What is not answered yet, or was refused: name to why.
    missing: Mutex<BTreeMap<String, String>>,
}

impl Files {
    /// Says that something is asked for; until it is [`put`](Self::put) it counts as missing.
    fn expect(&self, name: &str) {
        self.miss(
            name,
            &format!("no answer within {} s", GATHER_MAX.as_secs()),
        );
    }

    fn miss(&self, name: &str, why: &str) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.insert(name.to_owned(), why.to_owned());
    }

    /// There was nothing to put down: not missing.
    fn put_nothing(&self, name: &str) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.remove(name);
    }

    fn put(&self, rank: Rank, name: &str, text: String) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.remove(name);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert((rank, name.to_owned()), text);
    }
}

/// Names and texts of files: `deployment-web.describe.txt`, `deployment-web.web-abc.previous.log`, `events.txt`. What could
/// not be had is listed in `missing.txt`.
pub(in crate::targets::kubernetes) async fn gather(target: &Kubernetes) -> Vec<(String, String)> {
    let files = Files::default();
    let ends = Instant::now() + GATHER_MAX;
    let gathering = async {
        let cluster = match target.cluster().await {
            Ok(cluster) => cluster,
            Err(error) => return files.miss("everything", &error.to_string()),
        };
        let places = target.places();
        let slots = places.iter().map(|place| {
            Slotted {
                cluster,
                place,
                files: &files,
                stem: stem(target, place),
            }
            .gather()
        });
        let mut namespaces: Vec<&str> = places
            .iter()
            .map(|place| place.namespace.as_str())
            .collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        let events = namespaces
            .iter()
            .map(|namespace| gather::events(target, cluster, namespace, &files));
        tokio::join!(
            config::gather(target, cluster, &files),
            join_all(slots),
            join_all(events)
        );
    };
    if timeout_at(ends, gathering).await.is_err() {
        tracing::debug!("evidence is cut short");
    }
    finish(target, files)
}

/// `deployment-web`; a slot has `/` where a file name cannot.
fn stem(target: &Kubernetes, place: &Place) -> String {
    target.slot(place).0.replace('/', "-")
}

fn finish(target: &Kubernetes, files: Files) -> Vec<(String, String)> {
    let texts = files
        .files
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let mut missing = files
        .missing
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let mut all = Vec::new();
    let mut room = ALL_BYTES_MAX;
    for ((_, name), text) in texts {
        // Masked before it is cut: half a secret is not found any more.
        let text = bounded(target.masked(&text));
        if let Some(left) = room.checked_sub(text.len()) {
            room = left;
            all.push((name, text));
        } else {
            let why = format!("no room left of {} MiB", ALL_BYTES_MAX / 1024 / 1024);
            missing.insert(name, why);
        }
    }
    if !missing.is_empty() {
        let lines: Vec<String> = missing
            .iter()
            .map(|(name, why)| format!("{name}: {why}\n"))
            .collect();
        let lines = lines.concat();
        all.push(("missing.txt".to_owned(), bounded(target.masked(&lines))));
    }
    all
}

/// The end of a text says most, so that is kept.
fn bounded(text: String) -> String {
    let Some(excess) = text
        .len()
        .checked_sub(FILE_BYTES_MAX)
        .filter(|excess| 0 < *excess)
    else {
        return text;
    };
    let note_room = 64;
    let mut from = excess + note_room;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    format!(
        "[{from} bytes left out]\n{}",
        text.get(from..).unwrap_or_default()
    )
}
