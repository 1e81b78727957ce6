//! The official client `icp`, unmodified and with all of its verification, against the double of a replica: the proof that
//! what our own client is tested against is the Internet Computer's protocol, and not our idea of it.

use crate::replica::{Fault, Options, Prices, Replica, SeenStatus, StatusAnswer, modules};
use crate::tools;
use candid::Principal;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;

/// A command that takes longer hangs.
const COMMAND_TIME_MAX: Duration = Duration::from_mins(1);

/// Keys of ed25519 in PKCS#8, made for these tests.
const OWNER: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n-----END PRIVATE KEY-----\n";
const STRANGER: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI\n-----END PRIVATE KEY-----\n";

/// The client with a home of its own, and a replica.
struct Desk {
    program: PathBuf,
    home: TempDir,
    replica: Replica,
}

impl Desk {
    async fn new(options: Options) -> Option<Self> {
        let desk = Self {
            program: tools::icp()?,
            home: TempDir::new().unwrap(),
            replica: Replica::start_with(options).await,
        };
        for (name, pem) in [("owner", OWNER), ("stranger", STRANGER)] {
            let file = desk.file(&format!("{name}.pem"), pem.as_bytes());
            let arguments = ["identity", "import", "--storage", "plaintext", "--from-pem"];
            desk.run(&[&arguments[..], &[&file, name]].concat())
                .await
                .unwrap();
        }
        Some(desk)
    }

    /// A canister of the owner that runs v1.
    async fn canister(&self) -> Principal {
        let principal = self.run(&["identity", "principal", "--identity", "owner"]);
        let owner = Principal::from_text(principal.await.unwrap().trim()).unwrap();
        let canister = self.replica.create(&[owner], 100_000_000_000_000);
        self.replica.install(canister, &modules::good_v1());
        canister
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    async fn run(&self, arguments: &[&str]) -> Result<String, String> {
        output(&self.program, self.home.path(), arguments).await
    }

    /// A command about a canister, as one of the two.
    async fn of(&self, who: &str, command: &[&str]) -> Result<String, String> {
        let (url, key) = (self.replica.url(), self.replica.root_key_hex());
        let site = ["-n", &url, "-k", &key, "--identity", who];
        self.run(&[&["canister"], command, &site].concat()).await
    }

    async fn owner(&self, command: &[&str]) -> Result<String, String> {
        self.of("owner", command).await
    }

    /// Installs a module in this mode.
    async fn install(&self, id: &str, mode: &str, module: &[u8]) -> Result<String, String> {
        let file = self.file("module.wasm", module);
        self.owner(&["install", id, "--mode", mode, "--wasm", &file])
            .await
    }
}

/// Runs it with exactly these variables; stdout and stderr, as the error when it failed.
#[expect(
    clippy::disallowed_methods,
    reason = "the client is a program of other people"
)]
async fn output(program: &Path, home: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .kill_on_drop(true)
        .current_dir(home);
    command
        .env("HOME", home)
        .env("DO_NOT_TRACK", "1")
        .env("NO_COLOR", "1");
    command.stdin(std::process::Stdio::null());
    let output = tokio::time::timeout(COMMAND_TIME_MAX, command.output()).await;
    let output = output
        .expect("icp ends in time")
        .expect("icp can be started");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(text)
    }
}

#[track_caller]
fn says(result: &Result<String, String>, parts: &[&str]) {
    let text = result.as_ref().expect("icp succeeds");
    for part in parts {
        assert!(text.contains(part), "expected {part:?} in: {text}");
    }
}

#[track_caller]
fn fails(result: &Result<String, String>, parts: &[&str]) {
    let text = result.as_ref().expect_err("icp fails");
    for part in parts {
        assert!(text.contains(part), "expected {part:?} in: {text}");
    }
}

/// Hex without `sha256:`, as `icp` prints it.
fn hash(module: &[u8]) -> String {
    modules::hash(module).replace("sha256:", "")
}

