//! The command dies at every call: a container of before or a new one is always there, and a fresh run finishes. And what is dropped while the
//! process still lives serves without one.

use super::bed::Project;
use crate::compose_bed::{Mischief, Proxy};
use crate::docker::{ask, name};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

const ONE: &str = "
services:
  web: {image: 'IMAGE:plain', networks: [back, front]}
networks: {back: {}, front: {}}
";
const CALLS_MAX: usize = 20;
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Applies until the call is reached, in a runtime that is then gone: nothing of ours runs any more. Answers whether it was reached.
fn die_at(project: &Project, outside: &Runtime, to: &str, at: usize, mischief: Mischief) -> bool {
    let proxy = outside.block_on(async { Proxy::start(project.engine.socket(), at, mischief) });
    let inside = Builder::new_current_thread().enable_all().build().unwrap();
    let reached = inside.block_on(async {
        let host = proxy.host();
        let from = if to == "plain" { "other" } else { "plain" };
        tokio::select! {
            biased;
            () = proxy.reached() => true,
            applied = project.apply_at(project.install("web", from, to), &host) => {
                assert_eq!(applied.is_ok(), to != "crash", "{applied:?}");
                false
            }
        }
    });
    inside.shutdown_background();
    reached
}

/// What carries the calls, and what the tests themselves ask of the engine.
fn outside() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

fn every_call_is_the_last(mischief: Mischief) {
    let outside = outside();
    let Some(project) = outside.block_on(Project::up(ONE)) else {
        return;
    };
    let (mut from, mut to) = ("plain", "other");
    for at in 1..=CALLS_MAX {
        if !die_at(&project, &outside, to, at, mischief) {
            assert!(6 < at, "only {at} calls");
            return;
        }
        outside.block_on(async {
            assert!(!project.containers("web").await.is_empty());
            project.again("web", to).await.unwrap();
            project.serves("web", to).await;
        });
        (from, to) = (to, from);
    }
    panic!("a change makes more than {CALLS_MAX} calls");
}

#[test]
fn killed_before_every_call_it_is_finished_by_the_next_run() {
    every_call_is_the_last(Mischief::StopBefore);
}

#[test]
fn killed_after_every_call_it_is_finished_by_the_next_run() {
    every_call_is_the_last(Mischief::StopAfter);
}

/// The release that was there is wanted again, and the one that was being put in place is bad.
#[test]
fn a_killed_change_to_a_bad_release_is_turned_round_by_the_next_run() {
    let outside = outside();
    let Some(project) = outside.block_on(Project::up(ONE)) else {
        return;
    };
    for at in 1..=CALLS_MAX {
        if !die_at(&project, &outside, "crash", at, Mischief::StopAfter) {
            return;
        }
        outside.block_on(async {
            project.again("web", "plain").await.unwrap();
            project.serves("web", "plain").await;
        });
    }
    panic!("a change makes more than {CALLS_MAX} calls");
}

#[tokio::test]
async fn a_change_that_is_dropped_leaves_one_that_runs() {
    let Some(project) = Project::up(ONE).await else {
        return;
    };
    let (mut from, mut to) = ("plain", "other");
    // Up to the start: put aside, create, connect, stop, start.
    for at in 1..=5 {
        let proxy = Proxy::start(project.engine.socket(), at, Mischief::StopAfter);
        let host = proxy.host();
        tokio::select! {
            biased;
            () = proxy.reached() => (),
            applied = project.apply_at(project.install("web", from, to), &host) => {
                panic!("call {at} was not reached: {applied:?}");
            }
        }
        let running = until_one_runs(&project).await;
        ask(&running, "/").await;
        project.again("web", to).await.unwrap();
        project.serves("web", to).await;
        (from, to) = (to, from);
    }
}

const STUBBORN: &str = "
services:
  web: {image: 'IMAGE:stubborn', ports: ['127.0.0.1::8080']}
";

/// A grace that is longer than the command lives is not cut short, and afterwards the engine itself starts the container again.
#[tokio::test]
async fn dropped_while_the_old_one_takes_its_time_to_stop() {
    let Some(project) = Project::up(STUBBORN).await else {
        return;
    };
    let before = project.container("web").await;
    let change = || project.install("web", "stubborn", "plain");
    let told = project.dropped_at(change(), "stopping").await.unwrap_err();
    let told = told.to_string();
    assert!(told.contains("still stopping (up to 5 s)"), "{told}");
    assert!(told.contains("the same command again"), "{told}");
    let after = old_one(&project, &before, false).await;
    assert_eq!(after["State"]["StartedAt"], before["State"]["StartedAt"]);
    let after = old_one(&project, &before, true).await;
    assert_ne!(after["State"]["StartedAt"], before["State"]["StartedAt"]);
    // The next run does not wait for the restart of the engine, which comes in between.
    drop(project.dropped_at(change(), "stopping").await);
    project.set("stop-grace", serde_json::json!("0s"));
    project.again("web", "plain").await.unwrap();
    project.serves("web", "plain").await;
}

/// The container of before, as it runs; `again`: once it was started again.
async fn old_one(project: &Project, before: &Value, again: bool) -> Value {
    let began = Instant::now();
    loop {
        let found = project.containers("web").await;
        let old = found.into_iter().find(|raw| raw["Id"] == before["Id"]);
        let old = old.expect("the container of before is there");
        let is_anew = old["State"]["StartedAt"] != before["State"]["StartedAt"];
        if old["State"]["Running"] == true && (is_anew || !again) {
            return old;
        }
        assert!(began.elapsed() < WAIT_MAX, "{}", old["State"]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Until what is still done after the drop is over: the one that runs has its name.
async fn until_one_runs(project: &Project) -> Value {
    let began = Instant::now();
    loop {
        let found = project.containers("web").await;
        let mut running: Vec<_> = found
            .into_iter()
            .filter(|raw| raw["State"]["Running"] == true)
            .collect();
        if running.len() == 1 && !name(&running[0]).ends_with("-aside") {
            return running.remove(0);
        }
        let names: Vec<_> = running.iter().map(name).collect();
        assert!(began.elapsed() < WAIT_MAX, "these run: {names:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
