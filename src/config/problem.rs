//! What is wrong with a config file: where, under which key, what was found and what was expected.
//! The one error type of reading a config; it becomes a `usage` failure at the top.

use crate::decide::alike::nearest;
use crate::model::outcome::{Failure, Outcome};
use serde::de::{self, Expected, Unexpected};
use std::fmt;

/// Line and column in the file, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub line: u64,
    pub column: u64,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub file: Option<String>,
    pub place: Option<Place>,
    /// From the outermost key inwards: `environments`, `production`, `[0]`.
    pub path: Vec<String>,
    pub what: Box<What>,
}

/// The kinds of problems.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    UnknownKey {
        known: Vec<String>,
    },
    MissingKey {
        key: String,
    },
    Found {
        found: String,
        expected: String,
        nearest: Option<String>,
    },
    Other(String),
}

impl Problem {
    pub fn new(what: What) -> Self {
        Self {
            file: None,
            place: None,
            path: Vec::new(),
            what: Box::new(what),
        }
    }

    pub fn other(text: impl Into<String>) -> Self {
        Self::new(What::Other(text.into()))
    }

    pub fn found(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::new(What::Found {
            found: found.into(),
            expected: expected.into(),
            nearest: None,
        })
    }

    /// Sets the place unless a deeper one is known.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    /// Says that the problem lies under this key or `[index]`.
    #[must_use]
    pub fn within(mut self, step: impl Into<String>) -> Self {
        self.path.insert(0, step.into());
        self
    }

    #[must_use]
    pub fn in_file(mut self, file: &str) -> Self {
        self.file.get_or_insert_with(|| file.to_owned());
        self
    }

    /// `environments.production.targets[0]`.
    pub fn key(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            if !text.is_empty() && !step.starts_with('[') {
                text.push('.');
            }
            if step.contains('.') && !step.starts_with('[') {
                text.push('"');
                text.push_str(step);
                text.push('"');
            } else {
                text.push_str(step);
            }
        }
        text
    }

    fn hint(&self) -> String {
        match &*self.what {
            What::UnknownKey { known } => {
                let found = self.path.last().map_or("", String::as_str);
                match nearest(found, known.iter().map(String::as_str)) {
                    Some(name) => format!("did you mean {name}?"),
                    None => format!("known keys here: {}", known.join(", ")),
                }
            }
            What::MissingKey { key } => format!("add {key} there (docs/config.md)"),
            What::Found {
                nearest: Some(name),
                ..
            } => format!("did you mean {name}?"),
            What::Found { nearest: None, .. } | What::Other(_) => {
                "correct that line; docs/config.md lists every key".to_owned()
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            if let Some(place) = self.place {
                write!(f, "{}:{}:", place.line, place.column)?;
            }
            f.write_str(" ")?;
        }
        let key = self.key();
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        match &*self.what {
            What::UnknownKey { .. } => f.write_str("unknown key"),
            What::MissingKey { key } => write!(f, "the key {key} is missing"),
            What::Found {
                found, expected, ..
            } => write!(f, "found {found}, expected {expected}"),
            What::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Problem {}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let hint = problem.hint();
        Self::new(Outcome::Usage, problem).hint(hint)
    }
}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::other(text.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::found(named(found), worded(expected))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::found(named(found), worded(expected))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::found(format!("{length} items"), worded(expected))
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::Found {
            found: format!("{found:?}"),
            expected: one_of(known),
            nearest: nearest(found, known.iter().copied()).map(str::to_owned),
        })
    }

    fn unknown_field(_found: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownKey {
            known: known.iter().map(|&name| name.to_owned()).collect(),
        })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(What::MissingKey {
            key: key.to_owned(),
        })
    }

    fn duplicate_field(key: &'static str) -> Self {
        Self::other(format!("the key {key} stands here twice"))
    }
}

/// What was found, in an operator's words.
fn named(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("the boolean {value}"),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Str(text) => format!("{text:?}"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// What was expected: serde's words for Rust's types in an operator's words.
fn worded(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number".to_owned(),
        "a string" | "string" => "a text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        text if text.starts_with("struct ") => "a mapping".to_owned(),
        text => text.to_owned(),
    }
}

/// `a, b or c`.
pub fn one_of<T: AsRef<str>>(names: &[T]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} or {}", first.join(", "), last.as_ref())
        }
    }
}
