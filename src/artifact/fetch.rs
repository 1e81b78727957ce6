//! Fetching: one pass in which the bytes are received, hashed, unpacked, hashed again and written, all at once; and the
//! order of the checks. Nothing becomes visible before the last one.

use super::download::{Download, Trouble};
use super::fetched::{Blob, Fetched};
use super::kind::{Kind, MAGIC_BYTES, kind};
use super::open::{safe_name, unpack_zip};
use super::sinks::{Hasher, Pieces, Sink, enough, joined, save};
use super::zip::{self, Directory, End, Input, TAIL_BYTES, ZipError};
use super::{FetchError, Limits, Source, Wanted};
use crate::model::payload::{Digest, Mismatch, Promise};
use crate::tree::{FileFact, Stage};
use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Zips up to this size are fetched whole before they are unpacked: it saves the request for the directory.
const IN_MEMORY_BYTES_MAX: u64 = 512 << 10;

/// Fetches, checks and unpacks an artifact into a directory below `into`, which is named after the blob's digest.
/// `progress` is told the bytes that came, and how many there are.
///
/// # Errors
/// After any error nothing is left in `into`.
pub async fn fetch(
    blob_http: &reqwest::Client,
    source: &dyn Source,
    wanted: &Wanted<'_>,
    into: &Path,
    limits: &Limits,
    progress: &(dyn Fn(u64, Option<u64>) + Sync),
) -> Result<Fetched, FetchError> {
    let mut download = Download::new(blob_http, source, *wanted, limits, progress);
    // Bounded: every turn but the last has passed through `pause`, which counts.
    loop {
        match once(&mut download, wanted, into, limits).await {
            Ok(fetched) => return Ok(fetched),
            Err(Trouble::Stop(error)) => return Err(error),
            Err(Trouble::Restart) => (),
            Err(Trouble::Again(error)) => download.pause(error).await?,
        }
    }
}

/// One try from the first byte on.
async fn once(
    download: &mut Download<'_>,
    wanted: &Wanted<'_>,
    into: &Path,
    limits: &Limits,
) -> Result<Fetched, Trouble> {
    download.begin().await?;
    let stage = Stage::new(into).map_err(|error| Trouble::Stop(FetchError::Disk(error)))?;
    let stage = Arc::new(stage);
    let first = download.at_least(MAGIC_BYTES).await?;
    let name = safe_name(wanted.name);
    let (files, blob) = match kind(&first, download.content_type()) {
        Kind::Raw => raw(download, first, wanted, &stage, name.clone()).await?,
        Kind::Zip => {
            if download
                .total()
                .is_some_and(|total| total <= IN_MEMORY_BYTES_MAX)
            {
                in_memory(download, first, wanted, &stage, limits).await?
            } else if let Some(tail) = tail(download).await {
                streamed(download, first, tail, wanted, &stage, limits).await?
            } else {
                spooled(download, first, wanted, &stage, limits).await?
            }
        }
    };
    let promised_by = wanted.digest.map(|_kept| Promise::ArtifactDigest);
    let publish = move || Fetched::publish(&stage, files, blob, promised_by, Some(name));
    joined(spawn_blocking(publish)).await.map_err(Trouble::Stop)
}

/// A file as it is.
async fn raw(
    download: &mut Download<'_>,
    first: Bytes,
    wanted: &Wanted<'_>,
    stage: &Arc<Stage>,
    name: String,
) -> Result<(Vec<FileFact>, Blob), Trouble> {
    let sink = saving(stage, &stage.tree().join(&name))?;
    let (blob, saved) = pump(download, first, wanted, sink).await?;
    saved.map_err(Trouble::Stop)?;
    let file = FileFact {
        path: name,
        size_bytes: blob.size_bytes,
        sha256: blob.digest,
    };
    Ok((vec![file], blob))
}

/// A small zip: all of it, then unpack.
async fn in_memory(
    download: &mut Download<'_>,
    first: Bytes,
    wanted: &Wanted<'_>,
    stage: &Arc<Stage>,
    limits: &Limits,
) -> Result<(Vec<FileFact>, Blob), Trouble> {
    let total = download
        .total()
        .and_then(|total| usize::try_from(total).ok());
    let mut bytes = BytesMut::with_capacity(total.unwrap_or_default());
    bytes.extend_from_slice(&first);
    while let Some(piece) = download.piece().await? {
        bytes.extend_from_slice(&piece);
    }
    let bytes = bytes.freeze();
    let digest = Digest::from_bytes(Sha256::digest(&bytes).into());
    let blob = promised(download.got(), digest, &bytes, wanted)?;
    let (stage, limits) = (Arc::clone(stage), limits.of_tree());
    let unpacked = joined(spawn_blocking(move || {
        let total = blob.size_bytes;
        let end = zip::find_end(&bytes, total)?;
        let part = |start: u64, end: u64| {
            let index = |at| usize::try_from(at).unwrap_or(usize::MAX);
            bytes.get(index(start)..index(end)).unwrap_or_default()
        };
        let end_of_directory = end.directory_start + end.directory_bytes;
        let directory = Directory::read(
            part(end.directory_start, end_of_directory),
            part(end_of_directory, total),
            end,
            total,
            limits,
        )?;
        zip::extract(&mut Input::memory(bytes), &directory, &stage.tree(), limits)
    }))
    .await;
    let files = unpacked.map_err(|error| Trouble::Stop(error.into()))?;
    Ok((files, blob))
}

/// The directory of a zip, and what follows it.
struct Tail {
    end: End,
    directory: Bytes,
    after: Bytes,
}

