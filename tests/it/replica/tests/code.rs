//! Installing, upgrading, and what becomes of the state.

use super::{Bench, certified, code, reject};
use crate::replica::modules;
use ic_management_canister_types as types;
use sha2::{Digest as _, Sha256};
use types::{CanisterInstallMode as Mode, UpgradeFlags, WasmMemoryPersistence};

#[tokio::test]
async fn install_fills_an_empty_canister_and_no_other() {
    let bench = Bench::empty().await;
    assert_eq!(
        code(bench.upgrade(&modules::good_v1()).await),
        certified("IC0537")
    );
    assert_eq!(code(bench.bump().await), certified("IC0537"));
    bench
        .install(Mode::Install, &modules::good_v1())
        .await
        .unwrap();
    assert_eq!(
        bench.certified_hash().await,
        modules::hash(&modules::good_v1())
    );

    let (reject, is_certified) = reject(bench.install(Mode::Install, &modules::good_v2()).await);
    assert!(is_certified && reject.error_code.as_deref() == Some("IC0514"));
    assert!(
        reject
            .reject_message
            .contains("Try installing with mode='reinstall' instead")
    );
    assert_eq!(bench.replica.version(bench.id), "v1");
}

#[tokio::test]
async fn an_upgrade_carries_the_state_and_a_reinstall_wipes_it() {
    let bench = Bench::good().await;
    bench.bump().await.unwrap();
    bench.bump().await.unwrap();
    bench.upgrade(&modules::good_v2()).await.unwrap();
    assert_eq!(bench.replica.version(bench.id), "v2");
    assert_eq!(
        bench.ask("count").await.unwrap(),
        b"DIDL\0\x01\x78\x02\0\0\0\0\0\0\0"
    );
    assert_eq!(
        bench.ask("stable_count").await.unwrap(),
        b"DIDL\0\x01\x78\x02\0\0\0\0\0\0\0"
    );

    bench.bump().await.unwrap();
    let skip = UpgradeFlags {
        skip_pre_upgrade: Some(true),
        wasm_memory_persistence: None,
    };
    bench
        .install(Mode::Upgrade(Some(skip)), &modules::good_v3())
        .await
        .unwrap();
    // The heap of the third bump was not saved; stable memory has it.
    assert_eq!(bench.replica.count(bench.id), 2);
    assert_eq!(bench.ask("stable_count").await.unwrap()[7], 3);

    bench
        .replica
        .change(bench.id, |canister| canister.log(1, b"old".to_vec()));
    bench
        .install(Mode::Reinstall, &modules::good_v1())
        .await
        .unwrap();
    assert_eq!(bench.replica.count(bench.id), 0);
    assert_eq!(bench.ask("stable_count").await.unwrap()[7], 0);
    assert!(bench.replica.seen(bench.id).logs.is_empty());
}

#[tokio::test]
async fn a_trap_in_an_upgrade_changes_nothing_but_the_logs() {
    let bench = Bench::good().await;
    bench.bump().await.unwrap();
    let before = bench.replica.seen(bench.id);
    let (reject, is_certified) = reject(bench.upgrade(&modules::bad_post_upgrade()).await);
    assert!(is_certified);
    assert_eq!(reject.error_code.as_deref(), Some("IC0503"));
    assert!(
        reject
            .reject_message
            .contains("Canister called `ic0.trap` with message: 'told to trap'"),
        "{reject:?}"
    );
    let after = bench.replica.seen(bench.id);
    assert_eq!(
        after.logs,
        ["[TRAP]: told to trap\nCanister Backtrace:\nshop::bump"]
    );
    assert_eq!(
        (after.module_hash, after.version),
        (before.module_hash, before.version)
    );
    assert_eq!(
        (
            bench.replica.version(bench.id).as_str(),
            bench.replica.count(bench.id)
        ),
        ("v1", 1)
    );
}

#[tokio::test]
async fn the_pre_upgrade_of_the_installed_module_runs() {
    let bench = Bench::good().await;
    bench.bump().await.unwrap();
    bench.upgrade(&modules::bad_pre_upgrade()).await.unwrap();
    assert_eq!(
        code(bench.upgrade(&modules::good_v1()).await),
        certified("IC0503")
    );
    assert_eq!(
        bench.certified_hash().await,
        modules::hash(&modules::bad_pre_upgrade())
    );
    let skip = UpgradeFlags {
        skip_pre_upgrade: Some(true),
        wasm_memory_persistence: None,
    };
    bench
        .install(Mode::Upgrade(Some(skip)), &modules::good_v1())
        .await
        .unwrap();
    assert_eq!(bench.replica.version(bench.id), "v1");
}

#[tokio::test]
async fn an_older_version_that_cannot_read_the_newer_state_traps() {
    let bench = Bench::good().await;
    bench.upgrade(&modules::new_layout()).await.unwrap();
    let (reject, _) = reject(bench.upgrade(&modules::good_v1()).await);
    assert!(
        reject.reject_message.contains("newer than this version"),
        "{reject:?}"
    );
    assert_eq!(bench.replica.version(bench.id), "new-layout");
}

