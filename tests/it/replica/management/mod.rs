//! The management canister `aaaaa-aa`: who may call what, and the methods. The texts and codes of refusals are those of
//! dfinity/ic; what the specification says is
//! <https://docs.internetcomputer.org/references/ic-interface-spec/management-canister>.

mod chunks;
mod install;
mod lifecycle;
mod snapshots;
mod status;

pub use install::install;
pub use lifecycle::{start, stop};
pub use snapshots::take;

use super::reject::Reject;
use super::state::World;
use candid::{CandidType, Principal};
use ic_management_canister_types as types;
use serde::Deserialize;

/// Methods that only canisters may call.
const CANISTERS_ONLY: &[&str] = &[
    "canister_info",
    "canister_metadata",
    "create_canister",
    "deposit_cycles",
    "ecdsa_public_key",
    "http_request",
    "raw_rand",
    "schnorr_public_key",
    "sign_with_ecdsa",
    "sign_with_schnorr",
];

/// Methods that only controllers may call.
const CONTROLLERS_ONLY: &[&str] = &[
    "clear_chunk_store",
    "delete_canister",
    "delete_canister_snapshot",
    "install_chunked_code",
    "install_code",
    "list_canister_snapshots",
    "load_canister_snapshot",
    "read_canister_snapshot_data",
    "read_canister_snapshot_metadata",
    "start_canister",
    "stop_canister",
    "stored_chunks",
    "take_canister_snapshot",
    "uninstall_code",
    "update_settings",
    "upload_chunk",
];

/// What a method led to.
#[derive(Debug)]
pub enum Effect {
    Done(Vec<u8>),
    /// It ends later: a stop waits for open calls.
    Pending,
}

/// A call as it reaches the management canister.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub sender: Principal,
    pub method: &'a str,
    pub arg: &'a [u8],
    pub request: [u8; 32],
    /// Nanoseconds since 1970.
    pub now: u64,
}

/// The reply of a method without results.
pub fn nothing() -> Vec<u8> {
    candid::encode_args(()).expect("nothing can be encoded")
}

/// A reply of one value.
fn reply<T: CandidType>(value: &T) -> Result<Effect, Reject> {
    candid::encode_one(value)
        .map(Effect::Done)
        .map_err(|error| Reject::candid(&error))
}

fn decode<'a, T: CandidType + Deserialize<'a>>(arg: &'a [u8]) -> Result<T, Reject> {
    candid::decode_one(arg).map_err(|error| Reject::candid(&error))
}

/// The canister that a management call is about; `None` when it is about none.
pub fn subject(method: &str, arg: &[u8]) -> Option<Principal> {
    #[derive(CandidType, Deserialize)]
    struct Target {
        target_canister: Principal,
    }
    if method == "install_chunked_code" {
        return decode::<Target>(arg)
            .ok()
            .map(|target| target.target_canister);
    }
    decode::<types::CanisterIdRecord>(arg)
        .ok()
        .map(|record| record.canister_id)
}

/// What a replica checks before a call becomes part of a block: refusals here are uncertified.
pub fn admit(world: &World, sender: Principal, method: &str, arg: &[u8]) -> Result<(), Reject> {
    if CANISTERS_ONLY.contains(&method) {
        let text = format!("Only canisters can call ic00 method {method}");
        return Err(Reject::new(406, text));
    }
    if method == "fetch_canister_logs" {
        let text = "fetch_canister_logs API is only accessible to end users in non-replicated mode";
        return Err(Reject::new(406, text));
    }
    if method == "provisional_create_canister_with_cycles" {
        return Ok(());
    }
    let known = method == "canister_status" || CONTROLLERS_ONLY.contains(&method);
    if !known {
        let text = format!("Management canister has no method '{method}'");
        return Err(Reject::new(536, text));
    }
    let Some(id) = subject(method, arg) else {
        return Err(decode::<types::CanisterIdRecord>(arg)
            .err()
            .unwrap_or_else(|| Reject::new(408, "Error decoding candid: no canister is named")));
    };
    let canister = world
        .canisters
        .get(&id)
        .ok_or_else(|| Reject::not_found(id))?;
    if method == "canister_status" {
        return status::may_read(world.faults.status, canister, sender);
    }
    if !canister.controllers.contains(&sender) {
        return Err(Reject::not_controller(id, method));
    }
    Ok(())
}

/// Executes a call.
pub fn call(world: &mut World, message: Message<'_>) -> Result<Effect, Reject> {
    admit(world, message.sender, message.method, message.arg)?;
    let done = |()| Effect::Done(nothing());
    match message.method {
        "provisional_create_canister_with_cycles" => lifecycle::create(world, message),
        "start_canister" => {
            let id = decode::<types::CanisterIdRecord>(message.arg)?.canister_id;
            start(world, id).map(done)
        }
        "stop_canister" => {
            let id = decode::<types::CanisterIdRecord>(message.arg)?.canister_id;
            stop(world, id, message.request)
        }
        "delete_canister" => lifecycle::delete(world, message).map(done),
        "uninstall_code" => lifecycle::uninstall(world, message).map(done),
        "update_settings" => lifecycle::update_settings(world, message).map(done),
        "canister_status" => status::status(world, message.arg),
        "install_code" => install::install_code(world, message).map(done),
        "install_chunked_code" => chunks::install_chunked_code(world, message).map(done),
        "upload_chunk" => chunks::upload(world, message.arg),
        "stored_chunks" => chunks::stored(world, message.arg),
        "clear_chunk_store" => chunks::clear(world, message.arg).map(done),
        "take_canister_snapshot" => snapshots::take_snapshot(world, message),
        "load_canister_snapshot" => snapshots::load(world, message.arg).map(done),
        "list_canister_snapshots" => snapshots::list(world, message.arg),
        "delete_canister_snapshot" => snapshots::delete(world, message.arg).map(done),
        "read_canister_snapshot_metadata" => snapshots::metadata(world, message.arg),
        "read_canister_snapshot_data" => snapshots::data(world, message.arg),
        other => Err(Reject::new(
            536,
            format!("Management canister has no method '{other}'"),
        )),
    }
}

/// Executes a query: only reading, on one replica.
pub fn query(world: &mut World, message: Message<'_>) -> Result<Vec<u8>, Reject> {
    let effect = match message.method {
        "fetch_canister_logs" => status::logs(world, message),
        "canister_status" => {
            admit(world, message.sender, message.method, message.arg)?;
            status::status(world, message.arg)
        }
        "list_canister_snapshots" => {
            admit(world, message.sender, message.method, message.arg)?;
            snapshots::list(world, message.arg)
        }
        other => {
            let text = format!("Query method {other} not found.");
            Err(Reject::new(536, text))
        }
    };
    match effect? {
        Effect::Done(reply) => Ok(reply),
        Effect::Pending => Err(Reject::new(527, "a query does not wait")),
    }
}
