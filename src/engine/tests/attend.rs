//! What a target sees beside the probes, and one verdict of both.

use super::fake::{Fake, Look};
use super::service::Service;
use super::{Request, has, operation, probe, state, told};
use crate::engine::health::Ward;
use crate::engine::operation::Operation;
use crate::engine::restore::remember_after;
use crate::model::outcome::{Failure, Outcome};
use crate::model::verdict::{Call, Verdict};
use std::time::{Duration, Instant};

fn seeing(name: &'static str, look: Look) -> Fake {
    Fake::new(name, "web=2").with(|world| world.looks = [look].into())
}

async fn judge(operation: &Operation) -> Result<Verdict, Failure> {
    remember_after(operation, state("web=2 other=7"));
    Ward::open(operation)?
        .expect("something to judge by")
        .judge()
        .await
}

#[tokio::test]
async fn without_probes_the_targets_decide() {
    let table = [
        (Look::Well, Call::Healthy, "nothing wrong was seen in 7 s"),
        (Look::Minor, Call::Healthy, "to watch: web: a node is ill"),
        (Look::Serious, Call::Unhealthy, "web: 3 of 3 pods crash"),
        (Look::Blind, Call::Inconclusive, "could not be watched"),
        (Look::Silent, Call::Inconclusive, "could not be watched"),
    ];
    for (look, call, why) in table {
        let fake = seeing("fake", look);
        let (operation, _dir) = operation(&[&fake], |_| ());
        let verdict = judge(&operation).await.unwrap();
        assert_eq!(verdict.call, call, "{look:?}");
        assert!(verdict.why.contains(why), "{look:?}: {}", verdict.why);
        has(&operation, &format!("judged {call}"));
        // Only what its own slots hold.
        assert_eq!(fake.asked(), ["look at web=2"]);
        match look {
            Look::Blind => has(
                &operation,
                "warned fake: what is in place could not be watched",
            ),
            Look::Minor | Look::Serious => has(&operation, "sighted web: "),
            _ => (),
        }
    }
}

#[tokio::test]
async fn nothing_to_judge_by_is_said_before_anything_happens() {
    let fake = Fake::new("fake", "web=2");
    let (operation, _dir) = operation(&[&fake], |_| ());
    assert!(Ward::open(&operation).unwrap().is_none());
}

#[tokio::test]
async fn what_one_target_sees_is_enough_while_another_still_watches() {
    let (ill, patient) = (
        seeing("ill", Look::Serious),
        seeing("patient", Look::Endless),
    );
    let (operation, _dir) = operation(&[&patient, &ill], |_| ());
    let verdict = tokio::time::timeout(Duration::from_secs(2), judge(&operation));
    assert_eq!(verdict.await.unwrap().unwrap().call, Call::Unhealthy);
}

fn asking(service: &Service) -> impl FnOnce(&mut Request) {
    let probe = probe(&service.url());
    |request| request.environment.health.probes.push(probe)
}

#[tokio::test]
async fn a_serious_sighting_cuts_the_probes_short() {
    let service = Service::start().await;
    let fake = seeing("fake", Look::SeriousAfter(Duration::from_millis(300)));
    let (operation, _dir) = operation(&[&fake], |request| {
        asking(&service)(request);
        // Four seconds until the probes would say healthy.
        request.environment.health.unhealthy_error_rate = 0.05;
    });
    let started = Instant::now();
    let verdict = judge(&operation).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(verdict.call, Call::Unhealthy);
    assert_eq!(verdict.why, "web: 3 of 3 pods crash");
    // The probes were cut: they have no verdict of their own in the story.
    let judged = told(&operation);
    let judged = judged.iter().filter(|line| line.starts_with("judged"));
    assert_eq!(judged.collect::<Vec<_>>(), ["judged unhealthy"]);
}

#[tokio::test]
async fn healthy_probes_count_only_beside_what_is_not_serious() {
    let service = Service::start().await;
    let table = [
        (Look::Well, ""),
        (Look::Minor, "a node is ill"),
        (Look::Blind, ""),
        (Look::Silent, ""),
    ];
    for (look, note) in table {
        let fake = seeing("fake", look);
        let (operation, _dir) = operation(&[&fake], asking(&service));
        let verdict = judge(&operation).await.unwrap();
        assert_eq!(verdict.call, Call::Healthy, "{look:?}: {}", verdict.why);
        assert!(verdict.notes.join(" ").contains(note), "{look:?}");
        let warned = told(&operation)
            .iter()
            .any(|line| line.contains("the cluster did not answer"));
        assert_eq!(warned, matches!(look, Look::Blind));
    }
    // The probes are through, and the target still watches: its window counts.
    let fake = seeing("fake", Look::SeriousAfter(Duration::from_millis(1800)));
    let (operation, _dir) = operation(&[&fake], asking(&service));
    assert_eq!(judge(&operation).await.unwrap().call, Call::Unhealthy);
}

#[tokio::test]
async fn unhealthy_probes_do_not_wait_for_the_windows_of_a_target() {
    let service = Service::well_for(10).await;
    let fake = seeing("fake", Look::Endless);
    let (operation, _dir) = operation(&[&fake], |request| {
        asking(&service)(request);
        // One bad second is a suspicion, and one more after the gap confirms it.
        request.environment.health.healthy_error_rate = 0.0001;
        request.environment.health.unhealthy_error_rate = 0.05;
    });
    let verdict = tokio::time::timeout(Duration::from_secs(20), judge(&operation));
    let verdict = verdict.await.unwrap().unwrap();
    assert_eq!(verdict.call, Call::Unhealthy, "{}", verdict.why);
}

#[tokio::test]
async fn a_stop_in_the_middle_is_no_verdict() {
    let service = Service::start().await;
    for with_probes in [false, true] {
        let fake = seeing("fake", Look::Endless);
        let (operation, _dir) = operation(&[&fake], |request| {
            if with_probes {
                asking(&service)(request);
                request.environment.health.unhealthy_error_rate = 0.05;
            }
        });
        let judged = async { judge(&operation).await.and_then(|_| operation.cut()) };
        let (ended, ()) = tokio::join!(judged, async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            operation.stop.cancel();
        });
        assert_eq!(
            ended.unwrap_err().kind,
            Outcome::Incomplete,
            "{with_probes}"
        );
    }
}

/// A slot that held the right thing already, and was ill before.
#[tokio::test]
async fn what_this_command_did_not_change_decides_nothing() {
    for (changed, resumes, call) in [
        ("other", false, Call::Healthy),
        ("web", false, Call::Unhealthy),
        ("other", true, Call::Unhealthy),
    ] {
        let fake = seeing("fake", Look::Serious);
        let (operation, _dir) = operation(&[&fake], |_| ());
        {
            let mut facts = operation.facts();
            facts.changed = [super::slot(changed)].into();
            facts.resumes = resumes;
        }
        let verdict = judge(&operation).await.unwrap();
        assert_eq!(verdict.call, call, "{changed} {resumes}: {}", verdict.why);
    }
}
