//! Why an artifact was not fetched, not opened, or not taken. "Could not get it" and "would not take it" are told apart.

use super::zip::ZipError;
use crate::model::outcome::{Failure, Outcome};
use crate::model::payload::Mismatch;
use crate::tree::TreeError;
use std::io;

/// Why there is no verified artifact.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Expired, or deleted. Try an older run.
    #[error("it has expired")]
    Gone,
    #[error(transparent)]
    Mismatch(Mismatch),
    #[error("it has {found_bytes} bytes, the limit is {limit_bytes}")]
    TooLarge { found_bytes: u64, limit_bytes: u64 },
    /// The archive breaks a rule; its bytes are those that were promised.
    #[error("refused: {what}")]
    Refused { what: String },
    #[error("refused: lastgood.json {what}")]
    Manifest { what: String },
    /// The release does not hold the payload that was asked for.
    #[error("it holds no {wanted}; it holds {found}")]
    NoPayload { wanted: String, found: String },
    #[error("{wanted} matches {found}, expected one file")]
    SeveralPayloads { wanted: String, found: String },
    #[error("{got_bytes} of {} bytes came, then {why} ({tries} tries)", total(*.total_bytes))]
    Truncated {
        got_bytes: u64,
        total_bytes: Option<u64>,
        why: String,
        tries: u32,
    },
    #[error("the storage answered {found}, expected the artifact ({tries} tries)")]
    Storage { found: String, tries: u32 },
    #[error("the storage could not be reached ({tries} tries): {why}")]
    Unreachable { why: String, tries: u32 },
    /// Where the bytes are could not be asked.
    #[error("{0}")]
    Source(Failure),
    #[error("could not write it to disk")]
    Disk(#[source] io::Error),
    #[error("could not read {path}")]
    File {
        path: String,
        #[source]
        cause: io::Error,
    },
}

impl FetchError {
    /// This error as the end of a command; `name` is the artifact's.
    pub fn failure(self, name: &str) -> Failure {
        let (outcome, hint) = match &self {
            Self::Source(_) => (Outcome::Unreachable, ""),
            Self::Gone => (
                Outcome::NoKnownGood,
                "choose a newer run, and raise retention-days of actions/upload-artifact",
            ),
            Self::Mismatch(_) => (
                Outcome::ArtifactRefused,
                "do not deploy it: choose another run with --run-id, and find out who changed this one",
            ),
            Self::TooLarge { .. } => (
                Outcome::ArtifactRefused,
                "raise the size limit if the artifact is meant to be this large",
            ),
            Self::Refused { .. } => (
                Outcome::ArtifactRefused,
                "upload the release again with actions/upload-artifact, and choose that run",
            ),
            Self::Manifest { .. } => (
                Outcome::ArtifactRefused,
                "write lastgood.json with `lastgood record` just before the artifact is uploaded",
            ),
            Self::NoPayload { .. } | Self::SeveralPayloads { .. } => (
                Outcome::ArtifactRefused,
                "set payload to the path of one file in the artifact, or to . for all of it",
            ),
            Self::Truncated { .. } | Self::Storage { .. } | Self::Unreachable { .. } => (
                Outcome::Unreachable,
                "run again; if it stays, let the runner reach *.blob.core.windows.net, or use --artifact FILE",
            ),
            Self::Disk(_) => (
                Outcome::Error,
                "make room on the disk, or set another state directory",
            ),
            Self::File { .. } => (
                Outcome::Usage,
                "give the path of a readable file or directory",
            ),
        };
        match self {
            Self::Source(failure) => failure,
            other => {
                let context = format!("could not take artifact {name}");
                Failure::new(outcome, anyhow::Error::new(other).context(context)).hint(hint)
            }
        }
    }
}

impl From<ZipError> for FetchError {
    fn from(error: ZipError) -> Self {
        match error {
            ZipError::Refused(what) => Self::Refused { what },
            ZipError::Io(error) => Self::Disk(error),
            ZipError::Stopped => Self::Refused {
                what: error.to_string(),
            },
        }
    }
}

impl From<TreeError> for FetchError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Refused(what) => Self::Refused { what },
            TreeError::Io(error) => Self::Disk(error),
        }
    }
}

fn total(bytes: Option<u64>) -> String {
    bytes.map_or_else(
        || "an unknown number of".to_owned(),
        |bytes| bytes.to_string(),
    )
}
