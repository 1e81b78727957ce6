//! Every call fails once, in each way that a call can fail: afterwards one container serves, and running again finishes.

use super::bed::Project;
use crate::compose_bed::{Mischief, Proxy};
use crate::docker::{ask, name};

const ONE: &str = "
services:
  web: {image: 'IMAGE:plain', networks: [back, front]}
networks: {back: {}, front: {}}
";

/// More calls than a change makes.
const CALLS_MAX: usize = 20;

async fn every_call_fails_once(mischief: Mischief) {
    let Some(project) = Project::up(ONE).await else {
        return;
    };
    let (mut from, mut to) = ("plain", "other");
    for at in 1..=CALLS_MAX {
        let proxy = Proxy::start(project.engine.socket(), at, mischief);
        let applied = project
            .apply_at(project.install("web", from, to), &proxy.host())
            .await;
        if proxy.calls() < at {
            // There was no such call: all of them have failed once.
            applied.unwrap();
            assert!(6 < at, "only {} calls", proxy.calls());
            return;
        }
        let found = project.containers("web").await;
        let running: Vec<_> = found
            .iter()
            .filter(|raw| raw["State"]["Running"] == true)
            .collect();
        let names: Vec<_> = found.iter().map(name).collect();
        assert_eq!(
            running.len(),
            1,
            "{mischief:?} of call {at}: {names:?}, {applied:?}"
        );
        let serves = ask(running[0], "/").await;
        let expected = if applied.is_ok() { to } else { from };
        // The removal at the end may fail with the new one in place.
        assert!(
            serves == expected || (found.len() == 2 && serves == to),
            "{mischief:?} of call {at}: {serves}"
        );
        project.again("web", to).await.unwrap();
        project.serves("web", to).await;
        (from, to) = (to, from);
    }
    panic!("a change makes more than {CALLS_MAX} calls");
}

#[tokio::test]
async fn every_call_is_refused_once() {
    every_call_fails_once(Mischief::Refused).await;
}

#[tokio::test]
async fn every_call_is_lost_once() {
    every_call_fails_once(Mischief::CutBefore).await;
}

#[tokio::test]
async fn every_call_is_cut_once_while_the_engine_is_at_work() {
    every_call_fails_once(Mischief::CutDuring).await;
}

#[tokio::test]
async fn a_proxy_gives_every_call_up_once_while_the_engine_is_at_work() {
    every_call_fails_once(Mischief::GaveUp).await;
}

#[tokio::test]
async fn every_answer_is_lost_once() {
    every_call_fails_once(Mischief::CutAfter).await;
}
