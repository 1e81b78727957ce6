//! Two operations at once: the second is refused and says who is at work; a dead one is in nobody's way.

use crate::rig::{Kind, Probes, Rig};
use crate::world::service::Behaviour;

async fn check(kind: Kind) {
    let rig = Rig::new(kind, Probes::No, &Behaviour::good("new")).await;
    rig.hold();
    let mut first = rig.start(&["rollback"]);
    first.until("a held program", |_| rig.is_held()).await;
    let id = first.journal().unwrap().id();

    let second = rig.run(&["rollback", "--run-id", "101"]).await;
    // The directory holds the release already, not restarted: what is missing is the same change.
    second
        .with(15, &id)
        .with(15, "run 105 attempt 1")
        .with(15, "held by");
    assert_eq!(first.journal().unwrap().of("applied").len(), 0);

    rig.let_go(0);
    first.end().await.with(0, "");
    assert_eq!(rig.holds(), "good");
    assert_eq!(rig.leftovers(), [""; 0]);
    assert_eq!(rig.leases(), [""; 0]);
    rig.run(&["rollback"]).await.with(0, "already");
}

#[tokio::test]
async fn in_a_directory() {
    check(Kind::Directory).await;
}

#[tokio::test]
async fn by_commands() {
    check(Kind::Command).await;
}
