//! The message that puts a module into a canister, and what it came to. What follows a refusal is not decided here, and nothing
//! is stopped or started.

use super::call::{CallError, Reject};
use super::certified;
use super::module::megabytes;
use super::refusal::{self, Doing};
use super::settle::{self, Settled, Step};
use super::site::Site;
use super::upload::{self, Load};
use crate::decide::canister::mode::{Memory, Mode};
use crate::decide::canister::reject;
use crate::model::payload::Digest;
use crate::model::state::Slot;
use crate::targets::TargetError;
use ic_management_canister_types::{CanisterInstallMode, UpgradeFlags, WasmMemoryPersistence};
use sha2::{Digest as _, Sha256};

/// A module, and how it is installed.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) to: Digest,
    pub(super) module: Vec<u8>,
    /// Candid.
    pub(super) argument: Vec<u8>,
    pub(super) mode: Mode,
    pub(super) load: Load,
}

/// What installing came to.
#[derive(Debug)]
pub(super) enum Installed {
    Done,
    /// Nothing was changed.
    Rejected(Reject),
}

/// The change was taken up, and may come to its end at any time: nothing else may be done meanwhile.
#[derive(Debug, thiserror::Error)]
#[error("{slot}: the network is still at it, long after it took the change up")]
pub(super) struct UnderWay {
    slot: Slot,
}

/// Whether the installed module hands its state over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PreUpgrade {
    Run,
    /// What it holds on its heap alone is lost.
    Skip,
}

/// Installs the module, once. Its answer lost, what became of it is found out.
///
/// # Errors
/// `OutcomeUnknown` when that could not be found out: it may be installed, and will no longer be. [`UnderWay`] as `Failed`: it may
/// still be. With any other error it is not.
pub(super) async fn install(
    site: &Site<'_>,
    before: Option<Digest>,
    parcel: &Parcel,
    pre_upgrade: PreUpgrade,
) -> Result<Installed, TargetError> {
    let (module, mode) = (megabytes(parcel.module.len() as u64), name(parcel.mode));
    site.tell(&match &parcel.load {
        Load::Whole => format!("installing {module} ({mode})"),
        Load::Chunked(chunks) => {
            let count = upload::chunks(chunks.hashes.len());
            format!("installing {module} in {count} ({mode})")
        }
    });
    let mut sent = send(site, parcel, pre_upgrade).await;
    if let Err(CallError::Rejected { reject, .. }) = &sent
        && let Load::Chunked(_) = parcel.load
        && reject::is_chunk(reject.code.as_deref(), &reject.message)
    {
        // Somebody has cleared the store since; the refusal changed nothing.
        site.tell("a chunk is gone from the chunk store; uploading it again");
        upload::upload(site, &parcel.module).await?;
        sent = send(site, parcel, pre_upgrade).await;
    }
    let step = Step {
        before,
        after: parcel.to,
    };
    settled(site, refusal::INSTALL, sent, step).await
}

/// What a change of the module came to.
pub(super) async fn settled(
    site: &Site<'_>,
    doing: Doing,
    sent: Result<(), CallError>,
    step: Step,
) -> Result<Installed, TargetError> {
    match sent {
        Ok(()) => Ok(Installed::Done),
        Err(CallError::Rejected {
            certified: _,
            reject,
        }) => unchanged(site, reject, step).await,
        Err(CallError::Unknown { why, submitted }) => {
            match settle::module(site, &submitted, step).await {
                Settled::Done => Ok(Installed::Done),
                Settled::Rejected(reject) => unchanged(site, reject, step).await,
                Settled::NotDone => Err(TargetError::Unreachable {
                    what: format!(
                        "{}: could not {}: {why}; it was not done, and can no longer be",
                        site.slot, doing.1
                    ),
                }),
                Settled::Other(found) => Err(refusal::conflict(site, found, step.before)),
                Settled::UnderWay => Err(TargetError::Failed(anyhow::Error::new(UnderWay {
                    slot: site.slot.clone(),
                }))),
                Settled::Unknown => Err(TargetError::OutcomeUnknown {
                    what: format!(
                        "{}: {why}; the network did not say whether it was done",
                        site.slot
                    ),
                }),
            }
        }
        Err(
            error
            @ (CallError::Unreachable(_) | CallError::Untrusted(_) | CallError::Unreadable(_)),
        ) => Err(refusal::failed(site, doing, error)),
    }
}

