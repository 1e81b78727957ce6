//! What "restored" may be said of: every service that the release was recorded with, in as many containers, of this project. What is
//! missing is named in the last sentence, and a release of another project is not taken without a word.

use super::shop::{Shop, v1, v2, web};
use crate::docker::{App, Engine, Image};
use serde_json::Value;

/// A worker as Compose starts it by default: no policy, no port, no HEALTHCHECK.
async fn worker(engine: &Engine, app: App, tag: &str) -> Image {
    engine.push(&app.without_health(), "shop/worker", tag).await
}

fn with_worker(image: &str, worker: &str, port: u16) -> String {
    format!(
        "{}  worker:\n    image: {worker}\n    stop_grace_period: 1s\n",
        web(image, port, "")
    )
}

fn state(container: &Value) -> &str {
    container["State"]["Status"].as_str().unwrap()
}

/// A worker that gives up with code 0 looks like a job that is done. It ran when the release was recorded, so it is none.
#[tokio::test]
async fn a_worker_that_gave_up_is_no_job() {
    let Some(engine) = Engine::find() else { return };
    let good = v1(&engine).await;
    let works = worker(&engine, App::new("w1"), "w1").await;
    let gives_up = App::new("w2").exits_after_ms(300).with("EXIT_CODE", "0");
    let gives_up = worker(&engine, gives_up, "w2").await;
    let shop = Shop::of(engine, "worker", |port| {
        with_worker(&good.pinned(), &works.pinned(), port)
    })
    .await;
    shop.configure("running-for: 1s");
    let manifest = shop.record(11).await;
    let recorded = &manifest["slots"]["worker"]["recorded"];
    assert_eq!(recorded["replicas"], 1, "{manifest:#}");
    assert_eq!(recorded["job"], Value::Null, "{manifest:#}");
    let yaml = with_worker(&good.pinned(), &gives_up.pinned(), shop.project.port);
    shop.project.rewrite(&yaml);
    shop.project.up_without_waiting().await;
    shop.project
        .until("worker", "ended", |worker| state(worker) == "exited")
        .await;

    let out = shop.run(&["rollback", "--dry-run"]).await;
    out.ended(0, "planned").says("1 change would be made");
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    let now = shop.project.container("worker").await;
    assert_eq!(now["Image"], works.id, "{now:#}");
    assert_eq!(state(&now), "running", "{now:#}");

    // Stopped by hand it is started again, and named by itself it is no riddle.
    shop.project.compose(&["stop", "worker"]).await;
    let out = shop.run(&["rollback", "--slot", "worker"]).await;
    out.ended(0, "restored");
    let now = shop.project.container("worker").await;
    assert_eq!(state(&now), "running", "{now:#}");
}

/// What had ended when it was recorded is a job by the record, and is left alone whatever it does now.
#[tokio::test]
async fn a_job_is_recorded_as_one() {
    let Some(engine) = Engine::find() else { return };
    let good = v1(&engine).await;
    let ends = App::new("j1").exits_after_ms(50).with("EXIT_CODE", "0");
    let ends = worker(&engine, ends, "j1").await;
    let shop = Shop::of(engine, "seeded", |port| web(&good.pinned(), port, "")).await;
    let yaml = with_worker(&good.pinned(), &ends.pinned(), shop.project.port);
    shop.project.rewrite(&yaml);
    shop.project.up_without_waiting().await;
    shop.project
        .until("worker", "ended", |worker| state(worker) == "exited")
        .await;
    let is_well = |web: &Value| web["State"]["Health"]["Status"] == "healthy";
    shop.project.until("web", "healthy", is_well).await;
    let manifest = shop.record(11).await;
    assert_eq!(
        manifest["slots"]["worker"]["recorded"]["job"], true,
        "{manifest:#}"
    );

    let new = v2(&shop.engine).await;
    let works = worker(&shop.engine, App::new("w1"), "w1").await;
    let yaml = with_worker(&new.pinned(), &works.pinned(), shop.project.port);
    shop.project.rewrite(&yaml);
    shop.project.up_without_waiting().await;
    let before = shop.project.container("worker").await;
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored").says("had done its work and ended");
    shop.holds("web", &good).await;
    assert_eq!(shop.project.container("worker").await["Id"], before["Id"]);
    assert!(
        out.report().contains("had done its work"),
        "{}",
        out.report()
    );
    let refused = shop.run(&["rollback", "--slot", "worker"]).await;
    refused
        .ended(14, "artifact-refused")
        .says("name it in `services`");
}

#[tokio::test]
async fn what_is_not_there_is_named_at_the_end() {
    let Some(engine) = Engine::find() else { return };
    let good = v1(&engine).await;
    let works = worker(&engine, App::new("w1"), "w1").await;
    let yaml = |image: &Image, port: u16| {
        let yaml = with_worker(&image.pinned(), &works.pinned(), port);
        format!(
            "{yaml}  side:\n    image: {}\n    deploy: {{ replicas: 2 }}\n    stop_grace_period: 1s\n",
            image.pinned()
        )
    };
    let shop = Shop::of(engine, "whole", |port| yaml(&good, port)).await;
    shop.configure("running-for: 1s");
    shop.record(11).await;
    let new = v2(&shop.engine).await;
    shop.project.rewrite(&yaml(&new, shop.project.port));
    shop.project.up().await;
    let second = format!("{}-side-2", shop.project.name);
    let gone = shop.project.container("worker").await["Id"].clone();
    shop.engine
        .docker(&["rm", "--force", &second, gone.as_str().unwrap()])
        .await;

    let ready = shop.run(&["ready"]).await;
    assert_ne!(ready.code, Some(0), "{ready}");
    ready.says("worker: the release names it");

    let out = shop.run(&["rollback", "--slot", "web"]).await;
    out.ended(0, "restored")
        .says("not asked for, and not on this release: side")
        .says("not put back: worker");
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored").says("not put back: worker");
    let warning = "side: the release ran in 2 containers, and it has 1";
    out.says(warning);
    assert!(out.report().contains(warning), "{}", out.report());
    shop.holds("web", &good).await;
    shop.holds("side", &good).await;
}

#[tokio::test]
async fn a_release_of_another_project_has_to_be_allowed() {
    let Some(engine) = Engine::find() else { return };
    let good = v1(&engine).await;
    let shop = Shop::of(engine, "mine", |port| web(&good.pinned(), port, "")).await;
    let mut manifest = shop.record(11).await;
    let recorded = &mut manifest["slots"]["web"]["recorded"];
    assert_eq!(recorded["project"], shop.project.name.as_str());
    recorded["project"] = "somebody-elses".into();
    let file = shop.stage.path("theirs");
    std::fs::create_dir_all(&file).unwrap();
    std::fs::write(file.join("lastgood.json"), manifest.to_string()).unwrap();
    let new = v2(&shop.engine).await;
    shop.put(&new.pinned()).await;
    let args = ["rollback", "--artifact", file.to_str().unwrap()];
    let refused = shop.run(&args).await;
    refused
        .ended(15, "refused")
        .says("other-project")
        .says("recorded of project somebody-elses");
    assert_eq!(shop.project.container("web").await["Image"], new.id);
    let out = shop
        .run(&[&args[..], &["--allow", "other-project"]].concat())
        .await;
    out.ended(0, "restored");
    shop.holds("web", &good).await;
}
