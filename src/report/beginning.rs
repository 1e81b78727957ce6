//! What is said of a command that ended before it began: there is no journal, no event and nobody wired to listen.

use super::answer::ANSWER_SCHEMA;
use super::lines::{Line, Tone};
use super::terminal::{Style, rendered};
use super::untrusted::{command_data, line, text};
use crate::model::outcome::Failure;
use serde_json::json;
use std::io::Write as _;

/// Says the failure on stderr, as an annotation too inside GitHub Actions, and gives what belongs on stdout: the JSON
/// answer, or nothing.
pub fn could_not_begin(failure: &Failure, json: bool, in_actions: bool) -> String {
    let told = told(failure, in_actions);
    // When stderr is closed there is nowhere left to say so.
    std::io::stderr().write_all(told.as_bytes()).ok();
    if json { answer(failure) } else { String::new() }
}

fn told(failure: &Failure, in_actions: bool) -> String {
    let outcome = failure.kind;
    let message = line(&failure.to_string(), 1000);
    let mut lines = vec![Line {
        label: outcome.word().to_owned(),
        text: format!("exit code {}: {message}", outcome.exit_code()),
        tone: Tone::Bad,
    }];
    for hint in &failure.hints {
        lines.push(Line {
            label: "next:".to_owned(),
            text: text(hint),
            tone: Tone::Plain,
        });
    }
    let plain = Style {
        color: false,
        tty: false,
    };
    let mut out: String = lines.iter().map(|line| rendered(line, plain)).collect();
    if in_actions {
        let mut annotation = vec![message];
        annotation.extend(
            failure
                .hints
                .iter()
                .map(|hint| format!("Next: {}", text(hint))),
        );
        put!(
            out,
            "::error title=lastgood%3A {}::{}\n",
            outcome.word(),
            command_data(&annotation.join("\n"))
        );
    }
    out
}

/// The fields of `report::answer` that are known without an operation; every other one is absent.
fn answer(failure: &Failure) -> String {
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
            "found `prod\n::error::x`, expected `production`",
        )
        .hint("write `environment: production`")
    }

    #[test]
    fn a_person_reads_what_was_found_and_what_to_do() {
        assert_eq!(
            told(&failure(), false),
            "usage       exit code 2: found `prod ::error::x`, expected `production`\n\
             next:       write `environment: production`\n"
        );
    }

    #[test]
    fn an_annotation_is_one_line() {
        let told = told(&failure(), true);
        let last = told.lines().last().unwrap();
        assert_eq!(
            last,
            "::error title=lastgood%3A usage::found `prod ::error::x`, expected `production`%0ANext: write `environment: production`"
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
