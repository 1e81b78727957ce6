//! A change of a canister that nothing is lost of: what is asked of the network in which order, and what it says when it fails.

use super::apply_world::{World, says};
use crate::replica::canister::Status;
use crate::replica::{Fault, Prices, Reject, SeenStatus, modules};
use lastgood::targets::{TargetError, Way};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn an_empty_canister_gets_its_first_module() {
    let world = World::empty().await;
    world.forward(&modules::good_v1()).await.unwrap();
    world.runs(&modules::good_v1());
    assert_eq!(world.changes(), "install start");
}

#[tokio::test]
async fn an_upgrade_keeps_the_state_and_ends_running() {
    let world = World::holding(&modules::good_v1()).await;
    world.replica.update(world.id, "bump").unwrap();
    world.forward(&modules::good_v2()).await.unwrap();
    world.runs(&modules::good_v2());
    assert_eq!(world.replica.count(world.id), 1);
    assert_eq!(world.changes(), "stop take install start");
    for text in [
        "stopping",
        "took snapshot 0000",
        "installing 1 kB (upgrade)",
        "started",
        "certified hash equals the payload",
        "serves queries",
    ] {
        world.tells(text);
    }
    // And back again.
    world.back(&modules::good_v1()).await.unwrap();
    world.runs(&modules::good_v1());
    assert_eq!(world.replica.count(world.id), 1);
    // Again is no harm.
    world.back(&modules::good_v1()).await.unwrap();
    assert_eq!(world.changes(), "");
}

#[tokio::test]
async fn a_trapping_upgrade_changes_nothing_and_the_old_one_runs_again() {
    let world = World::holding(&modules::good_v1()).await;
    let failed = world.forward(&modules::bad_post_upgrade()).await;
    says(failed, &["IC0503", "nothing was changed", "it runs"]);
    world.runs(&modules::good_v1());
    assert_eq!(world.changes(), "stop take install start");
}

#[tokio::test]
async fn a_canister_that_does_not_stop_is_started_again() {
    let mut world = World::holding(&modules::good_v1()).await;
    world.set("stop-deadline", json!("1s"));
    world.replica.hold_stopping(world.id);
    let failed = world.forward(&modules::good_v2()).await;
    says(
        failed,
        &["not stopped within 1 s", "stop-deadline", "it runs"],
    );
    world.runs(&modules::good_v1());
    assert_eq!(world.changes(), "stop start");
}

#[tokio::test]
async fn a_stopped_canister_is_started_or_left_as_the_settings_say() {
    let mut world = World::holding(&modules::good_v1()).await;
    world.replica.stop(world.id);
    world.forward(&modules::good_v2()).await.unwrap();
    world.runs(&modules::good_v2());
    assert_eq!(world.changes(), "take install start");

    // Also when it is rejected: who stopped it may have been a run whose notes are lost.
    world.replica.stop(world.id);
    let failed = world.forward(&modules::bad_post_upgrade()).await;
    says(failed, &["IC0503", "it runs"]);
    world.runs(&modules::good_v2());

    world.set("when-stopped", json!("leave"));
    world.replica.stop(world.id);
    world.forward(&modules::good_v3()).await.unwrap();
    assert_eq!(world.seen().status, SeenStatus::Stopped);
    assert_eq!(
        world.seen().module_hash,
        Some(modules::hash(&modules::good_v3()))
    );
    assert_eq!(world.changes(), "take install");

    let failed = world.forward(&modules::bad_post_upgrade()).await;
    says(failed, &["IC0503", "it is stopped, as it was found"]);
    assert_eq!(world.seen().status, SeenStatus::Stopped);
    assert_eq!(world.changes(), "take install");
}

#[tokio::test]
async fn what_ends_a_stop_is_told_as_it_is() {
    let mut world = World::holding(&modules::good_v1()).await;
    world.set("stop-deadline", json!("3s"));
    let fault = |code: u16| Fault::Reject(Reject::new(code, "no"));
    world
        .replica
        .faults(|faults| faults.once("stop_canister", fault(511)));
    let failed = world.forward(&modules::good_v2()).await;
    says(failed, &["somebody started the canister", "it runs"]);
    world.runs(&modules::good_v1());

    // The network waits no longer, and we do.
    world
        .replica
        .faults(|faults| faults.once("stop_canister", fault(206)));
    world.forward(&modules::good_v2()).await.unwrap();
    world.runs(&modules::good_v2());
    assert_eq!(world.changes(), "stop stop take install start");
}

/// Puts a module in place; somebody meddles while the snapshot is being taken.
async fn while_it_is_kept(
    world: &World,
    module: &[u8],
    meddle: impl FnOnce(),
) -> Result<(), TargetError> {
    let slow = Fault::DelayAnswer(Duration::from_secs(2));
    let method = "take_canister_snapshot";
    world.replica.faults(|faults| faults.once(method, slow));
    let meddled = async {
        world.called(method).await;
        meddle();
    };
    tokio::join!(world.forward(module), meddled).0
}

#[tokio::test]
async fn one_that_somebody_starts_meanwhile_is_stopped_again() {
    let world = World::holding(&modules::good_v1()).await;
    let module = modules::good_v2();
    let done = while_it_is_kept(&world, &module, || world.replica.start_canister(world.id)).await;
    done.unwrap();
    assert_eq!(world.changes(), "stop take stop take install start");
    world.runs(&module);
}