#[tokio::test]
async fn the_official_client_goes_through_all_of_it() {
    let Some(desk) = Desk::new(Options::default()).await else {
        return;
    };
    let created = desk
        .owner(&[
            "call",
            "aaaaa-aa",
            "provisional_create_canister_with_cycles",
            "(record { amount = null; settings = null })",
        ])
        .await;
    says(&created, &["rwlgt-iiaaa-aaaaa-aaaaa-cai"]);
    let id = "rwlgt-iiaaa-aaaaa-aaaaa-cai";
    let canister = Principal::from_text(id).unwrap();

    desk.install(id, "install", &modules::good_v1())
        .await
        .unwrap();
    let (v1, principal) = (
        hash(&modules::good_v1()),
        desk.run(&["identity", "principal", "--identity", "owner"])
            .await
            .unwrap(),
    );
    says(
        &desk.owner(&["status", id]).await,
        &["Running", &v1, principal.trim(), "99_995_000_000_000"],
    );
    says(
        &desk.owner(&["status", "--public", id]).await,
        &[&v1, principal.trim()],
    );
    says(
        &desk.owner(&["metadata", id, "candid:service"]).await,
        &["bump : () -> ()"],
    );
    says(
        &desk.owner(&["call", "--query", id, "version", "()"]).await,
        &["(\"v1\")"],
    );
    says(&desk.owner(&["call", id, "bump", "()"]).await, &["()"]);
    says(
        &desk.owner(&["call", "--query", id, "count", "()"]).await,
        &["1 : nat64"],
    );

    snapshots(&desk, id).await;
    upgrades(&desk, id).await;

    desk.replica.install(canister, &modules::logs_traps());
    fails(
        &desk.owner(&["call", id, "bump", "()"]).await,
        &["IC0503", "told to trap"],
    );
    says(&desk.owner(&["logs", id]).await, &["[TRAP]: told to trap"]);
    assert_eq!(desk.replica.seen(canister).status, SeenStatus::Running);
}

async fn snapshots(desk: &Desk, id: &str) {
    let canister = Principal::from_text(id).unwrap();
    desk.owner(&["stop", id]).await.unwrap();
    says(&desk.owner(&["status", id]).await, &["Stopped"]);
    fails(
        &desk.owner(&["call", "--query", id, "version", "()"]).await,
        &["IC0508"],
    );
    let taken = desk
        .owner(&["snapshot", "create", id, "--quiet"])
        .await
        .unwrap();
    let snapshot = taken.trim();
    assert_eq!(snapshot, desk.replica.seen(canister).snapshots[0].id);
    says(&desk.owner(&["snapshot", "list", id]).await, &[snapshot]);
    desk.owner(&["start", id]).await.unwrap();
    desk.owner(&["call", id, "bump", "()"]).await.unwrap();
    assert_eq!(desk.replica.count(canister), 2);
    desk.owner(&["stop", id]).await.unwrap();
    desk.owner(&["snapshot", "restore", id, snapshot])
        .await
        .unwrap();
    assert_eq!(desk.replica.count_stopped(canister), 1);
    desk.owner(&["snapshot", "delete", id, snapshot])
        .await
        .unwrap();
    assert!(desk.replica.seen(canister).snapshots.is_empty());
    fails(
        &desk.owner(&["snapshot", "restore", id, snapshot]).await,
        &["IC0305"],
    );
    desk.owner(&["start", id]).await.unwrap();
}

async fn upgrades(desk: &Desk, id: &str) {
    let canister = Principal::from_text(id).unwrap();
    let trapped = desk
        .install(id, "upgrade", &modules::bad_post_upgrade())
        .await;
    fails(&trapped, &["IC0503", "told to trap"]);
    let seen = desk.replica.seen(canister);
    assert_eq!(seen.status, SeenStatus::Running);
    assert_eq!(seen.module_hash, Some(modules::hash(&modules::good_v1())));

    fails(
        &desk.install(id, "install", &modules::good_v2()).await,
        &["IC0514"],
    );
    desk.install(id, "upgrade", &modules::bad_query())
        .await
        .unwrap();
    fails(
        &desk.owner(&["call", "--query", id, "version", "()"]).await,
        &["IC0503"],
    );

    let large = modules::padded(&modules::good_v3());
    desk.install(id, "upgrade", &large).await.unwrap();
    says(&desk.owner(&["status", id]).await, &[&hash(&large)]);
    says(
        &desk.owner(&["call", "--query", id, "version", "()"]).await,
        &["(\"v3\")"],
    );
    assert_eq!(desk.replica.seen(canister).chunks, 0);
    let methods = desk.replica.methods();
    for method in ["upload_chunk", "install_chunked_code", "clear_chunk_store"] {
        assert!(methods.iter().any(|called| called == method), "{methods:?}");
    }
    statuses(desk, id).await;
    fails(
        &desk.of("stranger", &["stop", id]).await,
        &["IC0512", "Only controllers of canister"],
    );
    assert_eq!(desk.replica.count(canister), 1);
}

