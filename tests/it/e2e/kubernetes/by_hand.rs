//! The emergency: `rollback` in its forms, `ready`, and a command that is killed in the middle and run again.

use super::shop::{Shop, pinned};
use crate::cluster::{User, at};
use serde_json::json;
use std::fs;

#[tokio::test]
async fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let Some(shop) = Shop::open("dry").await else {
        return;
    };
    let good = pinned(&shop.record(11).await);
    shop.set_image("shop/web:2-crash").await;
    let before = shop.space.get("deployment/web").await;
    let out = shop.run(&["rollback", "--dry-run"]).await;
    out.ended(0, "planned").says("1 change would be made");
    let told = format!("{out}");
    let (repository, digest) = good.split_once("@sha256:").unwrap();
    let short = format!("{repository}@sha256:{}", digest.get(..12).unwrap());
    assert!(told.contains(&short), "the image is told: {told}");
    assert!(told.contains("ran as shop/web:1"), "and its tag: {told}");
    let after = shop.space.get("deployment/web").await;
    assert_eq!(
        at(&before, "/metadata/generation"),
        at(&after, "/metadata/generation")
    );
    assert_eq!(at(&before, "/spec"), at(&after, "/spec"));
}

#[tokio::test]
async fn a_repository_that_never_recorded_goes_back_by_its_images() {
    let Some(shop) = Shop::open("images").await else {
        return;
    };
    // Built by digest, as the deploy workflow wrote it down.
    let digest = format!("shop/web@sha256:{}", "a".repeat(64));
    shop.set_image(&digest).await;
    shop.space.wait_rolled_out("deployment/web").await;
    let dir = shop.stage.path("images");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("images.json"), json!({"web": digest}).to_string()).unwrap();
    shop.green(11, &dir);
    shop.configure("slots: [deployment/web], payload: images.json");
    shop.set_image("shop/web:2-crash").await;
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    assert_eq!(shop.image().await, digest);
}

#[tokio::test]
async fn a_number_is_restored_and_an_absent_one_is_refused_with_those_there_are() {
    let Some(shop) = Shop::open("numbers").await else {
        return;
    };
    shop.set_image("shop/web:2").await;
    shop.space.wait_rolled_out("deployment/web").await;
    let out = shop.run(&["rollback", "--to-revision", "99"]).await;
    out.ended(15, "refused").says("99");
    let out = shop
        .run(&["rollback", "--to-revision", "deployment/web=1"])
        .await;
    out.ended(0, "restored");
    assert!(shop.image().await.starts_with("shop/web"), "{out}");
    assert_ne!(shop.image().await, "shop/web:2");
}

#[tokio::test]
async fn killed_in_the_middle_and_run_again_it_finishes() {
    let Some(shop) = Shop::open("killed").await else {
        return;
    };
    // The good release takes its time: there is a middle to be killed in.
    shop.set_image("shop/web:4-slow").await;
    shop.space.wait_rolled_out("deployment/web").await;
    let good = pinned(&shop.record(11).await);
    shop.space
        .behaves(good.split_once('@').unwrap().1, "slow")
        .await;
    shop.set_image("shop/web:5-crash").await;
    let running = shop.stage.lastgood(&["rollback"]).json().start();
    shop.space
        .wait("deployment/web", "the patch is made", |web| {
            *at(web, "/spec/template/spec/containers/0/image") == json!(good)
        })
        .await;
    running.kill().await;
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored").says("continuing");
    assert_eq!(shop.image().await, good);
    shop.wait_running(&good, 3).await;
}

#[tokio::test]
async fn ready_proves_what_a_rollback_needs() {
    let Some(shop) = Shop::open("ready").await else {
        return;
    };
    shop.record(11).await;
    let out = shop.run(&["ready"]).await;
    out.ended(0, "ready");
    let checks = out.events("checked");
    assert!(
        checks
            .iter()
            .any(|check| check["check"] == "permission" && check["ok"] == true),
        "{checks:?}"
    );
}

#[tokio::test]
async fn a_probe_goes_through_the_cluster() {
    let Some(shop) = Shop::open("probe").await else {
        return;
    };
    shop.record(11).await;
    shop.set_image("shop/web:2-crash").await;
    let probes = "probes: [{ name: health, url: \"http://web/health\", via: \"deployment/web:80\" }], rate: 10, warm-up: 5s, cap: 60s";
    shop.configure_as(User::Admin, "slots: [deployment/web]", Some(probes));
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    let judged = out.events("judged");
    let evidence = &judged.last().unwrap()["verdict"]["evidence"];
    assert!(0 < evidence[0]["probes"].as_u64().unwrap(), "{out}");
}
