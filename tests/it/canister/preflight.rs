//! Observing, guarding and `ready`: what the network certifies counts, whatever else can be read.

use super::preflight_world::{PLENTY, US, World, principal, refused};
use crate::replica::{StatusAnswer, modules};
use lastgood::decide::diff;
use lastgood::model::plan::Change;
use lastgood::model::state::{Held, Phase, Revision};
use lastgood::targets::Finding;
use serde_json::json;

async fn held(world: &World) -> Held {
    let target = world.target(&json!({}));
    let mut state = target.observe().await.unwrap();
    let one = target.observe_one(&World::slot()).await.unwrap();
    let held = state.shift_remove(&World::slot()).unwrap();
    assert_eq!(one, Some(held.clone()));
    held
}

#[tokio::test]
async fn the_certified_hash_is_the_revision() {
    let world = World::new().await;
    let expected = Held {
        revision: Some(Revision(modules::hash(&modules::good_v1()))),
        phase: Phase::Running,
    };
    assert_eq!(held(&world).await, expected);
    // A network that is newer or older than this program, and one that tells us nothing.
    for answer in [
        StatusAnswer::Future,
        StatusAnswer::Older,
        StatusAnswer::Denied,
    ] {
        world.replica.faults(|faults| faults.status_answer(answer));
        assert_eq!(held(&world).await, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn a_stranger_observes_what_is_certified() {
    let world = World::new().await;
    for who in [None, Some(US + 1)] {
        let target = world.target_of(who, &json!({}));
        target.guard().await.unwrap();
        let state = target.observe().await.unwrap();
        let held = &state[&World::slot()];
        assert_eq!(held.phase, Phase::Running);
        assert!(held.revision.is_some());
    }
}

#[tokio::test]
async fn a_stopped_canister_with_the_right_module_is_started() {
    let world = World::new().await;
    world.replica.stop(world.id);
    let target = world.target(&json!({}));
    let planned = world.plan(target.as_ref(), &modules::good_v1()).await;
    let planned = planned.unwrap();
    assert!(matches!(
        planned.plan.changes.as_slice(),
        [Change::Start { .. }]
    ));
    // Where it is not ours whether it runs, there is nothing to do.
    let target = world.target(&json!({ "when-stopped": "leave" }));
    let planned = world.plan(target.as_ref(), &modules::good_v1()).await;
    assert_eq!(planned.unwrap().plan.changes, []);
}

#[tokio::test]
async fn an_empty_canister_is_a_slot() {
    let mut world = World::new().await;
    world.id = world.replica.create(&[principal(US)], PLENTY);
    let held = held(&world).await;
    assert_eq!((held.revision, held.phase), (None, Phase::Running));
}

#[tokio::test]
async fn another_network_is_refused() {
    let world = World::new().await;
    let other = World::new().await;
    let target = world.target(&json!({ "root-key": other.replica.root_key_hex() }));
    let (what, next) = refused(target.guard().await.unwrap_err());
    assert!(what.contains("root key"), "{what}");
    assert!(next.contains("`root-key`"), "{next}");
}

#[tokio::test]
async fn a_canister_that_is_not_there_is_refused() {
    let world = World::new().await;
    let target = world.target(&json!({ "id": "rrkah-fqaaa-aaaaa-aaaaq-cai" }));
    let (what, next) = refused(target.guard().await.unwrap_err());
    assert!(
        what.contains("no canister rrkah-fqaaa-aaaaa-aaaaq-cai"),
        "{what}"
    );
    assert!(next.contains("`network`"), "{next}");
    refused(target.observe().await.unwrap_err());
}

#[tokio::test]
async fn another_identity_is_refused_before_anything_is_asked() {
    let world = World::new().await;
    let expected = principal(US + 1).to_text();
    let target = world.target(&json!({ "principal": expected }));
    let (what, _next) = refused(target.guard().await.unwrap_err());
    assert!(what.contains(&expected), "{what}");
    assert!(what.contains(&principal(US).to_text()), "{what}");
    assert_eq!(world.replica.calls(), []);
    let target = world.target(&json!({ "principal": principal(US).to_text() }));
    target.guard().await.unwrap();
}

#[tokio::test]
async fn what_is_no_module_is_refused_before_anything_is_asked() {
    let world = World::new().await;
    let target = world.target(&json!({}));
    for (bytes, text) in [
        (b"PK\x03\x04".to_vec(), "api.wasm: found a zip archive"),
        (modules::invalid(), "not valid"),
    ] {
        let error = world.plan(target.as_ref(), &bytes).await.err().unwrap();
        let text_found = error.to_string();
        assert!(text_found.contains(text), "{text_found}");
    }
    assert_eq!(world.replica.calls(), []);
}

fn find<'a>(findings: &'a [Finding], check: &str) -> &'a Finding {
    let found = findings.iter().find(|finding| finding.check == check);
    found.unwrap_or_else(|| panic!("{check} in {findings:?}"))
}

#[tokio::test]
async fn everything_that_a_change_needs_is_shown() {
    let world = World::new().await;
    let target = world.target(&json!({}));
    let findings = target.preflight(&world.verified(&modules::good_v2())).await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
    let us = principal(US).to_text();
    for (check, detail) in [
        ("identity", us.as_str()),
        ("canister api", &format!("api = {}", world.id)),
        ("controller of api", &us),
        ("status of api", "running"),
        ("change of api", "upgrade"),
        ("cycles of api", "days until it freezes"),
        ("memory of api", "B"),
        ("snapshots of api", "0 of 10, 0 ours"),
        ("module api", "valid"),
    ] {
        let found = find(&findings, check);
        assert!(found.detail.contains(detail), "{found:?}");
    }
    let changes: Vec<_> = world.replica.methods();
    let harmless = ["canister_status", "list_canister_snapshots"];
    assert!(
        changes
            .iter()
            .all(|method| harmless.contains(&method.as_str())),
        "{changes:?}"
    );
}

#[tokio::test]
async fn whoever_is_no_controller_sees_both_principals() {
    let world = World::new().await;
    let target = world.target_of(Some(US + 1), &json!({}));
    let findings = target.preflight(&world.verified(&modules::good_v2())).await;
    let found = find(&findings, "controller of api");
    assert!(!found.ok);
    assert!(found.detail.contains(&principal(US).to_text()), "{found:?}");
    assert!(
        found.detail.contains(&principal(US + 1).to_text()),
        "{found:?}"
    );
    let next = found.next.as_deref().unwrap();
    assert!(next.contains("--add-controller"), "{next}");
    // Nobody at all cannot change anything either.
    let target = world.target_of(None, &json!({}));
    let findings = target.preflight(&world.verified(&modules::good_v2())).await;
    assert!(!find(&findings, "identity").ok);
}

#[tokio::test]
async fn what_does_not_hold_has_a_next_action() {
    let world = World::new().await;
    for _ in 0..10 {
        world.replica.take_snapshot(world.id);
    }
    world
        .replica
        .change(world.id, |canister| canister.cycles = 1);
    let target = world.target(&json!({}));
    let findings = target
        .preflight(&world.verified(&modules::unknown_import()))
        .await;
    for check in ["cycles of api", "snapshots of api"] {
        let found = find(&findings, check);
        assert!(!found.ok && found.next.is_some(), "{found:?}");
    }
    // Which functions the system interface has is the network's to say.
    assert!(find(&findings, "module api").ok);
    let findings = target.preflight(&world.verified(b"<html>")).await;
    let found = find(&findings, "module api");
    assert!(found.detail.contains("an HTML page"), "{found:?}");
}

#[tokio::test]
async fn a_snapshot_is_priced_beside_the_upgrade() {
    let world = World::new().await;
    let limit = world
        .replica
        .change(world.id, |canister| canister.freezing_limit());
    world.replica.change(world.id, |canister| {
        canister.cycles = limit + 301_000_000_000;
    });
    for (snapshots, expected) in [(1, Some("a snapshot and an upgrade")), (0, None)] {
        let more = json!({ "snapshots": snapshots, "cycles-days-min": 0 });
        let target = world.target(&more);
        let findings = target.preflight(&world.verified(&modules::good_v2())).await;
        let found = find(&findings, "cycles of api");
        assert_eq!(found.ok, expected.is_none(), "{found:?}");
        assert!(
            found.detail.contains(expected.unwrap_or_default()),
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn the_same_module_leaves_nothing_to_do() {
    let world = World::new().await;
    let target = world.target(&json!({}));
    let wanted = target
        .wanted(
            &super::preflight_world::facts(),
            &world.payloads(&modules::good_v1()),
        )
        .await
        .unwrap();
    let plan = diff::plan(&target.observe().await.unwrap(), &wanted);
    assert_eq!(plan.changes, []);
    let findings = target.preflight(&world.verified(&modules::good_v1())).await;
    let found = find(&findings, "change of api");
    assert!(found.detail.starts_with("none"), "{found:?}");
}
