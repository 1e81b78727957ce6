//! `deploy` with a file of images: the new release is put in place and judged, and taken back when it is not well.

use super::shop::{NEW, Shop, bad, v1, v2};
use crate::e2e::output::Output;

async fn deploy(shop: &Shop, image: &str) -> Output {
    let dir = shop.images("dist", &format!("web={image}\n"));
    shop.configure("payload: images.txt");
    let args = ["deploy", "--artifact", dir.to_str().unwrap()];
    shop.call(&args).step(NEW).run().await
}

#[tokio::test]
async fn images_that_are_well() {
    let Some(shop) = Shop::open("deploy-well").await else {
        return;
    };
    shop.record(11).await;
    let new = v2(&shop.engine).await;
    deploy(&shop, &new.pinned()).await.ended(0, "healthy");
    shop.serves(&new, "v2").await;
}

#[tokio::test]
async fn images_that_do_not_come_up_go_back_to_the_recorded_release() {
    let Some(shop) = Shop::open("deploy-bad").await else {
        return;
    };
    let good = v1(&shop.engine).await;
    shop.record(11).await;
    let bad = bad(&shop.engine).await;
    let out = deploy(&shop, &bad.pinned()).await;
    out.ended(10, "rolled-back").says("unhealthy");
    let is_well = |web: &serde_json::Value| web["State"]["Health"]["Status"] == "healthy";
    shop.project.until("web", "healthy again", is_well).await;
    shop.serves(&good, "v1").await;
}

/// It comes up, and falls ill while it is watched.
#[tokio::test]
async fn images_that_fall_ill_under_watch() {
    let Some(shop) = Shop::open("deploy-ill").await else {
        return;
    };
    let good = v1(&shop.engine).await;
    shop.record(11).await;
    let ill = crate::docker::App::new("v8").with("BAD_AFTER_MS", "2500");
    let ill = shop.engine.push(&ill, "shop/web", "v8-ill").await;
    let dir = shop.images("dist", &format!("web={}\n", ill.pinned()));
    shop.configure("payload: images.txt, stable: 8s");
    let args = ["deploy", "--artifact", dir.to_str().unwrap()];
    let out = shop.call(&args).step(NEW).run().await;
    out.ended(10, "rolled-back");
    shop.serves(&good, "v1").await;
}
