//! Snapshots: taking, loading, listing, deleting and reading them.

use super::{Effect, Message, decode, reply};
use crate::replica::canister::{Canister, Snapshot};
use crate::replica::hex;
use crate::replica::reject::Reject;
use crate::replica::state::World;
use candid::{Principal, Reserved};
use ic_management_canister_types as types;
use types::{SnapshotDataKind, SnapshotMetadataGlobal};
use wasmi::Val;

/// `MAX_SNAPSHOTS` of the specification.
const SNAPSHOTS_MAX: usize = 10;
const SLICE_BYTES_MAX: u64 = 2_000_000;

fn summary(snapshot: &Snapshot) -> types::Snapshot {
    types::Snapshot {
        id: snapshot.id.clone(),
        taken_at_timestamp: snapshot.taken_at,
        total_size: snapshot.size(),
    }
}

pub(super) fn take_snapshot(world: &mut World, message: Message<'_>) -> Result<Effect, Reject> {
    let arg: types::TakeCanisterSnapshotArgs = decode(message.arg)?;
    let uninstall = arg.uninstall_code == Some(true);
    let snapshot = take(
        world,
        arg.canister_id,
        arg.replace_snapshot.as_deref(),
        message.now,
    )?;
    if uninstall {
        let canister = world.canister(arg.canister_id)?;
        canister.image = None;
        canister.logs.clear();
        canister.version += 1;
    }
    reply(&summary(&snapshot))
}

/// Takes a snapshot, instead of another one when that is given.
pub fn take(
    world: &mut World,
    id: Principal,
    replace: Option<&[u8]>,
    now: u64,
) -> Result<Snapshot, Reject> {
    let price = world.prices.snapshot;
    if let Some(replace) = replace {
        find(world, id, replace)?;
    }
    let number = world.snapshots_taken;
    let canister = world.canister(id)?;
    let Some(image) = canister.image.clone() else {
        let text = format!("Failed to create snapshot for empty canister {id}:");
        return Err(Reject::new(406, text));
    };
    if replace.is_none() && canister.snapshots.len() >= SNAPSHOTS_MAX {
        let text = format!(
            "Canister {id} has reached the maximum number of snapshots allowed: {SNAPSHOTS_MAX}.\nConsider deleting an unnecessary snapshot of the specified canister before creating a new one."
        );
        return Err(Reject::new(406, text));
    }
    canister.pay_snapshot(price)?;
    let mut snapshot_id = number.to_be_bytes().to_vec();
    snapshot_id.extend(id.as_slice());
    let snapshot = Snapshot {
        id: snapshot_id,
        taken_at: now,
        version: canister.version,
        image,
        chunks: canister.chunks.clone(),
    };
    if let Some(replace) = replace {
        canister.snapshots.retain(|old| old.id != replace);
    }
    canister.snapshots.push(snapshot.clone());
    world.snapshots_taken += 1;
    Ok(snapshot)
}

/// A snapshot of this canister. One of another canister is refused as such.
fn find(world: &mut World, id: Principal, snapshot: &[u8]) -> Result<Snapshot, Reject> {
    let own = |canister: &Canister| {
        let mut all = canister.snapshots.iter();
        all.find(|known| known.id == snapshot).cloned()
    };
    if let Some(found) = own(world.canister(id)?) {
        return Ok(found);
    }
    let name = hex(snapshot);
    if world
        .canisters
        .values()
        .any(|canister| own(canister).is_some())
    {
        let text = format!(
            "The snapshot {name} does not belong to canister {id}.\nUse the `list_canister_snapshot` API to see which snapshots are present."
        );
        return Err(Reject::new(406, text));
    }
    let text = format!(
        "Could not find the snapshot ID {name} for canister {id}.\nUse the `list_canister_snapshot` API to see which snapshots are present."
    );
    Err(Reject::new(305, text))
}

/// Loads: code and memories are those of the snapshot. Running or not is not asked: that is left to the tools.
pub(super) fn load(world: &mut World, arg: &[u8]) -> Result<(), Reject> {
    let arg: types::LoadCanisterSnapshotArgs = decode(arg)?;
    let snapshot = find(world, arg.canister_id, &arg.snapshot_id)?;
    let price = world.prices.snapshot;
    let canister = world.canister(arg.canister_id)?;
    canister.pay_snapshot(price)?;
    canister.image = Some(snapshot.image);
    canister.chunks = snapshot.chunks;
    canister.version += 1;
    Ok(())
}

