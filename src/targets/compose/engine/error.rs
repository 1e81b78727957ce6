//! What can go wrong between us and an engine, and what it means for a change and for a look.

use super::tls;
use crate::targets::TargetError;
use serde_json::Value;
use std::error::Error as StdError;
use std::io;
use std::time::Duration;

/// Why the engine did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub(in crate::targets::compose) enum EngineError {
    /// It answered, and refuses: 404 there is no such thing, 409 it conflicts.
    #[error("{message} (HTTP {status})")]
    Status { status: u16, message: String },
    /// There is no way to it as things are: nothing was asked, and trying again does not help.
    #[error("{what}")]
    Refused {
        what: String,
        /// The one next action.
        next: String,
    },
    /// No connection came to be: nothing was asked.
    #[error("{what}")]
    Unreached { what: String },
    /// The connection broke before the answer was there.
    #[error("{what}")]
    Broken { what: String },
    #[error("no answer within {within:?}")]
    TimedOut { within: Duration },
    /// It answered what nobody can read.
    #[error("the answer cannot be read: {what}")]
    Unreadable { what: String },
}

/// Why no connection came to be.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Unconnected {
    /// Trying again does not help.
    #[error("{what}")]
    Refused { what: String, next: String },
    #[error("{what}")]
    Failed { what: String },
}

impl Unconnected {
    pub(super) fn refused(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Refused {
            what: what.into(),
            next: next.into(),
        }
    }

    pub(super) fn failed(what: impl Into<String>) -> Self {
        Self::Failed { what: what.into() }
    }
}

impl From<Unconnected> for EngineError {
    fn from(error: Unconnected) -> Self {
        match error {
            Unconnected::Refused { what, next } => Self::Refused { what, next },
            Unconnected::Failed { what } => Self::Unreached { what },
        }
    }
}

/// What was given is wrong, and nothing was contacted.
pub(super) fn usage(what: impl Into<String>, next: impl Into<String>) -> TargetError {
    TargetError::Usage {
        what: what.into(),
        next: next.into(),
    }
}

/// A refusal of our own, of what was found there.
pub(super) fn refused(what: impl Into<String>, next: impl Into<String>) -> TargetError {
    TargetError::Refused {
        what: what.into(),
        allow: None,
        next: next.into(),
    }
}

impl EngineError {
    pub(super) fn status(status: u16, body: &[u8]) -> Self {
        let said = serde_json::from_slice::<Value>(body).ok();
        let said = said.as_ref().and_then(|said| said.get("message")?.as_str());
        let message = said.map_or_else(|| first_words(body), str::to_owned);
        Self::Status { status, message }
    }

    /// Whether it says that there is no such thing.
    pub(in crate::targets::compose) fn is_absent(&self) -> bool {
        self.code() == Some(404)
    }

    /// Whether it says that something is in the way, above all that a name is taken.
    pub(in crate::targets::compose) fn is_conflict(&self) -> bool {
        match self {
            Self::Status { status: 409, .. } => true,
            // Podman answers the creation of a container whose name is taken so (4.3, `pkg/api/handlers/compat/containers_create.go`).
            Self::Status {
                status: 500,
                message,
            } => message.contains("already in use"),
            Self::Status { .. }
            | Self::Refused { .. }
            | Self::Unreached { .. }
            | Self::Broken { .. }
            | Self::TimedOut { .. }
            | Self::Unreadable { .. } => false,
        }
    }

    /// The status of a refusal.
    pub(in crate::targets::compose) fn code(&self) -> Option<u16> {
        match self {
            Self::Status { status, message: _ } => Some(*status),
            Self::Refused { .. }
            | Self::Unreached { .. }
            | Self::Broken { .. }
            | Self::TimedOut { .. }
            | Self::Unreadable { .. } => None,
        }
    }

    /// What it means when nothing was to be changed. `of`: what was looked at, in words.
    pub(in crate::targets::compose) fn reading(self, of: &str) -> TargetError {
        match self {
            Self::Status { .. } | Self::Unreadable { .. } => {
                TargetError::Failed(anyhow::Error::new(self).context(of.to_owned()))
            }
            Self::Refused { what, next } => refused(format!("{of}: {what}"), next),
            Self::Unreached { .. } | Self::Broken { .. } | Self::TimedOut { .. } => {
                TargetError::Unreachable {
                    what: format!("{of}: {self}"),
                }
            }
        }
    }

