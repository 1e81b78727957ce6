//! Cancelled as the runner cancels: INT to the client, TERM after 7.5 s, KILL of the client after another 2.5 s. The
//! container must be gone before that, with everything written.

use super::job::{Gone, Job, Left};
use super::{image, rig, rollback};
use crate::docker::{App, Engine};
use crate::rig::{Point, Probes, Rig, Running};
use crate::world::{Fault, Route};
use std::time::{Duration, Instant};

/// Holds the cancellation to its times.
async fn stopped(rig: &Rig, job: &Job, running: Running) -> Left {
    let (how, took, left) = job.cancel(running).await;
    assert_eq!(how, Gone::AfterInt, "{took:?}: {}", left.ended);
    assert_eq!(left.ended.code, Some(17), "{}", left.ended);
    assert_eq!(left.outputs["outcome"], "incomplete");
    assert!(left.summary.contains("incomplete"), "{}", left.summary);
    assert!(!job.is_there().await, "the container is gone");
    let last = rig.journals().last().unwrap().events().pop().unwrap();
    assert_eq!(
        (&last["event"], &last["outcome"]),
        (&"ended".into(), &"incomplete".into())
    );
    assert_eq!(rig.leases(), [""; 0]);
    left
}

#[tokio::test]
async fn while_it_looks_for_a_release() {
    let Some(engine) = Engine::find() else { return };
    let rig = rig(Probes::No).await;
    rig.world
        .fault(Route::WorkflowRuns, Fault::Delay(Duration::from_mins(1)));
    let job = rollback::job(&engine, &image(&engine).await, &rig);
    let mut running = job.start();
    running.reach(Point("began", 1)).await;
    let left = stopped(&rig, &job, running).await;
    assert_eq!(left.outputs["changed"], "false");
    assert_eq!(rig.holds(), "old");
}

/// The program that a change waits for ends with the container, and the same step finishes the change.
#[tokio::test]
async fn while_a_change_hangs() {
    let Some(engine) = Engine::find() else { return };
    let rig = rig(Probes::No).await;
    rig.hold();
    let job = rollback::job(&engine, &image(&engine).await, &rig);
    let mut running = job.start();
    running.until("a held program", |_| rig.is_held()).await;
    let left = stopped(&rig, &job, running).await;
    assert_eq!(left.outputs["changed"], "true");
    let again = rollback::job(&engine, &image(&engine).await, &rig)
        .run()
        .await;
    assert_eq!(again.ended.code, Some(0), "{}", again.ended);
    assert_eq!(rig.holds(), "good");
}

#[tokio::test]
async fn while_the_service_is_judged() {
    let Some(engine) = Engine::find() else { return };
    let rig = rig(Probes::Yes).await;
    let job = rollback::job(&engine, &image(&engine).await, &rig);
    let mut running = job.start();
    running.reach(Point("watching", 1)).await;
    stopped(&rig, &job, running).await;
    assert_eq!(rig.holds(), "good");
}

/// The runner itself: without a program that listens, TERM comes after INT, then the client is killed, and the container
/// lives on. The other tests would see it.
#[tokio::test]
async fn what_does_not_listen_outlives_the_client() {
    let Some(engine) = Engine::find() else { return };
    let deaf = engine.local(&App::new("v1").ignores_term()).await;
    let workspace = tempfile::TempDir::new().unwrap();
    let job = Job::new(&engine, &deaf, workspace.path());
    let running = job.start();
    let state = [
        "inspect",
        "--format",
        "{{.State.Health.Status}}",
        &job.container,
    ];
    let since = Instant::now();
    while engine.try_docker(&state).await.as_deref() != Ok("healthy") {
        assert!(since.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (how, took, left) = job.cancel(running).await;
    assert_eq!((how, left.ended.code), (Gone::Killed, None));
    assert!(Duration::from_secs(10) <= took, "{took:?}");
    assert!(job.is_there().await);
}
