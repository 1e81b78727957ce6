//! More than one container: scaled services, services that stand on each other, and one of several.

use super::shop::{Shop, bad, v1, v2, web};
use crate::docker::Engine;
use serde_json::{Value, json};

fn scaled(image: &str, count: u32) -> String {
    format!(
        "services:\n  web:\n    image: {image}\n    deploy: {{ replicas: {count} }}\n    stop_grace_period: 2s\n"
    )
}

#[tokio::test]
async fn every_replica_of_a_scaled_service() {
    let Some(engine) = Engine::find() else { return };
    let good = v1(&engine).await;
    let shop = Shop::of(engine, "scaled", |_port| scaled(&good.pinned(), 3)).await;
    shop.record(11).await;
    let bad = bad(&shop.engine).await;
    shop.project.rewrite(&scaled(&bad.pinned(), 3));
    shop.project.up_without_waiting().await;
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    shop.holds("web", &good).await;
    let names: Vec<String> = (1..=3)
        .map(|number| format!("{}-web-{number}", shop.project.name))
        .collect();
    assert_eq!(shop.names().await, names);
}

/// Somebody changed one replica alone: those that are right are not touched.
#[tokio::test]
async fn replicas_that_differ_are_made_alike() {
    let Some(engine) = Engine::find() else { return };
    let good = v1(&engine).await;
    let shop = Shop::of(engine, "mixed", |_port| scaled(&good.pinned(), 2)).await;
    shop.record(11).await;
    let first = shop.project.containers("web").await.remove(0)["Id"].clone();
    let bad = bad(&shop.engine).await;
    shop.project.rewrite(&scaled(&bad.pinned(), 3));
    let args = ["up", "--detach", "--no-recreate"];
    shop.project.compose(&args).await;
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored").says("mixed:");
    shop.holds("web", &good).await;
    let all = shop.project.containers("web").await;
    assert_eq!(all.len(), 3);
    assert_eq!(all[0]["Id"], first);
}

/// `web` stands on `db` and is restarted with it; `job` stands on nothing.
fn two(web_image: &str, db_image: &str, port: u16) -> String {
    let more = "    depends_on: { db: { condition: service_healthy, restart: true } }\n";
    format!(
        "{}  db:\n    image: {db_image}\n    stop_grace_period: 2s\n",
        web(web_image, port, more)
    )
}

#[tokio::test]
async fn what_others_stand_on_goes_first() {
    let Some(engine) = Engine::find() else { return };
    let good = v1(&engine).await;
    let shop = Shop::of(engine, "depends", |port| {
        two(&good.pinned(), &good.pinned(), port)
    })
    .await;
    shop.record(11).await;
    let new = v2(&shop.engine).await;
    let yaml = two(&new.pinned(), &new.pinned(), shop.project.port);
    shop.project.rewrite(&yaml);
    shop.project.up().await;
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    let slots: Vec<Value> = out
        .events("applied")
        .iter()
        .map(|event| event["slot"].clone())
        .collect();
    assert_eq!(slots, [json!("db"), json!("web")], "{out}");
    shop.holds("web", &good).await;
    shop.holds("db", &good).await;
    assert_eq!(shop.project.get("/reach/db:8080").await, "HTTP/1.1 200 OK");
    assert_eq!(shop.names().await.len(), 2);
}

#[tokio::test]
async fn one_of_two_and_what_stands_on_it_is_restarted() {
    let Some(engine) = Engine::find() else { return };
    let good = v1(&engine).await;
    let shop = Shop::of(engine, "restarted", |port| {
        two(&good.pinned(), &good.pinned(), port)
    })
    .await;
    shop.record(11).await;
    let new = v2(&shop.engine).await;
    let yaml = two(&new.pinned(), &new.pinned(), shop.project.port);
    shop.project.rewrite(&yaml);
    shop.project.up().await;
    let before = shop.project.container("web").await;
    let out = shop.run(&["rollback", "--slot", "db"]).await;
    out.ended(0, "restored");
    shop.holds("db", &good).await;
    let is_well = |web: &Value| web["State"]["Health"]["Status"] == "healthy";
    let after = shop.project.until("web", "healthy", is_well).await;
    assert_eq!(after["Image"], new.id, "web was not asked for");
    assert_eq!(after["Id"], before["Id"]);
    let started = |web: &Value| web["State"]["StartedAt"].to_string();
    assert_ne!(started(&after), started(&before), "web is restarted");
    assert_eq!(shop.project.get("/reach/db:8080").await, "HTTP/1.1 200 OK");
}

/// What the containers are configured with is not part of a release: it stays.
#[tokio::test]
async fn configuration_and_data_stay() {
    let Some(engine) = Engine::find() else { return };
    let good = v1(&engine).await;
    let more = "    environment: { GREETING: hello }\n    volumes: ['data:/data']\nvolumes: { data: {} }\n";
    let shop = Shop::of(engine, "data", |port| web(&good.pinned(), port, more)).await;
    shop.record(11).await;
    let new = v2(&shop.engine).await;
    shop.project
        .rewrite(&web(&new.pinned(), shop.project.port, more));
    shop.project.up().await;
    let url = format!("http://127.0.0.1:{}/file/data/kept", shop.project.port);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(url).body("orders").send().await.unwrap();
    assert!(answer.status().is_success());
    shop.run(&["rollback"]).await.ended(0, "restored");
    shop.serves(&good, "v1").await;
    assert_eq!(shop.project.get("/file/data/kept").await, "orders");
    assert_eq!(shop.project.get("/env/GREETING").await, "hello");
}
