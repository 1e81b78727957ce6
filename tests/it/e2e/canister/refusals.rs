//! What is refused before anything is changed, with the one next action.

use super::keys::{self, ENCRYPTED, OWNER, PASSWORD, STRANGER};
use super::shop::{COUNT, NAME, Shop, sha};
use crate::e2e::output::Output;
use crate::replica::{Replica, modules};

/// v1 was recorded, and something bad is installed.
async fn bad() -> Shop {
    let shop = Shop::open().await;
    shop.replica.install(shop.id, &modules::bad_query());
    shop
}

/// A rollback is refused, and nothing was changed.
#[track_caller]
fn refused(shop: &Shop, out: &Output, words: &[&str]) {
    out.ended(15, "refused");
    unchanged(shop, out, words);
}

#[track_caller]
fn unchanged(shop: &Shop, out: &Output, words: &[&str]) {
    for word in words {
        out.says(word);
    }
    out.says_not("mode='reinstall'")
        .says_not("--mode reinstall");
    assert_eq!(shop.changes(), [""; 0], "{out}");
    shop.certifies(&modules::bad_query());
}

#[tokio::test]
async fn without_an_identity_one_may_look_and_not_change() {
    let shop = bad().await;
    for args in [&["rollback"][..], &["rollback", "--dry-run"]] {
        let out = shop
            .ended(shop.call(args).without("DFX_IDENTITY_PEM"))
            .await;
        refused(&shop, &out, &["no identity was given", "DFX_IDENTITY_PEM"]);
    }
    let out = shop
        .ended(shop.call(&["list"]).without("DFX_IDENTITY_PEM"))
        .await;
    out.ended(0, "planned");
}

#[tokio::test]
async fn the_identity_of_somebody_else() {
    let shop = bad().await;
    let (owner, stranger) = (keys::principal(OWNER), keys::principal(STRANGER));
    let both = [owner.to_text(), stranger.to_text()];
    let both = both.each_ref().map(String::as_str);
    for args in [&["rollback"][..], &["rollback", "--dry-run"]] {
        let call = shop.call(args).env("DFX_IDENTITY_PEM", STRANGER);
        let out = shop.ended(call).await;
        refused(&shop, &out, &both);
    }
    shop.configure(&format!("principal: {owner}"));
    let before = shop.replica.calls().len();
    let requests = shop.stage.world.requests().len();
    let call = shop.call(&["rollback"]).env("DFX_IDENTITY_PEM", STRANGER);
    let out = shop.ended(call).await;
    refused(&shop, &out, &both);
    assert_eq!(shop.replica.calls().len(), before, "the network was asked");
    assert_eq!(
        shop.stage.world.requests().len(),
        requests,
        "GitHub was asked"
    );
}

#[tokio::test]
async fn a_key_that_is_none() {
    let shop = bad().await;
    shop.configure("identity-from: KEY, identity-password-from: PASSWORD");
    let call = |key: &str, password: &str| {
        let call = shop.call(&["rollback"]);
        shop.ended(call.env("KEY", key).env("PASSWORD", password))
    };
    let out = call("hunter2-is-no-key", "x").await;
    refused(&shop, &out, &["KEY", "PEM"]);
    out.says_not("hunter2");
    let out = call(ENCRYPTED, "wrong-donkey").await;
    refused(&shop, &out, &["password"]);
    out.says_not("wrong-donkey");
    let out = call(ENCRYPTED, PASSWORD).await;
    refused(&shop, &out, &[&keys::principal(STRANGER).to_text()]);
}

#[tokio::test]
async fn another_network() {
    let shop = bad().await;
    let other = Replica::start().await;
    let network = format!(
        "network: \"{}\", root-key: {}",
        shop.replica.url(),
        other.root_key_hex()
    );
    shop.configure_on(&network, &shop.member(), "", "");
    let out = shop.run(&["rollback"]).await;
    refused(&shop, &out, &["root-key"]);

    // The right network for its key, and it has no such canister.
    let network = format!(
        "network: \"{}\", root-key: {}",
        other.url(),
        other.root_key_hex()
    );
    shop.configure_on(&network, &shop.member(), "", "");
    let out = shop.run(&["rollback"]).await;
    refused(&shop, &out, &[&shop.id.to_text()]);
}

#[tokio::test]
async fn settings_that_would_trust_anybody() {
    let shop = bad().await;
    for (network, word) in [
        (
            "network: \"http://icp.example.com\", root-key: mainnet",
            "https",
        ),
        ("network: \"https://icp.example.com\"", "root-key"),
        ("network: nowhere", "nowhere"),
    ] {
        shop.configure_on(network, &shop.member(), "", "");
        let out = shop.run(&["rollback"]).await;
        assert_eq!(out.code, Some(2), "{out}");
        unchanged(&shop, &out, &[word]);
    }
}

