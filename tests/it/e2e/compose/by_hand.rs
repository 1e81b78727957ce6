//! The emergency: `rollback` in its forms, `ready`, and what is told of it afterwards.

use super::door::Door;
use super::shop::{Shop, of_run, v1, v2};
use serde_json::json;
use std::fs;

#[tokio::test]
async fn a_dry_run_says_what_would_change_and_asks_the_engine_for_no_change() {
    let Some(shop) = Shop::open("dry").await else {
        return;
    };
    let good = v1(&shop.engine).await;
    shop.record(11).await;
    shop.put_bad().await;
    let before = shop.project.container("web").await["Id"].clone();
    let door = Door::open(shop.engine.socket());
    shop.configure_at(&door.host(), "", "");
    let out = shop.run(&["rollback", "--dry-run"]).await;
    out.ended(0, "planned").says("1 change would be made");
    let short = good.digest.get(..19).unwrap();
    assert!(format!("{out}").contains(short), "the image is told: {out}");
    assert_eq!(door.calls(), [""; 0]);
    assert_eq!(shop.project.container("web").await["Id"], before);
    assert_eq!(shop.names().await.len(), 1);
}

#[tokio::test]
async fn put_back_once_and_then_already_good() {
    let Some(shop) = Shop::open("again").await else {
        return;
    };
    let good = v1(&shop.engine).await;
    shop.record(11).await;
    shop.put_bad().await;
    let out = shop
        .run(&["rollback", "--reason", "the shop is down"])
        .await;
    out.ended(0, "restored");
    shop.serves(&good, "v1").await;
    assert_eq!(shop.marks().await, [""; 0]);
    assert!(
        out.report().contains("the shop is down"),
        "{}",
        out.report()
    );
    let id = shop.id().await;
    let again = shop.run(&["rollback"]).await;
    again.ended(0, "already-good");
    assert_eq!(again.events("intent").len(), 0);
    assert_eq!(shop.id().await, id);

    let history = shop.run(&["history"]).await;
    assert_eq!(history.code, Some(0), "{history}");
    let json = history.json();
    let operations = json["operations"].as_array().unwrap();
    let restored = operations.iter().find(|one| one["outcome"] == "restored");
    let restored = restored.unwrap_or_else(|| panic!("{history}"));
    let (before, after) = (&restored["before"]["web"], &restored["after"]["web"]);
    assert_eq!(after["revision"], json!(good.digest), "{restored:#}");
    assert_ne!(before["revision"], after["revision"]);
    let journal = out.dir().join("journal.jsonl");
    let report = ["report", "--journal", journal.to_str().unwrap()];
    let report = shop.stage.lastgood(&report).run().await;
    assert_eq!(report.code, Some(0), "{report}");
    assert!(format!("{report}").contains("the shop is down"), "{report}");
}

#[tokio::test]
async fn an_older_release_and_one_from_a_file_when_github_is_away() {
    let Some(shop) = Shop::open("older").await else {
        return;
    };
    let (one, two) = (v1(&shop.engine).await, v2(&shop.engine).await);
    shop.record(11).await;
    shop.put(&two.pinned()).await;
    shop.project.up().await;
    shop.record(12).await;
    shop.put_bad().await;
    // The newest good one.
    shop.run(&["rollback"]).await.ended(0, "restored");
    shop.serves(&two, "v2").await;
    // The one that the operator names.
    let out = shop.run(&["rollback", "--run-id", "11"]).await;
    out.ended(0, "restored");
    shop.serves(&one, "v1").await;
    // A file that somebody downloaded; nobody answers at GitHub's address.
    let requests = shop.stage.world.requests().len();
    let path = shop.stage.path("record-12");
    let out = shop
        .call(&["rollback", "--artifact", path.to_str().unwrap()])
        .env("GITHUB_API_URL", "http://127.0.0.1:9")
        .without("GITHUB_TOKEN")
        .run()
        .await;
    out.ended(0, "restored");
    shop.serves(&two, "v2").await;
    assert_eq!(shop.stage.world.requests().len(), requests);
}

#[tokio::test]
async fn ready_proves_what_a_rollback_needs_and_changes_nothing() {
    let Some(shop) = Shop::open("ready").await else {
        return;
    };
    shop.record(11).await;
    shop.put_bad().await;
    let (id, names) = (shop.id().await, shop.names().await);
    let out = shop.run(&["ready"]).await;
    out.ended(0, "ready");
    let checks = out.events("checked");
    for wanted in ["engine", "permission", "service", "image"] {
        let found = checks.iter().find(|check| check["check"] == wanted);
        let found = found.unwrap_or_else(|| panic!("{wanted}: {checks:#?}"));
        assert_eq!(found["ok"], json!(true), "{found:#}");
    }
    assert_eq!((shop.id().await, shop.names().await), (id, names));
}

#[tokio::test]
async fn without_a_config_file() {
    let Some(shop) = Shop::open("bare").await else {
        return;
    };
    let good = v1(&shop.engine).await;
    fs::remove_file(shop.stage.path(".github/lastgood.yml")).unwrap();
    let target = format!("compose:{}", shop.project.name);
    let bare = |args: &[&str]| {
        let args = [args, &["--target", &target]].concat();
        shop.call(&args).env("DOCKER_HOST", shop.engine.host())
    };
    let dir = shop.stage.path("record");
    fs::create_dir(&dir).unwrap();
    let record = bare(&["record", "--path", dir.to_str().unwrap()]);
    let out = of_run(record, 11).run().await;
    assert_eq!(out.code, Some(0), "{out}");
    shop.green(11, &dir);
    shop.put_bad().await;
    let source = ["--workflow", "deploy.yml", "--branch", "main", "--dry-run"];
    let args = [&["rollback"], &source[..]].concat();
    let out = bare(&args).run().await;
    out.ended(0, "planned").says("1 change would be made");
    // The usual windows are those of production: the change itself is told by the others.
    assert_ne!(shop.project.container("web").await["Image"], good.id);
}

#[tokio::test]
async fn a_service_that_somebody_stopped_is_started() {
    let Some(shop) = Shop::open("down").await else {
        return;
    };
    let good = v1(&shop.engine).await;
    shop.record(11).await;
    let id = shop.id().await;
    shop.project.compose(&["stop"]).await;
    shop.run(&["rollback"]).await.ended(0, "restored");
    shop.serves(&good, "v1").await;
    assert_eq!(shop.id().await, id, "the container that was there");
}
