//! A rollback that is ended from outside between every two steps: it is finished by running the same command again, and
//! nothing is done twice that must not be.

use super::shop::{COUNT, NEW, Shop};
use crate::replica::{Fault, modules};
use std::time::Duration;

/// The changing calls of a rollback.
const STEPS: [&str; 4] = [
    "stop_canister",
    "take_canister_snapshot",
    "install_code",
    "start_canister",
];
/// A call that is answered after the test is over.
const NEVER: Fault = Fault::DelayAnswer(Duration::from_mins(10));

#[tokio::test]
async fn killed_before_each_step_has_its_effect() {
    let each = STEPS.map(|step| killed(step, Fault::Hang));
    futures_util::future::join_all(each).await;
}

#[tokio::test]
async fn killed_after_each_step_has_its_effect() {
    let each = STEPS.map(|step| killed(step, NEVER));
    futures_util::future::join_all(each).await;
}

#[tokio::test]
async fn killed_while_it_looks() {
    let each = ["canister_status", "read_state", "list_canister_snapshots"];
    futures_util::future::join_all(each.map(|step| killed(step, Fault::Hang))).await;
}

async fn killed(step: &'static str, fault: Fault) {
    let shop = Shop::open().await;
    shop.replica.install(shop.id, &modules::bad_query());
    shop.replica
        .faults(|faults| faults.always(step, fault.clone()));
    let running = shop.call(&["rollback"]).start();
    wait_for(&shop, step).await;
    running.kill().await;
    shop.replica.faults(|faults| faults.clear(step));
    shop.nothing_forbidden();
    let out = shop.run(&["rollback"]).await;
    assert_eq!(out.code, Some(0), "{step} {fault:?}: {out}");
    let outcome = out.json()["outcome"].clone();
    assert!(
        outcome == "restored" || outcome == "already-good",
        "{step}: {out}"
    );
    shop.holds(&modules::good_v1(), COUNT);
    assert!(
        shop.snapshots() <= 2,
        "{step}: {:?}",
        shop.replica.seen(shop.id)
    );
    let installs = |method: &String| method == "install_code";
    let installs = shop.changes().into_iter().filter(installs).count();
    assert!(installs <= 2, "{step}: {:?}", shop.changes());
}

/// The runner that was killed is gone, and with it what it had noted: the canister is stopped, and nobody knows by whom.
#[tokio::test]
async fn killed_on_a_runner_that_is_gone() {
    for step in ["take_canister_snapshot", "install_code"] {
        let shop = Shop::open().await;
        shop.replica.install(shop.id, &modules::bad_query());
        shop.replica
            .faults(|faults| faults.always(step, Fault::Hang));
        let running = shop.call(&["rollback"]).start();
        wait_for(&shop, step).await;
        running.kill().await;
        shop.replica.faults(|faults| faults.clear(step));
        std::fs::remove_dir_all(shop.stage.path(".lastgood")).unwrap();
        let out = shop.run(&["rollback"]).await;
        out.ended(0, "restored");
        shop.holds(&modules::good_v1(), COUNT);
        println!("{}", out.report());
    }
}

/// The deploy is cut off, and its run is run again: the new release is in place once, and well.
#[tokio::test]
async fn a_deploy_that_was_killed_is_finished() {
    futures_util::future::join_all(STEPS.map(deploy_killed)).await;
}

async fn deploy_killed(step: &'static str) {
    let shop = Shop::open().await;
    shop.deploying(&modules::good_v2());
    shop.replica.faults(|faults| faults.always(step, NEVER));
    let running = shop.call(&["deploy"]).step(NEW).start();
    wait_for(&shop, step).await;
    running.kill().await;
    shop.replica.faults(|faults| faults.clear(step));
    let out = shop.deploy(&[]).await;
    out.ended(0, "healthy");
    shop.holds(&modules::good_v2(), COUNT);
    assert!(shop.snapshots() <= 2, "{step}");
}

#[tokio::test]
async fn interrupted_in_the_middle() {
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        for step in STEPS {
            let shop = Shop::open().await;
            shop.replica.install(shop.id, &modules::bad_query());
            shop.replica
                .faults(|faults| faults.always(step, Fault::Hang));
            let running = shop.call(&["rollback"]).start();
            wait_for(&shop, step).await;
            crate::rig::send(running.id(), signal);
            let out = running.end().await;
            println!("{out}");
            out.ended(17, "incomplete");
            shop.replica.faults(|faults| faults.clear(step));
            let again = shop.run(&["rollback"]).await;
            again.ended(0, "restored");
            shop.holds(&modules::good_v1(), COUNT);
        }
    }
}

async fn wait_for(shop: &Shop, step: &str) {
    let arrived = async {
        while !shop
            .replica
            .calls()
            .iter()
            .any(|called| called.method == step)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let arrived = tokio::time::timeout(Duration::from_mins(1), arrived).await;
    assert!(
        arrived.is_ok(),
        "{step} did not come: {:?}",
        shop.replica.methods()
    );
}
