//! Making, starting, stopping, emptying and deleting canisters, and their settings.

use super::{Effect, Message, decode, nothing, reply};
use crate::replica::canister::Status;
use crate::replica::reject::Reject;
use crate::replica::state::World;
use candid::{Nat, Principal};
use ic_management_canister_types as types;

/// What a canister gets that says nothing about cycles.
const CYCLES_DEFAULT: u128 = 100_000_000_000_000;

fn number(nat: &Nat) -> u128 {
    u128::try_from(&nat.0).unwrap_or(u128::MAX)
}

pub(super) fn create(world: &mut World, message: Message<'_>) -> Result<Effect, Reject> {
    let arg: types::ProvisionalCreateCanisterWithCyclesArgs = decode(message.arg)?;
    let cycles = arg.amount.as_ref().map_or(CYCLES_DEFAULT, number);
    let canister_id = world.create(vec![message.sender], cycles);
    if let Some(settings) = arg.settings {
        apply(world, canister_id, settings)?;
    }
    reply(&types::CanisterIdRecord { canister_id })
}

/// Starts; stops that still wait are rejected.
pub fn start(world: &mut World, id: Principal) -> Result<(), Reject> {
    let canister = world.canister(id)?;
    let before = std::mem::take(&mut canister.status);
    if before != Status::Running {
        canister.version += 1;
        canister.started = Some(tokio::time::Instant::now());
    }
    if let Status::Stopping(waiting) = before {
        for request in waiting {
            let text = format!("Canister {id}'s stop request was cancelled.");
            world.finish(request, Err(Reject::new(511, text)));
        }
    }
    Ok(())
}

/// Stops at once when no call is open; else the request waits.
pub fn stop(world: &mut World, id: Principal, request: [u8; 32]) -> Result<Effect, Reject> {
    let canister = world.canister(id)?;
    match &mut canister.status {
        Status::Stopped => {}
        Status::Stopping(waiting) => {
            waiting.push(request);
            return Ok(Effect::Pending);
        }
        Status::Running if canister.held => {
            canister.status = Status::Stopping(vec![request]);
            canister.version += 1;
            return Ok(Effect::Pending);
        }
        Status::Running => {
            canister.status = Status::Stopped;
            canister.version += 1;
        }
    }
    Ok(Effect::Done(nothing()))
}

pub(super) fn delete(world: &mut World, message: Message<'_>) -> Result<(), Reject> {
    let id = decode::<types::CanisterIdRecord>(message.arg)?.canister_id;
    if world.canister(id)?.status != Status::Stopped {
        let text = format!("Canister {id} must be stopped before it is deleted.");
        return Err(Reject::new(510, text));
    }
    world.canisters.remove(&id);
    Ok(())
}

pub(super) fn uninstall(world: &mut World, message: Message<'_>) -> Result<(), Reject> {
    let id = decode::<types::UninstallCodeArgs>(message.arg)?.canister_id;
    let canister = world.canister(id)?;
    canister.image = None;
    canister.logs.clear();
    canister.version += 1;
    // Open calls are rejected, so that a canister which is stopping has stopped.
    let is_stopping = matches!(canister.status, Status::Stopping(_));
    canister.held = false;
    if is_stopping {
        world.release(id);
    }
    Ok(())
}

pub(super) fn update_settings(world: &mut World, message: Message<'_>) -> Result<(), Reject> {
    let arg: types::UpdateSettingsArgs = decode(message.arg)?;
    apply(world, arg.canister_id, arg.settings)
}

fn apply(
    world: &mut World,
    id: Principal,
    settings: types::CanisterSettings,
) -> Result<(), Reject> {
    let canister = world.canister(id)?;
    if let Some(controllers) = settings.controllers {
        if controllers.len() > 10 {
            let text = format!(
                "Could not validate the settings: Invalid settings: 'controllers' length exceeds maximum size allowed of 10. ({})",
                controllers.len()
            );
            return Err(Reject::new(504, text));
        }
        canister.controllers = controllers;
    }
    if let Some(threshold) = settings.freezing_threshold {
        canister.freezing_threshold = u64::try_from(number(&threshold)).unwrap_or(u64::MAX);
    }
    if let Some(visibility) = settings.log_visibility {
        canister.public_logs = visibility == types::LogVisibility::Public;
    }
    canister.version += 1;
    Ok(())
}
