//! `--probe`: an address, or a query of a canister.

use super::values::http_url;
use crate::config::check;
use std::str::FromStr;
use url::Url;

/// `[NAME=]URL`, or `[NAME=]query:SLOT.METHOD[(ARGUMENTS)]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeArg {
    pub name: Option<String>,
    pub what: Asked,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Url(Url),
    /// Any reply is well; what it must hold is said in a config file.
    Query {
        slot: String,
        method: String,
        /// Candid values in parentheses.
        arguments: String,
    },
}

impl ProbeArg {
    /// Whether a target asks it.
    pub const fn is_query(&self) -> bool {
        match self.what {
            Asked::Url(_) => false,
            Asked::Query { .. } => true,
        }
    }
}

impl FromStr for ProbeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        let (name, what) = match text.split_once('=') {
            Some((name, what)) if is_name(name) => (Some(name.to_owned()), what),
            _ => (None, text),
        };
        let what = match what.strip_prefix("query:") {
            Some(query_text) => query(query_text)?,
            None => Asked::Url(http_url(what)?),
        };
        Ok(Self { name, what })
    }
}

/// `SLOT.METHOD` or `SLOT.METHOD(ARGUMENTS)`; a slot may hold dots, a method none.
fn query(text: &str) -> Result<Asked, String> {
    let (head, arguments) = match text.find('(').and_then(|at| text.split_at_checked(at)) {
        Some((head, arguments)) => (head, arguments),
        None => (text, "()"),
    };
    let named = head.trim().rsplit_once('.');
    let (slot, method) = named
        .filter(|(slot, method)| !slot.is_empty() && !method.is_empty())
        .ok_or("query:SLOT.METHOD(ARGUMENTS), such as query:user_service.get_stats()")?;
    check::arguments(arguments)?;
    Ok(Asked::Query {
        slot: slot.to_owned(),
        method: method.to_owned(),
        arguments: arguments.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_may_have_a_name() {
        let named: ProbeArg = "home=https://example.com/health?a=b".parse().unwrap();
        assert_eq!(named.name.as_deref(), Some("home"));
        let bare: ProbeArg = "https://example.com/health?a=b".parse().unwrap();
        assert_eq!(bare.name, None);
        assert_eq!(bare.what, named.what);
        for wrong in ["", "example.com", "ftp://example.com", "home=", "https://"] {
            assert!(wrong.parse::<ProbeArg>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_probe_may_be_a_query() {
        #[track_caller]
        fn check(text: &str, name: Option<&str>, slot: &str, method: &str, arguments: &str) {
            let probe: ProbeArg = text.parse().unwrap();
            let what = Asked::Query {
                slot: slot.to_owned(),
                method: method.to_owned(),
                arguments: arguments.to_owned(),
            };
            assert_eq!((probe.name.as_deref(), probe.what), (name, what));
        }
        check("query:users.get_stats", None, "users", "get_stats", "()");
        check(
            "stats=query:users.get_stats()",
            Some("stats"),
            "users",
            "get_stats",
            "()",
        );
        check(
            "query:a.b.find(record { id = 7 : nat; text = \".(\" })",
            None,
            "a.b",
            "find",
            "(record { id = 7 : nat; text = \".(\" })",
        );
        for wrong in [
            "query:",
            "query:users",
            "query:.m",
            "query:users.",
            "query:users.m(",
            "query:(1)",
        ] {
            assert!(wrong.parse::<ProbeArg>().is_err(), "{wrong}");
        }
    }
}
