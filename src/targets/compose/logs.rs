//! Log lines of containers, in bounded amounts: read, and searched for those that count as errors. How many are too many is
//! `decide::compose`'s.

use super::Compose;
use super::engine::{Engine, EngineError};
use super::project::Replica;
use crate::decide::compose::Errors;
use crate::targets::masking;
use crate::targets::process::mask;
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use regex_lite::Regex;
use std::time::Duration;
use tokio::time::timeout;

/// How far back a scan reads, in seconds.
const BACK_S: i64 = 120;

/// Of each container, per scan.
const SCAN_BYTES_MAX: usize = 1024 * 1024;
const SCAN_LINES_MAX: usize = 20_000;

/// Containers that one scan reads, and how many at a time.
const CONTAINERS_MAX: usize = 100;
const AT_ONCE: usize = 8;

/// Longest wait for the lines of one container.
const LINES_MAX: Duration = Duration::from_secs(10);

/// A longer line is no message; only its start is kept.
const LINE_BYTES_MAX: usize = 16 * 1024;

impl Compose {
    /// Without the secrets that this program was given, and without credentials in addresses and headers.
    pub(super) fn masked(&self, text: &str) -> String {
        masking::credentials(&mask(text, &self.base.secrets))
    }
}

/// The engine's own clock: times that it is asked with are its own.
pub(super) async fn clock(engine: &Engine) -> Result<Timestamp, EngineError> {
    let info = engine.get("/info").await?;
    let time = info.get("SystemTime").and_then(|time| time.as_str());
    time.and_then(|time| time.parse().ok())
        .ok_or_else(|| EngineError::Unreadable {
            what: "its SystemTime is no time".to_owned(),
        })
}

/// What a scan found, and how many containers it could not read, with the first reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) errors: Errors,
    pub(super) unread: usize,
    pub(super) trouble: Option<String>,
}

/// Searches the last two minutes of these containers.
pub(super) async fn scan(
    compose: &Compose,
    engine: &Engine,
    replicas: &[Replica],
    pattern: &Regex,
) -> Scan {
    let since = match clock(engine).await {
        Ok(now) => now.as_second() - BACK_S,
        Err(error) => {
            return Scan {
                unread: replicas.len(),
                trouble: Some(error.to_string()),
                ..Scan::default()
            };
        }
    };
    let options = LogsOptions {
        since: i32::try_from(since).unwrap_or(0),
        ..tail(SCAN_LINES_MAX)
    };
    let ids: Vec<String> = replicas
        .iter()
        .take(CONTAINERS_MAX)
        .map(|replica| replica.id.clone())
        .collect();
    let reading = ids.into_iter().map(|id| {
        let options = options.clone();
        async move { read(engine, &id, options, SCAN_BYTES_MAX).await }
    });
    // In the order of the containers: the same lines are quoted every time.
    let mut reading = stream::iter(reading).buffered(AT_ONCE);
    let mut scan = Scan::default();
    while let Some(lines) = reading.next().await {
        let text = match lines {
            Ok(text) => text,
            Err(why) => {
                scan.unread += 1;
                scan.trouble.get_or_insert(why);
                continue;
            }
        };
        let mut found = text.lines().filter(|line| pattern.is_match(start(line)));
        let Some(first) = found.next() else { continue };
        if scan.errors.first.is_empty() {
            scan.errors.first = compose.masked(start(first).trim());
        }
        scan.errors.containers += 1;
        scan.errors.lines += 1 + found.count();
    }
    scan
}

/// The last lines of both streams.
pub(super) fn tail(lines: usize) -> LogsOptions {
    LogsOptions {
        stdout: true,
        stderr: true,
        tail: lines.to_string(),
        ..LogsOptions::default()
    }
}