/// Fetches the directory by requests beside. `None` when the server gives no parts; an error is the archive's.
async fn tail(download: &Download<'_>) -> Option<Result<Tail, ZipError>> {
    let total = download.total()?;
    let start = total.saturating_sub(TAIL_BYTES as u64);
    let tail = download.part(start, total).await?;
    let end = match zip::find_end(&tail, total) {
        Ok(end) => end,
        Err(error) => return Some(Err(error)),
    };
    let mut whole = BytesMut::new();
    if end.directory_start < start {
        whole.extend_from_slice(&download.part(end.directory_start, start).await?);
    }
    let skip = end.directory_start.saturating_sub(start);
    whole.extend_from_slice(tail.get(usize::try_from(skip).ok()?..)?);
    let directory = whole.split_to(usize::try_from(end.directory_bytes).ok()?);
    Some(Ok(Tail {
        end,
        directory: directory.freeze(),
        after: whole.freeze(),
    }))
}

/// A zip whose directory is known: unpacked while it comes.
async fn streamed(
    download: &mut Download<'_>,
    first: Bytes,
    tail: Result<Tail, ZipError>,
    wanted: &Wanted<'_>,
    stage: &Arc<Stage>,
    limits: &Limits,
) -> Result<(Vec<FileFact>, Blob), Trouble> {
    let (stage, limits, total) = (Arc::clone(stage), limits.of_tree(), download.total());
    let sink = match tail {
        Err(error) => Sink::refused(error.into()),
        Ok(Tail {
            end,
            directory,
            after,
        }) => Sink::start(move |pieces| {
            let total = total.unwrap_or_default();
            let directory = {
                let read = Directory::read(&directory, &after, end, total, limits);
                drop((directory, after));
                read?
            };
            let mut input = Input::channel(pieces);
            let files = zip::extract(&mut input, &directory, &stage.tree(), limits)?;
            // What is left is the directory, which was read already.
            input.drain();
            Ok(files)
        }),
    };
    let (blob, unpacked) = pump(download, first, wanted, sink).await?;
    Ok((unpacked.map_err(Trouble::Stop)?, blob))
}

/// A zip from a server that gives no parts: saved, then unpacked.
async fn spooled(
    download: &mut Download<'_>,
    first: Bytes,
    wanted: &Wanted<'_>,
    stage: &Arc<Stage>,
    limits: &Limits,
) -> Result<(Vec<FileFact>, Blob), Trouble> {
    let path = stage.scratch("blob");
    let sink = saving(stage, &path)?;
    let (blob, saved) = pump(download, first, wanted, sink).await?;
    saved.map_err(Trouble::Stop)?;
    let (stage, limits) = (Arc::clone(stage), *limits);
    let unpacked = joined(spawn_blocking(move || {
        let file = File::open(path).map_err(FetchError::Disk)?;
        unpack_zip(file, blob.size_bytes, &stage.tree(), &limits)
    }))
    .await;
    Ok((unpacked.map_err(Trouble::Stop)?, blob))
}

fn saving(stage: &Arc<Stage>, path: &Path) -> Result<Sink, Trouble> {
    let file = File::create_new(path).map_err(|error| Trouble::Stop(FetchError::Disk(error)))?;
    let stage = Arc::clone(stage);
    Ok(Sink::start(move |pieces| {
        let saved = save(pieces, file);
        // Held until here: its directory must not go while it is written to.
        drop(stage);
        saved
    }))
}

/// What a sink made of the bytes: counts only when they are those that were promised.
type Made = Result<Vec<FileFact>, FetchError>;

/// Sends all bytes to the hasher and to `sink`, and checks what they hash to.
async fn pump(
    download: &mut Download<'_>,
    first: Bytes,
    wanted: &Wanted<'_>,
    mut sink: Sink,
) -> Result<(Blob, Made), Trouble> {
    let mut hasher = Hasher::start();
    let mut pieces = Pieces::from([first.clone()]);
    let pumped = loop {
        let next = download.piece().await;
        let ended = !matches!(next, Ok(Some(_)));
        if ended || enough(&pieces) {
            let pieces = std::mem::take(&mut pieces);
            hasher.take(pieces.clone()).await;
            if let Err(error) = sink.take(pieces).await {
                break Err(Trouble::Stop(error));
            }
        }
        match next {
            Ok(Some(piece)) => pieces.push(piece),
            Ok(None) => break Ok(()),
            Err(trouble) => break Err(trouble),
        }
    };
    let (digest, made) = (hasher.finish().await, sink.finish().await);
    pumped?;
    let blob = promised(download.got(), digest, &first, wanted)?;
    Ok((blob, made))
}

/// Holds the blob's digest against the promised one. `first` are its first bytes.
fn promised(
    size_bytes: u64,
    digest: Digest,
    first: &[u8],
    wanted: &Wanted<'_>,
) -> Result<Blob, Trouble> {
    let blob = Blob { size_bytes, digest };
    match wanted.digest {
        Some(expected) if expected != digest => {
            // A sign-in page of a proxy is not an attack, and is said as what it is.
            if first.trim_ascii_start().starts_with(b"<") {
                return Err(Trouble::Again(FetchError::Storage {
                    found: "an HTML page".to_owned(),
                    tries: 1,
                }));
            }
            Err(Trouble::Again(FetchError::Mismatch(Mismatch {
                what: format!("digest of {}", wanted.name),
                found: digest.to_string(),
                expected: expected.to_string(),
                promised_by: Promise::ArtifactDigest,
            })))
        }
        Some(_) | None => Ok(blob),
    }
}