pub(super) fn list(world: &mut World, arg: &[u8]) -> Result<Effect, Reject> {
    let id = decode::<types::CanisterIdRecord>(arg)?.canister_id;
    let all: Vec<_> = world.canister(id)?.snapshots.iter().map(summary).collect();
    reply(&all)
}

pub(super) fn delete(world: &mut World, arg: &[u8]) -> Result<(), Reject> {
    let arg: types::DeleteCanisterSnapshotArgs = decode(arg)?;
    find(world, arg.canister_id, &arg.snapshot_id)?;
    let canister = world.canister(arg.canister_id)?;
    canister
        .snapshots
        .retain(|known| known.id != arg.snapshot_id);
    Ok(())
}

pub(super) fn metadata(world: &mut World, arg: &[u8]) -> Result<Effect, Reject> {
    let arg: types::ReadCanisterSnapshotMetadataArgs = decode(arg)?;
    let snapshot = find(world, arg.canister_id, &arg.snapshot_id)?;
    let image = &snapshot.image;
    let globals = image.heap.globals.values().map(|value| match value {
        Val::I32(value) => Some(SnapshotMetadataGlobal::I32(*value)),
        Val::I64(value) => Some(SnapshotMetadataGlobal::I64(*value)),
        Val::F32(value) => Some(SnapshotMetadataGlobal::F32(value.to_float())),
        Val::F64(value) => Some(SnapshotMetadataGlobal::F64(value.to_float())),
        _ => None,
    });
    let chunks = snapshot.chunks.keys();
    reply(&types::ReadCanisterSnapshotMetadataResult {
        source: Some(types::SnapshotSource::TakenFromCanister(Reserved)),
        taken_at_timestamp: snapshot.taken_at,
        wasm_module_size: image.module.raw.len() as u64,
        globals: globals.collect(),
        wasm_memory_size: image.heap.memory.len() as u64,
        stable_memory_size: image.stable.len() as u64,
        wasm_chunk_store: chunks
            .map(|hash| types::ChunkHash {
                hash: hash.to_vec(),
            })
            .collect(),
        canister_version: snapshot.version,
        certified_data: Vec::new(),
        global_timer: Some(types::CanisterTimer::Inactive),
        on_low_wasm_memory_hook_status: Some(
            types::OnLowWasmMemoryHookStatus::ConditionNotSatisfied,
        ),
    })
}

pub(super) fn data(world: &mut World, arg: &[u8]) -> Result<Effect, Reject> {
    let arg: types::ReadCanisterSnapshotDataArgs = decode(arg)?;
    let snapshot = find(world, arg.canister_id, &arg.snapshot_id)?;
    let image = &snapshot.image;
    let chunk = match arg.kind {
        SnapshotDataKind::WasmModule { offset, size } => slice(&image.module.raw, offset, size)?,
        SnapshotDataKind::WasmMemory { offset, size } => slice(&image.heap.memory, offset, size)?,
        SnapshotDataKind::StableMemory { offset, size } => slice(&image.stable, offset, size)?,
        SnapshotDataKind::WasmChunk { hash } => {
            let hash: Option<[u8; 32]> = hash.try_into().ok();
            let chunk = hash.and_then(|hash| snapshot.chunks.get(&hash).cloned());
            chunk.ok_or_else(|| {
                Reject::new(504, "Error from Wasm chunk store: the chunk was not found.")
            })?
        }
    };
    reply(&types::ReadCanisterSnapshotDataResult { chunk })
}

fn slice(bytes: &[u8], offset: u64, size: u64) -> Result<Vec<u8>, Reject> {
    if size > SLICE_BYTES_MAX {
        let text = format!("Requested slice too large: {size} > {SLICE_BYTES_MAX}");
        return Err(Reject::new(408, text));
    }
    let range = usize::try_from(offset)
        .ok()
        .zip(usize::try_from(offset.saturating_add(size)).ok());
    let part = range.and_then(|(from, to)| bytes.get(from..to));
    part.map(<[u8]>::to_vec).ok_or_else(|| {
        let text = format!(
            "Invalid subslice into wasm module / main memory / stable memory: offset: {offset}, size: {size}"
        );
        Reject::new(408, text)
    })
}