    /// What it means when a change was asked for: without an answer nobody knows whether it was made, unless no connection
    /// came to be.
    pub(in crate::targets::compose) fn changing(self, of: &str) -> TargetError {
        match self {
            Self::Status { .. } => {
                TargetError::Failed(anyhow::Error::new(self).context(of.to_owned()))
            }
            Self::Refused { what, next } => refused(format!("{of}: {what}"), next),
            Self::Unreached { .. } => TargetError::Unreachable {
                what: format!("{of}: {self}"),
            },
            Self::Broken { .. } | Self::TimedOut { .. } | Self::Unreadable { .. } => {
                TargetError::OutcomeUnknown {
                    what: format!("{of}: {self}"),
                }
            }
        }
    }

    /// What is below an error of a library: no connection, a handshake that was refused, or a connection that broke.
    fn below(error: &(dyn StdError + 'static)) -> Self {
        const DEPTH_MAX: usize = 32;
        let mut next = Some(error);
        for _ in 0..DEPTH_MAX {
            let Some(error) = next else { break };
            if let Some(unconnected) = error.downcast_ref::<Unconnected>() {
                return unconnected.clone().into();
            }
            // An io::Error made of another error hides that error from `source`. A server that wants no certificate of ours
            // says so after the handshake, as an answer to what was sent first.
            let inner = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref);
            if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>())
                && let Some(refusal) = tls::refusal(tls)
            {
                return refusal.into();
            }
            next = error.source();
        }
        let (_, what) = crate::net::trouble(error);
        Self::Broken { what }
    }
}

/// The beginning of an answer that is no JSON, on one line.
fn first_words(body: &[u8]) -> String {
    const CHARS_MAX: usize = 200;
    let text = String::from_utf8_lossy(body);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", words.get(..end).unwrap_or_default()),
        None => words,
    }
}

impl From<hyper_util::client::legacy::Error> for EngineError {
    fn from(error: hyper_util::client::legacy::Error) -> Self {
        Self::below(&error)
    }
}

impl From<hyper::Error> for EngineError {
    fn from(error: hyper::Error) -> Self {
        Self::below(&error)
    }
}

impl From<bollard::errors::Error> for EngineError {
    fn from(error: bollard::errors::Error) -> Self {
        use bollard::errors::Error;
        match error {
            Error::DockerResponseServerError {
                status_code,
                message,
            } => Self::Status {
                status: status_code,
                message: message.trim().to_owned(),
            },
            Error::RequestTimeoutError => Self::TimedOut {
                within: super::ANSWER_MAX,
            },
            Error::JsonDataError { .. }
            | Error::JsonSerdeError { .. }
            | Error::StrParseError { .. } => Self::Unreadable {
                what: error.to_string(),
            },
            other => Self::below(&other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_never_left_is_no_unknown_outcome() {
        let unreached = || EngineError::from(Unconnected::failed("nothing listens"));
        assert!(matches!(
            unreached().changing("x"),
            TargetError::Unreachable { .. }
        ));
        let broken = || EngineError::Broken {
            what: "reset".to_owned(),
        };
        assert!(matches!(
            broken().changing("x"),
            TargetError::OutcomeUnknown { .. }
        ));
        assert!(matches!(
            broken().reading("x"),
            TargetError::Unreachable { .. }
        ));
    }

    #[test]
    fn a_name_that_is_taken_is_told_by_podman_in_words() {
        let check = |status: u16, body: &[u8], expected: bool| {
            let error = EngineError::status(status, body);
            assert_eq!(error.is_conflict(), expected, "{error}");
        };
        let podman = br#"{"cause":"that name is already in use","message":"creating container storage: the container name \"web\" is already in use by 1f"}"#;
        check(500, podman, true);
        check(409, b"Conflict", true);
        check(500, b"no space left on device", false);
        check(404, podman, false);
    }

    #[test]
    fn what_an_engine_says_is_told_in_its_words() {
        let said = EngineError::status(404, br#"{"message":"No such container: web"}"#);
        assert!(said.is_absent());
        assert_eq!(said.to_string(), "No such container: web (HTTP 404)");
        let page = EngineError::status(502, "<html>\n  Bad   gateway".as_bytes());
        assert_eq!(page.to_string(), "<html> Bad gateway (HTTP 502)");
        let long = EngineError::status(500, "é".repeat(900).as_bytes());
        assert!(long.to_string().len() < 500);
    }
}
