//! Standing and deadline: what is done, what goes on, and when the controller has given up.

use super::{WorkloadKind, condition, workload};
use crate::decide::rollout::{Condition, Deadline, Standing, Workload, is_partial, standing};

const COMPLETE: (&str, &str) = ("NewReplicaSetAvailable", "True");
const UPDATED: (&str, &str) = ("ReplicaSetUpdated", "True");
const EXCEEDED: (&str, &str) = ("ProgressDeadlineExceeded", "False");

/// generation, observed, condition, its second, updated, total, available
type Row = (i64, i64, (&'static str, &'static str), u32, u32, u32, u32);

/// A Deployment of three with a deadline of 6 s: a broken image at second 10, put back at second 17.
const WATCH: &[Row] = &[
    (4, 3, COMPLETE, 5, 3, 3, 3),
    (4, 3, COMPLETE, 5, 3, 3, 3),
    // The controller has seen the change, its condition says "complete", and the rollout has not begun.
    (4, 4, COMPLETE, 5, 0, 3, 3),
    (4, 4, UPDATED, 10, 1, 4, 3),
    (4, 4, EXCEEDED, 17, 1, 4, 3),
    (5, 4, EXCEEDED, 17, 1, 4, 3),
    (5, 4, EXCEEDED, 17, 1, 4, 3),
    (5, 5, UPDATED, 17, 3, 4, 3),
    (5, 5, COMPLETE, 17, 3, 3, 3),
];
const GAVE_UP: usize = 4;
const UNDONE: usize = 5;

fn at(row: &Row) -> Workload {
    let (generation, observed, (reason, status), second, updated, total, available) = *row;
    Workload {
        generation,
        observed_generation: observed,
        updated,
        total,
        ready: available,
        available,
        progressing: Some(exceeded(reason, status, second)),
        ..workload(WorkloadKind::Deployment, 3)
    }
}

fn exceeded(reason: &str, status: &str, second: u32) -> Condition {
    condition(status, reason, &format!("2026-11-21T09:00:{second:02}Z"))
}

#[test]
fn a_watched_rollout_is_done_at_its_last_row_and_failed_at_none_before_the_deadline() {
    let mut deadline = Deadline::new(at(&WATCH[0]).progressing);
    for (index, row) in WATCH[..UNDONE].iter().enumerate() {
        assert_ne!(standing(&at(row)), Standing::Done, "row {index}");
        assert!(!deadline.seen(&at(row)), "row {index}");
        assert_eq!(deadline.is_suspected(), index == GAVE_UP, "row {index}");
    }
    assert!(
        deadline.seen(&at(&WATCH[GAVE_UP])),
        "it holds when read again"
    );

    // The way back starts with a condition that is exceeded already.
    let mut deadline = Deadline::new(at(&WATCH[GAVE_UP]).progressing);
    for (index, row) in WATCH.iter().enumerate().skip(UNDONE) {
        let is_last = index + 1 == WATCH.len();
        assert_eq!(standing(&at(row)) == Standing::Done, is_last, "row {index}");
        for _ in 0..2 {
            assert!(!deadline.seen(&at(row)), "row {index}");
        }
    }
}

#[test]
fn a_rollback_that_makes_no_progress_keeps_the_old_condition() {
    let stuck = at(&(5, 5, EXCEEDED, 17, 1, 4, 3));
    let mut deadline = Deadline::new(Some(exceeded("ProgressDeadlineExceeded", "False", 17)));
    for _ in 0..5 {
        assert!(!deadline.seen(&stuck));
    }
    // One that is later is a new one.
    let newer = at(&(5, 5, EXCEEDED, 24, 1, 4, 3));
    assert!(!deadline.seen(&newer));
    assert!(deadline.seen(&newer));
}

#[test]
fn one_sighting_of_an_exceeded_deadline_is_no_verdict() {
    let mut deadline = Deadline::new(at(&WATCH[0]).progressing);
    let flicker = at(&(4, 4, EXCEEDED, 17, 2, 4, 3));
    for _ in 0..3 {
        assert!(!deadline.seen(&flicker));
        assert!(!deadline.seen(&at(&(4, 4, UPDATED, 17, 2, 4, 3))));
    }
    // And none at all when the counts are complete.
    let done = at(&(4, 4, EXCEEDED, 17, 3, 3, 3));
    assert!(!deadline.seen(&done) && !deadline.seen(&done));
}

