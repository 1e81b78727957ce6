//! `deploy`, killed: on its way to a bad release, on its way back from it, and on its way to a good one.

use super::{At, Case, Kind, Point, Probes, check_all, events};

/// A release that fails is rolled back, by whichever run gets that far.
fn bad(kind: Kind, at: impl Iterator<Item = At>) -> Vec<Case> {
    let case = |at| Case {
        kind,
        probes: Probes::Yes,
        args: &["deploy"],
        at,
        new: 1.0,
        code: 10,
        outcome: "rolled-back",
        holds: "good",
    };
    at.map(case).collect()
}

fn good(kind: Kind, at: impl Iterator<Item = At>) -> Vec<Case> {
    let healthy = |case| Case {
        new: 0.0,
        code: 0,
        outcome: "healthy",
        holds: "new",
        ..case
    };
    bad(kind, at).into_iter().map(healthy).collect()
}

/// From the first event to the verdict on the bad release.
fn forward() -> impl Iterator<Item = At> {
    let once = events(&[
        "began", "fetched", "observed", "planned", "intent", "applied", "verified",
    ]);
    // The first watch is the baseline.
    let watches = [
        At::Event(Point("watching", 1)),
        At::Event(Point("judged", 1)),
        At::Event(Point("watching", 2)),
        At::Event(Point("judged", 2)),
    ];
    once.chain(watches).chain([At::Program(1)])
}

/// From that verdict to the watch of the good release.
fn back() -> impl Iterator<Item = At> {
    let once = events(&["rolling-back", "located"]);
    let twice = [
        "fetched", "observed", "planned", "intent", "applied", "verified",
    ];
    let twice = twice.map(|kind| At::Event(Point(kind, 2)));
    let watch = At::Event(Point("watching", 3));
    once.chain(twice).chain([watch, At::Program(2)])
}

#[tokio::test]
async fn of_a_bad_release_to_a_directory() {
    check_all(bad(Kind::Directory, forward())).await;
}

#[tokio::test]
async fn on_the_way_back_in_a_directory() {
    check_all(bad(Kind::Directory, back())).await;
}

#[tokio::test]
async fn of_a_bad_release_by_a_command() {
    let few = [At::Event(Point("intent", 1)), At::Program(1)];
    let back = [
        At::Event(Point("rolling-back", 1)),
        At::Event(Point("intent", 2)),
        At::Program(2),
    ];
    check_all(bad(Kind::Command, few.into_iter().chain(back))).await;
}

#[tokio::test]
async fn of_a_good_release() {
    let few = || {
        [
            At::Event(Point("intent", 1)),
            At::Program(1),
            // A first deploy has no baseline: this is the watch.
            At::Event(Point("watching", 1)),
        ]
    };
    let mut all = good(Kind::Directory, few().into_iter());
    all.extend(good(Kind::Command, few().into_iter()));
    check_all(all).await;
}
