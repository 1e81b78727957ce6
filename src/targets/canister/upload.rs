//! Getting a module to the network: in the message that installs it, or in chunks beforehand when it is too large for one. Chunks
//! that others keep in the canister stay there. Nothing is installed here.

use super::call::CallError;
use super::refusal;
use super::site::Site;
use crate::model::payload::hex;
use crate::targets::TargetError;
use futures_util::stream::{self, StreamExt as _};
use ic_management_canister_types::ChunkHash;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// What module and argument may take of a message: the network takes 2 MiB, with the envelope, the signature and a delegation.
const MESSAGE_BYTES_MAX: usize = 1_900_000;

/// The largest chunk that the network takes.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// Uploads under way at once.
const PARALLEL: usize = 4;

/// An answer that was lost is made up for by uploading again: a chunk is named by its content.
const ROUNDS_MAX: u32 = 3;

/// How a module gets into the installing message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Load {
    Whole,
    Chunked(Chunks),
}

/// Chunks of a module in the chunk store of the canister.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunks {
    /// In order.
    pub(super) hashes: Vec<ChunkHash>,
    /// The store had nothing but chunks of this module before, as a run that was killed leaves them: nobody else's are cleared
    /// with ours.
    clear: bool,
}

/// Makes a module ready to be installed. Nothing that serves is touched: it may be done while the canister runs.
///
/// # Errors
/// `Refused` when the argument does not fit into a message.
pub(super) async fn prepare(
    site: &Site<'_>,
    module: &[u8],
    argument: &[u8],
) -> Result<Load, TargetError> {
    if MESSAGE_BYTES_MAX < argument.len() {
        return Err(TargetError::Refused {
            what: format!(
                "{}: found an argument of {} bytes, expected at most {MESSAGE_BYTES_MAX}",
                site.slot,
                argument.len()
            ),
            allow: None,
            next: "give the canister a smaller `argument`".to_owned(),
        });
    }
    if module.len() + argument.len() <= MESSAGE_BYTES_MAX {
        return Ok(Load::Whole);
    }
    let before = stored(site).await?;
    let hashes: Vec<ChunkHash> = module.chunks(CHUNK_BYTES_MAX).map(hash).collect();
    let ours: BTreeSet<Vec<u8>> = hashes.iter().map(|chunk| chunk.hash.clone()).collect();
    let load = Load::Chunked(Chunks {
        clear: before.is_subset(&ours),
        hashes,
    });
    match upload(site, module).await {
        Ok(()) => Ok(load),
        Err(error) => {
            clear(site, &load).await;
            Err(error)
        }
    }
}

/// Uploads every chunk that is not there.
pub(super) async fn upload(site: &Site<'_>, module: &[u8]) -> Result<(), TargetError> {
    let mut trouble = None;
    for _round in 0..ROUNDS_MAX {
        let there = stored(site).await?;
        let mut seen = BTreeSet::new();
        let missing: Vec<&[u8]> = module
            .chunks(CHUNK_BYTES_MAX)
            .filter(|chunk| {
                let hash = hash(chunk).hash;
                !there.contains(&hash) && seen.insert(hash)
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        site.tell(&format!("uploading {}", chunks(missing.len())));
        let mut puts = Vec::new();
        for chunk in missing {
            puts.push(put(site, chunk));
        }
        let mut uploading = stream::iter(puts).buffer_unordered(PARALLEL);
        while let Some(done) = uploading.next().await {
            match done {
                Ok(()) => (),
                Err(
                    error @ (CallError::Rejected { .. }
                    | CallError::Untrusted(_)
                    | CallError::Unreadable(_)),
                ) => return Err(refusal::failed(site, refusal::CHUNKS, error)),
                Err(error @ (CallError::Unreachable(_) | CallError::Unknown { .. })) => {
                    trouble = Some(error.to_string());
                }
            }
        }
    }
    let why = trouble.unwrap_or_else(|| "its chunks do not stay in the chunk store".to_owned());
    Err(TargetError::Unreachable {
        what: format!("{}: could not upload the module: {why}", site.slot),
    })
}

/// Clears the chunk store of what was uploaded, when nothing else was in it.
pub(super) async fn clear(site: &Site<'_>, load: &Load) {
    match load {
        Load::Chunked(chunks) if chunks.clear => {
            if let Err(error) = site.management().clear_chunks().await {
                site.tell(&format!("the chunk store was not cleared: {error}"));
            }
        }
        Load::Chunked(_) | Load::Whole => (),
    }
}

/// `3 chunks`.
pub(super) fn chunks(count: usize) -> String {
    match count {
        1 => "1 chunk".to_owned(),
        count => format!("{count} chunks"),
    }
}

async fn stored(site: &Site<'_>) -> Result<BTreeSet<Vec<u8>>, TargetError> {
    let there = site.management().stored_chunks().await;
    let there = there.map_err(|error| refusal::failed(site, refusal::CHUNKS, error))?;
    Ok(there.into_iter().map(|chunk| chunk.hash).collect())
}

async fn put(site: &Site<'_>, chunk: &[u8]) -> Result<(), CallError> {
    let answer = site.management().upload_chunk(chunk.to_vec()).await?;
    let expected = hash(chunk);
    if answer == expected {
        return Ok(());
    }
    Err(CallError::Unreadable(format!(
        "the network took a chunk for {}, expected {}",
        hex(&answer.hash),
        hex(&expected.hash)
    )))
}

fn hash(chunk: &[u8]) -> ChunkHash {
    ChunkHash {
        hash: Sha256::digest(chunk).to_vec(),
    }
}
