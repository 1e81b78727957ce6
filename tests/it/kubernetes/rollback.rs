//! The way back, and forth: what is put in place is what was recorded, whatever the cluster's own history says.

use super::{
    Bench, Lines, carry_out, facts, held, manifest, permitted, planned, refused, revision,
    roll_back, slot,
};
use crate::cluster::at;
use crate::cluster::manifest::{deployment, digest_of};
use lastgood::decide::diff;
use lastgood::model::payload::{Measured, Payloads, Shape};
use lastgood::model::state::{Phase, Wanted};
use lastgood::targets::Way;
use serde_json::json;
use std::time::Instant;

#[tokio::test]
async fn a_recorded_release_is_put_back_and_doing_it_twice_does_not_flip_back() {
    let Some(bench) = Bench::new("back", &["deployment/web"]).await else {
        return;
    };
    bench.space.deployment("web", "shop/web:1", 2).await;
    bench.space.wait_rolled_out("deployment/web").await;
    let good = bench.recorded().await;
    bench.space.set_image("deployment/web", "shop/web:2").await;
    bench.space.wait_rolled_out("deployment/web").await;
    bench
        .space
        .set_image("deployment/web", "shop/web:3-crash")
        .await;
    let bad = bench.target().observe().await.unwrap();
    assert_ne!(
        revision(&bad, "deployment/web"),
        good.slots[&slot("deployment/web")].revision
    );
    assert_eq!(held(&bad, "deployment/web").phase, Phase::Moving);

    assert_eq!(roll_back(&bench, &good).await.unwrap(), 1);
    let by_digest = format!("shop/web@{}", digest_of("shop/web:1"));
    assert_eq!(bench.image("deployment/web").await, by_digest);
    // `kubectl rollout undo` would go to the crash now (kubernetes/website#6921).
    for _ in 0..2 {
        assert_eq!(roll_back(&bench, &good).await.unwrap(), 0);
        assert_eq!(bench.image("deployment/web").await, by_digest);
    }
    let live = bench.space.get("deployment/web").await;
    assert_eq!(at(&live, "/spec/replicas"), 2);
    let fields = at(&live, "/metadata/managedFields").as_array().unwrap();
    assert!(fields.iter().any(|one| one["manager"] == "lastgood"));
}

#[tokio::test]
async fn what_was_there_before_can_be_put_back_without_any_history() {
    let Some(bench) = Bench::new("limit", &["deployment/web"]).await else {
        return;
    };
    let mut web = deployment("web", "shop/web:1", 1);
    web["spec"]["revisionHistoryLimit"] = json!(0);
    bench.space.apply_object(&web).await;
    bench.space.wait_rolled_out("deployment/web").await;
    let first = bench.recorded().await;
    bench.space.set_image("deployment/web", "shop/web:2").await;
    bench.space.wait_rolled_out("deployment/web").await;

    let target = bench.target();
    let facts = facts(Some(&first), Way::Back);
    let (_, forth) = planned(target.as_ref(), &facts, &[]).await.unwrap();
    let before = forth.plan().before.clone();
    carry_out(target.as_ref(), &forth, &facts).await.unwrap();
    let revision = revision(&before, "deployment/web");
    assert!(target.keeps(&revision).await && !bench.target().keeps(&revision).await);
    let wanted = Wanted::from([(slot("deployment/web"), revision)]);
    let back = permitted(target.as_ref(), &wanted, &facts, &[])
        .await
        .unwrap();
    carry_out(target.as_ref(), &back, &facts).await.unwrap();
    assert_eq!(
        diff::plan(&target.observe().await.unwrap(), &wanted).changes,
        []
    );
    let by_digest = format!("shop/web@{}", digest_of("shop/web:2"));
    assert_eq!(bench.image("deployment/web").await, by_digest);
}

#[tokio::test]
async fn numbers_are_those_that_are_kept_at_the_moment() {
    let Some(bench) = Bench::new("number", &["deployment/web"]).await else {
        return;
    };
    for image in ["shop/web:1", "shop/web:2"] {
        bench.space.deployment("web", image, 1).await;
        bench.space.wait_rolled_out("deployment/web").await;
    }
    let target = bench.target();
    let error = refused(target.numbered(&slot("deployment/web"), "99").await, "1");
    assert!(error.to_string().contains("2, 1"), "{error}");
    let first = target.numbered(&slot("deployment/web"), "1").await.unwrap();
    let wanted = Wanted::from([(slot("deployment/web"), first)]);
    let facts = facts(None, Way::Back);
    let back = permitted(target.as_ref(), &wanted, &facts, &[])
        .await
        .unwrap();
    carry_out(target.as_ref(), &back, &facts).await.unwrap();
    assert_eq!(
        diff::plan(&target.observe().await.unwrap(), &wanted).changes,
        []
    );
    assert_eq!(bench.image("deployment/web").await, "shop/web:1");
    // It was renumbered: 1 is 3 now.
    refused(target.numbered(&slot("deployment/web"), "1").await, "3, 2");
}

