//! INT and TERM in the middle of a change, while the old container takes its time to stop: the command ends soon, says what is half
//! done, and the service serves.

use super::door::{Door, When, Which};
use super::shop::{Shop, v1};
use crate::docker::{App, Engine};
use crate::rig::send;
use rustix::process::Signal;
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};

/// A runner waits 7.5 s between INT and TERM (actions/runner `ProcessInvoker.cs`).
const EXIT_WITHIN: Duration = Duration::from_secs(7);

fn patient(image: &str, port: u16) -> String {
    format!(
        "services:\n  web:\n    image: {image}\n    ports: ['127.0.0.1:{port}:8080']\n    stop_grace_period: 20s\n"
    )
}

async fn interrupted(prefix: &str, signal: Signal) {
    let Some(engine) = Engine::find() else { return };
    let good = v1(&engine).await;
    let shop = Shop::of(engine, prefix, |port| patient(&good.pinned(), port)).await;
    shop.record(11).await;
    let stubborn = App::new("v9").ignores_term();
    let stubborn = shop.engine.push(&stubborn, "shop/web", "v9-stubborn").await;
    let yaml = patient(&stubborn.pinned(), shop.project.port);
    shop.project.rewrite(&yaml);
    shop.project.up().await;

    let door = Door::open(shop.engine.socket());
    shop.configure_at(&door.host(), "", "");
    let [output, summary] = ["output", "summary"].map(|name| shop.stage.path(name));
    let running = shop
        .call(&["rollback"])
        .env("GITHUB_OUTPUT", output.to_str().unwrap())
        .env("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())
        .start();
    let started = Instant::now();
    while !door.calls().iter().any(|call| call.contains("/stop")) {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{:#?}",
            door.calls()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let sent = Instant::now();
    send(running.id(), signal);
    let out = running.end().await;
    let took = sent.elapsed();
    out.ended(17, "incomplete");
    assert!(took < EXIT_WITHIN, "{took:?}: {out}");
    assert!(out.report().contains("incomplete"), "{}", out.report());
    for file in [output, summary] {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains("incomplete"), "{text}");
    }
    // One of the two serves soon, well before the grace of 20 s is over.
    let serving = async {
        loop {
            let answer = shop.project.get("/").await;
            if answer == "v1" || answer == "v9" {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let serving = tokio::time::timeout(Duration::from_secs(5), serving).await;
    assert!(serving.is_ok(), "{:?}: {out}", shop.names().await);

    shop.configure("stop-grace: 0s");
    let again = shop.run(&["rollback"]).await;
    assert_eq!(again.code, Some(0), "{again}");
    shop.serves(&good, "v1").await;
    let ends = shop.run(&["history"]).await.json();
    let outcomes: Vec<_> = ends["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["outcome"].clone())
        .collect();
    assert!(outcomes.contains(&json!("incomplete")), "{outcomes:?}");
}

#[tokio::test]
async fn by_int() {
    interrupted("int", Signal::INT).await;
}

#[tokio::test]
async fn by_term() {
    interrupted("term", Signal::TERM).await;
}

/// Nothing was touched yet.
#[tokio::test]
async fn before_the_first_change() {
    let Some(shop) = Shop::open("early").await else {
        return;
    };
    let good = v1(&shop.engine).await;
    shop.record(11).await;
    shop.put_bad().await;
    let id = shop.id().await;
    let door = Door::holding(shop.engine.socket(), Which::With("/rename"), When::Before);
    shop.configure_at(&door.host(), "lease: false", "");
    let running = shop.call(&["rollback"]).start();
    door.held().await;
    send(running.id(), Signal::TERM);
    let out = running.end().await;
    out.ended(17, "incomplete");
    drop(door);
    assert_eq!(shop.id().await, id);
    shop.configure("");
    shop.run(&["rollback"]).await.ended(0, "restored");
    shop.serves(&good, "v1").await;
}
