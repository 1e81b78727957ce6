//! `canister_status` as replicas of different ages answer it, and the logs.

use super::{Effect, Message, decode, reply};
use crate::replica::canister::{Canister, Snapshot, Status};
use crate::replica::faults::StatusAnswer;
use crate::replica::reject::Reject;
use crate::replica::state::World;
use candid::{CandidType, Nat, Principal};
use ic_management_canister_types as types;
use types::{CanisterStatusType, LogVisibility, MemoryMetrics, QueryStats, SnapshotVisibility};

/// Whether this reader gets an answer.
pub(super) fn may_read(
    answer: StatusAnswer,
    canister: &Canister,
    reader: Principal,
) -> Result<(), Reject> {
    let denied = || {
        let text = format!("Caller {reader} is not allowed to read the canister status");
        Err(Reject::new(542, text))
    };
    let is_controller = canister.controllers.contains(&reader);
    match answer {
        StatusAnswer::Today | StatusAnswer::Older | StatusAnswer::Future if is_controller => Ok(()),
        StatusAnswer::Older => Err(Reject::not_controller(canister.id, "canister_status")),
        StatusAnswer::Today | StatusAnswer::Future | StatusAnswer::Denied => denied(),
    }
}

/// The settings of a replica of mid 2026; `V` is the type of visibilities.
#[derive(CandidType)]
struct Settings<V: CandidType> {
    controllers: Vec<Principal>,
    compute_allocation: Nat,
    memory_allocation: Nat,
    freezing_threshold: Nat,
    reserved_cycles_limit: Nat,
    minimum_incoming_canister_call_cycles: Nat,
    log_visibility: V,
    log_memory_limit: Nat,
    snapshot_visibility: SnapshotVisibility,
    status_visibility: V,
    wasm_memory_limit: Nat,
    wasm_memory_threshold: Nat,
    environment_variables: Vec<types::EnvironmentVariable>,
}

#[derive(CandidType)]
struct Today {
    status: CanisterStatusType,
    ready_for_migration: bool,
    version: u64,
    settings: Settings<LogVisibility>,
    module_hash: Option<Vec<u8>>,
    memory_size: Nat,
    memory_metrics: MemoryMetrics,
    cycles: Nat,
    reserved_cycles: Nat,
    idle_cycles_burned_per_day: Nat,
    query_stats: QueryStats,
}

/// As of 2024.
#[derive(CandidType)]
struct OlderSettings {
    controllers: Vec<Principal>,
    compute_allocation: Nat,
    memory_allocation: Nat,
    freezing_threshold: Nat,
    reserved_cycles_limit: Nat,
    log_visibility: LogVisibility,
    wasm_memory_limit: Nat,
}

#[derive(CandidType)]
struct Older {
    status: CanisterStatusType,
    settings: OlderSettings,
    module_hash: Option<Vec<u8>>,
    memory_size: Nat,
    cycles: Nat,
    reserved_cycles: Nat,
    idle_cycles_burned_per_day: Nat,
    query_stats: QueryStats,
}

/// A case that nobody knows yet.
#[derive(CandidType)]
enum FutureVisibility {
    #[expect(non_camel_case_types, reason = "the names of Candid")]
    auditors(Vec<Principal>),
}

#[derive(CandidType)]
struct Future {
    status: CanisterStatusType,
    ready_for_migration: bool,
    version: u64,
    settings: Settings<FutureVisibility>,
    module_hash: Option<Vec<u8>>,
    memory_size: Nat,
    memory_metrics: MemoryMetrics,
    cycles: Nat,
    reserved_cycles: Nat,
    idle_cycles_burned_per_day: Nat,
    query_stats: QueryStats,
    weather: FutureVisibility,
    tides_per_day: Nat,
}

pub(super) fn status(world: &mut World, arg: &[u8]) -> Result<Effect, Reject> {
    let id = decode::<types::CanisterIdRecord>(arg)?.canister_id;
    let answer = world.faults.status;
    let canister = world.canister(id)?;
    match answer {
        StatusAnswer::Today | StatusAnswer::Denied => reply(&today(canister)),
        StatusAnswer::Older => reply(&older(today(canister))),
        StatusAnswer::Future => reply(&future(today(canister))),
    }
}

fn today(canister: &Canister) -> Today {
    let nat = |value: u64| Nat::from(value);
    Today {
        status: match canister.status {
            Status::Running => CanisterStatusType::Running,
            Status::Stopping(_) => CanisterStatusType::Stopping,
            Status::Stopped => CanisterStatusType::Stopped,
        },
        ready_for_migration: canister.status == Status::Stopped,
        version: canister.version,
        settings: Settings {
            controllers: canister.controllers.clone(),
            compute_allocation: nat(0),
            memory_allocation: nat(0),
            freezing_threshold: nat(canister.freezing_threshold),
            reserved_cycles_limit: nat(5_000_000_000_000),
            minimum_incoming_canister_call_cycles: nat(0),
            log_visibility: if canister.public_logs {
                LogVisibility::Public
            } else {
                LogVisibility::Controllers
            },
            log_memory_limit: nat(4096),
            snapshot_visibility: SnapshotVisibility::Controllers,
            status_visibility: LogVisibility::Controllers,
            wasm_memory_limit: nat(0),
            wasm_memory_threshold: nat(0),
            environment_variables: Vec::new(),
        },
        module_hash: canister
            .image
            .as_ref()
            .map(|image| image.module.hash.to_vec()),
        memory_size: nat(canister.memory_size()),
        memory_metrics: metrics(canister),
        cycles: Nat::from(canister.cycles),
        reserved_cycles: nat(0),
        idle_cycles_burned_per_day: Nat::from(canister.idle_per_day),
        query_stats: QueryStats {
            num_calls_total: nat(0),
            num_instructions_total: nat(0),
            request_payload_bytes_total: nat(0),
            response_payload_bytes_total: nat(0),
        },
    }
}

