//! What ails containers while they are watched.

use super::{Told, attend, held, one, pushed, sighted, target};
use crate::docker::{App, Engine, Project};
use lastgood::model::sighting::Symptom;
use lastgood::model::verdict::Severity;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn healthy_containers_are_quiet() {
    let Some(engine) = Engine::find() else { return };
    let image = pushed(&engine, &App::new("v1"), "quiet").await;
    let more = "    deploy: {replicas: 2}\n";
    let project = Project::new(&engine, "watch-quiet", |_| one(&image, more));
    project.up().await;
    let told = Told::default();
    let target = target(engine.host(), &project, &json!({"drift": ["5s"]}));
    let attended = attend(target.as_ref(), &held(&image), &told).await;
    assert_eq!(attended.sightings, Vec::new());
    assert!(Duration::from_secs(5) <= attended.watched);
    assert!(attended.watched < Duration::from_secs(12));
    assert_eq!(told.lines(), ["web: 2 of 2 containers run, 2 healthy"]);
}

#[tokio::test]
async fn a_crash_loop_ends_the_watching_at_once() {
    let Some(engine) = Engine::find() else { return };
    let app = App::new("crash").without_health().exits_after_ms(1000);
    let image = pushed(&engine, &app, "crash").await;
    let project = Project::new(&engine, "watch-crash", |_| {
        one(&image, "    restart: always\n")
    });
    project.up_without_waiting().await;
    let target = target(engine.host(), &project, &json!({"stable": "40s"}));
    let attended = attend(target.as_ref(), &held(&image), &Told::default()).await;
    let what = "ends with exit code 1 and is started again";
    sighted(&attended, Severity::Critical, Symptom::CrashLoop, what);
    assert!(attended.watched < Duration::from_secs(20));
}

#[tokio::test]
async fn an_end_without_a_restart_is_told_from_a_job_that_is_done() {
    let Some(engine) = Engine::find() else { return };
    let app = App::new("end").without_health().exits_after_ms(100);
    let failing = pushed(&engine, &app, "end").await;
    let done = pushed(&engine, &app.with("EXIT_CODE", "0"), "done").await;
    let bad = Project::new(&engine, "watch-end", |_| one(&failing, ""));
    bad.up_without_waiting().await;
    let good = Project::new(&engine, "watch-done", |_| one(&done, ""));
    good.up_without_waiting().await;
    let (bad, good) = (
        target(engine.host(), &bad, &json!({})),
        target(engine.host(), &good, &json!({})),
    );
    let (told, quiet) = (Told::default(), Told::default());
    let (failing, done) = (held(&failing), held(&done));
    let (failed, well) = tokio::join!(
        attend(bad.as_ref(), &failing, &told),
        attend(good.as_ref(), &done, &quiet)
    );
    let what = "ended with exit code 1 and is not started again";
    sighted(&failed, Severity::Critical, Symptom::ContainerExited, what);
    assert_eq!(well.sightings, Vec::new());
    quiet.until("it has done its work").await;
}

#[tokio::test]
async fn a_healthcheck_that_fails_for_good_is_critical() {
    let Some(engine) = Engine::find() else { return };
    let image = pushed(&engine, &App::new("bad").bad(), "bad").await;
    let project = Project::new(&engine, "watch-bad", |_| one(&image, ""));
    project.up_without_waiting().await;
    let target = target(engine.host(), &project, &json!({"stable": "0s"}));
    let attended = attend(target.as_ref(), &held(&image), &Told::default()).await;
    let what = "is unhealthy by its HEALTHCHECK";
    sighted(&attended, Severity::Critical, Symptom::ProbeFails, what);
    assert!(attended.sightings[0].what.contains("500"));
}

