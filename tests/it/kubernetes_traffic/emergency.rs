//! The ladder behind `--emergency`, and what a run leaves behind that was killed on it.

use super::{Told, bring, facts, recorded, target};
use crate::cluster::{Cluster, Space, at, condition};
use lastgood::model::release::Release;
use lastgood::targets::{Target, TargetError};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// A release that was good when it was recorded, is not any more, and another in its place.
async fn shop(cluster: &Cluster, prefix: &str, count: u32) -> (Space, Release, Box<dyn Target>) {
    let space = cluster.space(prefix).await;
    space.deployment("web", "shop/web:1", count).await;
    space.wait_rolled_out("deployment/web").await;
    let quick = json!({"rollout-deadline": "4s"});
    let target = target(cluster, &space, &["deployment/web"], &quick);
    let release = recorded(&*target).await;
    space.set_image("deployment/web", "shop/web:2").await;
    space.wait_rolled_out("deployment/web").await;
    (space, release, target)
}

fn digest(release: &Release) -> String {
    let image = &super::pin(release, "deployment/web").images[0];
    image.split_once('@').unwrap().1.to_owned()
}

#[tokio::test]
async fn the_ladder_ends_with_the_workload_scaled_back() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let (space, release, target) = shop(&cluster, "ladder", 2).await;
    space.behaves(&digest(&release), "crash").await;
    let told = Told::default();
    let mut facts = facts(&told, Some(&release));
    facts.emergency = true;
    let good = super::pin(&release, "deployment/web").revision.0.clone();
    let answer = bring(&*target, "deployment/web", &good, &facts).await;
    assert!(
        matches!(answer, Err(TargetError::Unhealthy { .. })),
        "{answer:?}"
    );
    for rung in [
        "emergency, 1 of 3",
        "emergency, 2 of 3",
        "emergency, 3 of 3",
        "pods left: 0",
        "scaling back to 2",
    ] {
        told.says(rung);
    }
    let web = space.get("deployment/web").await;
    assert_eq!(at(&web, "/spec/replicas"), 2, "it is never left at 0");
    assert_eq!(
        at(&web, "/metadata/annotations/lastgood.dev~1replicas"),
        &Value::Null
    );
}

#[tokio::test]
async fn a_stuck_pod_is_replaced_and_nothing_more() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let (space, release, target) = shop(&cluster, "stuck", 2).await;
    space.behaves(&digest(&release), "one-bad").await;
    let told = Told::default();
    let mut facts = facts(&told, Some(&release));
    facts.emergency = true;
    let good = super::pin(&release, "deployment/web").revision.0.clone();
    bring(&*target, "deployment/web", &good, &facts)
        .await
        .unwrap();
    told.says("pods that are not Ready: 1 of 1 deleted");
    assert_eq!(super::held(&*target, "deployment/web").await, good);
    assert_eq!(ready(&space).await.len(), 2);
}

#[tokio::test]
async fn a_budget_keeps_the_pods_that_are_ready() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let (space, release, target) = shop(&cluster, "budget", 3).await;
    let budget = "
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
";
    space.apply(budget).await;
    space.behaves(&digest(&release), "crash").await;
    let before = ready(&space).await;
    assert_eq!(before.len(), 3);
    let told = Told::default();
    let mut facts = facts(&told, Some(&release));
    facts.emergency = true;
    let good = super::pin(&release, "deployment/web").revision.0.clone();
    let answer = bring(&*target, "deployment/web", &good, &facts).await;
    assert!(
        matches!(answer, Err(TargetError::Unhealthy { .. })),
        "{answer:?}"
    );
    told.says("pods that are not Ready: 1 of 1 deleted");
    told.says("not scaled to 0: the PodDisruptionBudget web needs 1 Ready pods, 3 are");
    assert_eq!(ready(&space).await, before, "they were not touched");
    let web = space.get("deployment/web").await;
    assert_eq!(at(&web, "/spec/replicas"), 3);
}

/// The UIDs of the pods that are Ready.
async fn ready(space: &Space) -> BTreeSet<String> {
    let pods = space.pods("app=web").await;
    let ready = pods
        .iter()
        .filter(|pod| at(condition(pod, "Ready"), "/status") == "True");
    ready
        .map(|pod| at(pod, "/metadata/uid").to_string())
        .collect()
}

#[tokio::test]
async fn a_run_that_was_killed_at_zero_is_resumed() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let (space, release, target) = shop(&cluster, "resume", 2).await;
    space.behaves(&digest(&release), "crash").await;
    let good = super::pin(&release, "deployment/web").revision.0.clone();
    {
        let told = Told::default();
        let mut facts = facts(&told, Some(&release));
        facts.emergency = true;
        let run = bring(&*target, "deployment/web", &good, &facts);
        let at_zero = space.wait("deployment/web", "it is at 0", |web| {
            at(web, "/spec/replicas") == 0
        });
        // The run ends wherever it is: its future is dropped.
        tokio::select! {
            answer = run => panic!("it was to be cut: {answer:?}"),
            web = at_zero => assert_eq!(at(&web, "/metadata/annotations/lastgood.dev~1replicas"), "2"),
        }
    }
    space.behaves(&digest(&release), "good").await;
    let told = Told::default();
    let facts = facts(&told, Some(&release));
    let again = bring(&*target, "deployment/web", &good, &facts);
    let changes = tokio::time::timeout(Duration::from_mins(1), again)
        .await
        .unwrap()
        .unwrap();
    assert!(changes[0].to_string().starts_with("start"), "{changes:?}");
    told.says("scaling back to 2");
    let web = space.wait_rolled_out("deployment/web").await;
    assert_eq!(at(&web, "/spec/replicas"), 2);
    assert_eq!(
        at(&web, "/metadata/annotations/lastgood.dev~1replicas"),
        &Value::Null
    );
}

#[tokio::test]
async fn another_release_does_not_stay_at_zero_either() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let (space, release, target) = shop(&cluster, "atzero", 2).await;
    let left_behind = json!({"metadata": {"annotations": {"lastgood.dev/replicas": "2"}}, "spec": {"replicas": 0}});
    space.patch("deployment/web", left_behind).await;
    let told = Told::default();
    let facts = facts(&told, Some(&release));
    let good = super::pin(&release, "deployment/web").revision.0.clone();
    bring(&*target, "deployment/web", &good, &facts)
        .await
        .unwrap();
    assert_eq!(ready(&space).await.len(), 2);
    assert_eq!(super::held(&*target, "deployment/web").await, good);
}
