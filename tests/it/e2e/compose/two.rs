//! Two operations at once: the second is refused and says who is at work. A dead one is in nobody's way.

use super::door::{Door, When, Which};
use super::shop::{Shop, v1};
use crate::rig::Journal;

#[tokio::test]
async fn the_second_is_refused_and_a_dead_one_is_not_in_the_way() {
    let Some(shop) = Shop::open("lease").await else {
        return;
    };
    let good = v1(&shop.engine).await;
    shop.record(11).await;
    shop.put_bad().await;
    let door = Door::holding(shop.engine.socket(), Which::With("/stop"), When::Before);
    shop.configure_at(&door.host(), "", "");
    let first = shop.call(&["rollback"]).start();
    door.held().await;
    let id = Journal::all(&shop.stage.path(".lastgood"))
        .pop()
        .unwrap()
        .id();

    // Another machine, which has no file of the first.
    shop.configure("");
    let elsewhere = shop.stage.path("elsewhere");
    let args = ["rollback", "--state-dir", elsewhere.to_str().unwrap()];
    let second = shop.run(&args).await;
    second.ended(15, "refused").says("held by").says(&id);

    first.kill().await;
    drop(door);
    // The same machine: it sees that the first one is dead, and does not wait.
    let started = std::time::Instant::now();
    let third = shop.run(&["rollback"]).await;
    third.ended(0, "restored");
    assert!(started.elapsed().as_secs() < 15, "{third}");
    shop.serves(&good, "v1").await;
}

#[tokio::test]
async fn the_first_one_ends_as_if_it_were_alone() {
    let Some(shop) = Shop::open("first").await else {
        return;
    };
    let good = v1(&shop.engine).await;
    shop.record(11).await;
    shop.put_bad().await;
    let door = Door::holding(shop.engine.socket(), Which::With("/stop"), When::Before);
    shop.configure_at(&door.host(), "", "");
    let first = shop.call(&["rollback"]).start();
    door.held().await;
    let second = shop.run(&["rollback"]).await;
    assert_eq!(second.code, Some(15), "{second}");
    door.let_go();
    first.end().await.ended(0, "restored");
    shop.serves(&good, "v1").await;
}
