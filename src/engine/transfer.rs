//! Moves an artifact's bytes here: a fresh signed URL for every try, a place for them, and the line that says so.

use super::locate;
use super::operation::{Operation, stopped};
use crate::artifact::{self, FetchError, Fetched, Opened};
use crate::github::{Client, Download};
use crate::model::candidate::Artifact;
use crate::model::event::EventKind;
use crate::model::outcome::{Failure, Outcome};
use crate::net;
use crate::report::Live;
use crate::tree::Scratch;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) async fn fetch(
    operation: &Operation,
    client: &Client,
    artifact: &Artifact,
    into: &Path,
) -> Result<(Fetched, Duration), FetchError> {
    let http = net::client(
        &locate::net_settings(&operation.request),
        net::Purpose::Blob,
    )
    .map_err(|error| FetchError::Source(Failure::from(error)))?;
    let wanted = artifact::Wanted {
        name: &artifact.name,
        size_bytes: Some(artifact.size_bytes),
        digest: artifact.digest,
    };
    let source = ApiSource {
        client,
        artifact: artifact.id,
    };
    let started = Instant::now();
    let progress = |got, total| operation.live(&Live::Download { got, total });
    let limits = limits(operation);
    let fetching = artifact::fetch(&http, &source, &wanted, into, &limits, &progress);
    let fetched = tokio::select! {
        fetched = fetching => fetched,
        () = operation.stop.cancelled() => Err(FetchError::Source(stopped("stopped while downloading; nothing was changed"))),
    };
    operation.live(&Live::Quiet);
    fetched.map(|fetched| (fetched, started.elapsed()))
}

/// A fresh signed URL for every try: one is valid for a minute.
struct ApiSource<'a> {
    client: &'a Client,
    artifact: u64,
}

#[async_trait::async_trait]
impl artifact::Source for ApiSource<'_> {
    async fn open(&self) -> Result<Opened, FetchError> {
        use crate::github::GithubError;
        match self.client.artifact_location(self.artifact).await {
            Ok(Download::SignedUrl(url)) => Ok(Opened::Url(url)),
            Ok(Download::Body(response)) => Ok(Opened::Body(response)),
            Err(GithubError::Gone { .. }) => Err(FetchError::Gone),
            Err(error) => Err(FetchError::Source(
                error.failure(&format!("artifact {}", self.artifact)),
            )),
        }
    }
}

pub(super) fn limits(operation: &Operation) -> artifact::Limits {
    let blob_bytes_max = operation.request.environment.source.size_limit_bytes;
    artifact::Limits {
        blob_bytes_max,
        unpacked_bytes_max: blob_bytes_max.saturating_mul(4),
        ..artifact::Limits::default()
    }
}

pub(super) fn download_dir(operation: &Operation) -> Result<Scratch, Failure> {
    let parent = &operation.request.process.temp_dir;
    Scratch::new(parent).map_err(|error| {
        Failure::msg(
            Outcome::Error,
            format!(
                "could not make a directory in {}: {error}",
                parent.display()
            ),
        )
        .hint("set RUNNER_TEMP or TMPDIR to a directory that can be written to")
    })
}

/// Says whose word the bytes were held against: the strongest that was given.
pub(super) fn tell_fetched(operation: &Operation, name: &str, fetched: &Fetched, took: Duration) {
    operation.tell(EventKind::Fetched {
        name: name.to_owned(),
        size_bytes: fetched.blob.size_bytes,
        digest: fetched.blob.digest,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        promised_by: fetched.promised_by,
    });
}
