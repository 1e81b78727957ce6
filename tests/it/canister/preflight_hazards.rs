//! The last look before a change: what would lose data must be allowed by name, what cannot work is refused.

use super::preflight_world::{US, World, principal, refused};
use crate::replica::modules;
use serde_json::json;

#[tokio::test]
async fn an_upgrade_keeps_the_state_and_says_so() {
    let world = World::new().await;
    let target = world.target(&json!({}));
    let planned = world.plan(target.as_ref(), &modules::good_v2()).await;
    let planned = planned.unwrap();
    assert_eq!(planned.names(), [""; 0]);
    planned.tells("upgrade; the module has");
    planned.tells("days until it freezes");
    planned.tells("the code goes back, the state does not");
    assert!(
        !planned.lines.iter().any(|line| line.contains("reinstall")),
        "{:?}",
        planned.lines
    );
}

#[tokio::test]
async fn a_reinstall_is_a_hazard_even_when_it_is_asked_for() {
    let world = World::new().await;
    let target = world.target(&json!({ "reinstall": world.id.to_text() }));
    let planned = world.plan(target.as_ref(), &modules::good_v2()).await;
    let planned = planned.unwrap();
    assert_eq!(planned.names(), ["reinstall"]);
    assert!(planned.hazards[0].what.contains("wiped"));
}

#[tokio::test]
async fn a_module_that_cannot_take_the_main_memory_over_is_a_hazard() {
    let world = World::new().await;
    let enhanced = World::new().await;
    let id = enhanced
        .replica
        .create(&[principal(US)], super::preflight_world::PLENTY);
    enhanced.replica.install(id, &modules::keeps_heap("k1"));
    let enhanced = World { id, ..enhanced };
    let target = enhanced.target(&json!({}));
    let planned = enhanced.plan(target.as_ref(), &modules::good_v2()).await;
    let planned = planned.unwrap();
    assert_eq!(planned.names(), ["replace-memory"]);
    let planned = enhanced
        .plan(target.as_ref(), &modules::keeps_heap("k2"))
        .await
        .unwrap();
    assert_eq!(planned.names(), [""; 0]);
    planned.tells("main memory kept");
    // The other way round the old module saves its state itself.
    let target = world.target(&json!({}));
    let planned = world
        .plan(target.as_ref(), &modules::keeps_heap("k1"))
        .await;
    assert_eq!(planned.unwrap().names(), [""; 0]);
}

#[tokio::test]
async fn a_canister_without_a_place_for_a_snapshot_is_a_hazard() {
    let world = World::new().await;
    for _ in 0..10 {
        world.replica.take_snapshot(world.id);
    }
    let target = world.target(&json!({}));
    let planned = world.plan(target.as_ref(), &modules::good_v2()).await;
    let planned = planned.unwrap();
    assert_eq!(planned.names(), ["no-snapshot"]);
    assert!(planned.hazards[0].what.contains("none is ours"));
    // Whoever wants none has none to miss.
    let target = world.target(&json!({ "snapshots": 0 }));
    let planned = world.plan(target.as_ref(), &modules::good_v2()).await;
    assert_eq!(planned.unwrap().names(), [""; 0]);
}

#[tokio::test]
async fn too_few_cycles_are_refused_or_told() {
    let world = World::new().await;
    let target = world.target(&json!({}));
    let limit = world
        .replica
        .change(world.id, |canister| canister.freezing_limit());
    world
        .replica
        .change(world.id, |canister| canister.cycles = limit - 1);
    let error = world
        .plan(target.as_ref(), &modules::good_v2())
        .await
        .err()
        .unwrap();
    let (what, next) = refused(error);
    assert!(what.contains("freezing limit"), "{what}");
    assert!(next.contains("top"), "{next}");
    world.replica.change(world.id, |canister| {
        canister.cycles = limit + 10_000_000_000;
    });
    let planned = world.plan(target.as_ref(), &modules::good_v2()).await;
    planned.unwrap().tells("it may be too few");
    // Enough for the upgrade, and not for a snapshot before it.
    world.replica.change(world.id, |canister| {
        canister.cycles = limit + 301_000_000_000;
    });
    let planned = world.plan(target.as_ref(), &modules::good_v2()).await;
    assert_eq!(planned.unwrap().names(), ["no-snapshot"]);
}

#[tokio::test]
async fn whoever_is_no_controller_is_refused_before_the_plan() {
    let world = World::new().await;
    for who in [None, Some(US + 1)] {
        let target = world.target_of(who, &json!({}));
        let error = world
            .plan(target.as_ref(), &modules::good_v2())
            .await
            .err()
            .unwrap();
        let (what, next) = refused(error);
        assert!(what.contains(&principal(US).to_text()), "{what}");
        match who {
            Some(byte) => {
                assert!(what.contains(&principal(byte).to_text()), "{what}");
                assert!(next.contains("--add-controller"), "{next}");
            }
            None => assert!(next.contains("identity"), "{next}"),
        }
    }
}
