//! What an answer must hold: the body of an HTTP answer, or the reply of a query as text.

use regex_lite::Regex;
use std::fmt;

/// A text the body contains, or a regular expression that matches somewhere in it.
#[derive(Debug, Clone)]
pub enum BodyMatch {
    Contains(String),
    Matches(Regex),
}

impl BodyMatch {
    /// Reads a text, or `/regex/`.
    ///
    /// # Errors
    /// In words: nothing was written, or it is no regular expression.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inner = text
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'));
        match (text, inner) {
            ("", _) | (_, Some("")) => Err("found nothing, expected a text or /regex/".to_owned()),
            (_, Some(regex)) => Regex::new(regex)
                .map(Self::Matches)
                .map_err(|error| format!("found {text:?}, expected a regular expression: {error}")),
            (text, None) => Ok(Self::Contains(text.to_owned())),
        }
    }

    /// Bytes that are not UTF-8 match as U+FFFD.
    pub fn holds(&self, body: &[u8]) -> bool {
        let body = String::from_utf8_lossy(body);
        match self {
            Self::Contains(text) => body.contains(text),
            Self::Matches(regex) => regex.is_match(&body),
        }
    }
}

impl fmt::Display for BodyMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contains(text) => f.write_str(text),
            Self::Matches(regex) => write!(f, "/{regex}/"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, body: &[u8], expected: Result<bool, &str>) {
        match (BodyMatch::parse(pattern), expected) {
            (Ok(pattern), Ok(holds)) => assert_eq!(pattern.holds(body), holds),
            (Err(error), Err(text)) => assert!(error.contains(text), "{error}"),
            (got, _) => panic!("{got:?}"),
        }
    }

    #[test]
    fn texts_and_regular_expressions() {
        check("ok", b"all ok\n", Ok(true));
        check("ok", b"all OK", Ok(false));
        check("/^(?i)all ok$/", b"all OK", Ok(true));
        check("/ok", b"path/ok", Ok(true));
        check("ok", b"\xff ok", Ok(true));
        check("", b"", Err("found nothing"));
        check("//", b"", Err("found nothing"));
        check("/(/", b"", Err("expected a regular expression"));
    }
}
