//! `rollback`, killed.

use super::{At, Case, Kind, Point, Probes, check_all, events};

fn cases(kind: Kind, probes: Probes, at: impl Iterator<Item = At>) -> Vec<Case> {
    let case = |at| Case {
        kind,
        probes,
        args: &["rollback"],
        at,
        new: 0.0,
        code: 0,
        outcome: "restored",
        holds: "good",
    };
    at.map(case).collect()
}

const BEFORE_THE_WATCH: [&str; 9] = [
    "began", "located", "fetched", "observed", "planned", "intent", "applied", "verified", "ended",
];

#[tokio::test]
async fn of_a_directory() {
    let at = events(&BEFORE_THE_WATCH).chain([At::Program(1)]);
    check_all(cases(Kind::Directory, Probes::No, at)).await;
}

#[tokio::test]
async fn of_a_command() {
    let at = events(&BEFORE_THE_WATCH).chain([At::Program(1)]);
    check_all(cases(Kind::Command, Probes::No, at)).await;
}

#[tokio::test]
async fn while_the_service_is_judged() {
    let at = || {
        [
            At::Event(Point("watching", 1)),
            At::Event(Point("judged", 1)),
        ]
        .into_iter()
    };
    let mut all = cases(Kind::Directory, Probes::Yes, at());
    all.extend(cases(Kind::Command, Probes::Yes, at()));
    check_all(all).await;
}
