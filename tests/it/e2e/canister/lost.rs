//! Answers that get lost after the message was sent: what became of it is found out, and it is never sent again.

use super::shop::{COUNT, Shop};
use crate::replica::{Fault, modules};
use std::time::Duration;

async fn bad() -> Shop {
    let shop = Shop::open().await;
    shop.replica.install(shop.id, &modules::bad_query());
    shop
}

fn installs(shop: &Shop) -> usize {
    let changes = shop.changes();
    changes
        .iter()
        .filter(|method| *method == "install_code")
        .count()
}

#[tokio::test]
async fn the_answer_of_an_install_that_was_done() {
    for fault in [
        Fault::DropAfter,
        Fault::Garbage,
        Fault::Answer202,
        Fault::WrongSignature,
    ] {
        let shop = bad().await;
        shop.replica
            .faults(|faults| faults.once("install_code", fault.clone()));
        let out = shop.run(&["rollback"]).await;
        out.ended(0, "restored");
        shop.holds(&modules::good_v1(), COUNT);
        assert_eq!(installs(&shop), 1, "{fault:?}");
    }
}

/// It is rejected, and that answer is lost: the network still knows.
#[tokio::test]
async fn the_answer_of_an_install_that_was_rejected() {
    let shop = Shop::open().await;
    shop.deploying(&modules::bad_post_upgrade());
    shop.replica
        .faults(|faults| faults.once("install_code", Fault::DropAfter));
    let out = shop.deploy(&[]).await;
    out.ended(15, "refused")
        .says("told to trap")
        .says("it runs");
    shop.holds(&modules::good_v1(), COUNT);
    assert_eq!(installs(&shop), 1);
}

/// The message never arrived, and a third module is there: somebody else was faster.
#[tokio::test]
async fn meanwhile_somebody_else_deployed() {
    let shop = bad().await;
    shop.replica
        .faults(|faults| faults.once("install_code", Fault::DropBefore));
    left_to_the_faster(&shop, "install_code").await;
    assert_eq!(installs(&shop), 1);
}

#[tokio::test]
async fn somebody_else_deploys_between_the_plan_and_the_change() {
    let shop = bad().await;
    shop.replica.faults(|faults| {
        faults.once("stop_canister", Fault::Delay(Duration::from_secs(2)));
    });
    left_to_the_faster(&shop, "stop_canister").await;
    assert_eq!(installs(&shop), 0);
}

/// Somebody installs a third module while `step` is under way: the rollback leaves it alone, and says what it saw.
async fn left_to_the_faster(shop: &Shop, step: &str) {
    let running = shop.call(&["rollback"]).start();
    wait_for(shop, step).await;
    shop.replica.install(shop.id, &modules::good_v3());
    let out = running.end().await;
    println!("{out}");
    out.ended(15, "refused")
        .says("somebody else")
        .says(&format!(
            "plan saw {}",
            modules::hash(&modules::bad_query())
        ));
    shop.holds(&modules::good_v3(), COUNT);
}

async fn wait_for(shop: &Shop, method: &str) {
    let arrived = async {
        while !shop.replica.methods().iter().any(|seen| seen == method) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let arrived = tokio::time::timeout(Duration::from_mins(1), arrived).await;
    assert!(arrived.is_ok(), "{:?}", shop.replica.methods());
}
