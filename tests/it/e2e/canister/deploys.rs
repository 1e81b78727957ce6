//! `deploy`, and `watch` after a deploy step of the user's own.

use super::shop::{COUNT, Shop};
use crate::replica::modules;
use std::time::Duration;

#[tokio::test]
async fn a_bad_release_is_rolled_back_by_itself() {
    let shop = Shop::open().await;
    shop.judged("");
    shop.deploying(&modules::bad_query());
    let out = shop.deploy(&[]).await;
    out.ended(10, "rolled-back").says("told to trap");
    shop.holds(&modules::good_v1(), COUNT);
}

#[tokio::test]
async fn a_good_release_stays_and_old_snapshots_of_ours_go() {
    let shop = Shop::open().await;
    shop.judged("");
    shop.deploying(&modules::good_v2());
    shop.replica.take_snapshot(shop.id);
    let out = shop.deploy(&[]).await;
    out.ended(0, "healthy");
    shop.holds(&modules::good_v2(), COUNT);
    assert_eq!(shop.snapshots(), 2, "theirs and ours");
    let ours = shop.replica.seen(shop.id).snapshots[1].id.clone();

    // The next release: what was kept for this one is not needed any more, and theirs stays.
    shop.stage.repo().change(|repo| {
        repo.runs.retain(|run| run.id != super::shop::NEW);
        repo.artifacts.clear();
    });
    shop.deploying(&modules::good_v3());
    let out = shop.deploy(&[]).await;
    out.ended(0, "healthy").says(&ours);
    shop.holds(&modules::good_v3(), COUNT);
    let kept = shop.replica.seen(shop.id).snapshots;
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept.iter().all(|one| one.id != ours), "{kept:?}");
    assert!(
        shop.changes()
            .contains(&"delete_canister_snapshot".to_owned())
    );
}

#[tokio::test]
async fn after_a_deploy_of_their_own_probes_see_that_it_is_bad() {
    let shop = Shop::open().await;
    shop.judged("");
    shop.replica.install(shop.id, &modules::bad_query());
    let watch = |args: &'static [&'static str]| shop.ended(shop.call(args).step(12));
    let out = watch(&["watch", "--on-unhealthy", "fail"]).await;
    out.ended(11, "unhealthy");
    assert_eq!(shop.changes(), [""; 0]);
    let out = watch(&["watch"]).await;
    out.ended(10, "rolled-back");
    shop.holds(&modules::good_v1(), COUNT);
}

#[tokio::test]
async fn without_probes_a_canister_that_was_left_stopped_is_seen() {
    let shop = Shop::open().await;
    shop.replica.install(shop.id, &modules::good_v2());
    let out = shop.ended(shop.call(&["watch"]).step(12)).await;
    out.ended(0, "healthy");
    shop.replica.stop(shop.id);
    let out = shop.ended(shop.call(&["watch"]).step(12)).await;
    out.ended(10, "rolled-back").says("stopped");
    shop.holds(&modules::good_v1(), COUNT);
}

/// Nothing but its log says so: every update traps.
#[tokio::test]
async fn without_probes_traps_in_the_log_are_seen() {
    let shop = Shop::open().await;
    shop.configure("stable: 6s");
    shop.replica.install(shop.id, &modules::logs_traps());
    let running = shop.call(&["watch"]).step(12).start();
    let looked = async {
        while !shop
            .replica
            .methods()
            .contains(&"canister_status".to_owned())
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Users of it call, again and again.
        for _ in 0..100 {
            if shop.replica.update(shop.id, "bump").is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (out, ()) = tokio::join!(running.end(), looked);
    println!("{out}");
    out.ended(10, "rolled-back").says("trap");
    shop.certifies(&modules::good_v1());
}

/// The network gives no module back: without an artifact of it there is nothing to go back to, and nobody claims otherwise.
#[tokio::test]
async fn a_bad_release_with_no_good_one_before_it_stays_and_is_said_so() {
    let shop = Shop::open().await;
    shop.judged("");
    shop.stage.repo().change(|repo| {
        repo.runs.clear();
        repo.artifacts.clear();
    });
    shop.deploying(&modules::bad_query());
    let out = shop.deploy(&[]).await;
    out.ended(13, "no-known-good")
        .says("the new release stays in place, unhealthy");
    assert!(
        !out.to_string().contains("going back to what"),
        "what cannot be done is not announced: {out}"
    );
    shop.certifies(&modules::bad_query());
}

/// Users of a canister call it until it does not trap any more.
async fn used_until_it_is_well(shop: &Shop) {
    for _ in 0..2000 {
        if shop.replica.update(shop.id, "bump").is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Its traps go on until it is stopped; they are not those of what comes after it.
#[tokio::test]
async fn a_module_that_traps_while_it_is_replaced_does_not_condemn_the_next() {
    let shop = Shop::open().await;
    shop.configure("stable: 2s");
    shop.replica.install(shop.id, &modules::logs_traps());
    let running = shop.call(&["rollback"]).start();
    let (out, ()) = tokio::join!(running.end(), used_until_it_is_well(&shop));
    println!("{out}");
    out.ended(0, "restored");
    shop.certifies(&modules::good_v1());

    shop.replica.install(shop.id, &modules::logs_traps());
    shop.deploying(&modules::good_v2());
    let running = shop.call(&["deploy"]).step(super::shop::NEW).start();
    let (out, ()) = tokio::join!(running.end(), used_until_it_is_well(&shop));
    println!("{out}");
    out.ended(0, "healthy");
    shop.certifies(&modules::good_v2());
}

/// One caller with a message that it cannot read.
#[tokio::test]
async fn one_trap_after_a_deploy_rolls_nothing_back() {
    let shop = Shop::open().await;
    shop.configure("stable: 4s");
    shop.deploying(&modules::logs_traps());
    let running = shop.call(&["deploy"]).step(super::shop::NEW).start();
    let called = async {
        while shop.replica.seen(shop.id).module_hash != Some(modules::hash(&modules::logs_traps()))
            || shop
                .changes()
                .last()
                .is_none_or(|last| last != "start_canister")
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        shop.replica.update(shop.id, "bump").unwrap_err();
    };
    let (out, ()) = tokio::join!(running.end(), called);
    println!("{out}");
    out.ended(0, "healthy").says("1 trap");
}
