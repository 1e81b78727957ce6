//! Snapshots: room for one is made among our own, and nobody else's is touched.

use super::apply_world::{World, says};
use crate::replica::{Fault, Reject, modules};
use lastgood::model::plan::OnStateConflict;
use lastgood::model::state::Revision;
use serde_json::json;

#[tokio::test]
async fn none_is_taken_when_the_settings_say_so() {
    let mut world = World::holding(&modules::good_v1()).await;
    world.set("snapshots", json!(0));
    world.forward(&modules::good_v2()).await.unwrap();
    assert_eq!(world.changes(), "stop install start");
}

#[tokio::test]
async fn at_the_limit_our_own_oldest_is_replaced() {
    let world = World::holding(&modules::good_v1()).await;
    world.forward(&modules::good_v2()).await.unwrap();
    for _ in 0..9 {
        world.replica.take_snapshot(world.id);
    }
    let before = world.seen().snapshots;
    world.forward(&modules::good_v3()).await.unwrap();
    world.runs(&modules::good_v3());
    let after = world.seen().snapshots;
    assert_eq!(after.len(), 10);
    assert_eq!(before[1..], after[..9], "those of others");
    assert_eq!(after[9].module_hash, modules::hash(&modules::good_v2()));
    world.tells(&format!("in the place of {}", before[0].id));
    assert_eq!(world.target().retire(&[]).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn at_the_limit_those_of_others_are_left_and_that_is_a_hazard() {
    let mut world = World::holding(&modules::good_v1()).await;
    for _ in 0..10 {
        world.replica.take_snapshot(world.id);
    }
    let before = world.seen().snapshots;
    says(world.forward(&modules::good_v2()).await, &["no-snapshot"]);
    world.runs(&modules::good_v1());
    world.allow("no-snapshot");
    world.forward(&modules::good_v2()).await.unwrap();
    world.runs(&modules::good_v2());
    assert_eq!(world.changes(), "stop install start");
    assert_eq!(world.seen().snapshots, before);
}

#[tokio::test]
async fn as_many_of_ours_are_kept_as_the_settings_say() {
    let mut world = World::holding(&modules::good_v1()).await;
    world.set("snapshots", json!(2));
    let theirs = crate::replica::hex(&world.replica.take_snapshot(world.id));
    for version in ["v2", "v3", "v4"] {
        world.forward(&modules::good(version)).await.unwrap();
    }
    let all: Vec<String> = world
        .seen()
        .snapshots
        .into_iter()
        .map(|one| one.id)
        .collect();
    let deleted = world.target().retire(&[]).await.unwrap();
    assert_eq!(deleted, [format!("snapshot {} of api", all[1])]);
    let left: Vec<String> = world
        .seen()
        .snapshots
        .into_iter()
        .map(|one| one.id)
        .collect();
    assert_eq!(left, [theirs, all[2].clone(), all[3].clone()]);
    assert_eq!(world.target().retire(&[]).await.unwrap(), [""; 0]);
}

/// A way back takes a snapshot of the bad state: that is the newest, and the one of the good state is worth more.
#[tokio::test]
async fn after_a_way_back_the_snapshot_of_the_good_state_stays() {
    let world = World::holding(&modules::good_v1()).await;
    let [good, bad] = [modules::good_v1(), modules::good_v2()];
    world.forward(&bad).await.unwrap();
    world.back(&good).await.unwrap();
    let keep = [&good, &bad].map(|module| Revision(modules::hash(module)));
    for keep in [&keep[..], &keep[..1], &[]] {
        assert_eq!(world.target().retire(keep).await.unwrap(), [""; 0]);
        let holds: Vec<String> = world
            .seen()
            .snapshots
            .into_iter()
            .map(|one| one.module_hash)
            .collect();
        assert_eq!(holds, [modules::hash(&good), modules::hash(&bad)]);
    }
    // The next release makes both superfluous.
    world.forward(&modules::good_v3()).await.unwrap();
    assert_eq!(world.target().retire(&[]).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_snapshot_that_is_refused_ends_the_change_unless_that_is_allowed() {
    for code in [207, 210] {
        let mut world = World::holding(&modules::good_v1()).await;
        world.replica.faults(|faults| {
            let reject = Reject::new(code, "not now");
            faults.always("take_canister_snapshot", Fault::Reject(reject));
        });
        let failed = world.forward(&modules::good_v2()).await;
        says(failed, &["nothing was changed", "no-snapshot", "it runs"]);
        world.runs(&modules::good_v1());
        world.allow("no-snapshot:api");
        world.forward(&modules::good_v2()).await.unwrap();
        world.runs(&modules::good_v2());
        assert_eq!(world.changes(), "stop take install start");
        world.tells("going on without one, as is allowed");
    }
}

#[tokio::test]
async fn what_would_be_overwritten_is_kept_or_nothing_is_loaded() {
    let mut world = World::holding(&modules::good_v1()).await;
    world.policy = OnStateConflict::Snapshot;
    world.forward(&modules::bad_pre_upgrade()).await.unwrap();
    for _ in 0..9 {
        world.replica.take_snapshot(world.id);
    }
    let before = world.seen().snapshots;
    let failed = world.back(&modules::good_v1()).await;
    says(
        failed,
        &["there is no room for one", "no-snapshot", "it runs"],
    );
    world.runs(&modules::bad_pre_upgrade());
    assert_eq!(world.changes(), "stop install start");
    world.allow("no-snapshot");
    world.back(&modules::good_v1()).await.unwrap();
    world.runs(&modules::good_v1());
    assert_eq!(world.changes(), "stop install load start");
    assert_eq!(world.seen().snapshots, before);
}

/// Somebody else deploys after the first look: the snapshot holds their module, and is not loaded for another one.
#[tokio::test]
async fn a_snapshot_of_what_others_installed_meanwhile_is_not_taken_for_ours() {
    let mut world = World::holding(&modules::good_v1()).await;
    world.policy = OnStateConflict::Snapshot;
    world.replica.hold_stopping(world.id);
    let meddled = async {
        world.called("stop_canister").await;
        world.replica.install(world.id, &modules::good_v3());
        world.replica.release(world.id);
    };
    let module = modules::good_v2();
    let (done, ()) = tokio::join!(world.forward(&module), meddled);
    done.unwrap_err();
    let taken = &world.seen().snapshots[0];
    assert_eq!(taken.module_hash, modules::hash(&modules::good_v3()));
    world.replica.install(world.id, &modules::bad_pre_upgrade());
    let failed = world.back(&modules::good_v1()).await;
    says(failed, &["so none was loaded", "it runs"]);
    world.runs(&modules::bad_pre_upgrade());
}
