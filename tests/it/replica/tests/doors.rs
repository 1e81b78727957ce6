//! What is refused before anything is executed, and what an agent accepts.

use super::{Bench, agent, code, owner, signed, uncertified};
use crate::replica::state::now;
use crate::replica::{EMPTY, Options, Replica, modules};
use candid::Principal;
use ic_agent::AgentError;
use ic_agent::agent::EnvelopeContent;
use ic_agent::identity::{AnonymousIdentity, Identity, Prime256v1Identity, Secp256k1Identity};
use std::sync::Arc;

const MINUTE: u64 = 60_000_000_000;

/// A call of `bump` by the owner, with this expiry and nonce.
fn bump(id: Principal, expiry: u64, nonce: u8) -> EnvelopeContent {
    EnvelopeContent::Call {
        nonce: Some(vec![nonce]),
        ingress_expiry: expiry,
        sender: owner().sender().unwrap(),
        canister_id: id,
        method_name: "bump".to_owned(),
        arg: EMPTY.to_vec(),
        sender_info: None,
    }
}

async fn post(replica: &Replica, path: &str, body: Vec<u8>) -> (u16, String) {
    let url = format!("{}{path}", replica.url());
    let answer = reqwest::Client::new()
        .post(url)
        .body(body)
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let body = answer.bytes().await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn every_kind_of_key_is_accepted_and_signatures_are_verified() {
    let bench = Bench::good().await;
    let keys: [Arc<dyn Identity>; 4] = [
        Arc::new(owner()),
        Arc::new(Secp256k1Identity::from_private_key(
            k256::SecretKey::from_slice(&[3; 32]).unwrap(),
        )),
        Arc::new(Prime256v1Identity::from_private_key(
            p256::SecretKey::from_slice(&[3; 32]).unwrap(),
        )),
        Arc::new(AnonymousIdentity),
    ];
    for key in keys {
        let agent = agent(&bench.replica, key);
        let bumped = agent
            .update(&bench.id, "bump")
            .with_arg(EMPTY)
            .call_and_wait();
        bumped.await.unwrap();
        agent
            .query(&bench.id, "count")
            .with_arg(EMPTY)
            .call()
            .await
            .unwrap();
    }
    assert_eq!(bench.replica.count(bench.id), 4);
}

#[tokio::test]
async fn a_signature_of_somebody_else_is_refused() {
    let bench = Bench::good().await;
    let path = format!("/api/v4/canister/{}/call", bench.id);
    let content = bump(bench.id, now() + 4 * MINUTE, 1);
    let good = signed(&content, &owner());

    let mut tampered = good.clone();
    tampered.sender_sig.as_mut().unwrap()[5] ^= 1;
    let mut other_content = good.clone();
    other_content.content = std::borrow::Cow::Owned(bump(bench.id, now() + 4 * MINUTE, 2));
    let mut unsigned = good.clone();
    (unsigned.sender_pubkey, unsigned.sender_sig) = (None, None);
    let mut other_key = good.clone();
    other_key.sender_pubkey.as_mut().unwrap()[20] ^= 1;
    for (envelope, why) in [
        (tampered, "Invalid signature"),
        (other_content, "Invalid signature"),
        (unsigned, "Missing signature"),
        (other_key, "does not match the public key"),
    ] {
        let (status, text) = post(&bench.replica, &path, envelope.encode_bytes()).await;
        assert_eq!(status, 400, "{text}");
        assert!(text.contains(why), "{text}");
    }
    let (status, text) = post(&bench.replica, &path, b"nonsense".to_vec()).await;
    assert_eq!((status, text.contains("envelope")), (400, true), "{text}");
    assert_eq!(bench.replica.count(bench.id), 0);
    assert!(bench.replica.calls().is_empty());
}

#[tokio::test]
async fn a_request_that_has_expired_or_expires_too_late_is_refused() {
    let bench = Bench::good().await;
    let path = format!("/api/v4/canister/{}/call", bench.id);
    for expiry in [now() - 1, now() + 10 * MINUTE] {
        let envelope = signed(&bump(bench.id, expiry, 1), &owner());
        let (status, text) = post(&bench.replica, &path, envelope.encode_bytes()).await;
        assert_eq!(
            (status, text.contains("Invalid request expiry")),
            (400, true),
            "{text}"
        );
    }
    assert_eq!(bench.replica.count(bench.id), 0);
}

#[tokio::test]
async fn a_request_goes_to_the_canister_that_it_is_about() {
    let bench = Bench::good().await;
    let other = bench.replica.create(&[], 0);
    let envelope = signed(&bump(bench.id, now() + 4 * MINUTE, 1), &owner());
    let path = format!("/api/v4/canister/{other}/call");
    let (status, text) = post(&bench.replica, &path, envelope.encode_bytes()).await;
    assert_eq!(
        (status, text.contains("does not match effective")),
        (400, true),
        "{text}"
    );
    assert_eq!(bench.replica.count(bench.id), 0);

    let wrong = bench
        .agent
        .update(&super::MANAGEMENT, "stop_canister")
        .with_effective_canister_id(other);
    let wrong = wrong.with_arg(candid::encode_one(bench.record()).unwrap());
    let error = wrong.call_and_wait().await.unwrap_err();
    assert!(matches!(error, AgentError::HttpError(_)), "{error:?}");
    assert_eq!(bench.replica.methods(), Vec::<String>::new());
}

#[tokio::test]
async fn the_same_request_twice_is_executed_once() {
    let bench = Bench::good().await;
    let envelope = signed(&bump(bench.id, now() + 4 * MINUTE, 1), &owner()).encode_bytes();
    for version in [2, 3, 4] {
        let path = format!("/api/v{version}/canister/{}/call", bench.id);
        let (status, text) = post(&bench.replica, &path, envelope.clone()).await;
        assert_eq!(status, if version == 2 { 202 } else { 200 }, "{text}");
    }
    assert_eq!(bench.replica.count(bench.id), 1);
    assert_eq!(bench.replica.methods(), ["bump", "bump", "bump"]);
}

#[tokio::test]
async fn strangers_and_unknown_canisters_are_refused_at_the_door() {
    let bench = Bench::good().await;
    let stranger = agent(&bench.replica, Arc::new(AnonymousIdentity));
    let stop = stranger
        .update(&super::MANAGEMENT, "stop_canister")
        .with_effective_canister_id(bench.id);
    let stop = stop.with_arg(candid::encode_one(bench.record()).unwrap());
    assert_eq!(code(stop.call_and_wait().await), uncertified("IC0512"));

    let nobody = Principal::from_slice(&[0, 0, 0, 0, 0, 0, 9, 9, 1, 1]);
    let bumped = bench.agent.update(&nobody, "bump").with_arg(EMPTY);
    assert_eq!(code(bumped.call_and_wait().await), uncertified("IC0301"));
    let asked = bench.agent.query(&nobody, "version").with_arg(EMPTY);
    assert_eq!(code(asked.call().await), uncertified("IC0301"));
    assert_eq!(
        code(bench.tell("canister_info").await),
        uncertified("IC0406")
    );
    assert_eq!(
        code(bench.tell("launch_missiles").await),
        uncertified("IC0536")
    );
}

#[tokio::test]
async fn the_status_of_a_request_is_for_its_sender() {
    let bench = Bench::good().await;
    let content = bump(bench.id, now() + 4 * MINUTE, 1);
    let envelope = signed(&content, &owner()).encode_bytes();
    post(
        &bench.replica,
        &format!("/api/v2/canister/{}/call", bench.id),
        envelope,
    )
    .await;
    let request = content.to_request_id();
    bench.agent.wait(&request, bench.id).await.unwrap();

    let stranger = agent(&bench.replica, Arc::new(AnonymousIdentity));
    let error = stranger.wait(&request, bench.id).await.unwrap_err();
    assert!(
        matches!(&error, AgentError::HttpError(payload) if payload.status == 403),
        "{error:?}"
    );
    let other = bench.replica.create(&[], 0);
    let error = bench.agent.wait(&request, other).await.unwrap_err();
    assert!(
        matches!(&error, AgentError::HttpError(payload) if payload.status == 403),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_subnet_below_the_root_is_verified_through_its_delegation() {
    let bench = Bench::with(Options {
        delegated: true,
        ..Options::default()
    })
    .await;
    bench.replica.install(bench.id, &modules::good_v1());
    bench.bump().await.unwrap();
    assert_eq!(
        bench.certified_hash().await,
        modules::hash(&modules::good_v1())
    );
    assert_eq!(bench.ask("version").await.unwrap(), b"DIDL\0\x01\x71\x02v1");

    bench
        .agent
        .set_root_key(Bench::empty().await.replica.root_key());
    let error = bench
        .agent
        .read_state_canister_module_hash(bench.id)
        .await
        .unwrap_err();
    assert!(
        matches!(error, AgentError::CertificateVerificationFailed()),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_is_public_is_read_without_rights_and_the_rest_is_not() {
    let bench = Bench::empty().await;
    bench.replica.install(bench.id, &modules::keeps_heap("v1"));
    let stranger = agent(&bench.replica, Arc::new(AnonymousIdentity));
    let interface = stranger
        .read_state_canister_metadata(bench.id, "candid:service")
        .await
        .unwrap();
    assert!(interface.starts_with(b"service"));
    assert_eq!(
        stranger
            .read_state_canister_controllers(bench.id)
            .await
            .unwrap(),
        [owner().sender().unwrap()]
    );
    let private = "enhanced-orthogonal-persistence";
    assert!(
        bench
            .agent
            .read_state_canister_metadata(bench.id, private)
            .await
            .is_ok()
    );
    let error = stranger
        .read_state_canister_metadata(bench.id, private)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, AgentError::HttpError(payload) if payload.status == 403),
        "{error:?}"
    );
    let error = stranger
        .read_state_canister_metadata(bench.id, "none")
        .await
        .unwrap_err();
    assert!(
        matches!(error, AgentError::LookupPathAbsent(_)),
        "{error:?}"
    );
}