fn metrics(canister: &Canister) -> MemoryMetrics {
    let image = canister.image.as_ref();
    let of_image =
        |size: fn(&crate::replica::canister::Image) -> usize| Nat::from(image.map_or(0, size));
    let snapshots: u64 = canister.snapshots.iter().map(Snapshot::size).sum();
    MemoryMetrics {
        wasm_memory_size: of_image(|image| image.heap.memory.len()),
        stable_memory_size: of_image(|image| image.stable.len()),
        global_memory_size: of_image(|image| image.heap.globals.len() * 8),
        wasm_binary_size: of_image(|image| image.module.raw.len()),
        custom_sections_size: of_image(|image| {
            image
                .module
                .metadata
                .values()
                .map(|one| one.content.len())
                .sum()
        }),
        canister_history_size: Nat::from(0_u8),
        wasm_chunk_store_size: Nat::from((canister.chunks.len() as u64) << 20),
        snapshots_size: Nat::from(snapshots),
        log_memory_store_size: Nat::from(
            canister
                .logs
                .iter()
                .map(|record| record.content.len())
                .sum::<usize>(),
        ),
    }
}

fn older(today: Today) -> Older {
    Older {
        status: today.status,
        settings: OlderSettings {
            controllers: today.settings.controllers,
            compute_allocation: today.settings.compute_allocation,
            memory_allocation: today.settings.memory_allocation,
            freezing_threshold: today.settings.freezing_threshold,
            reserved_cycles_limit: today.settings.reserved_cycles_limit,
            log_visibility: today.settings.log_visibility,
            wasm_memory_limit: today.settings.wasm_memory_limit,
        },
        module_hash: today.module_hash,
        memory_size: today.memory_size,
        cycles: today.cycles,
        reserved_cycles: today.reserved_cycles,
        idle_cycles_burned_per_day: today.idle_cycles_burned_per_day,
        query_stats: today.query_stats,
    }
}

fn future(today: Today) -> Future {
    let auditors = || FutureVisibility::auditors(Vec::new());
    Future {
        status: today.status,
        ready_for_migration: today.ready_for_migration,
        version: today.version,
        settings: Settings {
            controllers: today.settings.controllers,
            compute_allocation: today.settings.compute_allocation,
            memory_allocation: today.settings.memory_allocation,
            freezing_threshold: today.settings.freezing_threshold,
            reserved_cycles_limit: today.settings.reserved_cycles_limit,
            minimum_incoming_canister_call_cycles: today
                .settings
                .minimum_incoming_canister_call_cycles,
            log_visibility: auditors(),
            log_memory_limit: today.settings.log_memory_limit,
            snapshot_visibility: today.settings.snapshot_visibility,
            status_visibility: auditors(),
            wasm_memory_limit: today.settings.wasm_memory_limit,
            wasm_memory_threshold: today.settings.wasm_memory_threshold,
            environment_variables: today.settings.environment_variables,
        },
        module_hash: today.module_hash,
        memory_size: today.memory_size,
        memory_metrics: today.memory_metrics,
        cycles: today.cycles,
        reserved_cycles: today.reserved_cycles,
        idle_cycles_burned_per_day: today.idle_cycles_burned_per_day,
        query_stats: today.query_stats,
        weather: auditors(),
        tides_per_day: Nat::from(2_u8),
    }
}

/// The logs: queries of controllers only, unless they are public.
pub(super) fn logs(world: &mut World, message: Message<'_>) -> Result<Effect, Reject> {
    let arg: types::FetchCanisterLogsArgs = decode(message.arg)?;
    let canister = world.canister(arg.canister_id)?;
    if !canister.public_logs && !canister.controllers.contains(&message.sender) {
        let text = format!(
            "Caller {} is not allowed to access canister logs",
            message.sender
        );
        return Err(Reject::new(406, text));
    }
    let wanted = |index: u64, time: u64| match arg.filter {
        None => true,
        Some(types::CanisterLogFilter::ByIdx { start, end }) => (start..end).contains(&index),
        Some(types::CanisterLogFilter::ByTimestampNanos { start, end }) => {
            (start..end).contains(&time)
        }
    };
    let records = canister
        .logs
        .iter()
        .filter(|record| wanted(record.index, record.time));
    let records = records.map(|record| types::CanisterLogRecord {
        idx: record.index,
        timestamp_nanos: record.time,
        content: record.content.clone(),
    });
    reply(&types::FetchCanisterLogsResult {
        canister_log_records: records.collect(),
    })
}
