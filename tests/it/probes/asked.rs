//! Probes that a target asks: on the same schedule and with the same deadline as those over HTTP.

use super::{Watch, check, fail};
use lastgood::model::probe::{Answer, Ask, Class, Probe};
use lastgood::probes::{Means, Signal};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn signal(ask: Ask) -> Signal {
    Signal {
        name: "stats".to_owned(),
        gating: true,
        means: Means::Query(ask),
    }
}

/// Answers after a while.
fn answering(after: Duration, answered: bool, class: Class) -> Signal {
    signal(Ask::new(move || {
        let class = class.clone();
        Box::pin(async move {
            tokio::time::sleep(after).await;
            Answer { answered, class }
        })
    }))
}

async fn once(signal: Signal) -> Probe {
    let mut watch = Watch::of(vec![signal]);
    watch.deadline = Duration::from_millis(900);
    let probes = watch.probes().await;
    probes.into_iter().find(|probe| probe.due_ms == 0).unwrap()
}

#[tokio::test]
async fn latency_is_measured_when_there_was_an_answer_and_the_deadline_when_not() {
    let soon = Duration::from_millis(200);
    for class in [Class::Ok, fail("IC0503: oops")] {
        let probe = once(answering(soon, true, class.clone())).await;
        check(&probe, None, &class);
        assert!(
            200.0 <= probe.latency_ms && probe.latency_ms < 900.0,
            "{probe:?}"
        );
    }
    let class = fail("no answer: connection refused");
    let probe = once(answering(soon, false, class.clone())).await;
    check(&probe, None, &class);
    assert!((probe.latency_ms - 900.0).abs() < 0.001, "{probe:?}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_ends_at_the_deadline() {
    let never = answering(Duration::from_hours(1), true, Class::Ok);
    let probe = once(never).await;
    check(&probe, None, &fail("timeout after 900 ms"));
    assert!((probe.latency_ms - 900.0).abs() < 0.001, "{probe:?}");
}

#[tokio::test]
async fn what_piles_up_is_not_asked_at_all() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let hanging = signal(Ask::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::pending())
    }));
    let mut watch = Watch::of(vec![hanging]);
    watch.rate = 50;
    watch.seconds = 2;
    watch.deadline = Duration::from_millis(1800);
    let probes = watch.probes().await;
    let why = fail("50 probes in flight: no answer in time");
    let capped = probes.iter().filter(|probe| probe.class == why).count();
    assert!(0 < capped);
    let told = probes.len() - capped;
    assert!(told <= asked.load(Ordering::SeqCst), "no other was asked");
    let due = probes.iter().filter(|probe| probe.due_ms < 2000).count();
    assert_eq!(due, 100, "each is told");
}
