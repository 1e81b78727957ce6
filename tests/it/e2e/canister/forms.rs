//! Modules of every form, and releases that come from elsewhere than a run.

use super::shop::{COUNT, NAME, Shop};
use crate::replica::modules;

#[tokio::test]
async fn a_module_that_does_not_fit_into_one_message() {
    let shop = Shop::empty().await;
    let big = modules::padded(&modules::good_v1());
    shop.replica.install(shop.id, &big);
    shop.replica.update(shop.id, "bump").unwrap();
    shop.record(11, &[("user_service.wasm", big.clone())]).await;
    shop.replica.install(shop.id, &modules::bad_query());
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored").says("2.6 MB in 3 chunks");
    shop.holds(&big, 1);
    assert_eq!(shop.replica.seen(shop.id).chunks, 0);
}

#[tokio::test]
async fn chunks_of_others_are_left_alone() {
    let shop = Shop::empty().await;
    let big = modules::padded(&modules::good_v1());
    shop.replica.install(shop.id, &big);
    shop.record(11, &[("user_service.wasm", big.clone())]).await;
    shop.replica.install(shop.id, &modules::bad_query());
    shop.replica.change(shop.id, |canister| {
        canister.chunks.insert([7; 32], vec![1; 100]);
    });
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    shop.holds(&big, 0);
    let kept = shop
        .replica
        .change(shop.id, |canister| canister.chunks.contains_key(&[7; 32]));
    assert!(kept);
}

#[tokio::test]
async fn a_module_that_is_packed() {
    let shop = Shop::empty().await;
    let packed = modules::gzip(&modules::good_v1());
    shop.replica.install(shop.id, &packed);
    let manifest = shop
        .record(11, &[("user_service.wasm.gz", packed.clone())])
        .await;
    assert_eq!(manifest["slots"][NAME]["revision"], modules::hash(&packed));
    shop.replica.install(shop.id, &modules::bad_query());
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    shop.holds(&packed, 0);
}

#[tokio::test]
async fn a_first_install_into_an_empty_canister() {
    let shop = Shop::empty().await;
    shop.deploying(&modules::good_v1());
    let out = shop.deploy(&[]).await;
    out.ended(0, "healthy");
    shop.holds(&modules::good_v1(), 0);
    assert_eq!(shop.changes(), ["install_code", "start_canister"]);
}

#[tokio::test]
async fn no_config_and_no_github() {
    let shop = Shop::open().await;
    shop.replica.install(shop.id, &modules::bad_query());
    std::fs::remove_file(shop.stage.path(".github/lastgood.yml")).unwrap();
    std::fs::write(
        shop.stage.path("backup-of-tuesday.wasm"),
        modules::good_v1(),
    )
    .unwrap();
    let target = format!("canister:{}@{}", shop.replica.url(), shop.id);
    let before = shop.stage.world.requests().len();
    let args = [
        "rollback",
        "--target",
        &target,
        "--artifact",
        "backup-of-tuesday.wasm",
    ];
    let dry = shop.run(&[&args[..], &["--dry-run"]].concat()).await;
    dry.ended(0, "planned");
    assert_eq!(shop.changes(), [""; 0]);
    let out = shop.run(&args).await;
    out.ended(0, "restored");
    shop.holds(&modules::good_v1(), COUNT);
    assert_eq!(
        shop.stage.world.requests().len(),
        before,
        "GitHub was asked"
    );
}

#[tokio::test]
async fn a_release_of_a_run_that_is_named() {
    let shop = Shop::open().await;
    shop.record(12, &[("user_service.wasm", modules::good_v2())])
        .await;
    shop.replica.install(shop.id, &modules::bad_query());
    let out = shop
        .run(&["rollback", "--run-id", "11", "--slot", NAME])
        .await;
    out.ended(0, "restored");
    shop.holds(&modules::good_v1(), COUNT);
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    shop.holds(&modules::good_v2(), COUNT);
}
