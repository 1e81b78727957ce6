//! What is refused, before anything is changed, with the one next action.

use super::shop::{Shop, bad, v1};
use crate::docker::App;
use serde_json::json;
use std::fs;

/// Puts the bad one up, and holds a refused rollback to changing nothing.
async fn refused(shop: &Shop, args: &[&str], code: i32, outcome: &str, says: &[&str]) {
    let (id, names) = (shop.id().await, shop.names().await);
    let out = shop.run(args).await;
    out.ended(code, outcome);
    for text in says {
        out.says(text);
    }
    assert_eq!((shop.id().await, shop.names().await), (id, names));
}

#[tokio::test]
async fn a_project_or_a_service_that_is_not_there() {
    let Some(shop) = Shop::open("elsewhere").await else {
        return;
    };
    shop.record(11).await;
    shop.put_bad().await;
    let services = "services: [wep]";
    shop.configure(services);
    refused(&shop, &["rollback"], 15, "refused", &["wep", "has web"]).await;
    shop.configure("");
    let config = fs::read_to_string(shop.stage.path(".github/lastgood.yml")).unwrap();
    let other = config.replace(&shop.project.name, "nobodys-project");
    shop.stage.file(".github/lastgood.yml", &other);
    let says = ["nobodys-project", &shop.project.name];
    refused(&shop, &["rollback"], 15, "refused", &says).await;
    shop.configure("");
    let out = shop.run(&["rollback", "--slot", "wep"]).await;
    assert_eq!(out.code, Some(2), "{out}");
    out.says("wep").says("web");
}

#[tokio::test]
async fn another_engine_than_the_one_that_is_meant() {
    let Some(shop) = Shop::open("guard").await else {
        return;
    };
    shop.record(11).await;
    shop.put_bad().await;
    shop.configure("engine: another-host");
    let requests = shop.stage.world.requests().len();
    let says = ["another-host"];
    refused(&shop, &["rollback"], 15, "refused", &says).await;
    let asked = shop.stage.world.requests().len();
    assert_eq!(asked, requests, "GitHub was asked");
    let name = shop.engine.docker(&["info", "--format", "{{.Name}}"]).await;
    shop.configure(&format!("engine: \"{name}\""));
    shop.run(&["rollback"]).await.ended(0, "restored");
}

#[tokio::test]
async fn an_engine_that_is_away() {
    let Some(shop) = Shop::open("away").await else {
        return;
    };
    shop.record(11).await;
    let nobody = shop.stage.path("no.sock");
    shop.configure_at(&format!("unix://{}", nobody.display()), "", "");
    let out = shop.run(&["rollback"]).await;
    out.ended(18, "unreachable").says("no.sock");
    let out = shop.run(&["ready"]).await;
    assert_ne!(out.code, Some(0), "{out}");
}

#[tokio::test]
async fn an_image_that_no_registry_has() {
    let Some(shop) = Shop::open("absent").await else {
        return;
    };
    let bad = bad(&shop.engine).await;
    let digest = format!("sha256:{}", "a".repeat(64));
    let text = format!("web={}@{digest}\n", bad.name);
    shop.green(11, &shop.images("release", &text));
    shop.put(&bad.pinned()).await;
    shop.configure("payload: images.txt");
    let says = ["web", "sha256:aaaa"];
    refused(&shop, &["rollback"], 14, "artifact-refused", &says).await;
    let out = shop.run(&["ready"]).await;
    out.ended(19, "not-ready");
    assert_eq!(shop.project.get("/").await, "v3");
}

/// Nothing is known of the image until the pull, which fails: also then nothing was touched.
#[tokio::test]
async fn an_image_that_is_missed_only_when_it_is_pulled() {
    let Some(shop) = Shop::open("unasked").await else {
        return;
    };
    let bad = bad(&shop.engine).await;
    let text = format!("web={}@sha256:{}\n", bad.name, "b".repeat(64));
    shop.green(11, &shop.images("release", &text));
    shop.put(&bad.pinned()).await;
    shop.configure("payload: images.txt, check-images: false");
    let id = shop.id().await;
    let out = shop.run(&["rollback"]).await;
    assert_ne!(out.code, Some(0), "{out}");
    out.says("sha256:bbbb");
    assert_eq!(shop.id().await, id);
    assert_eq!(shop.names().await.len(), 1);
}

#[tokio::test]
async fn what_is_not_proven_is_not_recorded() {
    let Some(shop) = Shop::open("unproven").await else {
        return;
    };
    shop.put_bad().await;
    let is_bad = |web: &serde_json::Value| web["State"]["Health"]["Status"] == "unhealthy";
    shop.project.until("web", "unhealthy", is_bad).await;
    let dir = shop.stage.path("record");
    fs::create_dir(&dir).unwrap();
    let args = ["record", "--path", dir.to_str().unwrap()];
    let out = shop.run(&args).await;
    assert_eq!(out.code, Some(15), "{out}");
    assert!(!dir.join("lastgood.json").exists());
}

/// The last good release does not come up any more: the one before it stays, and serves.
#[tokio::test]
async fn a_release_that_does_not_come_up_leaves_the_one_before() {
    let Some(shop) = Shop::open("worse").await else {
        return;
    };
    let good = v1(&shop.engine).await;
    let worse = App::new("v7").exits_after_ms(50);
    let worse = shop.engine.push(&worse, "shop/web", "v7-worse").await;
    let text = format!("web={}\n", worse.pinned());
    shop.green(11, &shop.images("release", &text));
    shop.configure("payload: images.txt");
    let out = shop.run(&["rollback"]).await;
    assert_ne!(out.code, Some(0), "{out}");
    out.says("the container of before is back");
    shop.answers("v1").await;
    let is_well = |web: &serde_json::Value| web["State"]["Health"]["Status"] == "healthy";
    shop.project.until("web", "healthy again", is_well).await;
    shop.serves(&good, "v1").await;
    assert_eq!(out.json()["changed"], json!(true), "{out}");
}
