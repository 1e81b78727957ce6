//! What is said when the arguments are wrong: the option or input, what was found, what was expected, the nearest valid
//! one. Nothing was contacted when this speaks.

use super::args::{self, Help};
use crate::config::problem::one_of;
use crate::decide::alike::nearest;
use crate::model::outcome::{Failure, Outcome};
use crate::model::secret::without_passwords;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error as _;

/// How the user spells an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `--run-id`
    Flag,
    /// ``input `run-id` `` of a workflow step
    Input,
}

impl Spelling {
    /// The option `name` (without dashes) as the user spells it.
    pub fn of(self, name: &str) -> String {
        match self {
            Self::Flag => format!("--{name}"),
            Self::Input => format!("input `{name}`"),
        }
    }

    /// `--run-id <RUN_ID>` as clap names an argument.
    fn of_clap(self, argument: &str) -> String {
        match argument.strip_prefix("--") {
            Some(name) => {
                let end = name.find([' ', '=', '[']).unwrap_or(name.len());
                self.of(name.get(..end).unwrap_or(name))
            }
            None => argument.to_owned(),
        }
    }
}

/// A wrong argument: one sentence, and one next action.
pub fn failure(message: impl std::fmt::Display, hint: impl Into<String>) -> Failure {
    Failure::msg(Outcome::Usage, message).hint(hint)
}

/// What clap refused, in our words. `verb` is the verb that was typed, when there was one.
pub fn refused(error: &clap::Error, verb: Option<&str>, spelling: Spelling) -> Failure {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg).map(|argument| spelling.of_clap(&argument));
    let argument = argument.unwrap_or_default();
    let found = text(ContextKind::InvalidValue).unwrap_or_default();
    let found = without_passwords(&found);
    let see = match (spelling, verb) {
        (Spelling::Input, _) => "see the inputs of action.yml".to_owned(),
        (Spelling::Flag, Some(verb)) => format!("see lastgood {verb} --help"),
        (Spelling::Flag, None) => "see lastgood --help".to_owned(),
    };
    match error.kind() {
        ErrorKind::UnknownArgument => unknown(&argument, verb, spelling, see),
        ErrorKind::InvalidSubcommand => {
            let found = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            unknown_verb(&found, spelling)
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            failure(
                format!("the verb is missing, expected {}", one_of(&verbs())),
                "to see what would be done: lastgood rollback --dry-run",
            )
        }
        ErrorKind::InvalidValue if found.is_empty() => {
            failure(format!("{argument}: the value is missing"), see)
        }
        ErrorKind::InvalidValue => {
            let valid = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(valid)) => valid.clone(),
                _ => Vec::new(),
            };
            let hint = match nearest(&found, valid.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => see,
            };
            let expected = one_of(&valid);
            failure(
                format!("{argument}: found {found:?}, expected {expected}"),
                hint,
            )
        }
        ErrorKind::ValueValidation => {
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            let expected = why
                .rsplit_once(", expected ")
                .map_or(why.as_str(), |(_, e)| e);
            failure(
                format!("{argument}: found {found:?}, expected {expected}"),
                see,
            )
        }
        ErrorKind::MissingRequiredArgument => failure(format!("{argument} is missing"), see),
        ErrorKind::ArgumentConflict => {
            let other = match error.get(ContextKind::PriorArg) {
                Some(ContextValue::String(other)) => spelling.of_clap(other),
                Some(ContextValue::Strings(others)) => {
                    let others: Vec<String> = others.iter().map(|o| spelling.of_clap(o)).collect();
                    one_of(&others)
                }
                _ => argument.clone(),
            };
            if other == argument {
                return failure(format!("{argument} is given twice"), "give it once");
            }
            failure(
                format!("{argument} cannot be used with {other}"),
                "leave one of them out",
            )
        }
        _ => {
            let text = error.render().to_string();
            let line = text.lines().next().unwrap_or_default();
            failure(line.strip_prefix("error: ").unwrap_or(line), see)
        }
    }
}

/// An option that this verb does not have: perhaps another one has it, perhaps it is spelled otherwise.
fn unknown(argument: &str, verb: Option<&str>, spelling: Spelling, see: String) -> Failure {
    let name = argument.trim_start_matches('-');
    let having = verbs_with(name);
    if let (Some(verb), false) = (verb, having.is_empty()) {
        return failure(
            format!("{argument} is not an option of {verb}"),
            format!("it is one of {}; {see}", one_of(&having)),
        );
    }
    let known = match verb {
        Some(verb) => options_of(verb),
        None => options_of("rollback"),
    };
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {}?", spelling.of(near)),
        None => see,
    };
    let message = if argument.starts_with('-') {
        format!("unknown option {argument}")
    } else {
        format!("unexpected argument {argument:?}")
    };
    failure(message, hint)
}

/// A verb that does not exist.
pub fn unknown_verb(found: &str, spelling: Spelling) -> Failure {
    let verbs = verbs();
    let hint = match nearest(found, verbs.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => "see lastgood --help".to_owned(),
    };
    let what = match spelling {
        Spelling::Flag => "unknown verb".to_owned(),
        Spelling::Input => "input `verb`: found".to_owned(),
    };
    failure(
        format!("{what} {found:?}, expected {}", one_of(&verbs)),
        hint,
    )
}

/// The verbs that help lists.
pub fn verbs() -> Vec<String> {
    args::command(Help::Full)
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set())
        .map(|verb| verb.get_name().to_owned())
        .collect()
}

/// The verbs that have an option.
pub fn verbs_with(option: &str) -> Vec<String> {
    verbs()
        .into_iter()
        .filter(|verb| options_of(verb).iter().any(|name| name == option))
        .collect()
}

/// The long options of a verb, without dashes.
pub fn options_of(verb: &str) -> Vec<String> {
    let mut command = args::command(Help::Full);
    command.build();
    command
        .find_subcommand(verb)
        .into_iter()
        .flat_map(clap::Command::get_arguments)
        .filter_map(clap::Arg::get_long)
        .map(str::to_owned)
        .collect()
}