/// A release whose artifact is not what a canister takes.
async fn artifact(files: &[(&str, Vec<u8>)], code: i32, outcome: &str, words: &[&str]) {
    let shop = bad().await;
    shop.stage.repo().change(|repo| {
        repo.runs.clear();
        repo.artifacts.clear();
    });
    shop.green(12, files);
    let out = shop.run(&["rollback"]).await;
    out.ended(code, outcome);
    unchanged(&shop, &out, words);
}

#[tokio::test]
async fn artifacts_that_hold_no_module() {
    let v1 = modules::good_v1();
    let html = b"<!DOCTYPE html><title>404</title>".to_vec();
    let zip = super::shop::zipped(&[("user_service.wasm", v1.clone())]);
    let packed = modules::gzip(&v1);
    let one = |bytes: Vec<u8>| [("user_service.wasm", bytes)];
    let (html, zip) = (one(html), one(zip));
    let both = [
        ("user_service.wasm", v1.clone()),
        ("user_service.wasm.gz", packed),
    ];
    let none = [("other.wasm", v1.clone())];
    let broken = one(modules::invalid());
    let text = serde_json::json!({"schema": 1}).to_string().into_bytes();
    let manifest = [("user_service.wasm", v1), ("lastgood.json", text)];
    tokio::join!(
        artifact(&html, 14, "artifact-refused", &["HTML", NAME]),
        artifact(&zip, 14, "artifact-refused", &["zip", NAME]),
        artifact(&broken, 14, "artifact-refused", &[NAME]),
        artifact(
            &both,
            14,
            "artifact-refused",
            &["user_service.wasm.gz", "`wasm`"]
        ),
        artifact(
            &none,
            14,
            "artifact-refused",
            &["user_service.wasm", "other.wasm", "`wasm`"]
        ),
        artifact(&manifest, 14, "artifact-refused", &["lastgood.json"]),
    );
}

#[tokio::test]
async fn a_module_that_is_not_the_recorded_one() {
    let shop = bad().await;
    let dir = shop.stage.path("record-11");
    let manifest = std::fs::read(dir.join("lastgood.json")).unwrap();
    shop.stage.repo().change(|repo| {
        repo.runs.clear();
        repo.artifacts.clear();
    });
    let files = [
        ("user_service.wasm", modules::good_v2()),
        ("lastgood.json", manifest),
    ];
    shop.green(11, &files);
    let out = shop.run(&["rollback"]).await;
    out.ended(14, "artifact-refused");
    unchanged(&shop, &out, &["user_service.wasm", "sha256:"]);
    assert_eq!(sha(11).len(), 40);
}

#[tokio::test]
async fn a_canister_that_cannot_pay() {
    let shop = bad().await;
    shop.replica
        .change(shop.id, |canister| canister.cycles = 1_000_000_000);
    let out = shop.run(&["rollback"]).await;
    refused(&shop, &out, &["freezing limit", "top"]);
    shop.replica
        .change(shop.id, |canister| canister.cycles = super::shop::CYCLES);
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored");
}

#[tokio::test]
async fn no_room_for_a_snapshot() {
    let shop = bad().await;
    let theirs: Vec<Vec<u8>> = (0..10)
        .map(|_| shop.replica.take_snapshot(shop.id))
        .collect();
    for args in [&["rollback"][..], &["rollback", "--dry-run"]] {
        let out = shop.run(args).await;
        refused(&shop, &out, &["no-snapshot", "10"]);
    }
    let out = shop.run(&["rollback", "--allow", "no-snapshot"]).await;
    out.ended(0, "restored");
    shop.holds(&modules::good_v1(), COUNT);
    let left = shop.replica.seen(shop.id).snapshots;
    let left: Vec<String> = left.into_iter().map(|one| one.id).collect();
    let theirs: Vec<String> = theirs.iter().map(|id| crate::replica::hex(id)).collect();
    assert_eq!(left, theirs);
}

#[tokio::test]
async fn a_reinstall_is_asked_for_twice() {
    let shop = bad().await;
    let typed = |id: &str| {
        let member = format!("{{ name: {NAME}, id: {}, reinstall: {id} }}", shop.id);
        shop.configure_with(&member, "", "");
    };
    typed("rrkah-fqaaa-aaaaa-aaaaq-cai");
    let out = shop.run(&["rollback"]).await;
    assert_eq!(out.code, Some(2), "{out}");
    unchanged(&shop, &out, &["reinstall", "rrkah-fqaaa-aaaaa-aaaaq-cai"]);

    typed(&shop.id.to_text());
    let out = shop.run(&["rollback"]).await;
    refused(&shop, &out, &["--allow reinstall"]);
    let out = shop.run(&["rollback", "--allow", "reinstall"]).await;
    out.ended(0, "restored");
    shop.holds(&modules::good_v1(), 0);
}
