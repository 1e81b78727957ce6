//! Changes of one target: in parallel, failing, stopped.

use super::fake::{Break, Fake, World};
use super::{facts, operation, state, told};
use crate::engine::operation::Operation;
use crate::engine::prepare::prepare_back;
use crate::engine::restore;
use crate::engine::signals;
use crate::model::outcome::{Failure, Outcome};
use crate::targets::Way;
use std::time::Duration;

const BEFORE: &str = "a=1 b=1 c=1 d=1";
const AFTER: &str = "a=2 b=2 c=2 d=2";

fn four(parallel: usize, edit: impl FnOnce(&mut World)) -> Fake {
    Fake::new("fake", BEFORE)
        .with(|world| {
            world.parallel = parallel;
            for (slot, ms) in [("a", 50), ("b", 10), ("c", 30), ("d", 20)] {
                world.takes.insert(slot, Duration::from_millis(ms));
            }
        })
        .with(edit)
}

async fn go(operation: &Operation) -> Result<(), Failure> {
    let prepared = prepare_back(operation, &state(AFTER)).await?;
    let facts = facts(operation, Way::Back, false);
    let stopped = restore::apply(operation, &prepared, &facts, None).await?;
    assert_eq!(stopped, None);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_target_takes_and_each_is_written_down_before_it_begins() {
    for parallel in [1, 2, 3, 32] {
        let fake = four(parallel, |_| ());
        let (operation, _dir) = operation(&[&fake], |_| ());
        go(&operation).await.unwrap();
        assert_eq!(fake.holds(), AFTER);
        assert_eq!(fake.world().under_way_max, parallel.min(4));
        assert_eq!(operation.facts().changing, 0);
        let told = told(&operation);
        let at = |line: String| told.iter().position(|it| *it == line).unwrap();
        for slot in ["a", "b", "c", "d"] {
            assert!(at(format!("intent {slot}")) < at(format!("applied {slot}")));
        }
        assert_eq!(told.len(), 8, "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_stops_new_changes_and_not_those_under_way() {
    let fake = four(2, |world| {
        world.breaks.insert("b", Break::Failed);
    });
    let (operation, _dir) = operation(&[&fake], |_| ());
    let failure = go(&operation).await.unwrap_err();
    assert_eq!(
        told(&operation),
        ["intent a", "intent b", "failed b", "applied a"]
    );
    assert_eq!(fake.holds(), "a=2 b=1 c=1 d=1");
    assert_eq!(failure.kind, Outcome::Incomplete);
    assert_eq!(
        failure.to_string(),
        "1 of 4 changes done: target fake failed: b: disk full"
    );
    assert_eq!(operation.facts().changing, 0, "nothing is under way");
}

/// `breaks`: slot and how; all four changes are under way at once.
#[track_caller]
fn check(parallel: usize, breaks: &[(&'static str, Break)], outcome: Outcome, message: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let fake = four(parallel, |world| {
        world.breaks.extend(breaks.iter().copied());
    });
    let (failure, changing) = runtime.block_on(async {
        let (operation, _dir) = operation(&[&fake], |_| ());
        let failure = go(&operation).await.unwrap_err();
        (failure, operation.facts().changing)
    });
    assert_eq!(
        (failure.kind, failure.to_string().as_str()),
        (outcome, message),
        "{breaks:?}"
    );
    assert_eq!(changing, 0, "{breaks:?}");
}

#[test]
fn the_worst_failure_decides() {
    use Break::{Conflict, Failed, LostBefore, Refused, Unhealthy, Unreachable};
    let all = |how| [("a", how), ("b", how), ("c", how), ("d", how)];
    check(
        4,
        &[("a", Unhealthy), ("b", Refused), ("c", Failed)],
        Outcome::Unhealthy,
        "1 of 4 changes done: 3 changes failed, the worst of them: target fake: a does not come up",
    );
    check(
        4,
        &[
            ("a", Failed),
            ("b", Conflict),
            ("c", Refused),
            ("d", Refused),
        ],
        Outcome::Incomplete,
        "0 of 4 changes done: 4 changes failed, the worst of them: target fake failed: a: disk full",
    );
    check(
        4,
        &[
            ("a", Unreachable),
            ("b", Refused),
            ("c", Refused),
            ("d", Refused),
        ],
        Outcome::Unreachable,
        "0 of 4 changes done: 4 changes failed, the worst of them: target fake: a did not answer",
    );
    // "Refused" says that nothing was applied: only when that is so.
    check(
        4,
        &all(Refused),
        Outcome::Refused,
        "0 of 4 changes done: 4 changes failed, the worst of them: target fake: b is not ours",
    );
    check(
        4,
        &[("b", Refused)],
        Outcome::Incomplete,
        "3 of 4 changes done: target fake: b is not ours",
    );
    check(
        1,
        &[("a", Refused)],
        Outcome::Refused,
        "0 of 4 changes done: target fake: a is not ours",
    );
    check(
        1,
        &[("c", LostBefore)],
        Outcome::Incomplete,
        "2 of 4 changes done: target fake: c: the answer was lost",
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_resolved_by_looking() {
    let fake = four(2, |world| {
        world.breaks.insert("c", Break::LostAfter);
    });
    let (operation, _dir) = operation(&[&fake], |_| ());
    go(&operation).await.unwrap();
    let note = "note fake: the answer was lost; c holds 2 all the same".to_owned();
    assert!(told(&operation).contains(&note));
    assert_eq!(operation.facts().changing, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_what_is_under_way_end_and_begins_nothing() {
    let fake = four(2, |_| ());
    let (operation, _dir) = operation(&[&fake], |_| ());
    let (ended, ()) = tokio::join!(go(&operation), async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(operation.facts().changing, 2);
        operation.stop.cancel();
    });
    let failure = ended.unwrap_err();
    assert_eq!(failure.kind, Outcome::Incomplete);
    assert_eq!(failure.to_string(), "asked to stop: 2 of 4 changes done");
    assert_eq!(fake.holds(), "a=2 b=2 c=1 d=1");
    assert_eq!(operation.facts().changing, 0);
}

/// What `signals` goes by: a change that was dropped may be half done; one that failed is over.
#[tokio::test(start_paused = true)]
async fn only_what_was_dropped_is_said_to_be_half_done() {
    let fake = four(2, |_| ());
    let (dropped, _dir) = operation(&[&fake], |_| ());
    let short = Duration::from_millis(20);
    tokio::time::timeout(short, go(&dropped)).await.unwrap_err();
    assert_eq!(dropped.facts().changing, 2, "a and c");
    let said = signals::given_up(&dropped).await.to_string();
    assert!(said.contains("may be half done"), "{said}");

    let fake = four(1, |world| {
        world.breaks.insert("a", Break::Failed);
    });
    let (failed, _dir) = operation(&[&fake], |_| ());
    go(&failed).await.unwrap_err();
    let said = signals::given_up(&failed).await.to_string();
    assert_eq!(said, "asked to stop before anything else was changed");
}