/// A refusal changed nothing: looks once whether that is so.
async fn unchanged(site: &Site<'_>, reject: Reject, step: Step) -> Result<Installed, TargetError> {
    let Ok(Some(now)) = certified::read(site.network, site.id).await else {
        return Ok(Installed::Rejected(reject));
    };
    if now.module_hash == step.before {
        Ok(Installed::Rejected(reject))
    } else if now.module_hash == Some(step.after) {
        Ok(Installed::Done)
    } else {
        Err(refusal::conflict(site, now.module_hash, step.before))
    }
}

async fn send(site: &Site<'_>, parcel: &Parcel, pre_upgrade: PreUpgrade) -> Result<(), CallError> {
    let (management, argument) = (site.management(), parcel.argument.clone());
    let mode = mode(parcel.mode, pre_upgrade);
    match &parcel.load {
        Load::Whole => {
            management
                .install(mode, parcel.module.clone(), argument)
                .await
        }
        Load::Chunked(chunks) => {
            let hash = Sha256::digest(&parcel.module).to_vec();
            management
                .install_chunked(mode, chunks.hashes.clone(), hash, argument)
                .await
        }
    }
}

const fn mode(mode: Mode, pre_upgrade: PreUpgrade) -> CanisterInstallMode {
    let memory = match mode {
        Mode::Install => return CanisterInstallMode::Install,
        Mode::Reinstall => return CanisterInstallMode::Reinstall,
        Mode::Upgrade { memory } => memory,
    };
    let persistence = match memory {
        Memory::Default => None,
        Memory::Keep => Some(WasmMemoryPersistence::Keep),
        Memory::Replace => Some(WasmMemoryPersistence::Replace),
    };
    let skip = match pre_upgrade {
        PreUpgrade::Run => None,
        PreUpgrade::Skip => Some(true),
    };
    if persistence.is_none() && skip.is_none() {
        return CanisterInstallMode::Upgrade(None);
    }
    CanisterInstallMode::Upgrade(Some(UpgradeFlags {
        skip_pre_upgrade: skip,
        wasm_memory_persistence: persistence,
    }))
}

const fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Install => "install",
        Mode::Upgrade { memory: _ } => "upgrade",
        Mode::Reinstall => "reinstall",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: Mode, pre_upgrade: PreUpgrade, expected: &str) {
        let text = format!("{:?}", mode(found, pre_upgrade));
        assert_eq!(text, expected);
    }

    #[test]
    fn flags_are_sent_only_when_they_say_something() {
        use PreUpgrade::{Run, Skip};
        let upgrade = |memory| Mode::Upgrade { memory };
        check(Mode::Install, Run, "Install");
        check(Mode::Reinstall, Run, "Reinstall");
        check(upgrade(Memory::Default), Run, "Upgrade(None)");
        check(
            upgrade(Memory::Keep),
            Run,
            "Upgrade(Some(UpgradeFlags { skip_pre_upgrade: None, wasm_memory_persistence: Some(Keep) }))",
        );
        check(
            upgrade(Memory::Replace),
            Skip,
            "Upgrade(Some(UpgradeFlags { skip_pre_upgrade: Some(true), wasm_memory_persistence: Some(Replace) }))",
        );
        check(
            upgrade(Memory::Default),
            Skip,
            "Upgrade(Some(UpgradeFlags { skip_pre_upgrade: Some(true), wasm_memory_persistence: None }))",
        );
    }
}
