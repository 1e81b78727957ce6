//! A rollback that is killed at every point of its journal, and before and after every call that changes something: the same command
//! finishes it, one healthy container serves, and nothing is left over.

use super::door::{Door, When, Which};
use super::shop::{Shop, v1, v2};
use crate::docker::Image;
use crate::rig::{Journal, Point};
use futures_util::future::join;
use std::time::{Duration, Instant};

/// A rollback makes fewer calls.
const CALLS_MAX: usize = 20;

/// Two good releases: the way leads from one to the other and back.
struct Turns {
    shop: Shop,
    releases: [(u64, Image, &'static str); 2],
}

impl Turns {
    async fn open(prefix: &str) -> Option<Self> {
        let shop = Shop::open(prefix).await?;
        let releases = [
            (11, v1(&shop.engine).await, "v1"),
            (12, v2(&shop.engine).await, "v2"),
        ];
        shop.record(11).await;
        shop.put(&releases[1].1.pinned()).await;
        shop.project.up().await;
        shop.record(12).await;
        Some(Self { shop, releases })
    }

    /// A target without a watch, by way of this address.
    fn at(&self, host: &str) {
        self.shop.configure_at(host, "stable: 0s, drift: []", "");
    }

    /// Runs the command again, and holds it to what must be there then.
    async fn finish(&self, turn: usize, what: &str) {
        let (run, image, version) = &self.releases[turn % 2];
        self.at(self.shop.engine.host());
        let args = ["rollback", "--run-id", &run.to_string()];
        let out = self.shop.run(&args).await;
        assert_eq!(out.code, Some(0), "killed {what}: {out}");
        self.shop.serves(image, version).await;
    }
}

async fn killed_at_events(prefix: &str, kinds: &[&'static str]) {
    let Some(turns) = Turns::open(prefix).await else {
        return;
    };
    for (turn, kind) in kinds.iter().enumerate() {
        turns.at(turns.shop.engine.host());
        let run = turns.releases[turn % 2].0.to_string();
        let state = turns.shop.stage.path(".lastgood");
        let known = Journal::all(&state).len();
        let running = turns.shop.call(&["rollback", "--run-id", &run]).start();
        let started = Instant::now();
        let point = Point(kind, 1);
        loop {
            let all = Journal::all(&state);
            let reached = all.iter().filter(|journal| journal.has(point)).count();
            let before = all.iter().filter(|one| one.has(Point("began", 1)));
            let is_new = known < before.count();
            if is_new && newest(&all).is_some_and(|newest| newest.has(point)) {
                break;
            }
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "{kind} did not come, {reached} journals have it"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        running.kill().await;
        turns.finish(turn, kind).await;
    }
}

/// The journal that was begun last.
fn newest(all: &[Journal]) -> Option<&Journal> {
    let began = |journal: &&Journal| {
        let began = journal.of("began");
        began.first().map(|event| event["at"].to_string())
    };
    all.iter().max_by_key(began)
}

#[tokio::test]
async fn at_every_point_of_the_journal() {
    let before = ["began", "located", "fetched", "observed"];
    let after = ["planned", "intent", "progress", "applied", "verified"];
    join(
        killed_at_events("at-before", &before),
        killed_at_events("at-after", &after),
    )
    .await;
}

/// Every other call, from this one on, until the command ends by itself.
async fn killed_at_calls(prefix: &str, first: usize, when: When) {
    let Some(turns) = Turns::open(prefix).await else {
        return;
    };
    for (turn, nth) in (first..CALLS_MAX).step_by(2).enumerate() {
        let socket = turns.shop.engine.socket();
        let door = Door::holding(socket, Which::Nth(nth), when);
        turns.at(&door.host());
        let run = turns.releases[turn % 2].0.to_string();
        let running = turns.shop.call(&["rollback", "--run-id", &run]).start();
        let ended = ended(running.id());
        if !door.is_held(ended).await {
            let out = running.end().await;
            assert_eq!(out.code, Some(0), "{out}");
            assert!(4 < nth, "only {} calls: {:#?}", nth - 1, door.calls());
            return;
        }
        running.kill().await;
        let what = format!("{when:?} {}", door.calls().last().unwrap());
        drop(door);
        turns.finish(turn, &what).await;
    }
    panic!("a rollback makes {CALLS_MAX} calls");
}

/// Until a process does nothing any more.
async fn ended(id: u32) {
    while crate::rig::lives(id) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn before_every_call() {
    let odd = killed_at_calls("odd-before", 1, When::Before);
    join(odd, killed_at_calls("even-before", 2, When::Before)).await;
}

#[tokio::test]
async fn after_every_call() {
    let odd = killed_at_calls("odd-after", 1, When::After);
    join(odd, killed_at_calls("even-after", 2, When::After)).await;
}

/// The release that was being put in place is bad, and the one before it is asked for.
#[tokio::test]
async fn turned_round_after_a_kill() {
    let Some(shop) = Shop::open("turned").await else {
        return;
    };
    let good = v1(&shop.engine).await;
    shop.record(11).await;
    let bad = super::shop::bad(&shop.engine).await;
    let dir = shop.images("dist", &format!("web={}\n", bad.pinned()));
    for text in ["/stop", "/start"] {
        let door = Door::holding(shop.engine.socket(), Which::With(text), When::After);
        shop.configure_at(&door.host(), "payload: images.txt", "");
        let args = ["rollback", "--artifact", dir.to_str().unwrap()];
        let running = shop.call(&args).start();
        door.held().await;
        running.kill().await;
        drop(door);
        shop.configure("");
        // The one that was killed has marked run 11 as bad: it was rolling back from that. The operator knows better.
        let record = shop.stage.path("record-11");
        let args = ["rollback", "--artifact", record.to_str().unwrap()];
        let out = shop.run(&args).await;
        assert_eq!(out.code, Some(0), "{text}: {out}");
        shop.serves(&good, "v1").await;
    }
}

/// The next run has nothing to change any more; what kept others away while the first one was at work goes all the same.
#[tokio::test]
async fn the_mark_of_a_dead_operation_does_not_stay() {
    let Some(shop) = Shop::open("marked").await else {
        return;
    };
    shop.record(11).await;
    shop.put_bad().await;
    let removal = Which::With("force=true");
    let door = Door::holding(shop.engine.socket(), removal, When::After);
    shop.configure_at(&door.host(), "", "");
    let running = shop.call(&["rollback"]).start();
    door.held().await;
    running.kill().await;
    drop(door);
    shop.configure("");
    let out = shop.run(&["rollback"]).await;
    assert_eq!(out.code, Some(0), "{out}");
    let marks = shop.marks().await;
    assert_eq!(marks, [""; 0], "{out}");
}
