//! The journal of one operation: `<state-dir>/<operation id>/journal.jsonl`, one event a line, on disk before the next step
//! begins. Written here, read here; what an operation's events mean is for `report::story` and the engine.

use super::Sink;
use crate::model::event::{Event, EventKind, JOURNAL_SCHEMA};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The file's name in the directory of the operation.
pub const JOURNAL_NAME: &str = "journal.jsonl";

/// Longest journal that is read, in bytes. A long operation writes less than 1 MiB.
pub const JOURNAL_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Makes `<dir>/journal.jsonl`, which must not exist, and makes sure that it is found again after a power cut.
    ///
    /// # Errors
    /// When the directory or the file cannot be made, or the file exists: an operation is journalled once.
    pub fn create(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let path = dir.join(JOURNAL_NAME);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        file.sync_all()?;
        File::open(dir)?.sync_all()?;
        if let Some(state_dir) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(state_dir)?.sync_all()?;
        }
        Ok(Self { file, path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    #[cfg(test)]
    pub(super) fn on_full_disk() -> Self {
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().write(true).open(&path);
        Self {
            file: file.expect("/dev/full is a part of Linux"),
            path,
        }
    }
}

impl Sink for Journal {
    /// One write, and one `fdatasync` unless the next event will do: a crash of the machine may lose how far a rollout was, never
    /// what was begun or done. After a failure the file ends at the last whole line again, if it can be cut.
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        let whole = self.file.stream_position()?;
        let written = self.file.write_all(&line).and_then(|()| {
            if is_passing(&event.kind) {
                Ok(())
            } else {
                self.file.sync_data()
            }
        });
        if written.is_err() {
            // The reader tolerates a torn last line, so a cut that fails too loses nothing more.
            self.file.set_len(whole).ok();
        }
        written
    }
}

/// Events that tell how something goes, and after which nothing depends on their being kept.
const fn is_passing(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::Progress { .. } | EventKind::Left { .. } | EventKind::Checked { .. }
    )
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("could not read the journal {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the journal {} has {found} bytes, expected at most {JOURNAL_BYTES_MAX}; move it away", path.display())]
    TooLarge { path: PathBuf, found: u64 },
    #[error(
        "the journal {} holds no whole event: the operation stopped before it changed anything; the directory may be removed",
        path.display()
    )]
    Empty { path: PathBuf },
    #[error(
        "the journal {} has schema {found}, expected {JOURNAL_SCHEMA}; read it with the version of lastgood that wrote it ({tool})",
        path.display()
    )]
    Schema {
        path: PathBuf,
        found: String,
        tool: String,
    },
    #[error(
        "line {line} of the journal {} is not an event ({why}); the file was changed after it was written: restore it or move it away",
        path.display()
    )]
    Garbage {
        path: PathBuf,
        line: usize,
        why: String,
    },
}

/// What a journal holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    pub events: Vec<Event>,
    /// Bytes of a last line that was not written to its end: the process or the machine stopped during the write.
    pub torn_bytes: Option<usize>,
}

/// The events of a journal. A torn last line is left out and said in a last event of its own.
pub fn read(path: &Path) -> Result<Vec<Event>, JournalError> {
    let contents = read_contents(path)?;
    let mut events = contents.events;
    if let (Some(bytes), Some(last)) = (contents.torn_bytes, events.last()) {
        let torn = Event {
            at: last.at,
            elapsed_ms: last.elapsed_ms,
            kind: EventKind::Warned {
                text: format!(
                    "the last line of the journal is torn ({bytes} bytes) and was left out: \
                     lastgood was stopped while it wrote it"
                ),
            },
        };
        events.push(torn);
    }
    Ok(events)
}

/// The events of a journal as they were written.
pub fn read_contents(path: &Path) -> Result<Contents, JournalError> {
    let unreadable = |source| JournalError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let read = file
        .take(JOURNAL_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if read as u64 > JOURNAL_BYTES_MAX {
        return Err(JournalError::TooLarge {
            path: path.to_owned(),
            found: fs::metadata(path).map_or(read as u64, |meta| meta.len()),
        });
    }
    parse(path, &bytes)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Contents, JournalError> {
    let garbage = |line: usize, why: String| JournalError::Garbage {
        path: path.to_owned(),
        line,
        why,
    };
    // A line is whole when its line break is there: what follows the last one was torn.
    let whole = bytes
        .iter()
        .rposition(|&b| b == b'\n')
        .map_or(0, |at| at + 1);
    let (lines, torn) = bytes.split_at(whole);
    let torn_bytes = (!torn.is_empty()).then_some(torn.len());
    let mut events = Vec::new();
    for (at, line) in lines.split_inclusive(|&b| b == b'\n').enumerate() {
        if at == 0 {
            known_schema(path, line)?;
        }
        match serde_json::from_slice::<Event>(line) {
            Ok(event) => events.push(event),
            Err(error) => return Err(garbage(at + 1, error.to_string())),
        }
    }
    match events.first().map(|event| &event.kind) {
        None => Err(JournalError::Empty {
            path: path.to_owned(),
        }),
        Some(EventKind::Began(_)) => Ok(Contents { events, torn_bytes }),
        Some(_) => Err(garbage(
            1,
            "found another event, expected `began`".to_owned(),
        )),
    }
}

/// Looks at the schema before anything else: the shape of another one's events is not known.
fn known_schema(path: &Path, first: &[u8]) -> Result<(), JournalError> {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(first) else {
        return Ok(());
    };
    match value.get("schema") {
        None => Ok(()),
        Some(schema) if schema.as_u64() == Some(u64::from(JOURNAL_SCHEMA)) => Ok(()),
        Some(schema) => Err(JournalError::Schema {
            path: path.to_owned(),
            found: schema.to_string(),
            tool: value
                .get("tool")
                .and_then(|tool| tool.as_str())
                .unwrap_or("unknown")
                .to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