#[tokio::test]
async fn images_alone_are_matched_with_the_history_or_laid_over_what_runs() {
    let Some(bench) = Bench::new("images", &["deployment/web"]).await else {
        return;
    };
    let one = format!("shop/web:1@{}", digest_of("shop/web:1"));
    bench.space.deployment("web", &one, 1).await;
    bench.space.wait_rolled_out("deployment/web").await;
    bench.space.set_image("deployment/web", "shop/web:2").await;
    bench.space.wait_rolled_out("deployment/web").await;
    let dir = tempfile::tempdir().unwrap();
    let file = |image: &str| {
        let path = dir.path().join("images.txt");
        std::fs::write(&path, format!("web={image}\n")).unwrap();
        Measured {
            path,
            shape: Shape::File,
            size_bytes: 0,
            digest: lastgood::model::payload::Digest::from_bytes([0; 32]),
        }
    };
    let back = facts(None, Way::Back);
    let target = bench.target();
    let by_digest = format!("shop/web@{}", digest_of("shop/web:1"));
    let wanted = target
        .wanted(&back, &Payloads::shared(Some(file(&by_digest))))
        .await
        .unwrap();
    let plan = permitted(target.as_ref(), &wanted, &back, &[])
        .await
        .unwrap();
    carry_out(target.as_ref(), &plan, &back).await.unwrap();
    assert_eq!(bench.image("deployment/web").await, by_digest);

    let other = format!("shop/web@{}", digest_of("shop/web:9"));
    let answer = target
        .wanted(&back, &Payloads::shared(Some(file(&other))))
        .await;
    refused(answer, "keeps no template that ran them");
    refused(
        target
            .wanted(&back, &Payloads::shared(Some(file("shop/web:9"))))
            .await,
        "expected NAME@sha256",
    );
    let forth = facts(None, Way::Forward);
    let wanted = target
        .wanted(&forth, &Payloads::shared(Some(file(&other))))
        .await
        .unwrap();
    let plan = permitted(target.as_ref(), &wanted, &forth, &[])
        .await
        .unwrap();
    carry_out(target.as_ref(), &plan, &forth).await.unwrap();
    assert_eq!(bench.image("deployment/web").await, other);
}

#[tokio::test]
async fn a_release_that_says_nothing_of_a_slot_is_refused() {
    let Some(bench) = Bench::new("nothing", &["deployment/web"]).await else {
        return;
    };
    refused(bench.target().observe().await, "does not exist");
    assert_eq!(
        bench
            .target()
            .observe_one(&slot("deployment/web"))
            .await
            .unwrap(),
        None
    );
    bench.space.deployment("web", "shop/web:1", 1).await;
    let empty = manifest(indexmap::IndexMap::new());
    let facts = facts(Some(&empty), Way::Back);
    refused(
        bench.target().wanted(&facts, &Payloads::none()).await,
        "says nothing of slot deployment/web",
    );
}

#[tokio::test]
async fn every_kind_of_workload_is_put_back() {
    let slots = ["deployment/web", "statefulset/db", "daemonset/agent"];
    let Some(bench) = Bench::new("kinds", &slots).await else {
        return;
    };
    bench.space.deployment("web", "shop/web:1", 2).await;
    bench.space.stateful_set("db", "shop/db:1", 2).await;
    bench.space.daemon_set("agent", "shop/agent:1").await;
    for slot in slots {
        bench.space.wait_rolled_out(slot).await;
    }
    let good = bench.recorded().await;
    for (slot, image) in [
        ("deployment/web", "shop/web:2"),
        ("statefulset/db", "shop/db:2"),
        ("daemonset/agent", "shop/agent:2"),
    ] {
        bench.space.set_image(slot, image).await;
        bench.space.wait_rolled_out(slot).await;
    }
    assert_eq!(roll_back(&bench, &good).await.unwrap(), 3);
    assert_eq!(
        bench.image("statefulset/db").await,
        format!("shop/db@{}", digest_of("shop/db:1"))
    );
    assert_eq!(
        bench.image("daemonset/agent").await,
        format!("shop/agent@{}", digest_of("shop/agent:1"))
    );
}

#[tokio::test]
async fn many_workloads_found_by_labels_are_put_back_side_by_side() {
    const MANY: usize = 100;
    let Some(mut bench) = Bench::new("many", &[]).await else {
        return;
    };
    bench.more = json!({"selector": "of=many", "rollout-deadline": "60s"});
    let one = |n: usize, release: u32| {
        let mut web = deployment(&format!("web-{n}"), &format!("shop/web:{release}"), 1);
        web["metadata"]["labels"] = json!({"of": "many"});
        web
    };
    let mut good = None;
    for release in [1, 2] {
        let all: Vec<_> = (0..MANY).map(|n| one(n, release)).collect();
        futures_util::future::join_all(all.iter().map(|web| bench.space.apply_object(web))).await;
        for n in 0..MANY {
            bench
                .space
                .wait_rolled_out(&format!("deployment/web-{n}"))
                .await;
        }
        if release == 1 {
            good = Some(bench.recorded().await);
        }
    }
    let good = good.unwrap();
    let started = Instant::now();
    assert_eq!(roll_back(&bench, &good).await.unwrap(), MANY);
    eprintln!(
        "{MANY} Deployments were put back in {:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn what_is_done_is_told_once() {
    let Some(bench) = Bench::new("told", &["deployment/web"]).await else {
        return;
    };
    bench.space.deployment("web", "shop/web:1", 2).await;
    bench.space.wait_rolled_out("deployment/web").await;
    let good = bench.recorded().await;
    bench.space.set_image("deployment/web", "shop/web:2").await;
    bench.space.wait_rolled_out("deployment/web").await;
    let lines = Lines::default();
    let mut facts = facts(Some(&good), Way::Back);
    facts.story = Some(&lines);
    let target = bench.target();
    let (_, plan) = planned(target.as_ref(), &facts, &[]).await.unwrap();
    let started = Instant::now();
    carry_out(target.as_ref(), &plan, &facts).await.unwrap();
    eprintln!("2 pods were replaced in {:?}", started.elapsed());
    let lines = lines.0.into_inner().unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("spec.containers[web].image: ")),
        "{lines:?}"
    );
    assert!(
        lines.iter().any(|line| line.contains("updated")),
        "{lines:?}"
    );
    assert!(lines.windows(2).all(|two| two[0] != two[1]), "{lines:?}");
}
