//! Snapshots: what they hold, whose they are, how many there may be.

use super::{Bench, certified, code, reject};
use crate::replica::{hex, modules};
use ic_agent::AgentError;
use ic_management_canister_types as types;

impl Bench {
    async fn take(&self, replace: Option<&[u8]>) -> Result<types::Snapshot, AgentError> {
        let arg = types::TakeCanisterSnapshotArgs {
            canister_id: self.id,
            replace_snapshot: replace.map(<[u8]>::to_vec),
            uninstall_code: None,
            sender_canister_version: None,
        };
        let reply = self.manage("take_canister_snapshot", &arg).await?;
        Ok(candid::decode_one(&reply).unwrap())
    }

    async fn load(&self, snapshot_id: Vec<u8>) -> Result<(), AgentError> {
        let canister_id = self.id;
        let arg = types::LoadCanisterSnapshotArgs {
            canister_id,
            snapshot_id,
            sender_canister_version: None,
        };
        self.manage("load_canister_snapshot", &arg)
            .await
            .map(|_| ())
    }
}

#[tokio::test]
async fn a_snapshot_brings_back_code_and_state() {
    let bench = Bench::good().await;
    bench.bump().await.unwrap();
    let snapshot = bench.take(None).await.unwrap();
    bench.bump().await.unwrap();
    bench.upgrade(&modules::new_layout()).await.unwrap();
    bench.load(snapshot.id.clone()).await.unwrap();
    assert_eq!(
        bench.certified_hash().await,
        modules::hash(&modules::good_v1())
    );
    assert_eq!(bench.replica.count(bench.id), 1);
    let all: Vec<types::Snapshot> = bench.about("list_canister_snapshots").await.unwrap();
    assert_eq!(all, std::slice::from_ref(&snapshot));

    let canister_id = bench.id;
    let delete = types::DeleteCanisterSnapshotArgs {
        canister_id,
        snapshot_id: snapshot.id.clone(),
    };
    bench
        .manage("delete_canister_snapshot", &delete)
        .await
        .unwrap();
    assert_eq!(code(bench.load(snapshot.id).await), certified("IC0305"));
}

#[tokio::test]
async fn the_module_of_a_snapshot_can_be_read_and_hashed() {
    let bench = Bench::empty().await;
    let module = modules::padded(&modules::good_v1());
    bench.replica.install(bench.id, &module);
    let snapshot_id = bench.replica.take_snapshot(bench.id);
    let canister_id = bench.id;
    let arg = types::ReadCanisterSnapshotMetadataArgs {
        canister_id,
        snapshot_id: snapshot_id.clone(),
    };
    let reply = bench
        .manage("read_canister_snapshot_metadata", &arg)
        .await
        .unwrap();
    let metadata: types::ReadCanisterSnapshotMetadataResult = candid::decode_one(&reply).unwrap();
    let mut read = Vec::new();
    while (read.len() as u64) < metadata.wasm_module_size {
        let offset = read.len() as u64;
        let size = (metadata.wasm_module_size - offset).min(2_000_000);
        let kind = types::SnapshotDataKind::WasmModule { offset, size };
        let arg = types::ReadCanisterSnapshotDataArgs {
            canister_id,
            snapshot_id: snapshot_id.clone(),
            kind,
        };
        let reply = bench
            .manage("read_canister_snapshot_data", &arg)
            .await
            .unwrap();
        read.extend(
            candid::decode_one::<types::ReadCanisterSnapshotDataResult>(&reply)
                .unwrap()
                .chunk,
        );
    }
    assert_eq!(modules::hash(&read), modules::hash(&module));
    let kind = types::SnapshotDataKind::WasmModule {
        offset: 0,
        size: 2_000_001,
    };
    let arg = types::ReadCanisterSnapshotDataArgs {
        canister_id,
        snapshot_id,
        kind,
    };
    assert_eq!(
        code(bench.manage("read_canister_snapshot_data", &arg).await),
        certified("IC0408")
    );
}

#[tokio::test]
async fn there_are_ten_at_most_and_one_may_take_the_place_of_another() {
    let bench = Bench::empty().await;
    assert_eq!(code(bench.take(None).await), certified("IC0406"));
    bench.replica.install(bench.id, &modules::good_v1());
    for _ in 0..10 {
        bench.replica.take_snapshot(bench.id);
    }
    let (full, _) = reject(bench.take(None).await);
    assert_eq!(full.error_code.as_deref(), Some("IC0406"));
    assert!(
        full.reject_message
            .contains("has reached the maximum number of snapshots allowed: 10"),
        "{full:?}"
    );
    let first = bench
        .replica
        .change(bench.id, |canister| canister.snapshots[0].id.clone());
    bench.take(Some(&first)).await.unwrap();
    let seen = bench.replica.seen(bench.id);
    assert_eq!(seen.snapshots.len(), 10);
    assert!(
        seen.snapshots
            .iter()
            .all(|snapshot| snapshot.id != hex(&first))
    );

    let other = bench.replica.create(&[], super::CYCLES);
    bench.replica.install(other, &modules::good_v2());
    let (foreign, _) = reject(bench.load(bench.replica.take_snapshot(other)).await);
    assert!(
        foreign
            .reject_message
            .contains("does not belong to canister"),
        "{foreign:?}"
    );
    assert_eq!(
        code(bench.take(Some(&[1, 2, 3])).await),
        certified("IC0305")
    );
}
