//! A deploy step of the user's own goes wrong; `watch` sees it without any probe, and puts the recorded release back.

use super::shop::{Shop, pinned};
use crate::cluster::{at, condition};
use serde_json::json;

#[tokio::test]
async fn a_crashing_deploy_is_seen_and_the_recorded_release_comes_back() {
    let Some(shop) = Shop::open("crashing").await else {
        return;
    };
    let good = pinned(&shop.record(11).await);
    shop.set_image("shop/web:2-crash").await;
    let out = shop.stage.lastgood(&["watch"]).json().step(12).run().await;
    out.ended(10, "rolled-back").says("crash");
    assert_eq!(shop.image().await, good);
    shop.wait_running(&good, 3).await;
    let seen = out.events("sighted");
    assert_eq!(seen[0]["sighting"]["symptom"], json!("crash-loop"), "{out}");
    assert!(out.report().contains("crash"), "{}", out.report());
    // What a person will want to see is kept from before the change.
    let evidence = std::fs::read_dir(out.dir().join("evidence")).unwrap();
    let names: Vec<String> = evidence
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    for wanted in ["describe", "previous", "events"] {
        assert!(names.iter().any(|name| name.contains(wanted)), "{names:?}");
    }
    // Never the count of pods, and the controller agrees that it is over.
    let web = shop.space.get("deployment/web").await;
    assert_eq!(*at(&web, "/spec/replicas"), json!(3));
    assert_eq!(condition(&web, "Progressing")["status"], json!("True"));
}

#[tokio::test]
async fn after_two_bad_deploys_it_is_the_recorded_release_and_not_the_previous_one() {
    let Some(shop) = Shop::open("twice").await else {
        return;
    };
    let good = pinned(&shop.record(11).await);
    for bad in ["shop/web:2-crash", "shop/web:3-missing"] {
        shop.set_image(bad).await;
        shop.space
            .wait("deployment/web", "the controller has seen it", |web| {
                at(web, "/status/observedGeneration") == at(web, "/metadata/generation")
            })
            .await;
    }
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    assert_eq!(shop.image().await, good);
    // `kubectl rollout undo` would now flip back to a bad image (kubernetes/website#6921).
    let again = shop.run(&["rollback"]).await;
    again.ended(0, "already-good");
    assert_eq!(shop.image().await, good);
    assert_eq!(again.events("intent").len(), 0);
}

#[tokio::test]
async fn a_good_deploy_is_judged_healthy_by_the_cluster_alone() {
    let Some(shop) = Shop::open("well").await else {
        return;
    };
    shop.record(11).await;
    shop.set_image("shop/web:2-slow").await;
    let out = shop.stage.lastgood(&["watch"]).json().step(12).run().await;
    out.ended(0, "healthy");
    assert_eq!(shop.image().await, "shop/web:2-slow");
    assert!(!out.events("progress").is_empty(), "{out}");
}

#[tokio::test]
async fn a_tag_that_moved_is_put_back_by_its_digest() {
    let Some(shop) = Shop::open("moved").await else {
        return;
    };
    let good = pinned(&shop.record(11).await);
    let bad = format!("sha256:{}", "b".repeat(64));
    shop.space.behaves(&bad, "crash").await;
    shop.space.move_tag("shop/web:1", &bad).await;
    // The same text in the template, other bytes in the pods.
    shop.space
        .patch(
            "deployment/web",
            json!({"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}),
        )
        .await;
    let out = shop.stage.lastgood(&["watch"]).json().step(12).run().await;
    out.ended(10, "rolled-back");
    assert_eq!(shop.image().await, good);
    shop.wait_running(&good, 3).await;
}

#[tokio::test]
async fn a_deploy_of_images_that_crash_goes_back_to_the_recorded_release() {
    let Some(shop) = Shop::open("deploy").await else {
        return;
    };
    let good = pinned(&shop.record(11).await);
    let bad = format!("sha256:{}", "d".repeat(64));
    shop.space.behaves(&bad, "crash").await;
    let dir = shop.stage.path("dist");
    std::fs::create_dir(&dir).unwrap();
    let images = json!({"web": format!("shop/web@{bad}")});
    std::fs::write(dir.join("images.json"), images.to_string()).unwrap();
    shop.configure("slots: [deployment/web], payload: images.json");
    let out = shop
        .stage
        .lastgood(&["deploy", "--artifact", dir.to_str().unwrap()])
        .json()
        .step(12)
        .run()
        .await;
    // The recorded release has no file of images, and needs none.
    out.ended(10, "rolled-back")
        .says("crash")
        .says("goes to what lastgood.json says")
        .says_not("going back to what this deploy replaced");
    assert_eq!(shop.image().await, good);
    shop.wait_running(&good, 3).await;
}

#[tokio::test]
async fn a_fault_of_a_slot_that_nobody_touched_judges_nothing() {
    let Some(shop) = Shop::open("legacy").await else {
        return;
    };
    shop.record(11).await;
    shop.space
        .deployment("legacy", "shop/legacy:1-crash", 1)
        .await;
    shop.configure("slots: [deployment/web, deployment/legacy]");
    shop.set_image("shop/web:2-slow").await;
    let out = shop
        .stage
        .lastgood(&["watch", "--slot", "deployment/web"])
        .json()
        .step(12)
        .run()
        .await;
    out.ended(0, "healthy");
}