#[tokio::test]
async fn a_canister_that_is_stopping_is_waited_for() {
    let world = World::holding(&modules::good_v1()).await;
    world.replica.hold_stopping(world.id);
    world.replica.change(world.id, |canister| {
        canister.status = Status::Stopping(Vec::new());
    });
    let released = async {
        world.called("stop_canister").await;
        world.replica.release(world.id);
    };
    let module = modules::good_v2();
    let (done, ()) = tokio::join!(world.forward(&module), released);
    done.unwrap();
    world.runs(&module);
}

#[tokio::test]
async fn what_somebody_else_installed_is_left_alone() {
    let world = World::holding(&modules::good_v1()).await;
    let (target, module) = (world.target(), modules::good_v2());
    let plan = world.plan(&*target, &module, Way::Forward).await.unwrap();
    world.replica.install(world.id, &modules::good_v3());
    let found = world
        .carry_out(&*target, &plan, &module, Way::Forward)
        .await;
    assert!(
        matches!(found, Err(TargetError::Conflict { .. })),
        "{found:?}"
    );
    assert_eq!(world.changes(), "");
    world.runs(&modules::good_v3());
}

#[tokio::test]
async fn what_somebody_else_installs_meanwhile_is_left_alone_and_started() {
    let world = World::holding(&modules::good_v1()).await;
    let meddle = || world.replica.install(world.id, &modules::good_v3());
    let found = while_it_is_kept(&world, &modules::good_v2(), meddle).await;
    assert!(
        matches!(found, Err(TargetError::Conflict { .. })),
        "{found:?}"
    );
    assert_eq!(world.changes(), "stop take start");
    world.runs(&modules::good_v3());
}

#[tokio::test]
async fn a_large_module_goes_in_chunks_and_a_gzipped_one_as_it_is() {
    let world = World::holding(&modules::good_v1()).await;
    let large = modules::padded(&modules::good_v2());
    world.forward(&large).await.unwrap();
    world.runs(&large);
    world.tells("installing 2.6 MB in 3 chunks (upgrade)");
    assert_eq!(
        world.changes(),
        "upload upload upload stop take install-chunked start clear"
    );
    assert_eq!(world.seen().chunks, 0);

    let gzipped = modules::gzip(&modules::good_v3());
    world.forward(&gzipped).await.unwrap();
    world.runs(&gzipped);
    assert_eq!(world.changes(), "stop take install start");
}

#[tokio::test]
async fn chunks_of_others_stay_and_a_chunk_that_goes_is_uploaded_again() {
    let world = World::holding(&modules::good_v1()).await;
    world.replica.change(world.id, |canister| {
        canister.chunks.insert([9; 32], vec![1, 2, 3]);
    });
    let gone = Reject::new(504, "Error from Wasm chunk store: chunk hash was not found");
    world.replica.faults(|faults| {
        faults.once("install_chunked_code", Fault::Reject(gone));
    });
    let large = modules::padded(&modules::good_v2());
    world.forward(&large).await.unwrap();
    world.runs(&large);
    assert_eq!(
        world.changes(),
        "upload upload upload stop take install-chunked install-chunked start"
    );
    assert_eq!(world.seen().chunks, 4);
}

#[tokio::test]
async fn nodes_that_lag_behind_the_start_are_waited_for() {
    let world = World::holding(&modules::good_v1()).await;
    world
        .replica
        .faults(|faults| faults.lag_queries(Duration::from_secs(2)));
    world.forward(&modules::good_v2()).await.unwrap();
    world.runs(&modules::good_v2());
    let reply = world.replica.query(world.id, "version");
    assert!(reply.is_ok(), "{reply:?}");
    world.tells("serves queries");
}

#[tokio::test]
async fn a_module_that_traps_in_every_query_serves_all_the_same() {
    let world = World::holding(&modules::good_v1()).await;
    world.forward(&modules::bad_query()).await.unwrap();
    world.runs(&modules::bad_query());
}

#[tokio::test]
async fn too_few_cycles_change_nothing() {
    for (prices, changes) in [
        (
            Prices {
                install: u128::MAX / 4,
                ..Prices::default()
            },
            "stop take install start",
        ),
        (
            Prices {
                snapshot: u128::MAX / 4,
                ..Prices::default()
            },
            "stop take start",
        ),
    ] {
        let world = World::holding(&modules::good_v1()).await;
        world.replica.set_prices(prices);
        let failed = world.forward(&modules::good_v2()).await;
        says(failed, &["IC0207", "top up", "it runs"]);
        world.runs(&modules::good_v1());
        assert_eq!(world.changes(), changes);
    }
}

#[tokio::test]
async fn a_stranger_changes_nothing() {
    let world = World::holding(&modules::good_v1()).await;
    let (target, module) = (world.target(), modules::good_v2());
    let plan = world.plan(&*target, &module, Way::Forward).await.unwrap();
    world.disown();
    let failed = world
        .carry_out(&*target, &plan, &module, Way::Forward)
        .await;
    says(failed, &["controller"]);
    assert_eq!(world.changes(), "");
    world.runs(&modules::good_v1());
}

#[tokio::test]
async fn a_module_that_keeps_its_heap_is_upgraded_with_its_heap() {
    let world = World::holding(&modules::keeps_heap("v1")).await;
    world.replica.update(world.id, "bump").unwrap();
    world.forward(&modules::keeps_heap("v2")).await.unwrap();
    world.runs(&modules::keeps_heap("v2"));
    assert_eq!(world.replica.count(world.id), 1);
}
