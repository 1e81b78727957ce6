//! The methods of the management canister that are used, one function each. The order they are called in is the callers'.

use super::call::{self, CallError, Method, READ_MAX};
use super::network::Network;
use super::wire::{About, SnapshotModule, Status};
use candid::Principal;
use ic_management_canister_types::{
    CanisterInstallMode, CanisterLogRecord, ChunkHash, DeleteCanisterSnapshotArgs,
    FetchCanisterLogsArgs, FetchCanisterLogsResult, InstallChunkedCodeArgs, InstallCodeArgs,
    LoadCanisterSnapshotArgs, ReadCanisterSnapshotDataArgs, ReadCanisterSnapshotDataResult,
    ReadCanisterSnapshotMetadataArgs, Snapshot, SnapshotDataKind, TakeCanisterSnapshotArgs,
    UploadChunkArgs,
};
use std::time::Duration;

/// Longest wait for a change of the module or the state: an install may take 300 billion instructions, in slices.
pub(super) const INSTALL_MAX: Duration = Duration::from_secs(330);

/// Longest wait for a small change: starting, deleting, uploading a chunk.
pub(super) const SMALL_MAX: Duration = Duration::from_mins(2);

/// One canister of a network, for its controller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Management<'a> {
    pub(super) network: &'a Network,
    pub(super) id: Principal,
}

impl Management<'_> {
    const fn method<'m>(&self, name: &'m str) -> Method<'m> {
        Method {
            name,
            about: self.id,
        }
    }

    const fn about(&self) -> About {
        About {
            canister_id: self.id,
        }
    }

    /// Status, cycles and memory, agreed on by the subnet. Controllers only.
    pub(super) async fn status(&self) -> Result<Status, CallError> {
        let method = self.method("canister_status");
        call::look(self.network, method, self.about(), READ_MAX).await
    }

    /// Asks it to stop, and waits until it has, at most `wait`: open calls must end first.
    pub(super) async fn stop(&self, wait: Duration) -> Result<(), CallError> {
        let method = self.method("stop_canister");
        call::command(self.network, method, self.about(), wait).await
    }

    /// Starts it; one that is stopping stops stopping.
    pub(super) async fn start(&self) -> Result<(), CallError> {
        let method = self.method("start_canister");
        call::command(self.network, method, self.about(), SMALL_MAX).await
    }

    pub(super) async fn snapshots(&self) -> Result<Vec<Snapshot>, CallError> {
        let method = self.method("list_canister_snapshots");
        call::look(self.network, method, self.about(), READ_MAX).await
    }

    /// Takes a snapshot of module and state; `replace`: in the place of this one.
    pub(super) async fn take_snapshot(
        &self,
        replace: Option<Vec<u8>>,
    ) -> Result<Snapshot, CallError> {
        let argument = TakeCanisterSnapshotArgs {
            canister_id: self.id,
            replace_snapshot: replace,
            uninstall_code: None,
            sender_canister_version: None,
        };
        let method = self.method("take_canister_snapshot");
        call::change(self.network, method, argument, INSTALL_MAX).await
    }

    /// Puts module and state back to what they were; everything written since is lost.
    pub(super) async fn load_snapshot(&self, snapshot: Vec<u8>) -> Result<(), CallError> {
        let argument = LoadCanisterSnapshotArgs {
            canister_id: self.id,
            snapshot_id: snapshot,
            sender_canister_version: None,
        };
        let method = self.method("load_canister_snapshot");
        call::command(self.network, method, argument, INSTALL_MAX).await
    }

    pub(super) async fn delete_snapshot(&self, snapshot: Vec<u8>) -> Result<(), CallError> {
        let argument = DeleteCanisterSnapshotArgs {
            canister_id: self.id,
            snapshot_id: snapshot,
        };
        let method = self.method("delete_canister_snapshot");
        call::command(self.network, method, argument, SMALL_MAX).await
    }

    /// How many bytes the module of a snapshot has.
    pub(super) async fn snapshot_module_bytes(&self, snapshot: Vec<u8>) -> Result<u64, CallError> {
        let argument = ReadCanisterSnapshotMetadataArgs {
            canister_id: self.id,
            snapshot_id: snapshot,
        };
        let method = self.method("read_canister_snapshot_metadata");
        let answer: SnapshotModule = call::look(self.network, method, argument, SMALL_MAX).await?;
        Ok(answer.wasm_module_size)
    }

    /// A part of the module that a snapshot holds.
    pub(super) async fn snapshot_module(
        &self,
        snapshot: Vec<u8>,
        offset: u64,
        size: u64,
    ) -> Result<Vec<u8>, CallError> {
        let argument = ReadCanisterSnapshotDataArgs {
            canister_id: self.id,
            snapshot_id: snapshot,
            kind: SnapshotDataKind::WasmModule { offset, size },
        };
        let method = self.method("read_canister_snapshot_data");
        let answer: ReadCanisterSnapshotDataResult =
            call::look(self.network, method, argument, SMALL_MAX).await?;
        Ok(answer.chunk)
    }

    /// Installs a module that fits into one message.
    pub(super) async fn install(
        &self,
        mode: CanisterInstallMode,
        module: Vec<u8>,
        argument: Vec<u8>,
    ) -> Result<(), CallError> {
        let argument = InstallCodeArgs {
            mode,
            canister_id: self.id,
            wasm_module: module,
            arg: argument,
            sender_canister_version: None,
        };
        let method = self.method("install_code");
        call::command(self.network, method, argument, INSTALL_MAX).await
    }

    /// Installs a module whose chunks are in this canister's own chunk store.
    pub(super) async fn install_chunked(
        &self,
        mode: CanisterInstallMode,
        chunks: Vec<ChunkHash>,
        module_hash: Vec<u8>,
        argument: Vec<u8>,
    ) -> Result<(), CallError> {
        let argument = InstallChunkedCodeArgs {
            mode,
            target_canister: self.id,
            store_canister: None,
            chunk_hashes_list: chunks,
            wasm_module_hash: module_hash,
            arg: argument,
            sender_canister_version: None,
        };
        let method = self.method("install_chunked_code");
        call::command(self.network, method, argument, INSTALL_MAX).await
    }

    /// Hashes of the chunks that lie in the chunk store.
    pub(super) async fn stored_chunks(&self) -> Result<Vec<ChunkHash>, CallError> {
        let method = self.method("stored_chunks");
        call::look(self.network, method, self.about(), SMALL_MAX).await
    }

    /// Stores a chunk of at most 1 MiB and answers its hash.
    pub(super) async fn upload_chunk(&self, chunk: Vec<u8>) -> Result<ChunkHash, CallError> {
        let argument = UploadChunkArgs {
            canister_id: self.id,
            chunk,
        };
        let method = self.method("upload_chunk");
        call::change(self.network, method, argument, SMALL_MAX).await
    }

    /// Empties the chunk store: also of what others have put there.
    pub(super) async fn clear_chunks(&self) -> Result<(), CallError> {
        let method = self.method("clear_chunk_store");
        call::command(self.network, method, self.about(), SMALL_MAX).await
    }

    /// The newest log lines, 4 KiB in all. A query: one node answers.
    pub(super) async fn logs(&self) -> Result<Vec<CanisterLogRecord>, CallError> {
        let argument = FetchCanisterLogsArgs {
            canister_id: self.id,
            filter: None,
        };
        let method = self.method("fetch_canister_logs");
        let answer: FetchCanisterLogsResult = call::ask(self.network, method, argument).await?;
        Ok(answer.canister_log_records)
    }
}
