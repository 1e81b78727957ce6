//! Canisters that do not run, and canisters that do not stop.

use super::shop::{COUNT, Shop};
use crate::replica::{Fault, Reject, SeenStatus, modules};

#[tokio::test]
async fn with_the_right_module_it_is_only_started() {
    let shop = Shop::open().await;
    shop.replica.stop(shop.id);
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    assert_eq!(shop.changes(), ["start_canister"]);
    shop.holds(&modules::good_v1(), COUNT);
}

#[tokio::test]
async fn stopped_by_somebody_with_the_bad_module() {
    let shop = Shop::open().await;
    shop.replica.install(shop.id, &modules::bad_query());
    shop.replica.stop(shop.id);
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    shop.holds(&modules::good_v1(), COUNT);
    assert!(!shop.changes().contains(&"stop_canister".to_owned()));
}

#[tokio::test]
async fn a_canister_that_is_to_stay_stopped_stays_so() {
    let shop = Shop::open().await;
    shop.configure("when-stopped: leave");
    shop.replica.install(shop.id, &modules::bad_query());
    shop.replica.stop(shop.id);
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored").says("left stopped");
    shop.certifies(&modules::good_v1());
    assert_eq!(shop.replica.seen(shop.id).status, SeenStatus::Stopped);
    assert!(!shop.changes().contains(&"start_canister".to_owned()));
    shop.replica.start_canister(shop.id);
    shop.holds(&modules::good_v1(), COUNT);
}

#[tokio::test]
async fn one_that_is_stopping_for_ever_is_started_again() {
    let shop = Shop::open().await;
    shop.replica.install(shop.id, &modules::bad_query());
    shop.replica.hold_stopping(shop.id);
    let out = shop.run(&["rollback"]).await;
    out.ended(15, "refused")
        .says("calls that it made are still open")
        .says("stop-deadline")
        .says("it runs");
    shop.certifies(&modules::bad_query());
    assert_eq!(shop.replica.seen(shop.id).status, SeenStatus::Running);
    assert_eq!(shop.snapshots(), 0);
    assert!(!shop.changes().contains(&"install_code".to_owned()));

    shop.replica.release(shop.id);
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    shop.holds(&modules::good_v1(), COUNT);
}

#[tokio::test]
async fn nodes_that_lag_behind_the_start_are_waited_for() {
    let shop = Shop::open().await;
    shop.replica.install(shop.id, &modules::bad_query());
    shop.replica
        .faults(|faults| faults.lag_queries(std::time::Duration::from_secs(3)));
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored").says("serves queries");
    shop.holds(&modules::good_v1(), COUNT);
}

/// The run was ended after our own stop: that is no canister which somebody wants to be stopped.
#[tokio::test]
async fn what_we_stopped_does_not_stay_stopped() {
    let shop = Shop::open().await;
    shop.configure("when-stopped: leave");
    shop.replica.install(shop.id, &modules::bad_query());
    shop.replica.faults(|faults| faults.hang("start_canister"));
    let running = shop.call(&["rollback"]).start();
    let arrived = async {
        while !shop.changes().contains(&"start_canister".to_owned()) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), arrived)
        .await
        .unwrap();
    running.kill().await;
    shop.replica.faults(|faults| faults.clear("start_canister"));
    assert_eq!(shop.replica.seen(shop.id).status, SeenStatus::Stopped);
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    shop.holds(&modules::good_v1(), COUNT);
}

/// The upgrade changed nothing, and yet it is not as it was: it is down.
#[tokio::test]
async fn one_that_cannot_be_started_again_is_not_called_unchanged() {
    let shop = Shop::open().await;
    shop.replica.install(shop.id, &modules::bad_pre_upgrade());
    let frozen = Reject::new(207, "Canister out of cycles");
    shop.replica.faults(|faults| {
        faults.always("start_canister", Fault::Reject(frozen));
    });
    let out = shop.run(&["rollback"]).await;
    out.ended(17, "incomplete")
        .says("could not be started again");
    assert_eq!(shop.replica.seen(shop.id).status, SeenStatus::Stopped);
    shop.replica.faults(|faults| faults.clear("start_canister"));
    let out = shop.run(&["rollback"]).await;
    // Nobody took a snapshot of v1: nothing is offered that cannot be done.
    out.ended(15, "refused")
        .says("it runs")
        .says("--on-state-conflict skip-pre-upgrade")
        .says_not("--on-state-conflict snapshot");
    shop.holds(&modules::bad_pre_upgrade(), COUNT);
}