#[tokio::test]
async fn what_is_no_module_is_refused() {
    let bench = Bench::good().await;
    let text = b"(module)".to_vec();
    let half = modules::gzip(&modules::good_v2());
    let half = half[..half.len() / 2].to_vec();
    for bad in [
        modules::invalid(),
        modules::unknown_import(),
        text,
        half,
        Vec::new(),
    ] {
        assert_eq!(code(bench.upgrade(&bad).await), certified("IC0505"));
    }
    assert_eq!(bench.replica.version(bench.id), "v1");
    bench.upgrade(&modules::empty()).await.unwrap();
    assert_eq!(code(bench.ask("version").await).0, "IC0536");
}

#[tokio::test]
async fn a_gzipped_module_has_the_hash_of_what_was_uploaded() {
    let bench = Bench::good().await;
    let zipped = modules::gzip(&modules::good_v2());
    bench.upgrade(&zipped).await.unwrap();
    assert_eq!(bench.certified_hash().await, modules::hash(&zipped));
    assert_eq!(bench.replica.version(bench.id), "v2");
}

#[tokio::test]
async fn orthogonal_persistence_wants_to_be_told() {
    let bench = Bench::empty().await;
    bench.replica.install(bench.id, &modules::keeps_heap("v1"));
    bench.bump().await.unwrap();
    let (missing, _) = reject(bench.upgrade(&modules::keeps_heap("v2")).await);
    assert_eq!(missing.error_code.as_deref(), Some("IC0504"));
    assert!(missing.reject_message.starts_with("Missing upgrade option"));
    let flags = |persistence| {
        Mode::Upgrade(Some(UpgradeFlags {
            skip_pre_upgrade: None,
            wasm_memory_persistence: Some(persistence),
        }))
    };
    let kept = flags(WasmMemoryPersistence::Keep);
    bench
        .install(kept, &modules::keeps_heap("v2"))
        .await
        .unwrap();
    assert_eq!(
        (
            bench.replica.version(bench.id).as_str(),
            bench.replica.count(bench.id)
        ),
        ("v1", 1),
        "the memory is kept, data segments and all"
    );
    let (invalid, _) = reject(bench.install(kept, &modules::good_v1()).await);
    assert!(invalid.reject_message.starts_with("Invalid upgrade option"));
    let replaced = flags(WasmMemoryPersistence::Replace);
    bench
        .install(replaced, &modules::keeps_heap("v3"))
        .await
        .unwrap();
    assert_eq!(
        (
            bench.replica.version(bench.id).as_str(),
            bench.replica.count(bench.id)
        ),
        ("v3", 0)
    );
}

#[tokio::test]
async fn a_large_module_comes_in_chunks() {
    let bench = Bench::good().await;
    let large = modules::padded(&modules::good_v3());
    let error = bench.upgrade(&large).await.unwrap_err();
    assert!(error.to_string().contains("413"), "{error}");

    let mut hashes = Vec::new();
    for chunk in large.chunks(1 << 20) {
        let arg = types::UploadChunkArgs {
            canister_id: bench.id,
            chunk: chunk.to_vec(),
        };
        let reply = bench.manage("upload_chunk", &arg).await.unwrap();
        hashes.push(candid::decode_one::<types::ChunkHash>(&reply).unwrap());
    }
    assert_eq!(
        bench
            .about::<Vec<types::ChunkHash>>("stored_chunks")
            .await
            .unwrap()
            .len(),
        3
    );
    let install =
        |hashes: &[types::ChunkHash], wasm_module_hash: Vec<u8>| types::InstallChunkedCodeArgs {
            mode: Mode::Upgrade(None),
            target_canister: bench.id,
            store_canister: None,
            chunk_hashes_list: hashes.to_vec(),
            wasm_module_hash,
            arg: Vec::new(),
            sender_canister_version: None,
        };
    let right = Sha256::digest(&large).to_vec();
    let wrong = install(&hashes, vec![0; 32]);
    assert_eq!(
        code(bench.manage("install_chunked_code", &wrong).await),
        certified("IC0504")
    );
    let unknown = install(&[types::ChunkHash { hash: vec![1; 32] }], right.clone());
    assert_eq!(
        code(bench.manage("install_chunked_code", &unknown).await),
        certified("IC0504")
    );
    bench
        .manage("install_chunked_code", &install(&hashes, right))
        .await
        .unwrap();
    assert_eq!(bench.certified_hash().await, modules::hash(&large));
    bench.tell("clear_chunk_store").await.unwrap();
    assert_eq!(bench.replica.seen(bench.id).chunks, 0);
    let big = types::UploadChunkArgs {
        canister_id: bench.id,
        chunk: vec![0; (1 << 20) + 1],
    };
    assert_eq!(
        code(bench.manage("upload_chunk", &big).await),
        certified("IC0504")
    );
}
