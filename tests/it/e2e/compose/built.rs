//! Images that were built on the engine, and are in no registry: `record` keeps them there.

use super::shop::{Shop, web};
use crate::docker::{App, Engine};
use serde_json::json;

/// An image that no registry knows, under a tag of the test's own.
async fn built(engine: &Engine, app: &App, tag: &str) -> String {
    let local = engine.local(app).await;
    engine.docker(&["tag", &local, tag]).await;
    engine.docker(&["image", "rm", &local]).await;
    let image = engine.inspect(tag).await;
    assert_eq!(image["RepoDigests"], json!([]));
    image["Id"].as_str().unwrap().to_owned()
}

async fn sweep(shop: &Shop) {
    let filter = format!("name=lastgood-keep-{}", shop.project.name);
    let keepers = ["ps", "--all", "--quiet", "--filter", &filter];
    let keepers = shop.engine.docker(&keepers).await;
    for keeper in keepers.lines() {
        shop.engine.docker(&["rm", keeper]).await;
    }
    let reference = format!("reference=lastgood/{}-web*", shop.project.name);
    let tags = ["images", "--quiet", "--no-trunc", "--filter", &reference];
    let tags = shop.engine.docker(&tags).await;
    for id in tags.lines() {
        // One that runs is taken with the engine.
        drop(shop.engine.try_docker(&["image", "rm", id]).await);
    }
}

/// The tag is built again and the old image loses its only name, as the next build does it.
#[tokio::test]
async fn a_service_that_was_built_here_comes_back() {
    let Some(engine) = Engine::find() else { return };
    let unique = format!("built-{}", std::process::id());
    let tag = format!("shop-{unique}:latest");
    let app = |version: &str| App::new(version).with("UNIQUE", &unique);
    let old = built(&engine, &app("b1"), &tag).await;
    let shop = Shop::of(engine, "built", |port| {
        web(&tag, port, "    pull_policy: never\n")
    })
    .await;
    let manifest = shop.record(11).await;
    let pin = &manifest["slots"]["web"];
    assert_eq!(pin["revision"], json!(old), "{pin:#}");
    assert_eq!(pin["recorded"]["built"], json!(true), "{pin:#}");
    let names = shop.names().await;
    assert!(
        names.iter().any(|name| name.starts_with("lastgood-keep-")),
        "{names:?}"
    );

    let new = built(&shop.engine, &app("b2").bad(), &tag).await;
    assert_ne!(old, new);
    shop.project.up_without_waiting().await;
    shop.answers("b2").await;
    let out = shop.watch().await;
    out.ended(10, "rolled-back");
    let container = shop.project.container("web").await;
    assert_eq!(container["Image"], json!(old));
    assert_eq!(container["State"]["Health"]["Status"], json!("healthy"));
    assert_eq!(shop.project.get("/").await, "b1");
    let told = shop.project.dry_run().await;
    assert!(told.contains("Recreate"), "{told}");
    sweep(&shop).await;
}

/// Somebody removed what was kept: that is told, and nothing is touched.
#[tokio::test]
async fn one_that_is_gone_from_its_engine() {
    let Some(engine) = Engine::find() else { return };
    let unique = format!("gone-{}", std::process::id());
    let tag = format!("shop-{unique}:latest");
    let app = |version: &str| App::new(version).with("UNIQUE", &unique);
    let old = built(&engine, &app("b1"), &tag).await;
    let shop = Shop::of(engine, "gone", |port| {
        web(&tag, port, "    pull_policy: never\n")
    })
    .await;
    shop.record(11).await;
    built(&shop.engine, &app("b2"), &tag).await;
    shop.project.up().await;
    sweep(&shop).await;
    let is_there = shop.engine.try_docker(&["image", "inspect", &old]).await;
    assert!(is_there.is_err(), "{is_there:?}");
    let id = shop.id().await;
    let out = shop.run(&["rollback"]).await;
    out.ended(14, "artifact-refused").says("built");
    assert_eq!(shop.id().await, id);
    assert_eq!(shop.project.get("/").await, "b2");
}
