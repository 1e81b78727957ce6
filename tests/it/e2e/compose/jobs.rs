//! Jobs: a migration that others wait for is never run by a rollback that was not asked to, and does not stand in its way.

use super::shop::{Shop, v1, v2, web};
use crate::docker::{App, Engine, Image};
use serde_json::Value;

/// `web` waits for the good end of `migrate`.
fn migrated(web_image: &str, job: &str, port: u16) -> String {
    let more = "    depends_on: { migrate: { condition: service_completed_successfully } }\n";
    format!(
        "{}  migrate:\n    image: {job}\n",
        web(web_image, port, more)
    )
}

/// A job that ends with this code.
async fn job(engine: &Engine, version: &str, code: &str) -> Image {
    let app = App::new(version).without_health().exits_after_ms(50);
    let app = app.with("EXIT_CODE", code);
    engine.push(&app, "shop/migrate", version).await
}

async fn one(shop: &Shop, service: &str) -> Value {
    shop.project.containers(service).await.remove(0)
}

/// The deploy fails halfway: the new migration fails, and the new `web` is created and never started.
#[tokio::test]
async fn a_failed_migration_is_left_alone_and_what_waited_for_it_is_put_back() {
    let Some(engine) = Engine::find() else { return };
    let good = v1(&engine).await;
    let first = job(&engine, "m1", "0").await;
    // `up --wait` would take the end of a job for a failure.
    let shop = Shop::of(engine, "migrated", |port| web(&good.pinned(), port, "")).await;
    let yaml = migrated(&good.pinned(), &first.pinned(), shop.project.port);
    shop.project.rewrite(&yaml);
    shop.project.up_without_waiting().await;
    let is_well = |web: &Value| web["State"]["Health"]["Status"] == "healthy";
    shop.project.until("web", "healthy", is_well).await;
    shop.record(11).await;

    let new = v2(&shop.engine).await;
    let second = job(&shop.engine, "m2", "1").await;
    let yaml = migrated(&new.pinned(), &second.pinned(), shop.project.port);
    shop.project.rewrite(&yaml);
    let up = shop.project.try_compose(&["up", "--detach"]).await;
    assert!(up.is_err(), "{up:?}");
    let failed = one(&shop, "migrate").await;
    assert_eq!(failed["State"]["ExitCode"], 1, "{failed:#}");
    let waits = one(&shop, "web").await;
    assert_eq!(waits["State"]["Status"], "created", "{waits:#}");

    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    shop.holds("web", &good).await;
    assert_eq!(shop.project.get("/").await, "v1");
    let now = one(&shop, "migrate").await;
    assert_eq!(now["Id"], failed["Id"], "the migration was not asked for");
    assert_eq!(now["State"], failed["State"], "and was not run again");
    out.says("has ended with exit code 1");

    // Asked for by its name, and allowed, it runs and ends.
    shop.configure("services: [web, migrate]");
    let refused = shop.run(&["rollback"]).await;
    assert_ne!(refused.code, Some(0), "{refused}");
    refused.says("runs-again");
    let out = shop.run(&["rollback", "--allow", "runs-again"]).await;
    out.ended(0, "restored");
    let now = one(&shop, "migrate").await;
    assert_eq!(now["Image"], first.id);
    assert_eq!(now["State"]["ExitCode"], 0, "{now:#}");
}
