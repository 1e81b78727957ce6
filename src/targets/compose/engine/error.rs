//! What can go wrong between us and an engine, and what it means for a change and for a look.

use crate::targets::TargetError;
use serde_json::Value;
use std::time::Duration;

/// Why the engine did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub(in crate::targets::compose) enum EngineError {
    /// It answered, and refuses: 404 there is no such thing, 409 it conflicts.
    #[error("{message} (HTTP {status})")]
    Status { status: u16, message: String },
    /// Nothing answered, or the connection broke.
    #[error("{what}")]
    Broken { what: String },
    #[error("no answer within {within:?}")]
    TimedOut { within: Duration },
    /// It answered what nobody can read.
    #[error("the answer cannot be read: {what}")]
    Unreadable { what: String },
}

impl EngineError {
    pub(super) fn status(status: u16, body: &[u8]) -> Self {
        let said = serde_json::from_slice::<Value>(body).ok();
        let said = said.as_ref().and_then(|said| said.get("message")?.as_str());
        let message = said.map_or_else(
            || String::from_utf8_lossy(body).trim().to_owned(),
            str::to_owned,
        );
        Self::Status { status, message }
    }

    /// Whether it says that there is no such thing.
    pub(in crate::targets::compose) fn is_absent(&self) -> bool {
        self.code() == Some(404)
    }

    /// The status of a refusal.
    pub(in crate::targets::compose) fn code(&self) -> Option<u16> {
        match self {
            Self::Status { status, message: _ } => Some(*status),
            Self::Broken { .. } | Self::TimedOut { .. } | Self::Unreadable { .. } => None,
        }
    }

    /// What it means when nothing was to be changed. `of`: what was looked at, in words.
    pub(in crate::targets::compose) fn reading(self, of: &str) -> TargetError {
        match self {
            Self::Status { .. } | Self::Unreadable { .. } => {
                TargetError::Failed(anyhow::Error::new(self).context(of.to_owned()))
            }
            Self::Broken { .. } | Self::TimedOut { .. } => TargetError::Unreachable {
                what: format!("{of}: {self}"),
            },
        }
    }

    /// What it means when a change was asked for: without an answer nobody knows whether it was made.
    pub(in crate::targets::compose) fn changing(self, of: &str) -> TargetError {
        match self {
            Self::Status { .. } => {
                TargetError::Failed(anyhow::Error::new(self).context(of.to_owned()))
            }
            Self::Broken { .. } | Self::TimedOut { .. } | Self::Unreadable { .. } => {
                TargetError::OutcomeUnknown {
                    what: format!("{of}: {self}"),
                }
            }
        }
    }
}

impl From<hyper_util::client::legacy::Error> for EngineError {
    fn from(error: hyper_util::client::legacy::Error) -> Self {
        let (_, what) = crate::net::trouble(&error);
        Self::Broken { what }
    }
}

impl From<hyper::Error> for EngineError {
    fn from(error: hyper::Error) -> Self {
        let (_, what) = crate::net::trouble(&error);
        Self::Broken { what }
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
            other => {
                let (_, what) = crate::net::trouble(&other);
                Self::Broken { what }
            }
        }
    }
}
