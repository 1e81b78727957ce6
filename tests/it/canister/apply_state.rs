//! The way back that the state is in the way of: what each policy leads to, and that what is lost is told first.

use super::apply_world::{World, says};
use crate::replica::modules;
use lastgood::model::plan::OnStateConflict;
use lastgood::targets::Way;
use serde_json::json;

/// v1 was replaced by this module, which wrote once.
async fn after(module: &[u8], policy: OnStateConflict) -> World {
    let mut world = World::holding(&modules::good_v1()).await;
    world.policy = policy;
    world.replica.update(world.id, "bump").unwrap();
    world.forward(module).await.unwrap();
    world.replica.update(world.id, "bump").unwrap();
    world
}

#[tokio::test]
async fn by_default_the_operator_is_asked_and_told_what_would_be_lost() {
    for module in [modules::bad_pre_upgrade(), modules::new_layout()] {
        let world = after(&module, OnStateConflict::Stop).await;
        let snapshot = world.seen().snapshots[0].id.clone();
        let failed = world.back(&modules::good_v1()).await;
        says(
            failed,
            &[
                "IC0503",
                &format!(
                    "snapshot {snapshot} of {}",
                    modules::hash(&modules::good_v1())
                ),
                "writes of the last",
                "on its heap alone",
                "--on-state-conflict snapshot or --on-state-conflict skip-pre-upgrade",
                "it runs",
            ],
        );
        world.runs(&module);
        assert_eq!(world.changes(), "stop take install start");
    }
}

#[tokio::test]
async fn a_snapshot_is_loaded_where_the_policy_says_so() {
    for module in [modules::bad_pre_upgrade(), modules::new_layout()] {
        let world = after(&module, OnStateConflict::Snapshot).await;
        let snapshot = world.seen().snapshots[0].id.clone();
        world.back(&modules::good_v1()).await.unwrap();
        world.runs(&modules::good_v1());
        assert_eq!(world.changes(), "stop take install load start");
        // The write since is lost, and the state that it was in is kept.
        assert_eq!(world.replica.count(world.id), 1);
        assert_eq!(
            world.seen().snapshots[1].module_hash,
            modules::hash(&module)
        );
        world.tells(&format!("loading snapshot {snapshot}"));
        world.tells("writes of the last");
    }
}

#[tokio::test]
async fn a_snapshot_of_somebody_else_is_loaded_when_its_module_proves_to_be_it() {
    let mut world = World::holding(&modules::good_v1()).await;
    world.policy = OnStateConflict::Snapshot;
    world.set("snapshots", json!(0));
    let theirs = crate::replica::hex(&world.replica.take_snapshot(world.id));
    world.replica.install(world.id, &modules::bad_pre_upgrade());
    world.replica.take_snapshot(world.id);
    world.back(&modules::good_v1()).await.unwrap();
    world.runs(&modules::good_v1());
    world.tells(&format!("loading snapshot {theirs}"));
    assert_eq!(world.changes(), "stop install take load start");
}

#[tokio::test]
async fn without_a_snapshot_of_it_nothing_is_loaded() {
    let mut world = World::holding(&modules::good_v1()).await;
    world.policy = OnStateConflict::Snapshot;
    world.replica.install(world.id, &modules::bad_pre_upgrade());
    world.replica.take_snapshot(world.id);
    let failed = world.back(&modules::good_v1()).await;
    says(
        failed,
        &["so none was loaded", "skip-pre-upgrade", "it runs"],
    );
    world.runs(&modules::bad_pre_upgrade());
    assert_eq!(world.changes(), "stop take install start");
}

#[tokio::test]
async fn pre_upgrade_is_left_out_where_the_policy_says_so() {
    let world = after(&modules::bad_pre_upgrade(), OnStateConflict::SkipPreUpgrade).await;
    world.back(&modules::good_v1()).await.unwrap();
    world.runs(&modules::good_v1());
    assert_eq!(world.changes(), "stop take install install start");
    world.tells("on its heap alone");
}

#[tokio::test]
async fn leaving_pre_upgrade_out_does_not_help_against_a_new_layout() {
    let module = modules::new_layout();
    let world = after(&module, OnStateConflict::SkipPreUpgrade).await;
    let failed = world.back(&modules::good_v1()).await;
    says(
        failed,
        &["IC0503", "--on-state-conflict snapshot", "it runs"],
    );
    world.runs(&module);
}

#[tokio::test]
async fn on_the_way_forward_no_policy_is_asked() {
    let world = after(&modules::bad_pre_upgrade(), OnStateConflict::Snapshot).await;
    let failed = world.put(&modules::good_v2(), Way::Forward).await;
    says(failed, &["IC0503", "it runs"]);
    world.runs(&modules::bad_pre_upgrade());
    assert_eq!(world.changes(), "stop take install start");
}