#[tokio::test]
async fn a_container_that_somebody_stops_does_not_run() {
    let Some(engine) = Engine::find() else { return };
    let image = pushed(&engine, &App::new("v1"), "stopped").await;
    let project = Project::new(&engine, "watch-stop", |_| {
        one(&image, "    restart: unless-stopped\n")
    });
    project.up().await;
    let told = Told::default();
    let target = target(engine.host(), &project, &json!({}));
    let wanted = held(&image);
    let (attended, ()) = tokio::join!(attend(target.as_ref(), &wanted, &told), async {
        told.until("1 healthy").await;
        project.compose(&["kill", "web"]).await;
    });
    let what = "it was stopped (exit code 137)";
    sighted(&attended, Severity::Serious, Symptom::NotRunning, what);
}

#[tokio::test]
async fn another_image_of_somebody_else_is_drift_and_another_container_is_not() {
    let Some(engine) = Engine::find() else { return };
    let image = pushed(&engine, &App::new("v1"), "drift").await;
    let other = pushed(&engine, &App::new("v2"), "drift").await;
    let project = Project::new(&engine, "watch-drift", |_| one(&image, ""));
    project.up().await;
    let target = target(engine.host(), &project, &json!({"stable": "8s"}));
    let told = Told::default();
    let wanted = held(&image);
    let (attended, ()) = tokio::join!(attend(target.as_ref(), &wanted, &told), async {
        told.until("1 healthy").await;
        let again = ["up", "--detach", "--force-recreate", "--timeout", "0"];
        project.compose(&again).await;
    });
    let serious = |severity: Severity| Severity::Serious <= severity;
    let sightings = &attended.sightings;
    assert!(
        !sightings.iter().any(|one| serious(one.severity)),
        "{sightings:#?}"
    );
    let told = Told::default();
    let (attended, ()) = tokio::join!(attend(target.as_ref(), &wanted, &told), async {
        told.until("1 healthy").await;
        project.rewrite(&one(&other, ""));
        project.up_without_waiting().await;
    });
    sighted(
        &attended,
        Severity::Serious,
        Symptom::DriftedBack,
        "was put in place",
    );
}

#[tokio::test]
async fn error_lines_are_counted_and_quoted_without_secrets() {
    let Some(engine) = Engine::find() else { return };
    let app = App::new("v1").with("SAY", "ERROR password hunter22 was refused");
    let image = pushed(&engine, &app, "errors").await;
    for more in ["", "    tty: true\n"] {
        let project = Project::new(&engine, "watch-log", |_| one(&image, more));
        project.up().await;
        let rules = json!({"log-errors": "^ERROR", "log-errors-max": 0, "stable": "1s"});
        let target = target(engine.host(), &project, &rules);
        let attended = attend(target.as_ref(), &held(&image), &Told::default()).await;
        let what = "1 error lines within 2 minutes in 1 container (at most 0), such as: ERROR password *** was";
        sighted(&attended, Severity::Serious, Symptom::ErrorsLogged, what);
    }
}

#[tokio::test]
async fn a_container_that_is_killed_for_its_memory_says_so() {
    let Some(engine) = Engine::find() else { return };
    let image = pushed(&engine, &App::new("v1").without_health(), "memory").await;
    let project = Project::new(&engine, "watch-memory", |port| {
        let more = format!(
            "    mem_limit: 24m\n    memswap_limit: 24m\n    restart: always\n    ports: ['127.0.0.1:{port}:8080']\n"
        );
        one(&image, &more)
    });
    project.up().await;
    let target = target(engine.host(), &project, &json!({"stable": "20s"}));
    let told = Told::default();
    let wanted = held(&image);
    let (attended, ()) = tokio::join!(attend(target.as_ref(), &wanted, &told), async {
        told.until("1 of 1").await;
        // What it is sent is kept in its memory.
        let address = ("127.0.0.1", project.port);
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let size = 200 * 1024 * 1024;
        let head = format!("POST /file/x HTTP/1.1\r\ncontent-length: {size}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'x'; 1024 * 1024];
        for _ in 0..200 {
            if stream.write_all(&piece).await.is_err() {
                break;
            }
        }
        let mut nothing = Vec::new();
        drop(stream.read_to_end(&mut nothing).await);
    });
    let what = "was killed for lack of memory (exit code 137)";
    sighted(&attended, Severity::Critical, Symptom::OutOfMemory, what);
}
