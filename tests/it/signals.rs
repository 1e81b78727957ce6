//! INT, TERM and HUP at every stage of a command: it is written down at once, the command ends within five seconds with
//! outcome `incomplete` and its outputs, and the server is as it was, or has the change whole, or the journal says that
//! the change is half done and the same command finishes it.

use crate::rig::{Ended, Journal, Kind, Point, Probes, Rig, Running, listing, lives, send};
use crate::world::service::Behaviour;
use crate::world::{Fault, Route};
use rustix::process::Signal;
use std::fs;
use std::time::{Duration, Instant};
use tokio::process::Command;

const JOURNAL_WITHIN: Duration = Duration::from_secs(1);
const EXIT_WITHIN: Duration = Duration::from_secs(5);

const SIGNALS: [(&str, Signal); 3] = [
    ("INT", Signal::INT),
    ("TERM", Signal::TERM),
    ("HUP", Signal::HUP),
];

async fn rig(kind: Kind, probes: Probes) -> Rig {
    Rig::new(kind, probes, &Behaviour::good("new")).await
}

/// Sends the signal and holds the program to its times.
async fn stop(
    rig: &Rig,
    mut running: Running,
    id: u32,
    (name, signal): (&str, Signal),
) -> (Ended, Journal) {
    let sent = Instant::now();
    send(id, signal);
    let journal = running.reach(Point("interrupted", 1)).await;
    assert!(sent.elapsed() < JOURNAL_WITHIN, "{:?}", sent.elapsed());
    assert_eq!(journal.of("interrupted")[0]["signal"], name);
    let ended = running.end().await;
    let took = sent.elapsed();
    assert!(took < EXIT_WITHIN, "{took:?}");
    ended.with(17, "incomplete");
    let last = journal.events().pop().unwrap();
    assert_eq!(last["event"], "ended");
    assert_eq!(last["outcome"], "incomplete");
    for (file, text) in [("output", "\nincomplete\n"), ("summary", "incomplete")] {
        let written = fs::read_to_string(rig.path(file)).unwrap();
        assert!(written.contains(text), "{file}: {written}");
    }
    assert!(journal.path.with_file_name("report.md").is_file());
    assert_eq!(rig.leftovers(), [""; 0]);
    assert_eq!(rig.leases(), [""; 0]);
    (ended, journal)
}

#[tokio::test]
async fn before_a_change_nothing_is_changed() {
    for named in SIGNALS {
        let rig = rig(Kind::Directory, Probes::No).await;
        rig.world
            .fault(Route::WorkflowRuns, Fault::Delay(Duration::from_mins(1)));
        let before = listing(&rig.path("server"));
        let mut running = rig.start(&["rollback"]);
        // The signal may come as early as this: nothing but the first line of the journal is there.
        running.reach(Point("began", 1)).await;
        let id = running.id();
        let (ended, _) = stop(&rig, running, id, named).await;
        ended.with(17, "run the same command again");
        assert_eq!(listing(&rig.path("server")), before);
    }
}

#[tokio::test]
async fn during_a_download_that_hangs() {
    let rig = rig(Kind::Directory, Probes::No).await;
    rig.world.fault(Route::Blob, Fault::Stall(100));
    let before = listing(&rig.path("server"));
    let mut running = rig.start(&["rollback"]);
    let is_loading = || (0 < rig.world.count(Route::Blob)).then_some(());
    running
        .until("a request to the blob store", |_| is_loading())
        .await;
    let id = running.id();
    let (ended, _) = stop(&rig, running, id, SIGNALS[1]).await;
    ended.with(17, "nothing was changed");
    assert_eq!(listing(&rig.path("server")), before);
    rig.run(&["rollback"]).await.with(0, "restored");
}

/// A change that ends in time is whole, written down, and not judged.
#[tokio::test]
async fn in_the_middle_of_a_change_that_ends_in_time() {
    for kind in [Kind::Directory, Kind::Command] {
        let rig = rig(kind, Probes::No).await;
        rig.hold();
        let mut running = rig.start(&["rollback"]);
        running.until("a held program", |_| rig.is_held()).await;
        let id = running.id();
        let release = async {
            while rig
                .journals()
                .iter()
                .all(|journal| journal.of("interrupted").is_empty())
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            rig.let_go(0);
        };
        let ((_, journal), ()) = tokio::join!(stop(&rig, running, id, SIGNALS[0]), release);
        assert_eq!(journal.of("verified").len(), 1, "{:?}", journal.kinds());
        assert_eq!(rig.holds(), "good");
        rig.run(&["rollback"])
            .await
            .with(0, "continuing from what the target holds");
    }
}

