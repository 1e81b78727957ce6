//! Engines that are hard to reach while containers are watched.

use super::{Told, attend, held, one, pushed, sighted, target};
use crate::compose_bed::{Mischief, Proxy};
use crate::docker::{App, Engine, Project};
use lastgood::model::sighting::Symptom;
use lastgood::model::verdict::Severity;
use lastgood::targets::TargetError;
use serde_json::json;

#[tokio::test]
async fn without_events_it_is_looked_all_the_same() {
    let Some(engine) = Engine::find() else { return };
    let image = pushed(&engine, &App::new("v1"), "deaf").await;
    let project = Project::new(&engine, "watch-deaf", |_| one(&image, ""));
    project.up().await;
    let proxy = Proxy::start(engine.socket(), 0, Mischief::NoEvents);
    let target = target(&proxy.host(), &project, &json!({"stable": "6s"}));
    let told = Told::default();
    let wanted = held(&image);
    let (attended, ()) = tokio::join!(attend(target.as_ref(), &wanted, &told), async {
        told.until("1 healthy").await;
        project.compose(&["kill", "web"]).await;
    });
    let what = "it was stopped (exit code 137)";
    sighted(&attended, Severity::Serious, Symptom::NotRunning, what);
    assert!(1 < proxy.cut(), "the stream was opened again");
}

#[tokio::test]
async fn an_engine_that_goes_away_is_no_sickness() {
    let Some(engine) = Engine::find() else { return };
    let image = pushed(&engine, &App::new("v1"), "away").await;
    let project = Project::new(&engine, "watch-away", |_| one(&image, ""));
    project.up().await;
    let proxy = Proxy::start(engine.socket(), 0, Mischief::NoEvents);
    let target = target(&proxy.host(), &project, &json!({"stable": "2s"}));
    let told = Told::default();
    let wanted = held(&image);
    let (attended, ()) = tokio::join!(target.attend(&wanted, &told), async {
        told.until("1 healthy").await;
        drop(proxy);
    });
    let error = attended.expect_err("nobody knows how it is");
    assert!(matches!(error, TargetError::Unreachable { .. }), "{error}");
}
