//! A journal as another process sees it while it is being written: whole lines only, read again and again.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A place in a story: the nth event (from 1) of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point(pub(crate) &'static str, pub(crate) usize);

#[derive(Debug, Clone)]
pub(crate) struct Journal {
    pub(crate) path: PathBuf,
}

impl Journal {
    /// Every journal of a state directory, oldest first; those of one second in no certain order.
    pub(crate) fn all(state_dir: &Path) -> Vec<Self> {
        let entries = fs::read_dir(state_dir).into_iter().flatten();
        let paths = entries.map(|entry| entry.unwrap().path().join("journal.jsonl"));
        let mut all: Vec<Self> = paths
            .filter(|path| path.is_file())
            .map(|path| Self { path })
            .collect();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        all
    }

    /// The operation's id.
    pub(crate) fn id(&self) -> String {
        let dir = self.path.parent().unwrap().file_name().unwrap();
        dir.to_str().unwrap().to_owned()
    }

    /// The whole lines so far; each must be JSON.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.path).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn of(&self, kind: &str) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|event| event["event"] == kind);
        events
    }

    pub(crate) fn has(&self, point: Point) -> bool {
        point.1 <= self.of(point.0).len()
    }

    /// The kinds of its events, in order.
    pub(crate) fn kinds(&self) -> Vec<String> {
        let events = self.events();
        let kind = |event: &Value| event["event"].as_str().unwrap().to_owned();
        events.iter().map(kind).collect()
    }
}
