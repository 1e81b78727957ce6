//! A Lease in the cluster keeps two operations apart.

use super::{assert_refused, open, target};
use crate::cluster::{Cluster, Trick, User};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use lastgood::targets::{Claim, TargetError};
use serde_json::json;
use std::time::Duration;

fn claim(operation: &str, now: &str) -> Claim {
    Claim {
        operation: operation.to_owned(),
        holder: "run 7 attempt 1".to_owned(),
        now: now.parse::<Timestamp>().unwrap(),
        dead: Vec::new(),
        length: Duration::from_mins(1),
    }
}

#[track_caller]
fn assert_held(answer: Result<bool, TargetError>, text: &str) {
    match answer {
        Err(TargetError::Held { what }) => assert!(what.contains(text), "{what}"),
        other => panic!("expected a held lease: {other:?}"),
    }
}

#[tokio::test]
async fn one_operation_holds_the_lease_until_it_ends_or_expires() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("lease").await;
    let web = target(&cluster, &space, User::Admin, &json!({}));
    let first = claim("first", "2026-01-01T00:00:00Z");
    assert!(web.lease(&first).await.unwrap());
    assert_held(
        web.lease(&claim("second", "2026-01-01T00:00:30Z")).await,
        "is held by first (run 7 attempt 1), until 2026-01-01T00:01:00Z",
    );
    assert!(
        web.lease(&claim("first", "2026-01-01T00:00:40Z"))
            .await
            .unwrap()
    );
    let late = claim("second", "2026-01-01T00:01:30Z");
    assert_held(web.lease(&late).await, "is held by first");
    let expired = claim("second", "2026-01-01T00:01:40Z");
    assert!(web.lease(&expired).await.unwrap());
    // Not ours any more: nothing is given back.
    web.release(&first).await;
    let leases: Api<Lease> = Api::namespaced(cluster.client(), &space.name);
    let spec = leases.get("lastgood-web").await.unwrap().spec.unwrap();
    assert_eq!(spec.holder_identity.as_deref(), Some("second"));
    assert_eq!(spec.lease_transitions, Some(1));
    web.release(&expired).await;
    assert!(
        web.lease(&claim("third", "2026-01-01T00:01:41Z"))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn of_many_that_take_it_at_once_one_has_it() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("lease").await;
    let takers = (0..8).map(|index| {
        let web = target(&cluster, &space, User::Admin, &json!({}));
        async move {
            let claim = claim(&format!("operation-{index}"), "2026-01-01T00:00:00Z");
            web.lease(&claim).await
        }
    });
    let taken = futures_util::future::join_all(takers).await;
    let got = taken.iter().filter(|it| matches!(it, Ok(true))).count();
    assert_eq!(got, 1, "{taken:?}");
    let held = |it: &&Result<bool, TargetError>| matches!(it, Err(TargetError::Held { .. }));
    assert_eq!(taken.iter().filter(held).count(), 7, "{taken:?}");
}

#[tokio::test]
async fn without_permission_it_is_refused_and_can_be_switched_off() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("lease").await;
    let mine = claim("mine", "2026-01-01T00:00:00Z");
    let denied = target(&cluster, &space, User::Nobody, &json!({}));
    assert_refused(
        denied.lease(&mine).await,
        "may not get, create and update leases",
        "`lease: false`",
    );
    let off = target(&cluster, &space, User::Nobody, &json!({"lease": false}));
    assert!(!off.lease(&mine).await.unwrap());
}

#[tokio::test]
async fn a_lost_answer_leaves_the_outcome_open_and_is_ours_at_the_next_try() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("lease").await;
    let mischief = cluster.mischief().await;
    let web = open(
        &space.name,
        &mischief.kubeconfig(User::Admin),
        &mischief.server(),
        &json!({}),
    );
    let mine = claim("mine", "2026-01-01T00:00:00Z");
    mischief.play("POST", "/leases", 1, Trick::LoseReply);
    let error = web.lease(&mine).await.unwrap_err();
    assert!(
        matches!(error, TargetError::OutcomeUnknown { .. }),
        "{error:?}"
    );
    assert!(web.lease(&mine).await.unwrap());
    mischief.play("PUT", "/leases", 1, Trick::Conflict);
    assert!(web.lease(&mine).await.unwrap());
}
