//! Networks that answer in other ways, all of them right: a rollback works on each.

use super::shop::{COUNT, Shop};
use crate::replica::{Fault, Options, Replica, StatusAnswer, modules};
use std::time::Duration;

async fn restored(shop: &Shop) {
    shop.fill(shop.id);
    shop.record(11, &[("user_service.wasm", modules::good_v1())])
        .await;
    shop.replica.install(shop.id, &modules::bad_query());
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    shop.holds(&modules::good_v1(), COUNT);
    assert_eq!(shop.snapshots(), 1);
}

#[tokio::test]
async fn a_subnet_signs_for_the_root() {
    let options = Options {
        delegated: true,
        ..Options::default()
    };
    restored(&Shop::on(Replica::start_with(options).await).await).await;
}

#[tokio::test]
async fn every_call_is_answered_later() {
    let shop = Shop::empty().await;
    shop.replica.faults(|faults| {
        for method in [
            "canister_status",
            "list_canister_snapshots",
            "stop_canister",
            "take_canister_snapshot",
            "install_code",
            "start_canister",
        ] {
            faults.always(method, Fault::Answer202);
        }
    });
    restored(&shop).await;
}

#[tokio::test]
async fn status_of_older_and_of_newer_replicas() {
    for answer in [StatusAnswer::Older, StatusAnswer::Future] {
        let shop = Shop::empty().await;
        shop.replica.faults(|faults| faults.status_answer(answer));
        restored(&shop).await;
    }
}

/// Each call meets one short outage; what is not a change may be asked again, and a change is looked for.
#[tokio::test]
async fn answers_that_get_lost_once() {
    for method in [
        "stop_canister",
        "take_canister_snapshot",
        "install_code",
        "start_canister",
    ] {
        let shop = Shop::empty().await;
        shop.replica
            .faults(|faults| faults.once(method, Fault::DropAfter));
        restored(&shop).await;
        let sent = |one: &str| {
            let changes = shop.changes();
            changes.iter().filter(|seen| *seen == one).count()
        };
        assert_eq!(sent("install_code"), 1, "{method}");
        assert_eq!(sent("take_canister_snapshot"), 1, "{method}");
    }
}

#[tokio::test]
async fn a_slow_network() {
    let shop = Shop::empty().await;
    shop.replica.faults(|faults| {
        for method in ["canister_status", "read_state", "install_code"] {
            faults.times(method, 3, Fault::Delay(Duration::from_millis(700)));
        }
    });
    restored(&shop).await;
}

/// It cannot be reached at all: nothing is changed, and it is said.
#[tokio::test]
async fn a_network_that_is_down() {
    let shop = Shop::open().await;
    shop.replica.install(shop.id, &modules::bad_query());
    let network = format!(
        "network: \"http://127.0.0.1:9\", root-key: {}",
        shop.replica.root_key_hex()
    );
    shop.configure_on(&network, &shop.member(), "", "");
    let out = shop.run(&["rollback"]).await;
    out.ended(18, "unreachable").says("127.0.0.1:9");
    shop.certifies(&modules::bad_query());
}
