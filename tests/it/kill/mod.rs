//! SIGKILL at every point of a command's journal, and the same command again: it must end as if nothing had happened, the
//! server holds one whole release, and nothing is left behind. Cases of one test run side by side.

mod deploy;
mod rollback;
mod two;

use crate::rig::{Ended, Journal, Kind, Point, Probes, Rig, lives};
use crate::world::service::Behaviour;
use futures_util::future::join_all;
use serde_json::Value;

/// Where a command is killed.
#[derive(Debug, Clone, Copy)]
enum At {
    /// As soon as this event is in the journal.
    Event(Point),
    /// While the nth program that changes something (from 1) is running.
    Program(usize),
}

/// One case: what is run, where it is killed, and what the second run must come to.
#[derive(Debug, Clone, Copy)]
struct Case {
    kind: Kind,
    probes: Probes,
    args: &'static [&'static str],
    at: At,
    /// How the new release behaves: the share of requests that fail.
    new: f64,
    code: i32,
    outcome: &'static str,
    holds: &'static str,
}

async fn check_all(cases: Vec<Case>) {
    join_all(cases.into_iter().map(check)).await;
}

async fn check(case: Case) {
    let rig = Rig::new(case.kind, case.probes, &Behaviour::failing("new", case.new)).await;
    let killed = kill(&rig, case).await;
    let events = killed.events();
    assert!(!events.is_empty(), "{case:?}");
    let done = killed.kinds().contains(&"ended".to_owned());

    let history = rig.history().await;
    assert_eq!(
        is_unfinished(&history, &killed),
        !done,
        "{case:?}: {history:#}"
    );
    assert_eq!(is_open(&rig).await, !done, "{case:?}");
    let report = rig
        .run(&["report", "--journal", killed.path.to_str().unwrap()])
        .await;
    assert_eq!(report.code, Some(0), "{case:?}: {report}");

    let again = rig.run(case.args).await;
    rig.let_go(1);
    let told = || format!("{case:?}, killed after {:?}\n{again}", killed.kinds());
    let outcome = outcome(&again, &rig);
    if done {
        assert_eq!(again.code, Some(0), "{}", told());
    } else {
        assert_eq!(
            (again.code, outcome.as_str()),
            (Some(case.code), case.outcome),
            "{}",
            told()
        );
    }
    // A command that measured the old release to be well goes back to that one, if the server still has it.
    let holds = rig.holds();
    let back_to_old =
        case.outcome == "rolled-back" && case.kind == Kind::Directory && holds == "old";
    assert!(back_to_old || holds == case.holds, "{holds}: {}", told());
    assert_eq!(rig.leftovers(), [""; 0], "{}", told());
    assert!(!is_open(&rig).await, "{}", told());
}

/// Whether `history` says that something is to be resumed.
async fn is_open(rig: &Rig) -> bool {
    let told = rig.run(&["history"]).await.stdout;
    told.lines().any(|line| line.starts_with("unfinished:"))
}

/// Runs the command until the point, and kills it there. A program that it had started goes on.
async fn kill(rig: &Rig, case: Case) -> Journal {
    if matches!(case.at, At::Program(1)) {
        rig.hold();
    }
    let mut running = rig.start(case.args);
    let journal = match case.at {
        At::Event(point) => running.reach(point).await,
        At::Program(nth) => {
            if nth > 1 {
                // The program before it has ended when its change is in the journal.
                running.reach(Point("applied", nth - 1)).await;
                rig.hold();
            }
            let holding = running.until("a held program", |_| rig.is_held()).await;
            assert!(lives(holding));
            running.journal().unwrap()
        }
    };
    running.kill().await;
    journal
}

fn outcome(ended: &Ended, rig: &Rig) -> String {
    let journals = rig.journals();
    let mut ends: Vec<(String, Value)> = journals
        .iter()
        .flat_map(Journal::events)
        .filter(|event| event["event"] == "ended")
        .map(|event| {
            (
                event["at"].as_str().unwrap().to_owned(),
                event["outcome"].clone(),
            )
        })
        .collect();
    ends.sort_by(|a, b| a.0.cmp(&b.0));
    let last = ends.pop().unwrap_or_else(|| panic!("{ended}"));
    last.1.as_str().unwrap().to_owned()
}

fn is_unfinished(history: &Value, journal: &Journal) -> bool {
    let entries = history["operations"].as_array().unwrap();
    let id = journal.id();
    let entry = entries.iter().find(|entry| entry["id"] == id.as_str());
    entry.unwrap_or_else(|| panic!("{id} is not in {history:#}"))["outcome"].is_null()
}

/// The events that are reached once each, in order.
fn events(kinds: &[&'static str]) -> impl Iterator<Item = At> {
    kinds.iter().map(|&kind| At::Event(Point(kind, 1)))
}
