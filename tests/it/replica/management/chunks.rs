//! The chunk store of a canister, and installing what lies in it.

use super::{Effect, Message, decode, install, reply};
use crate::replica::reject::Reject;
use crate::replica::state::World;
use ic_management_canister_types as types;
use sha2::{Digest as _, Sha256};

const CHUNK_BYTES_MAX: usize = 1 << 20;
const CHUNKS_MAX: usize = 100;

fn refused(what: &str) -> Reject {
    let text = format!(
        "Error from Wasm chunk store: {what}.\nUse the `stored_chunks` API to check which hashes are present or top up the canister if it is low on cycles."
    );
    Reject::new(504, text)
}

pub(super) fn upload(world: &mut World, arg: &[u8]) -> Result<Effect, Reject> {
    let arg: types::UploadChunkArgs = decode(arg)?;
    let canister = world.canister(arg.canister_id)?;
    let size = arg.chunk.len();
    if size > CHUNK_BYTES_MAX {
        return Err(refused(&format!(
            "Wasm chunk size {size} exceeds the maximum chunk size of {CHUNK_BYTES_MAX}"
        )));
    }
    let hash: [u8; 32] = Sha256::digest(&arg.chunk).into();
    if !canister.chunks.contains_key(&hash) && canister.chunks.len() >= CHUNKS_MAX {
        let capacity = CHUNKS_MAX * CHUNK_BYTES_MAX;
        return Err(refused(&format!(
            "Wasm chunk store has already reached maximum capacity of {capacity} bytes"
        )));
    }
    canister.chunks.insert(hash, arg.chunk);
    reply(&types::ChunkHash {
        hash: hash.to_vec(),
    })
}

pub(super) fn stored(world: &mut World, arg: &[u8]) -> Result<Effect, Reject> {
    let id = decode::<types::CanisterIdRecord>(arg)?.canister_id;
    let chunks = world.canister(id)?.chunks.keys();
    let hashes: Vec<_> = chunks
        .map(|hash| types::ChunkHash {
            hash: hash.to_vec(),
        })
        .collect();
    reply(&hashes)
}

pub(super) fn clear(world: &mut World, arg: &[u8]) -> Result<(), Reject> {
    let id = decode::<types::CanisterIdRecord>(arg)?.canister_id;
    world.canister(id)?.chunks.clear();
    Ok(())
}

pub(super) fn install_chunked_code(world: &mut World, message: Message<'_>) -> Result<(), Reject> {
    let arg: types::InstallChunkedCodeArgs = decode(message.arg)?;
    let store = arg.store_canister.unwrap_or(arg.target_canister);
    let store = world.canister(store)?;
    if !store.controllers.contains(&message.sender) {
        return Err(Reject::not_controller(store.id, message.method));
    }
    let mut module = Vec::new();
    for one in &arg.chunk_hashes_list {
        let hash: [u8; 32] = one.hash.as_slice().try_into().map_err(|_error| {
            refused(&format!("Invalid chunk hash of {} bytes", one.hash.len()))
        })?;
        let chunk = store
            .chunks
            .get(&hash)
            .ok_or_else(|| refused(&format!("Chunk hash {} was not found", hex(&hash))))?;
        module.extend_from_slice(chunk);
    }
    let hash = Sha256::digest(&module);
    if hash.as_slice() != arg.wasm_module_hash {
        return Err(refused(&format!(
            "Wasm module hash {} does not match given hash {}",
            hex(&hash),
            hex(&arg.wasm_module_hash)
        )));
    }
    let by = (message.sender, message.now);
    install(world, arg.target_canister, arg.mode, &module, &arg.arg, by)
}

fn hex(bytes: &[u8]) -> String {
    crate::replica::hex(bytes)
}
