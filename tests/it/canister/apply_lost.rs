//! Answers that are lost, and runs that are killed: nothing is done twice, and the canister runs in the end.

use super::apply_world::{World, says};
use crate::replica::{Fault, Reject, modules};
use lastgood::targets::{TargetError, Way};
use serde_json::json;
use std::time::Duration;

/// One fault of one method, and the changes that are asked for then.
async fn check(method: &str, fault: Fault, changes: &str) {
    let world = World::holding(&modules::good_v1()).await;
    world
        .replica
        .faults(|faults| faults.once(method, fault.clone()));
    let done = world.forward(&modules::good_v2()).await;
    assert!(done.is_ok(), "{method} {fault:?}: {done:?}");
    world.runs(&modules::good_v2());
    assert_eq!(world.changes(), changes, "{method} {fault:?}");
}

#[tokio::test]
async fn an_install_whose_answer_is_lost_is_found_by_the_certified_hash() {
    for fault in [
        Fault::DropAfter,
        Fault::Garbage,
        Fault::WrongSignature,
        Fault::StaleCertificate,
        Fault::Answer202,
    ] {
        check("install_code", fault, "stop take install start").await;
    }
}

#[tokio::test]
async fn an_install_that_never_arrived_is_not_sent_again() {
    let world = World::holding(&modules::good_v1()).await;
    world.replica.faults(|faults| {
        faults.once("install_code", Fault::DropBefore);
        // Certificates tell a time when the request can no longer begin.
        faults.clock_ahead(Duration::from_mins(10));
    });
    let failed = world.forward(&modules::good_v2()).await;
    says(
        failed,
        &["it was not done, and can no longer be", "it runs"],
    );
    world.runs(&modules::good_v1());
    assert_eq!(world.changes(), "stop take install start");
}

#[tokio::test]
async fn a_trap_whose_answer_is_lost_is_a_trap() {
    let world = World::holding(&modules::good_v1()).await;
    world
        .replica
        .faults(|faults| faults.once("install_code", Fault::DropAfter));
    let failed = world.forward(&modules::bad_post_upgrade()).await;
    says(failed, &["IC0503", "it runs"]);
    world.runs(&modules::good_v1());
    assert_eq!(world.changes(), "stop take install start");
}

#[tokio::test]
async fn a_stop_whose_answer_is_lost_is_looked_at() {
    check("stop_canister", Fault::DropAfter, "stop take install start").await;
    check(
        "stop_canister",
        Fault::DropBefore,
        "stop stop take install start",
    )
    .await;
}

#[tokio::test]
async fn a_snapshot_whose_answer_is_lost_is_found_and_noted() {
    let world = World::holding(&modules::good_v1()).await;
    world
        .replica
        .faults(|faults| faults.once("take_canister_snapshot", Fault::DropAfter));
    world.forward(&modules::good_v2()).await.unwrap();
    assert_eq!(world.changes(), "stop take install start");
    let taken = world.seen().snapshots[0].id.clone();
    world.tells(&format!("took snapshot {taken}"));
    // It is ours: the next one makes it superfluous.
    world.forward(&modules::good_v3()).await.unwrap();
    let deleted = world.target().retire(&[]).await.unwrap();
    assert_eq!(deleted, [format!("snapshot {taken} of api")]);
}

/// It was accepted: whatever the door says afterwards, it is under way.
#[tokio::test]
async fn an_install_that_was_accepted_is_asked_for_although_the_door_is_shut() {
    for status in [400, 403] {
        let fault = Fault::Answer202Then(status);
        check("install_code", fault, "stop take install start").await;
    }
}

#[tokio::test]
async fn a_start_that_is_refused_for_the_moment_is_asked_for_again() {
    for fault in [
        Fault::Reject(Reject::new(202, "The canister's ingress queue is full")),
        Fault::Refuse(Reject::new(201, "Server overloaded")),
    ] {
        let changes = "stop take install start start";
        check("start_canister", fault, changes).await;
    }
}

#[tokio::test]
async fn a_start_whose_answer_is_lost_is_looked_at() {
    check(
        "start_canister",
        Fault::DropAfter,
        "stop take install start",
    )
    .await;
    check(
        "start_canister",
        Fault::DropBefore,
        "stop take install start start",
    )
    .await;
}

#[tokio::test]
async fn a_chunk_whose_answer_is_lost_is_uploaded_when_it_is_not_there() {
    let world = World::holding(&modules::good_v1()).await;
    world.replica.faults(|faults| {
        faults.once("upload_chunk", Fault::DropBefore);
        faults.once("upload_chunk", Fault::DropAfter);
    });
    let large = modules::padded(&modules::good_v2());
    world.forward(&large).await.unwrap();
    world.runs(&large);
    assert_eq!(
        world.changes(),
        "upload upload upload upload stop take install-chunked start clear"
    );
}

