//! `record`, and `rollback` from a release that is bad to the one that was recorded.

use super::shop::{COUNT, NAME, Shop};
use crate::replica::{Kind, modules};

#[tokio::test]
async fn recording_contacts_no_network() {
    let shop = Shop::empty().await;
    shop.configure("root-key: mainnet");
    let v1 = modules::good_v1();
    shop.configure("");
    let manifest = shop.record(11, &[("user_service.wasm", v1.clone())]).await;
    assert_eq!(
        manifest["slots"][NAME]["revision"],
        modules::hash(&v1),
        "{manifest:#}"
    );
    assert_eq!(shop.replica.calls().len(), 0);
}

#[tokio::test]
async fn a_release_that_traps_in_queries_is_put_back_with_its_state() {
    let shop = Shop::open().await;
    shop.replica.install(shop.id, &modules::bad_query());
    let dry = shop.run(&["rollback", "--dry-run"]).await;
    dry.ended(0, "planned")
        .says("1 change would be made")
        .says("it is stopped while this lasts")
        .says("the state does not");
    assert_eq!(shop.changes(), [""; 0]);
    shop.certifies(&modules::bad_query());

    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    shop.holds(&modules::good_v1(), COUNT);
    assert_eq!(
        shop.changes(),
        [
            "stop_canister",
            "take_canister_snapshot",
            "install_code",
            "start_canister"
        ]
    );
    let kept = shop.replica.seen(shop.id).snapshots;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].module_hash, modules::hash(&modules::bad_query()));

    shop.replica.forget_calls();
    let again = shop.run(&["rollback"]).await;
    again.ended(0, "already-good");
    assert_eq!(shop.changes(), [""; 0]);
    shop.holds(&modules::good_v1(), COUNT);
}

#[tokio::test]
async fn what_cannot_be_told_from_the_release_before_is_not_changed() {
    let shop = Shop::open().await;
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "already-good");
    let calls = shop.replica.calls();
    assert!(
        calls
            .iter()
            .all(|called| called.kind != Kind::Call || called.method == "canister_status")
    );
}