/// A change that does not is given up: its programs are gone, and the same command finishes it.
#[tokio::test]
async fn in_the_middle_of_a_change_that_hangs() {
    for kind in [Kind::Directory, Kind::Command] {
        let rig = rig(kind, Probes::No).await;
        rig.hold();
        let mut running = rig.start(&["rollback"]);
        let program = running.until("a held program", |_| rig.is_held()).await;
        let id = running.id();
        let held_before = rig.holds();
        let (ended, journal) = match kind {
            Kind::Directory => stop_with_marker(&rig, running, id).await,
            Kind::Command => stop(&rig, running, id, SIGNALS[0]).await,
        };
        ended.with(17, "may be half done");
        assert!(!lives(program), "the program that was running is gone");
        let (intent, applied) = (journal.of("intent").len(), journal.of("applied").len());
        assert_eq!((intent, applied), (1, 0), "{:?}", journal.kinds());
        let last = journal.events().pop().unwrap();
        assert!(last["after"]["shop"].is_object(), "{last:#}");
        assert_eq!(rig.holds(), held_before);
        let again = rig.run(&["rollback"]).await;
        again.with(0, "restored");
        assert_eq!(rig.holds(), "good");
        assert_eq!(rig.leftovers(), [""; 0]);
    }
}

/// The link is switched and the restart is due: that is what the marker is for, so it is not left over.
async fn stop_with_marker(rig: &Rig, running: Running, id: u32) -> (Ended, Journal) {
    let marker = rig.path("server/.restart-pending");
    assert!(marker.is_file());
    let aside = rig.path("marker");
    fs::rename(&marker, &aside).unwrap();
    let stopped = stop(rig, running, id, SIGNALS[1]).await;
    fs::rename(aside, marker).unwrap();
    stopped
}

#[tokio::test]
async fn during_the_watch_what_is_in_place_stays() {
    for args in [["rollback"], ["deploy"]] {
        let rig = rig(Kind::Directory, Probes::Yes).await;
        let mut running = rig.start(&args);
        let watch = if args == ["deploy"] { 2 } else { 1 };
        running.reach(Point("watching", watch)).await;
        let id = running.id();
        let (ended, _) = stop(&rig, running, id, SIGNALS[0]).await;
        ended.with(17, "what is in place stays");
        let wanted = if args == ["deploy"] { "new" } else { "good" };
        assert_eq!(rig.holds(), wanted);
        let again = rig.run(&args).await;
        assert_eq!(again.code, Some(0), "{again}");
    }
}

/// In a container nobody else handles signals, and the kernel drops those that PID 1 does not handle.
#[tokio::test]
async fn as_pid_1() {
    let Some(pid_1) = pid_1().await else {
        // Not a tool that is missing: some kernels forbid it to everybody but root, also under CI.
        eprintln!("\n*** NOT TESTED: this machine lets us make no PID namespace ***\n");
        return;
    };
    for named in SIGNALS {
        let rig = rig(Kind::Directory, Probes::No).await;
        rig.world
            .fault(Route::WorkflowRuns, Fault::Delay(Duration::from_mins(1)));
        let mut command = unshare(&pid_1);
        command.args([env!("CARGO_BIN_EXE_lastgood"), "rollback"]);
        let mut running = Running::start_command(command, &rig.path(""), &rig.environment(&[]));
        running.reach(Point("began", 1)).await;
        let id = only_child(running.id());
        stop(&rig, running, id, named).await;
    }
}

/// The arguments with which unshare(1) makes a PID namespace here.
async fn pid_1() -> Option<Vec<&'static str>> {
    let ways: [&[&str]; 2] = [&["--user", "--map-root-user"], &[]];
    for way in ways {
        let args = [way, &["--pid", "--fork", "--kill-child"]].concat();
        let tried = unshare(&args).arg("true").output().await;
        if tried.is_ok_and(|ended| ended.status.success()) {
            return Some(args);
        }
    }
    None
}

#[expect(
    clippy::disallowed_methods,
    reason = "the program that makes namespaces"
)]
fn unshare(args: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(args);
    command
}

fn only_child(id: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    children.trim().parse().unwrap()
}
