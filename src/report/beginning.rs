//! What is said of a command that ended before it began: there is no journal, no event and nobody wired to listen.

use super::answer::ANSWER_SCHEMA;
use super::untrusted::{command_data, line};
use crate::model::outcome::Failure;
use serde_json::json;

/// Longest message, in characters: that of clap with a list of values fits.
const CHARS_MAX: usize = 2000;

/// For people: the message, and each hint as one next action. Text from outside is harmless in a terminal and in the log
/// of a workflow.
pub fn lines(failure: &Failure) -> Vec<String> {
    let mut lines = vec![format!("error: {}", line(&failure.to_string(), CHARS_MAX))];
    let hints = failure.hints.iter();
    lines.extend(hints.map(|hint| format!("hint: {}", line(hint, CHARS_MAX))));
    lines
}

/// The same as one annotation of the run.
pub fn annotation(failure: &Failure) -> String {
    let mut message = line(&failure.to_string(), CHARS_MAX);
    for hint in &failure.hints {
        message = format!("{message}\nNext: {}", line(hint, CHARS_MAX));
    }
    let outcome = failure.kind.word();
    format!(
        "::error title=lastgood%3A {outcome}::{}\n",
        command_data(&message)
    )
}

/// The fields of `report::answer` that are known without an operation; every other one is absent.
pub fn answer(failure: &Failure) -> String {
    let value = json!({
        "schema": ANSWER_SCHEMA,
        "outcome": failure.kind,
        "exit_code": failure.kind.exit_code(),
        "message": failure.to_string(),
        "hints": failure.hints,
        "changed": false,
    });
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::Outcome;

    fn failure() -> Failure {
        Failure::msg(
            Outcome::Usage,
            "found `50%\n::error::x ##[error]y \u{1b}[31m`, expected `production`",
        )
        .hint("write `environment: production`")
    }

    #[test]
    fn a_person_reads_what_was_found_and_what_to_do() {
        assert_eq!(
            lines(&failure()),
            [
                "error: found `50% ::error::x ## [error]y `, expected `production`",
                "hint: write `environment: production`"
            ]
        );
    }

    #[test]
    fn an_annotation_is_one_command() {
        assert_eq!(
            annotation(&failure()),
            "::error title=lastgood%3A usage::found `50%25 ::error::x ## [error]y `, expected `production`%0ANext: write `environment: production`\n"
        );
    }

    #[test]
    fn the_answer_is_one_document() {
        let value: serde_json::Value = serde_json::from_str(&answer(&failure())).unwrap();
        assert_eq!(value["outcome"], "usage");
        assert_eq!(value["exit_code"], 2);
        assert_eq!(value["hints"][0], "write `environment: production`");
        assert_eq!(value["changed"], false);
    }
}
