//! `ready`: could we roll back now?

use super::keys::STRANGER;
use super::shop::Shop;
use crate::replica::modules;

#[tokio::test]
async fn everything_that_a_rollback_needs_is_there() {
    let shop = Shop::open().await;
    shop.replica.install(shop.id, &modules::bad_query());
    let out = shop.run(&["ready"]).await;
    out.ended(0, "ready");
    let checks = out.events("checked");
    assert!(checks.iter().all(|check| check["ok"] == true), "{out}");
    assert!(3 < checks.len(), "{out}");
    assert_eq!(shop.changes(), [""; 0]);
}

#[tokio::test]
async fn everything_that_is_missing_is_listed_at_once() {
    let shop = Shop::open().await;
    for _ in 0..10 {
        shop.replica.take_snapshot(shop.id);
    }
    shop.replica
        .change(shop.id, |canister| canister.cycles = 1_000_000_000);
    let out = shop.run(&["ready"]).await;
    out.ended(19, "not-ready").says("cycles");
    let call = shop.call(&["ready"]).env("DFX_IDENTITY_PEM", STRANGER);
    let out = shop.ended(call).await;
    out.ended(19, "not-ready").says("controller");
    let call = shop.call(&["ready"]).without("DFX_IDENTITY_PEM");
    let out = shop.ended(call).await;
    out.ended(19, "not-ready").says("identity");
    shop.replica
        .change(shop.id, |canister| canister.cycles = super::shop::CYCLES);
    let out = shop.run(&["ready"]).await;
    out.ended(19, "not-ready").says("snapshot");
    assert_eq!(shop.changes(), [""; 0]);
}

/// The module that is there may be the one that lost the method: the way back is not refused.
#[tokio::test]
async fn a_question_that_cannot_be_asked_is_told_before_anything_is_changed() {
    let shop = Shop::open().await;
    let probe = |slot: &str| {
        format!(
            "probes: [{{ name: version, query: {{ slot: {slot}, method: gone, arguments: \"()\" }} }}], rate: 20, warm-up: 2s, cap: 30s, baseline: 2s"
        )
    };
    shop.configure_with(&shop.member(), "", &probe(super::shop::NAME));
    shop.replica.install(shop.id, &modules::bad_query());
    for (args, outcome) in [
        (&["ready"][..], "ready"),
        (&["rollback", "--dry-run"], "planned"),
    ] {
        let out = shop.run(args).await;
        out.ended(0, outcome).says("probe version cannot be asked");
    }
    let out = shop.run(&["rollback"]).await;
    out.ended(16, "inconclusive");
    shop.certifies(&modules::good_v1());

    shop.configure_with(&shop.member(), "", &probe("another"));
    let out = shop.run(&["rollback", "--dry-run"]).await;
    out.ended(2, "usage").says("found the slot another");
}