#[tokio::test]
async fn chunks_that_a_killed_run_left_are_cleared_by_the_next() {
    let world = World::holding(&modules::good_v1()).await;
    let large = modules::padded(&modules::good_v2());
    world.replica.faults(|faults| faults.hang("stop_canister"));
    tokio::select! {
        done = world.forward(&large) => panic!("{done:?}"),
        () = world.called("stop_canister") => (),
    }
    world.replica.faults(|faults| faults.clear("stop_canister"));
    assert_ne!(world.seen().chunks, 0);
    world.forward(&large).await.unwrap();
    world.runs(&large);
    assert_eq!(world.seen().chunks, 0);
}

/// Killed while `method` is under way, and run again.
async fn killed(method: &str, again: &str) {
    let mut world = World::holding(&modules::good_v1()).await;
    // What we stopped is started, although what was found stopped is left.
    world.set("when-stopped", json!("leave"));
    world.replica.faults(|faults| faults.hang(method));
    let module = modules::good_v2();
    tokio::select! {
        done = world.forward(&module) => panic!("{method}: {done:?}"),
        () = world.called(method) => (),
    }
    world.replica.faults(|faults| faults.clear(method));
    world.forward(&module).await.unwrap();
    world.runs(&module);
    assert_eq!(world.changes(), again, "{method}");
    assert_eq!(world.seen().snapshots.len(), 1, "{method}");
}

#[tokio::test]
async fn a_killed_run_is_finished_by_running_again() {
    killed("stop_canister", "stop take install start").await;
    killed("take_canister_snapshot", "take install start").await;
    killed("install_code", "install start").await;
}

#[tokio::test]
async fn a_snapshot_that_a_killed_run_did_not_note_is_adopted() {
    let world = World::holding(&modules::good_v1()).await;
    let answer = Duration::from_mins(10);
    world.replica.faults(|faults| {
        faults.once("take_canister_snapshot", Fault::DelayAnswer(answer));
    });
    let module = modules::good_v2();
    let taken = async {
        while world.seen().snapshots.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        done = world.forward(&module) => panic!("{done:?}"),
        () = taken => (),
    }
    world.forward(&module).await.unwrap();
    world.runs(&module);
    assert_eq!(world.changes(), "install start");
    let taken = world.seen().snapshots[0].id.clone();
    world.forward(&modules::good_v3()).await.unwrap();
    let deleted = world.target().retire(&[]).await.unwrap();
    assert_eq!(deleted, [format!("snapshot {taken} of api")]);
}

#[tokio::test]
async fn a_run_that_was_killed_before_the_start_is_finished_by_starting() {
    let world = World::holding(&modules::good_v1()).await;
    world.replica.faults(|faults| faults.hang("start_canister"));
    let module = modules::good_v2();
    tokio::select! {
        done = world.forward(&module) => panic!("{done:?}"),
        () = world.called("start_canister") => (),
    }
    world
        .replica
        .faults(|faults| faults.clear("start_canister"));
    world.forward(&module).await.unwrap();
    world.runs(&module);
    assert_eq!(world.changes(), "start");
}

/// A run that cannot begin starts what the one before it left stopped.
#[tokio::test]
async fn a_run_after_one_that_was_killed_starts_it_even_when_somebody_else_deployed() {
    let world = World::holding(&modules::good_v1()).await;
    world.replica.faults(|faults| faults.hang("install_code"));
    let module = modules::good_v2();
    tokio::select! {
        done = world.forward(&module) => panic!("{done:?}"),
        () = world.called("install_code") => (),
    }
    world.replica.faults(|faults| faults.clear("install_code"));
    let target = world.target();
    let plan = world.plan(&*target, &module, Way::Forward).await.unwrap();
    world.replica.install(world.id, &modules::good_v3());
    let failed = world
        .carry_out(&*target, &plan, &module, Way::Forward)
        .await;
    says(failed, &["somebody else", "it runs"]);
    world.runs(&modules::good_v3());
}

/// No stop was heard of, and it is not said that calls are open.
#[tokio::test]
async fn a_stop_that_is_not_heard_of_is_waited_out() {
    let mut world = World::holding(&modules::good_v1()).await;
    world.set("stop-deadline", json!("2s"));
    world.replica.faults(|faults| {
        faults.always("stop_canister", Fault::Lost);
        faults.clock_ahead(Duration::from_mins(10));
    });
    let failed = world.forward(&modules::good_v2()).await;
    says(failed, &["could not stop it", "it runs"]);
    world.tells("can come late");
    world.runs(&modules::good_v1());
}

/// The network of this machine is no fault of the release: nobody rolls back because of it.
#[tokio::test]
async fn queries_that_are_not_heard_of_are_not_called_unhealthy() {
    let world = World::holding(&modules::good_v1()).await;
    let method = "lastgood_asks_whether_queries_are_answered";
    world
        .replica
        .faults(|faults| faults.always(method, Fault::Status(400)));
    let done = world.forward(&modules::good_v2()).await;
    assert!(
        matches!(done, Err(TargetError::OutcomeUnknown { .. })),
        "{done:?}"
    );
    world.runs(&modules::good_v2());
}
