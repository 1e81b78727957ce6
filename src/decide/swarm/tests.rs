//! Tables: `image replicas update tasks`, a task as `image:state`.

use super::*;
use crate::model::sighting::Symptom;
use crate::model::state::Slot;
use crate::model::verdict::Severity;
use std::collections::BTreeSet;

/// `b 2 updating b:running a:running b:failed!`; `!` should not run any more; `*`: one on every node.
fn seen(text: &str) -> Seen {
    let mut words = text.split_whitespace();
    let image = |name: &str| format!("r/app:{name}@sha256:{name}");
    let spec = image(words.next().unwrap());
    let replicas = words.next().unwrap().parse().ok();
    let update = UpdateState::read(words.next().unwrap()).map(|state| Update {
        state,
        message: "as the swarm says".to_owned(),
    });
    let tasks = words.enumerate().map(|(index, word)| {
        let (name, state) = word.split_once(':').unwrap();
        let is_wanted = !state.ends_with('!');
        let (state, trouble) = match state.trim_end_matches('!') {
            "running" => (TaskState::Running, None),
            "pending" => (TaskState::Coming, Some("no suitable node".to_owned())),
            "coming" => (TaskState::Coming, None),
            "failed" => (TaskState::Failed, Some("exit 3".to_owned())),
            "rejected" => (TaskState::Rejected, Some("No such image: x".to_owned())),
            "ended" => (TaskState::Ended, None),
            other => panic!("{other}"),
        };
        Task {
            id: index.to_string(),
            image: image(name),
            state,
            is_wanted,
            trouble,
        }
    });
    Seen {
        image: spec,
        replicas,
        update,
        tasks: tasks.collect(),
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let told = match standing(&seen(text), "sha256:b") {
        Standing::Done => "done".to_owned(),
        Standing::Going { text, up } => format!("{up} up: {text}"),
        Standing::GoingBack { text } => format!("going back: {text}"),
        Standing::Paused { text } => format!("paused: {text}"),
        Standing::WentBack { text } => format!("went back: {text}"),
        Standing::Replaced { image } => format!("replaced by {image}"),
    };
    assert_eq!(told, expected);
}

#[test]
fn a_change_is_done_when_all_tasks_run_it_and_the_swarm_says_so() {
    check("b 2 completed b:running b:running a:ended!", "done");
    check("b 0 - ", "done");
    check("b * completed b:running", "done");
    // The swarm still watches them (`monitor`), and may go back.
    check(
        "b 2 updating b:running b:running",
        "2 up: 2 of 2 run the image",
    );
    check(
        "b 2 - a:running a:running",
        "0 up: 0 of 2 run the image, 2 still another one",
    );
    check(
        "b 2 completed b:running b:pending",
        "1 up: 1 of 2 run the image: no suitable node",
    );
    // `failure_action: continue` completes whatever happens.
    check(
        "b 1 completed b:failed! b:coming",
        "0 up: 0 of 1 run the image: exit 3",
    );
}

#[test]
fn the_swarm_may_give_up_or_go_back() {
    check(
        "b 2 paused b:failed! b:coming a:running",
        "paused: as the swarm says (0 of 2 run the image, 1 still another one: exit 3)",
    );
    // Given up on, and well after all.
    check("b 1 paused b:failed! b:running", "done");
    check(
        "a 1 rollback_started b:failed! a:coming",
        "going back: as the swarm says",
    );
    check(
        "a 1 rollback_completed a:running",
        "went back: as the swarm says",
    );
    check(
        "a 1 rollback_paused a:failed!",
        "went back: as the swarm says",
    );
    // Going back to what is wanted is what was asked for.
    check(
        "b 1 rollback_started b:running",
        "1 up: 1 of 1 run the image",
    );
    check("b 1 rollback_completed b:running", "done");
    check("c 1 updating b:running", "replaced by r/app:c@sha256:c");
}

#[test]
fn phases() {
    #[track_caller]
    fn check(text: &str, expected: Phase) {
        assert_eq!(phase(&seen(text)), expected);
    }
    check("b 1 completed b:running", Phase::Running);
    check("b 2 completed b:running b:coming", Phase::Running);
    check("b 0 completed", Phase::Running);
    check("b 1 completed b:failed! b:coming", Phase::Stopped);
    check("b 2 paused b:running a:running", Phase::Stopped);
    check("b 2 paused b:running b:running", Phase::Running);
    check("b 2 updating b:running b:running", Phase::Moving);
    check("a 2 rollback_started b:running", Phase::Moving);
    check("b 1 - a:running", Phase::Moving);
    check("b * - ", Phase::Running);
}

#[track_caller]
fn sees(text: &str, before: &[&str], expected: &[(Severity, Symptom)]) {
    let before: BTreeSet<String> = before.iter().map(|id| (*id).to_owned()).collect();
    let sightings = look(&Slot("web".to_owned()), &before, &seen(text), "sha256:b");
    let found: Vec<_> = sightings
        .iter()
        .map(|it| (it.severity, it.symptom))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn what_is_seen_of_a_service_that_should_stay() {
    let exited = (Severity::Serious, Symptom::ContainerExited);
    sees("b 1 completed b:running", &[], &[]);
    sees("b 1 completed b:failed! b:running", &["0"], &[]);
    sees("b 1 completed b:failed! b:running", &[], &[exited]);
    let looping = (Severity::Critical, Symptom::CrashLoop);
    sees(
        "b 1 completed b:failed! b:failed! b:coming",
        &[],
        &[looping],
    );
    let missing = (Severity::Critical, Symptom::ImageMissing);
    sees("b 1 completed b:rejected! b:coming", &[], &[missing]);
    let drifted = (Severity::Serious, Symptom::DriftedBack);
    sees("a 1 completed a:running", &[], &[drifted]);
    sees("a 1 rollback_completed a:running", &[], &[drifted]);
    let stuck = (Severity::Critical, Symptom::StuckRollout);
    sees("b 1 paused a:running", &[], &[stuck]);
}

#[test]
fn one_look_with_fewer_says_nothing() {
    #[track_caller]
    fn check(last: &str, now: &str, expected: Option<Severity>) {
        let sighting = fewer(&Slot("web".to_owned()), &seen(last), &seen(now), false);
        assert_eq!(sighting.map(|it| it.severity), expected);
    }
    let (less, none) = ("b 2 completed b:running b:coming", "b 2 completed b:coming");
    let all = "b 2 completed b:running b:running";
    check(all, less, None);
    check(less, less, Some(Severity::Serious));
    check(less, none, Some(Severity::Critical));
    check(less, all, None);
    // Somebody scales it: what is needed grew just now.
    check(all, "b 3 completed b:running b:running", None);
    // The swarm is at work: only what it has not done in the end counts.
    let works = "b 2 updating b:coming a:running";
    check(works, works, None);
    let slot = Slot("web".to_owned());
    let last = fewer(&slot, &seen(works), &seen(works), true).unwrap();
    assert_eq!(last.symptom, Symptom::NoneAvailable);
}
