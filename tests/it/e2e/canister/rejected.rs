//! Upgrades that the network rejects: on the way forward nothing was changed, and on the way back the operator decides.

use super::shop::{COUNT, Shop};
use crate::e2e::output::Output;
use crate::replica::modules;

#[tokio::test]
async fn a_module_whose_post_upgrade_traps_changes_nothing() {
    let shop = Shop::open().await;
    shop.judged("");
    shop.deploying(&modules::bad_post_upgrade());
    let out = shop.deploy(&[]).await;
    out.ended(15, "refused")
        .says("told to trap")
        .says("it holds what it held before")
        .says("it runs")
        .says_not("rolling back")
        .says_not("reinstall");
    shop.holds(&modules::good_v1(), COUNT);
    assert!(shop.replica.seen(shop.id).chunks == 0);
}

#[tokio::test]
async fn another_policy_for_pre_upgrade_that_traps() {
    tokio::join!(stop_asks(), snapshot_loads(), skipping_loses_the_heap());
}

/// A deploy by lastgood left a snapshot of v1; then the canister counted on, with a module that cannot be left.
async fn stuck(module: Vec<u8>) -> Shop {
    let shop = Shop::open().await;
    shop.deploying(&module);
    let out = shop.deploy(&[]).await;
    out.ended(0, "healthy");
    shop.holds(&module, COUNT);
    assert_eq!(shop.snapshots(), 1);
    shop.replica.update(shop.id, "bump").unwrap();
    // The user saw it: this run is not good.
    shop.replica.forget_calls();
    shop
}

async fn stop_asks() {
    let shop = stuck(modules::bad_pre_upgrade()).await;
    let out = shop.run(&["rollback"]).await;
    out.ended(15, "refused")
        .says("told to trap")
        .says("writes of the last")
        .says("--on-state-conflict snapshot")
        .says("it runs");
    shop.holds(&modules::bad_pre_upgrade(), COUNT + 1);
    assert!(
        !shop
            .changes()
            .contains(&"load_canister_snapshot".to_owned())
    );
}

async fn snapshot_loads() {
    let shop = stuck(modules::bad_pre_upgrade()).await;
    let policy = ["--on-state-conflict", "snapshot"];
    let dry = shop
        .run(&[&["rollback", "--dry-run"], &policy[..]].concat())
        .await;
    dry.ended(0, "planned").says("writes of the last");
    assert_eq!(shop.changes(), [""; 0]);
    let out = shop.run(&[&["rollback"], &policy[..]].concat()).await;
    out.ended(0, "restored");
    lost_is_told_first(&out);
    shop.holds(&modules::good_v1(), COUNT);
    // One of the bad state was taken before it was thrown away.
    let kept = shop.replica.seen(shop.id).snapshots;
    let bad = modules::hash(&modules::bad_pre_upgrade());
    assert!(kept.iter().any(|one| one.module_hash == bad), "{kept:?}");
}

async fn skipping_loses_the_heap() {
    let shop = stuck(modules::bad_pre_upgrade()).await;
    let policy = ["--on-state-conflict", "skip-pre-upgrade"];
    let dry = shop
        .run(&[&["rollback", "--dry-run"], &policy[..]].concat())
        .await;
    dry.ended(0, "planned").says("would be lost");
    let out = shop.run(&[&["rollback"], &policy[..]].concat()).await;
    out.ended(0, "restored").says("without pre_upgrade");
    assert!(out.report().contains("which loses everything"), "{out}");
    // What stable memory had saved at the last upgrade.
    shop.holds(&modules::good_v1(), COUNT);
}

#[tokio::test]
async fn state_that_the_good_module_cannot_read() {
    let shop = stuck(modules::new_layout()).await;
    let out = shop.run(&["rollback"]).await;
    out.ended(15, "refused")
        .says("newer than this version")
        .says("it runs");
    let out = shop
        .run(&["rollback", "--on-state-conflict", "skip-pre-upgrade"])
        .await;
    out.ended(15, "refused")
        .says("refused without pre_upgrade as well");
    shop.holds(&modules::new_layout(), COUNT + 1);
    let out = shop
        .run(&["rollback", "--on-state-conflict", "snapshot"])
        .await;
    out.ended(0, "restored");
    lost_is_told_first(&out);
    shop.holds(&modules::good_v1(), COUNT);
}

/// A runner that starts empty has no notes: the module is read out of the snapshot and hashed.
#[tokio::test]
async fn without_notes_the_snapshot_is_proven() {
    let shop = stuck(modules::bad_pre_upgrade()).await;
    std::fs::remove_dir_all(shop.stage.path(".lastgood")).unwrap();
    let out = shop
        .run(&["rollback", "--on-state-conflict", "snapshot"])
        .await;
    out.ended(0, "restored").says("looking into snapshot");
    lost_is_told_first(&out);
    shop.holds(&modules::good_v1(), COUNT);
}

/// In the journal the loss stands before the change is done.
#[track_caller]
fn lost_is_told_first(out: &Output) {
    let text = std::fs::read_to_string(out.dir().join("journal.jsonl")).unwrap();
    let at = |wanted: &str| {
        let found = text.lines().position(|line| line.contains(wanted));
        found.unwrap_or_else(|| panic!("{wanted:?} is not in the journal of {out}"))
    };
    assert!(at("are lost") < at("\"applied\""), "{text}");
    out.says("writes of the last").says("are lost");
    // Whoever writes the post-mortem finds it.
    assert!(out.report().contains("are lost"), "{}", out.report());
    let warnings = out.json()["warnings"].to_string();
    assert!(warnings.contains("are lost"), "{warnings}");
}
