//! The outputs of the action, and how they are written to the file that `GITHUB_OUTPUT` names.

use super::journal::JOURNAL_NAME;
use super::story::Story;
use super::words;
use super::{LEFT_REPORT, delimiter, untrusted};
use crate::model::event::Event;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

/// Longest value, in bytes. The runner takes about 1 MiB for all outputs of a step together.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Every output by name, in the order of the documentation. An output that is not known is empty, never absent.
/// `dir` is the directory of the operation, where its journal lies.
pub fn of(events: &[Event], dir: &Path) -> Vec<(&'static str, String)> {
    let story = Story::of(events);
    let ended = story.ended();
    let chosen = story.chosen();
    let run = ended.and_then(|ended| ended.run);
    // Only when the run that is in place is the one that was chosen is its attempt and artifact known.
    let in_place = chosen.filter(|chosen| Some(chosen.run.id) == run || run.is_none());
    let attempt = in_place.and_then(|chosen| chosen.run.attempt);
    let took_ms = ended.map_or_else(
        || events.last().map_or(0, |event| event.elapsed_ms),
        |ended| ended.took_ms,
    );
    let passed_over = story.search().map_or(0, |search| search.passed_over.len());
    vec![
        ("outcome", shown(ended.map(|ended| ended.outcome))),
        (
            "exit-code",
            shown(ended.map(|ended| ended.outcome.exit_code())),
        ),
        ("run-id", shown(run)),
        ("run-attempt", shown(attempt)),
        (
            "commit",
            shown(ended.and_then(|ended| ended.commit.as_deref())),
        ),
        ("digest", shown(ended.and_then(|ended| ended.digest))),
        (
            "artifact-id",
            shown(in_place.map(|chosen| chosen.artifact.id)),
        ),
        (
            "duration-seconds",
            format!("{:.3}", words::seconds(took_ms)),
        ),
        ("changed", story.changed().to_string()),
        ("report", shown(story.left(LEFT_REPORT))),
        ("journal", dir.join(JOURNAL_NAME).display().to_string()),
        ("summary", one_line(&story)),
        ("passed-over", passed_over.to_string()),
    ]
}

/// `restored in 47 s: run 41 (a1b2c3d) is back.`
pub fn one_line(story: &Story<'_>) -> String {
    story.ended().map_or_else(String::new, |ended| {
        format!(
            "{} in {}: {}",
            ended.outcome,
            words::duration(ended.took_ms),
            untrusted::line(&ended.message, 500)
        )
    })
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Appends the outputs to the file in one write.
///
/// # Errors
/// When the file cannot be written or the operating system gives no random bytes.
pub fn write(file: &Path, pairs: &[(&str, String)]) -> io::Result<()> {
    let mut text = String::new();
    for (name, value) in pairs {
        text.push_str(&heredoc(name, value)?);
    }
    let mut file = OpenOptions::new().append(true).create(true).open(file)?;
    file.write_all(text.as_bytes())
}

/// One output in the form that may hold any value: the word that ends it is random and not in the value.
fn heredoc(name: &str, value: &str) -> io::Result<String> {
    let value = bounded(value);
    let word = delimiter::fresh(value)?;
    Ok(format!("{name}<<{word}\n{value}\n{word}\n"))
}

fn bounded(value: &str) -> &str {
    let end = value.floor_char_boundary(VALUE_BYTES_MAX);
    value.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the runner does: a line `name<<WORD`, then lines until one equals the word.
    fn parse(text: &str) -> Vec<(String, String)> {
        let mut out = Vec::new();
        let mut lines = text.split('\n');
        while let Some(line) = lines.next() {
            if line.is_empty() {
                continue;
            }
            let (name, word) = line.split_once("<<").unwrap();
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != word).collect();
            out.push((name.to_owned(), value.join("\n")));
        }
        out
    }

    #[test]
    fn any_value_is_read_back_and_none_makes_another_output() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("output");
        let hostile = "a\nEOF\nrun-id<<EOF\n666\nEOF\n";
        write(&file, &[("summary", hostile.to_owned())]).unwrap();
        write(
            &file,
            &[("run-id", "41".to_owned()), ("digest", String::new())],
        )
        .unwrap();
        let read = parse(&std::fs::read_to_string(&file).unwrap());
        let expected = [("summary", hostile), ("run-id", "41"), ("digest", "")];
        assert_eq!(
            read,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn a_value_is_bounded_at_a_character() {
        let value = "é".repeat(VALUE_BYTES_MAX);
        assert_eq!(bounded(&value).len(), VALUE_BYTES_MAX);
        let value = format!("x{value}");
        assert_eq!(bounded(&value).len(), VALUE_BYTES_MAX - 1);
    }

    #[test]
    fn no_events_give_every_name_and_no_lie() {
        let pairs = of(&[], Path::new("op-1"));
        assert_eq!(pairs.len(), 13);
        assert!(pairs.contains(&("outcome", String::new())));
        assert!(pairs.contains(&("changed", "false".to_owned())));
    }
}
