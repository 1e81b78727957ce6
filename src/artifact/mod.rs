//! Artifacts: fetched or opened, proven to be what was promised, unpacked into a directory that appears only then.
//! Which artifact, and what is done with it, is not known here; neither is GitHub: a [`Source`] says where the bytes are.

mod download;
mod error;
mod fetch;
mod fetched;
mod kind;
mod manifest;
mod open;
mod sinks;
mod zip;

pub use error::FetchError;
pub use fetch::fetch;
pub use fetched::{Blob, Fetched};
pub use open::open_file;

use crate::model::payload::Digest;
use crate::tree;
use async_trait::async_trait;
use std::fmt;
use std::time::Duration;
use url::Url;

/// Where an artifact's bytes are.
#[async_trait]
pub trait Source: Send + Sync {
    /// A fresh place for every try: signed URLs expire within a minute.
    async fn open(&self) -> Result<Opened, FetchError>;
}

/// What a [`Source`] gives.
pub enum Opened {
    /// Fetched without any credentials. A secret itself: it is signed.
    Url(Url),
    /// The bytes themselves.
    Body(reqwest::Response),
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url(_) => "Url(***)",
            Self::Body(_) => "Body",
        })
    }
}

/// What the API says of the artifact.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub name: &'a str,
    /// Size of the blob. Held against it only when there is a digest too: older artifacts have the size of their files
    /// here.
    pub size_bytes: Option<u64>,
    /// Digest of the blob.
    pub digest: Option<Digest>,
}

/// Bounds of a fetch.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Size of the artifact as it lies in storage.
    pub blob_bytes_max: u64,
    pub unpacked_bytes_max: u64,
    /// Files and directories.
    pub files_max: u64,
    /// Unpacked bytes for each byte of the blob, beyond the first 16 MiB.
    pub ratio_max: u64,
    /// Tries in a row that bring less than 1 MiB.
    pub tries: u32,
    /// Longest time without 1 KiB coming in.
    pub stall: Duration,
    /// Pauses between tries are 1, 2, 4, 8, 16 of these.
    pub backoff_unit: Duration,
}

impl Default for Limits {
    /// Room for anything GitHub stores (10 GB an artifact), and 5 tries as the official client makes.
    fn default() -> Self {
        Self {
            blob_bytes_max: 10 << 30,
            unpacked_bytes_max: 20 << 30,
            files_max: 200_000,
            ratio_max: 200,
            tries: 5,
            stall: Duration::from_secs(30),
            backoff_unit: Duration::from_secs(1),
        }
    }
}

impl Limits {
    fn of_tree(&self) -> tree::Limits {
        tree::Limits {
            unpacked_bytes_max: self.unpacked_bytes_max,
            files_max: self.files_max,
            ratio_max: self.ratio_max,
        }
    }
}
