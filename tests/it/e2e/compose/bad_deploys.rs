//! A deploy step of the user's own goes wrong; `watch` sees it, and puts the recorded release back.

use super::shop::{NEW, Shop, bad, pinned, v1, v2, web};
use crate::docker::{App, Engine};
use serde_json::json;
use std::fs;

#[tokio::test]
async fn an_unhealthy_deploy_is_seen_and_the_recorded_release_comes_back() {
    let Some(shop) = Shop::open("unhealthy").await else {
        return;
    };
    let good = v1(&shop.engine).await;
    assert_eq!(pinned(&shop.record(11).await), good.pinned());
    shop.put_bad().await;
    let summary = shop.stage.path("summary");
    let out = shop
        .call(&["watch"])
        .step(NEW)
        .env("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())
        .run()
        .await;
    out.ended(10, "rolled-back").says("unhealthy");
    shop.serves(&good, "v1").await;
    let seen = out.events("sighted");
    assert_eq!(seen[0]["sighting"]["slot"], json!("web"), "{out}");
    for kind in ["intent", "applied", "verified"] {
        assert_eq!(out.events(kind).len(), 1, "{kind}: {out}");
    }
    assert!(out.report().contains("unhealthy"), "{}", out.report());
    let summary = fs::read_to_string(summary).unwrap();
    assert!(summary.contains("rolled-back"), "{summary}");
    // What a person will want to see is kept from before the change: what the health check said.
    let evidence = fs::read_dir(out.dir().join("evidence")).unwrap();
    let texts: Vec<String> = evidence
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    for wanted in ["500 Bad", "version v3 listens"] {
        assert!(texts.iter().any(|text| text.contains(wanted)), "{texts:#?}");
    }
    // The file of the deploy still wants the other one, and `docker compose up` says so: nothing is hidden from it.
    let told = shop.project.dry_run().await;
    assert!(told.contains("Recreate"), "{told}");
}

#[tokio::test]
async fn a_deploy_that_ends_again_and_again() {
    let Some(engine) = Engine::find() else { return };
    let good = v1(&engine).await;
    let crash = App::new("v4").exits_after_ms(300);
    let crash = engine.push(&crash, "shop/web", "v4-crash").await;
    let always = "    restart: always\n";
    let shop = Shop::of(engine, "crashing", |port| web(&good.pinned(), port, always)).await;
    shop.record(11).await;
    let yaml = web(&crash.pinned(), shop.project.port, always);
    shop.project.rewrite(&yaml);
    shop.project.up_without_waiting().await;
    let out = shop.watch().await;
    out.ended(10, "rolled-back");
    shop.serves(&good, "v1").await;
    let web = shop.project.container("web").await;
    assert_eq!(web["HostConfig"]["RestartPolicy"]["Name"], json!("always"));
}

#[tokio::test]
async fn a_good_deploy_is_judged_healthy_and_stays() {
    let Some(shop) = Shop::open("well").await else {
        return;
    };
    shop.record(11).await;
    let new = v2(&shop.engine).await;
    shop.put(&new.pinned()).await;
    let id = shop.id().await;
    shop.watch().await.ended(0, "healthy");
    shop.serves(&new, "v2").await;
    assert_eq!(shop.id().await, id);
}

/// The engine sees nothing wrong with it; who asks over the published port does.
#[tokio::test]
async fn a_deploy_without_a_health_check_is_judged_by_its_probes() {
    let Some(shop) = Shop::open("probed").await else {
        return;
    };
    let good = v1(&shop.engine).await;
    shop.record(11).await;
    shop.configure_at(shop.engine.host(), "", &shop.probe());
    let bad = App::new("v5").bad().without_health();
    let bad = shop.engine.push(&bad, "shop/web", "v5-bad").await;
    shop.put(&bad.pinned()).await;
    shop.answers("v5").await;
    let out = shop.watch().await;
    out.ended(10, "rolled-back");
    shop.serves(&good, "v1").await;
    let judged = out.events("judged");
    let last = &judged.last().unwrap()["verdict"];
    assert_eq!(last["call"], json!("healthy"), "{last:#}");
    assert!(0 < last["evidence"][0]["probes"].as_u64().unwrap(), "{out}");
}

/// Another image was pushed under the tag that the compose file has; what was recorded comes back by its digest.
#[tokio::test]
async fn a_tag_that_moved_is_put_back_by_its_digest() {
    let Some(engine) = Engine::find() else { return };
    let name = format!("shop/moved-{}", std::process::id());
    let good = engine.push(&App::new("v1"), &name, "stable").await;
    let tagged = format!("{}:stable", good.name);
    let shop = Shop::of(engine, "moved", |port| web(&tagged, port, "")).await;
    assert_eq!(pinned(&shop.record(11).await), good.pinned());
    let bad = App::new("v3").bad();
    shop.engine.push(&bad, &name, "stable").await;
    shop.project.up_without_waiting().await;
    shop.answers("v3").await;
    let out = shop.watch().await;
    out.ended(10, "rolled-back");
    shop.serves(&good, "v1").await;
    let told = shop.project.dry_run().await;
    assert!(told.contains("Recreate"), "{told}");
}

#[tokio::test]
async fn after_two_bad_deploys_it_is_the_recorded_release_and_not_the_previous_one() {
    let Some(shop) = Shop::open("twice").await else {
        return;
    };
    let good = v1(&shop.engine).await;
    shop.record(11).await;
    let other = App::new("v6").bad();
    let other = shop.engine.push(&other, "shop/web", "v6-bad").await;
    for image in [bad(&shop.engine).await, other] {
        shop.put(&image.pinned()).await;
    }
    shop.watch().await.ended(10, "rolled-back");
    shop.serves(&good, "v1").await;
}
