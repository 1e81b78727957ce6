//! What the management canister is told and tells, as far as it is needed here. The types of the published crates demand every
//! field of the release they were made for, and stop decoding when a network is newer (dfinity/icp-cli#745); a record of our own
//! with few fields keeps working, because Candid ignores fields that nobody asks for. Nothing is called here.

use candid::{CandidType, Nat, Principal};
use ic_agent::export::serde_bytes::ByteBuf;
use serde::Deserialize;

/// Answer of `canister_status`.
#[derive(Debug, Clone, PartialEq, Eq, CandidType, Deserialize)]
pub(super) struct Status {
    /// `None`: a state that is not known here.
    #[serde(rename = "status")]
    pub(super) activity: Option<Activity>,
    pub(super) module_hash: Option<ByteBuf>,
    /// Bytes of everything that is paid for.
    pub(super) memory_size: Nat,
    /// What of it is what. `None`: a network that does not say so.
    pub(super) memory_metrics: Option<MemoryMetrics>,
    pub(super) cycles: Nat,
    pub(super) reserved_cycles: Option<Nat>,
    pub(super) idle_cycles_burned_per_day: Nat,
    pub(super) settings: Settings,
    pub(super) query_stats: Option<QueryStats>,
}

/// Parts of the memory, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, CandidType, Deserialize)]
pub(super) struct MemoryMetrics {
    pub(super) wasm_memory_size: Nat,
    pub(super) snapshots_size: Nat,
}

/// Settings in that answer.
#[derive(Debug, Clone, PartialEq, Eq, CandidType, Deserialize)]
pub(super) struct Settings {
    pub(super) controllers: Vec<Principal>,
    /// Seconds.
    pub(super) freezing_threshold: Nat,
    /// Bytes; 0: best effort.
    pub(super) memory_allocation: Option<Nat>,
    /// Bytes; 0: none.
    pub(super) wasm_memory_limit: Option<Nat>,
}

/// Totals since the canister was made: only differences say anything.
#[derive(Debug, Clone, PartialEq, Eq, CandidType, Deserialize)]
pub(super) struct QueryStats {
    pub(super) num_calls_total: Nat,
    pub(super) num_instructions_total: Nat,
}

/// Whether a canister takes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, CandidType, Deserialize)]
pub(super) enum Activity {
    #[serde(rename = "running")]
    Running,
    /// Waits for open calls to end.
    #[serde(rename = "stopping")]
    Stopping,
    #[serde(rename = "stopped")]
    Stopped,
}

/// Argument of everything that is about one canister.
#[derive(Debug, Clone, CandidType)]
pub(super) struct About {
    pub(super) canister_id: Principal,
}

/// Answer of `read_canister_snapshot_metadata`.
#[derive(Debug, Clone, PartialEq, Eq, CandidType, Deserialize)]
pub(super) struct SnapshotModule {
    /// Bytes.
    pub(super) wasm_module_size: u64,
}

/// A Candid `nat` has no limit; what does not fit is as good as without end.
pub(super) fn number(nat: &Nat) -> u128 {
    u128::try_from(&nat.0).unwrap_or(u128::MAX)
}