/// What it makes of the answers of older and newer replicas, and of one that refuses.
async fn statuses(desk: &Desk, id: &str) {
    let answer = |answer| desk.replica.faults(|faults| faults.status_answer(answer));
    let public = |text: &str| text.contains("Module hash") && !text.contains("Cycles");
    let stranger = desk.of("stranger", &["status", id]).await.unwrap();
    assert!(public(&stranger), "{stranger}");
    answer(StatusAnswer::Denied);
    let denied = desk.owner(&["status", id]).await.unwrap();
    assert!(public(&denied), "{denied}");
    for age in [StatusAnswer::Older, StatusAnswer::Future] {
        answer(age);
        // Its struct has to fit the answer: why ours takes only the fields that it needs.
        fails(
            &desk.owner(&["status", id]).await,
            &["failed to decode call response"],
        );
    }
    answer(StatusAnswer::Today);
}

#[tokio::test]
async fn the_official_client_believes_a_delegated_subnet_and_no_wrong_key() {
    let options = Options {
        delegated: true,
        ..Options::default()
    };
    let Some(desk) = Desk::new(options).await else {
        return;
    };
    let canister = desk.canister().await;
    let id = canister.to_text();
    says(
        &desk.owner(&["call", "--query", &id, "version", "()"]).await,
        &["(\"v1\")"],
    );
    says(&desk.owner(&["status", &id]).await, &["Running"]);

    let other = Replica::start().await;
    let (url, key) = (desk.replica.url(), other.root_key_hex());
    let command = [
        "canister",
        "status",
        &id,
        "-n",
        &url,
        "-k",
        &key,
        "--identity",
        "owner",
    ];
    fails(
        &desk.run(&command).await,
        &["ertificate verification failed"],
    );
}

/// What the target meets on bad days, met by the official client too.
#[tokio::test]
async fn the_official_client_on_a_bad_day() {
    let options = Options {
        stop_max: Duration::from_secs(1),
        ..Options::default()
    };
    let Some(desk) = Desk::new(options).await else {
        return;
    };
    let canister = desk.canister().await;
    desk.replica.update(canister, "bump").unwrap();
    let id = canister.to_text();
    let holds = |module: &[u8]| {
        let seen = desk.replica.seen(canister);
        assert_eq!(seen.module_hash, Some(modules::hash(module)));
        assert_eq!(seen.status, SeenStatus::Running);
    };

    // Bad, and back by an upgrade: the state stays.
    desk.install(&id, "upgrade", &modules::bad_query())
        .await
        .unwrap();
    let packed = modules::gzip(&modules::good_v2());
    desk.install(&id, "upgrade", &packed).await.unwrap();
    says(&desk.owner(&["status", &id]).await, &[&hash(&packed)]);
    desk.install(&id, "upgrade", &modules::good_v1())
        .await
        .unwrap();
    holds(&modules::good_v1());
    assert_eq!(desk.replica.count(canister), 1);

    // A call that stays open: it does not stop, and can be started again.
    desk.replica.hold_stopping(canister);
    fails(&desk.owner(&["stop", &id]).await, &["IC0206"]);
    desk.owner(&["start", &id]).await.unwrap();
    desk.replica.release(canister);
    holds(&modules::good_v1());

    // No cycles for an install: nothing is changed.
    desk.replica.set_prices(Prices {
        install: 1_000,
        ..Prices::default()
    });
    desk.replica.change(canister, |canister| {
        canister.cycles = canister.freezing_limit() + 999;
    });
    fails(
        &desk.install(&id, "upgrade", &modules::good_v3()).await,
        &["IC0207"],
    );
    holds(&modules::good_v1());
    desk.replica
        .change(canister, |canister| canister.cycles = 100_000_000_000_000);

    // The answer of an install that was done is lost: the client fails, and the module is there.
    desk.replica
        .faults(|faults| faults.once("install_code", Fault::DropAfter));
    desk.install(&id, "upgrade", &modules::good_v3())
        .await
        .unwrap_err();
    assert_eq!(
        desk.replica.seen(canister).module_hash,
        Some(modules::hash(&modules::good_v3()))
    );
}