#[test]
fn stamps_that_cannot_be_read_count_after_the_reason_changed() {
    let without = |reason: &str, status: &str, at: Option<&str>| Workload {
        updated: 1,
        progressing: Some(Condition {
            updated_at: at.map(str::to_owned),
            ..condition(status, reason, "")
        }),
        ..workload(WorkloadKind::Deployment, 3)
    };
    let (before, now) = (
        without(EXCEEDED.0, EXCEEDED.1, None),
        without(EXCEEDED.0, EXCEEDED.1, Some("soon")),
    );
    let mut deadline = Deadline::new(before.progressing);
    assert!(!deadline.seen(&now) && !deadline.seen(&now));
    assert!(!deadline.seen(&without(UPDATED.0, UPDATED.1, None)));
    assert!(!deadline.seen(&now) && deadline.seen(&now));
    // Nothing was known before: any one is new.
    let mut deadline = Deadline::new(None);
    assert!(!deadline.seen(&now) && deadline.seen(&now));
}

#[track_caller]
fn check(kind: WorkloadKind, change: impl FnOnce(&mut Workload), expected: &str) {
    let mut workload = workload(kind, 3);
    change(&mut workload);
    let found = match standing(&workload) {
        Standing::Done => "done".to_owned(),
        Standing::Going { text } => text,
    };
    assert_eq!(found, expected);
}

#[test]
fn a_deployment_is_judged_by_its_counts() {
    let kind = WorkloadKind::Deployment;
    check(kind, |_| (), "done");
    check(
        kind,
        |one| one.generation = 3,
        "the controller has not seen the change yet (generation 3, seen 2)",
    );
    check(
        kind,
        |one| (one.updated, one.available) = (2, 2),
        "2 of 3 updated, 1 old still there, 2 available",
    );
    check(kind, |one| one.available = 2, "3 of 3 updated, 2 available");
    check(
        kind,
        |one| one.total = 4,
        "3 of 3 updated, 1 old still there, 3 available",
    );
    check(
        kind,
        |one| (one.updated, one.is_paused) = (0, true),
        "0 of 3 updated, 3 old still there, 3 available; it is paused and goes on when it is resumed",
    );
    check(
        kind,
        |one| {
            (one.wanted, one.total, one.updated) = (0, 0, 0);
            (one.ready, one.available) = (0, 0);
        },
        "done",
    );
}

#[test]
fn a_stateful_set_is_done_when_its_revisions_agree_or_its_partition_is_reached() {
    let kind = WorkloadKind::StatefulSet;
    check(kind, |_| (), "done");
    check(
        kind,
        |one| one.revisions_agree = false,
        "3 of 3 updated, 3 available",
    );
    check(
        kind,
        |one| (one.updated, one.ready, one.available) = (2, 2, 2),
        "2 of 3 updated, 1 old still there, 2 available",
    );
    check(
        kind,
        |one| (one.partition, one.updated, one.revisions_agree) = (2, 1, false),
        "done",
    );
    check(
        kind,
        |one| (one.partition, one.updated, one.revisions_agree) = (2, 0, false),
        "0 of 1 updated, 1 old still there, 3 available",
    );
    check(
        kind,
        |one| (one.partition, one.updated, one.revisions_agree) = (7, 0, false),
        "done",
    );
}

#[test]
fn a_daemon_set_is_done_when_every_node_has_the_new_pod() {
    let kind = WorkloadKind::DaemonSet;
    check(kind, |_| (), "done");
    check(
        kind,
        |one| one.updated = 1,
        "1 of 3 updated, 2 old still there, 3 available",
    );
    check(kind, |one| one.available = 2, "3 of 3 updated, 2 available");
}

#[test]
fn pods_that_are_replaced_by_hand_are_not_awaited() {
    for kind in [WorkloadKind::StatefulSet, WorkloadKind::DaemonSet] {
        check(
            kind,
            |one| (one.updated, one.generation, one.is_on_delete) = (0, 9, true),
            "done",
        );
    }
}

#[test]
fn pods_that_nobody_replaced_yet_are_told() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut Workload), expected: Option<&str>) {
        let mut workload = workload(WorkloadKind::DaemonSet, 3);
        workload.is_on_delete = true;
        change(&mut workload);
        let found = is_partial(&workload);
        let found = found.as_deref().map(|text| text.split(';').next().unwrap());
        assert_eq!(found, expected);
    }
    check(|_| (), None);
    check(
        |one| one.updated = 1,
        Some("1 of 3 pods run the new template, 3 available"),
    );
    check(
        |one| one.available = 2,
        Some("3 of 3 pods run the new template, 2 available"),
    );
    check(
        |one| one.generation = 9,
        Some("the controller has not seen the change yet"),
    );
    check(|one| (one.updated, one.is_on_delete) = (1, false), None);
}
