//! Each fault does what it says.

use super::{Bench, certified, code, uncertified};
use crate::replica::{EMPTY, Fault, Kind, Reject, modules};
use ic_agent::AgentError;
use std::time::Duration;
use tokio::time::{Instant, timeout};

#[tokio::test]
async fn a_connection_is_cut_before_or_after_the_effect() {
    let bench = Bench::good().await;
    bench
        .replica
        .faults(|faults| faults.once("bump", Fault::DropBefore));
    let error = bench.bump().await.unwrap_err();
    assert!(matches!(error, AgentError::TransportError(_)), "{error:?}");
    assert_eq!(bench.replica.count(bench.id), 0);

    bench
        .replica
        .faults(|faults| faults.once("bump", Fault::DropAfter));
    let error = bench.bump().await.unwrap_err();
    assert!(matches!(error, AgentError::TransportError(_)), "{error:?}");
    assert_eq!(bench.replica.count(bench.id), 1);
    let effects: Vec<_> = bench
        .replica
        .calls()
        .into_iter()
        .map(|called| called.effect)
        .collect();
    assert_eq!(effects, [None, Some(Ok(()))]);
}

#[tokio::test]
async fn an_accepted_call_is_polled_for() {
    let bench = Bench::good().await;
    bench
        .replica
        .faults(|faults| faults.once("bump", Fault::Answer202));
    bench.bump().await.unwrap();
    let kinds: Vec<_> = bench
        .replica
        .calls()
        .iter()
        .map(|called| called.kind)
        .collect();
    assert_eq!(kinds, [Kind::Call, Kind::ReadState]);

    bench
        .replica
        .faults(|faults| faults.once("bump", Fault::Lost));
    let never = timeout(Duration::from_millis(300), bench.bump()).await;
    assert!(never.is_err(), "{never:?}");
    assert_eq!(bench.replica.count(bench.id), 1);
}

#[tokio::test]
async fn rejects_and_statuses_have_no_effect() {
    let bench = Bench::good().await;
    let reject = Reject::new(209, "try later");
    bench.replica.faults(|faults| {
        faults.once("bump", Fault::Reject(reject.clone()));
        faults.once("bump", Fault::Refuse(reject.clone()));
        faults.once("bump", Fault::Status(500));
        faults.once("version", Fault::Reject(reject));
    });
    assert_eq!(code(bench.bump().await), certified("IC0209"));
    assert_eq!(code(bench.bump().await), uncertified("IC0209"));
    let error = bench.bump().await.unwrap_err();
    assert!(
        matches!(&error, AgentError::HttpError(payload) if payload.status == 500),
        "{error:?}"
    );
    assert_eq!(code(bench.ask("version").await), uncertified("IC0209"));
    assert_eq!(bench.replica.count(bench.id), 0);
    bench.bump().await.unwrap();
}

#[tokio::test]
async fn what_is_not_signed_well_is_not_believed() {
    let bench = Bench::good().await;
    bench.replica.faults(|faults| {
        faults.once("read_state", Fault::WrongSignature);
        faults.once("read_state", Fault::StaleCertificate);
        faults.once("bump", Fault::Garbage);
    });
    let hash = || bench.agent.read_state_canister_module_hash(bench.id);
    let error = hash().await.unwrap_err();
    assert!(
        matches!(error, AgentError::CertificateVerificationFailed()),
        "{error:?}"
    );
    let error = hash().await.unwrap_err();
    assert!(
        matches!(error, AgentError::CertificateOutdated(_)),
        "{error:?}"
    );
    hash().await.unwrap();
    let error = bench.bump().await.unwrap_err();
    assert!(matches!(error, AgentError::InvalidCborData(_)), "{error:?}");
    assert_eq!(bench.replica.count(bench.id), 1);

    bench.ask("version").await.unwrap();
    bench.replica.faults(|faults| {
        faults.once("version", Fault::WrongSignature);
        faults.once("version", Fault::StaleCertificate);
    });
    let error = bench.ask("version").await.unwrap_err();
    assert!(
        matches!(error, AgentError::QuerySignatureVerificationFailed),
        "{error:?}"
    );
    let error = bench.ask("version").await.unwrap_err();
    assert!(
        matches!(error, AgentError::CertificateOutdated(_)),
        "{error:?}"
    );
}

#[tokio::test]
async fn answers_are_late_or_never() {
    let bench = Bench::good().await;
    let (before, after) = (Duration::from_millis(120), Duration::from_millis(120));
    bench.replica.faults(|faults| {
        faults.once("bump", Fault::Delay(before));
        faults.once("bump", Fault::DelayAnswer(after));
    });
    let started = Instant::now();
    bench.bump().await.unwrap();
    bench.bump().await.unwrap();
    assert!(started.elapsed() >= before + after);
    bench.replica.faults(|faults| faults.hang("bump"));
    let other = bench.replica.create(&[], super::CYCLES);
    bench.replica.install(other, &modules::good_v1());
    assert!(
        timeout(Duration::from_millis(100), bench.bump())
            .await
            .is_err()
    );
    bench.replica.faults(|faults| {
        faults.clear("bump");
        faults.always_for(bench.id, "bump", Fault::Status(500));
    });
    assert!(bench.bump().await.is_err());
    bench
        .agent
        .update(&other, "bump")
        .with_arg(EMPTY)
        .call_and_wait()
        .await
        .unwrap();
    assert_eq!(
        (bench.replica.count(bench.id), bench.replica.count(other)),
        (2, 1)
    );
}
