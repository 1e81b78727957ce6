//! Installing code: install, reinstall, upgrade. Atomic: what is rejected has changed nothing but the logs.

use super::{Message, decode};
use crate::replica::canister::{Canister, Image, trapped};
use crate::replica::execution::{self, Heap, Mode, Module, Outcome, Trap};
use crate::replica::reject::Reject;
use crate::replica::state::World;
use candid::Principal;
use ic_management_canister_types as types;
use std::sync::Arc;
use types::{CanisterInstallMode, UpgradeFlags, WasmMemoryPersistence};

pub(super) fn install_code(world: &mut World, message: Message<'_>) -> Result<(), Reject> {
    let arg: types::InstallCodeArgs = decode(message.arg)?;
    let by = (message.sender, message.now);
    install(
        world,
        arg.canister_id,
        arg.mode,
        &arg.wasm_module,
        &arg.arg,
        by,
    )
}

/// Installs a module; `by` is who does it and when.
pub fn install(
    world: &mut World,
    id: Principal,
    mode: CanisterInstallMode,
    wasm: &[u8],
    arg: &[u8],
    by: (Principal, u64),
) -> Result<(), Reject> {
    let price = world.prices.install;
    let canister = world.canister(id)?;
    match (mode, &canister.image) {
        (CanisterInstallMode::Install, Some(_)) => {
            let text = format!(
                "Canister {id} cannot be installed because the canister is not empty. Try installing with mode='reinstall' instead."
            );
            return Err(Reject::new(514, text));
        }
        (CanisterInstallMode::Upgrade(_), None) => return Err(Reject::no_module(id)),
        _ => {}
    }
    let module = Module::parse(wasm).map_err(|why| Reject::invalid_wasm(id, &why))?;
    let module = Arc::new(module);
    let before = canister.cycles;
    canister.pay_install(price)?;
    let installed = match mode {
        CanisterInstallMode::Install | CanisterInstallMode::Reinstall => {
            let purged = std::mem::take(&mut canister.logs);
            init(canister, &module, arg, by).inspect_err(|_| canister_logs_back(canister, purged))
        }
        CanisterInstallMode::Upgrade(flags) => {
            upgrade(canister, &module, flags.unwrap_or_default(), arg, by)
        }
    };
    match installed {
        Ok(image) => {
            canister.image = Some(image);
            canister.version += 1;
            Ok(())
        }
        Err(reject) => {
            // What was executed is paid for, but a reject before that costs nothing.
            canister.cycles = before;
            Err(reject)
        }
    }
}

/// A reinstall purges the logs only when it happens.
fn canister_logs_back(
    canister: &mut Canister,
    purged: std::collections::VecDeque<crate::replica::canister::LogRecord>,
) {
    let new = std::mem::replace(&mut canister.logs, purged);
    canister.logs.extend(new);
}

fn init(
    canister: &mut Canister,
    module: &Arc<Module>,
    arg: &[u8],
    by: (Principal, u64),
) -> Result<Image, Reject> {
    let stage = Stage {
        module,
        heap: None,
        stable: &[],
        entry: "canister_init",
        mode: Mode::Init,
    };
    let outcome = execute(canister, stage, arg, by)?;
    Ok(Image {
        module: Arc::clone(module),
        heap: outcome.heap,
        stable: outcome.stable,
    })
}

fn upgrade(
    canister: &mut Canister,
    module: &Arc<Module>,
    flags: UpgradeFlags,
    arg: &[u8],
    by: (Principal, u64),
) -> Result<Image, Reject> {
    let old = canister
        .image
        .clone()
        .ok_or_else(|| Reject::no_module(canister.id))?;
    let keep = keep(&old.module, module, flags)?;
    let (mut heap, mut stable) = (old.heap.clone(), old.stable.clone());
    if flags.skip_pre_upgrade != Some(true) {
        let stage = Stage {
            module: &old.module,
            heap: Some(&old.heap),
            stable: &old.stable,
            entry: "canister_pre_upgrade",
            mode: Mode::PreUpgrade,
        };
        let outcome = execute(canister, stage, &[], by)?;
        (heap, stable) = (outcome.heap, outcome.stable);
    }
    // Globals are the module's own, also when the memory is kept.
    heap.globals.clear();
    let stage = Stage {
        module,
        heap: keep.then_some(&heap),
        stable: &stable,
        entry: "canister_post_upgrade",
        mode: Mode::PostUpgrade,
    };
    let outcome = execute(canister, stage, arg, by)?;
    Ok(Image {
        module: Arc::clone(module),
        heap: outcome.heap,
        stable: outcome.stable,
    })
}

/// Whether the heap is kept; refused when that was not said for a module whose state is its heap, or said for another.
fn keep(old: &Module, new: &Module, flags: UpgradeFlags) -> Result<bool, Reject> {
    match flags.wasm_memory_persistence {
        None if old.keeps_heap() => {
            let text = "Missing upgrade option: Enhanced orthogonal persistence requires the `wasm_memory_persistence` upgrade option.";
            Err(Reject::new(504, text))
        }
        Some(WasmMemoryPersistence::Keep) if !new.keeps_heap() => {
            let text = "Invalid upgrade option: The `wasm_memory_persistence: opt Keep` upgrade option requires that the new canister module supports enhanced orthogonal persistence.";
            Err(Reject::new(504, text))
        }
        Some(WasmMemoryPersistence::Keep) => Ok(true),
        None | Some(WasmMemoryPersistence::Replace) => Ok(false),
    }
}

/// One step of an installation.
#[derive(Clone, Copy)]
struct Stage<'a> {
    module: &'a Module,
    heap: Option<&'a Heap>,
    stable: &'a [u8],
    entry: &'static str,
    mode: Mode,
}

fn execute(
    canister: &mut Canister,
    stage: Stage<'_>,
    arg: &[u8],
    (sender, now): (Principal, u64),
) -> Result<Outcome, Reject> {
    let context = canister.context(stage.mode, sender, arg, now);
    let outcome = execution::run(stage.module, stage.heap, stage.stable, stage.entry, context)
        .map_err(|why| Reject::invalid_wasm(canister.id, &why))?;
    let trap: Option<Trap> = outcome.result.as_ref().err().cloned();
    canister.log_outcome(now, outcome.prints.clone(), trap.as_ref());
    match trap {
        None => Ok(outcome),
        Some(trap) => Err(trapped(canister.id, &trap)),
    }
}