/// The lines of one container, as it wrote them; not masked. Of more than `bytes_max` the rest is left out, up to whole lines: the
/// half of a secret would not be found any more.
pub(super) async fn read(
    engine: &Engine,
    id: &str,
    options: LogsOptions,
    bytes_max: usize,
) -> Result<String, String> {
    let reading = async {
        let mut lines = Lines::default();
        let mut stream = std::pin::pin!(engine.api().logs(id, Some(options)));
        while let Some(output) = stream.next().await {
            let output = output.map_err(|error| EngineError::from(error).to_string())?;
            if !lines.push(&output, bytes_max) {
                return Ok(lines.whole());
            }
        }
        Ok(lines.end())
    };
    timeout(LINES_MAX, reading)
        .await
        .unwrap_or_else(|_elapsed| Err(format!("no answer within {} s", LINES_MAX.as_secs())))
}

/// Lines put together from parts: the engine sends the two streams in turn, in parts of any length.
#[derive(Debug, Default)]
struct Lines {
    done: Vec<u8>,
    /// What has no end yet, of each stream.
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Lines {
    /// Whether there is room for more.
    fn push(&mut self, output: &LogOutput, bytes_max: usize) -> bool {
        let (open, bytes) = match output {
            LogOutput::StdErr { message } => (&mut self.err, message),
            LogOutput::StdOut { message }
            | LogOutput::StdIn { message }
            | LogOutput::Console { message } => (&mut self.out, message),
        };
        open.extend_from_slice(bytes);
        if let Some(end) = open.iter().rposition(|byte| *byte == b'\n') {
            let rest = open.split_off(end + 1);
            self.done.append(open);
            *open = rest;
        }
        let room = bytes_max
            .checked_sub(self.done.len() + self.out.len() + self.err.len())
            .is_some();
        if !room && bytes_max < self.done.len() {
            let end = |byte: &u8| *byte == b'\n';
            let whole = self
                .done
                .get(..bytes_max)
                .and_then(|head| head.iter().rposition(end));
            self.done.truncate(whole.map_or(0, |at| at + 1));
        }
        room
    }

    /// Those that have an end.
    fn whole(self) -> String {
        text(&self.done)
    }

    /// All, also those without an end.
    fn end(mut self) -> String {
        for mut open in [self.out, self.err] {
            if !open.is_empty() {
                self.done.append(&mut open);
                self.done.push(b'\n');
            }
        }
        text(&self.done)
    }
}

/// A terminal ends its lines with both.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "\n")
}

/// As much of a line as is looked at and shown.
pub(super) fn start(line: &str) -> &str {
    let mut end = LINE_BYTES_MAX.min(line.len());
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn out(text: &'static str) -> LogOutput {
        let message = Bytes::from_static(text.as_bytes());
        LogOutput::StdOut { message }
    }

    fn err(text: &'static str) -> LogOutput {
        let message = Bytes::from_static(text.as_bytes());
        LogOutput::StdErr { message }
    }

    #[test]
    fn lines_are_put_together_stream_by_stream() {
        let mut lines = Lines::default();
        for output in [
            out("one "),
            err("oops "),
            out("two\nthree"),
            err("again\r\n"),
        ] {
            assert!(lines.push(&output, 1000));
        }
        assert_eq!(lines.end(), "one two\noops again\nthree\n");
    }

    #[test]
    fn what_is_too_much_ends_with_a_whole_line() {
        let mut lines = Lines::default();
        assert!(lines.push(&out("0123456789\n"), 20));
        assert!(!lines.push(&out("password=hun"), 20));
        assert_eq!(lines.whole(), "0123456789\n");
        let mut lines = Lines::default();
        assert!(!lines.push(&out("0123456789\n0123456789\n0123\n"), 20));
        assert_eq!(lines.whole(), "0123456789\n");
        let mut lines = Lines::default();
        assert!(!lines.push(&out("01234567890123456789012345\n"), 20));
        assert_eq!(lines.whole(), "");
    }

    #[test]
    fn a_line_without_an_end_is_looked_at_to_its_limit() {
        let line = "é".repeat(LINE_BYTES_MAX);
        assert_eq!(start(&line).len(), LINE_BYTES_MAX);
        assert_eq!(start("short"), "short");
        let odd = format!("x{line}");
        assert_eq!(start(&odd).len(), LINE_BYTES_MAX - 1);
    }
}
