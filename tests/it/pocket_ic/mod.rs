//! The real program against a real network: a PocketIC server, where the variable `POCKET_IC_BIN` names one. What the double of a
//! replica only reads out of the specification is held against the network's own code here.

mod desk;
mod server;

use crate::replica::{Options, Replica, modules};
use crate::tools;
use desk::{Desk, Who};
use server::{Instance, Server};
use std::path::PathBuf;

/// The server. `None`, after saying so, when nobody names one: it is larger than what tests fetch by themselves.
fn program() -> Option<PathBuf> {
    let program = tools::variable("POCKET_IC_BIN");
    if program.is_none() {
        eprintln!(
            "\n*** NOT TESTED against a real network: POCKET_IC_BIN is not set, expected the path of a PocketIC server \
             (https://github.com/dfinity/pocketic/releases) ***\n"
        );
    }
    // It is started in a directory of its own.
    program.map(|program| std::path::absolute(program).expect("a path that is not empty"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canister_goes_forward_and_back_on_a_real_network() {
    let Some(program) = program() else { return };
    let server = Server::start(&program).await;
    goes_forward_and_back(&server.instance).await;
    server.stop().await;
}

/// The double keeps what it promises, and this scenario does not rot where there is no server.
#[tokio::test(flavor = "multi_thread")]
async fn the_double_is_such_a_network() {
    let options = Options {
        delegated: true,
        ..Options::default()
    };
    let replica = Replica::start_with(options).await;
    let instance = Instance {
        url: replica.url(),
        created_at: replica.create(&[], 1),
    };
    goes_forward_and_back(&instance).await;
}

async fn goes_forward_and_back(instance: &Instance) {
    let desk = Desk::new(instance).await;
    installs(&desk).await;
    a_trapping_upgrade_changes_nothing(&desk).await;
    a_bad_version_is_rolled_back(&desk).await;
    a_stopped_canister_is_started(&desk).await;
    a_stranger_is_refused(&desk).await;
    large_and_packed_modules(&desk).await;
    ready(&desk).await;
}

async fn installs(desk: &Desk) {
    desk.put(&modules::good_v1()).await.succeeds();
    assert_eq!(desk.hash().await, modules::hash(&modules::good_v1()));
    assert_eq!(desk.version().await, "v1");
    desk.bump().await;
    desk.bump().await;
    assert_eq!(desk.count().await, 2);
    // Once more: nothing is left to do.
    let before = desk.snapshots().await;
    desk.put(&modules::good_v1()).await.succeeds();
    assert_eq!(desk.snapshots().await, before);
}

async fn a_trapping_upgrade_changes_nothing(desk: &Desk) {
    let said = desk.put(&modules::bad_post_upgrade()).await.fails();
    assert!(said.contains("told to trap"), "{said}");
    assert!(!said.contains("reinstall"), "{said}");
    assert_eq!(desk.hash().await, modules::hash(&modules::good_v1()));
    assert_eq!(desk.version().await, "v1");
    assert_eq!(desk.count().await, 2);
}

async fn a_bad_version_is_rolled_back(desk: &Desk) {
    let before = desk.snapshots().await;
    desk.put(&modules::bad_query()).await.succeeds();
    assert_eq!(desk.hash().await, modules::hash(&modules::bad_query()));
    desk.query("version")
        .await
        .expect_err("the bad version traps");
    desk.put(&modules::good_v1()).await.succeeds();
    assert_eq!(desk.hash().await, modules::hash(&modules::good_v1()));
    assert_eq!(desk.version().await, "v1");
    assert_eq!(desk.count().await, 2, "the state is kept");
    assert_ne!(desk.snapshots().await, before, "a snapshot was taken");
}

async fn a_stopped_canister_is_started(desk: &Desk) {
    desk.manage("stop_canister").await;
    desk.query("version").await.expect_err("it is stopped");
    desk.put(&modules::good_v1()).await.succeeds();
    assert_eq!(desk.version().await, "v1");
}

async fn a_stranger_is_refused(desk: &Desk) {
    let module = modules::good_v2();
    let said = desk.put_as(Who::Stranger, "wasm", &module).await.fails();
    assert!(said.contains("controller"), "{said}");
    assert_eq!(desk.hash().await, modules::hash(&modules::good_v1()));
    assert_eq!(desk.version().await, "v1");
}

async fn large_and_packed_modules(desk: &Desk) {
    let large = modules::padded(&modules::good_v2());
    desk.put(&large).await.succeeds();
    assert_eq!(desk.hash().await, modules::hash(&large));
    assert_eq!(desk.version().await, "v2");
    let packed = modules::gzip(&modules::good_v3());
    let put = desk.put_as(Who::Owner, "wasm.gz", &packed).await;
    put.succeeds();
    assert_eq!(desk.hash().await, modules::hash(&packed));
    assert_eq!(desk.version().await, "v3");
    assert_eq!(desk.count().await, 2, "the state is kept");
}

async fn ready(desk: &Desk) {
    let ready = desk.run(&["ready", "--artifact", "release"]).await;
    ready.succeeds();
}
