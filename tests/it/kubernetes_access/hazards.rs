//! What would happen beyond the change itself is named, on objects of a real server.

use super::target;
use crate::cluster::{Cluster, Space, User};
use indexmap::IndexMap;
use lastgood::model::plan::{Change, Hazard, Plan};
use lastgood::model::state::{Revision, Slot};
use lastgood::targets::{ReleaseFacts, Target, Way};
use serde_json::{Value, json};

async fn hazards(target: &dyn Target, slot: &str) -> Vec<Hazard> {
    let plan = Plan {
        before: IndexMap::new(),
        changes: vec![Change::Install {
            slot: Slot(slot.to_owned()),
            from: None,
            to: Revision("sha256:0".to_owned()),
        }],
        hazards: Vec::new(),
    };
    let facts = ReleaseFacts {
        run: None,
        commit: None,
        manifest: None,
        environment: "production",
        way: Way::Back,
        emergency: false,
        on_state_conflict: lastgood::model::plan::OnStateConflict::Stop,
        allowed: &[],
        story: None,
    };
    target.hazards(&plan, &facts).await.unwrap()
}

async fn check(cluster: &Cluster, space: &Space, slot: &str, more: Value, expected: &[&str]) {
    let mut settings = json!({ "slots": [slot] });
    settings
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let target = target(cluster, space, User::Admin, &settings);
    let found = hazards(target.as_ref(), slot).await;
    let names: Vec<&str> = found.iter().map(|hazard| hazard.name.as_str()).collect();
    assert_eq!(names, expected, "{found:#?}");
}

#[tokio::test]
async fn who_owns_it_and_what_would_not_roll_out_is_named() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("hazards").await;
    space.deployment("web", "shop/web:1", 1).await;
    let slot = "deployment/web";
    check(&cluster, &space, slot, json!({}), &[]).await;
    // No Argo CD here: a chart's label means nothing.
    let chart = json!({"metadata": {"labels": {"app.kubernetes.io/instance": "shop"}}});
    space.patch(slot, chart).await;
    check(&cluster, &space, slot, json!({}), &[]).await;
    space.patch(slot, json!({"spec": {"paused": true}})).await;
    check(&cluster, &space, slot, json!({}), &["paused"]).await;
    let argo = json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:x/web"}}});
    space.patch(slot, argo).await;
    check(&cluster, &space, slot, json!({}), &["gitops", "paused"]).await;
    space.stateful_set("db", "shop/db:1", 1).await;
    let on_delete =
        json!({"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": null}}});
    space.patch("statefulset/db", on_delete).await;
    check(
        &cluster,
        &space,
        "statefulset/db",
        json!({}),
        &["on-delete"],
    )
    .await;
}

#[tokio::test]
async fn a_flux_controller_is_known_by_what_it_wrote() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("hazards").await;
    let manifest = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 0, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: 'shop/web:1'}]}}}}";
    space.apply_as("kustomize-controller", manifest).await;
    check(&cluster, &space, "deployment/web", json!({}), &["gitops"]).await;
}

#[tokio::test]
async fn a_migration_that_ran_is_named() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("hazards").await;
    space.deployment("web", "shop/web:1", 1).await;
    let job = "{apiVersion: batch/v1, kind: Job, metadata: {name: migrate-7, labels: {role: migration}}, spec: {parallelism: 0, template: {spec: {restartPolicy: Never, containers: [{name: c, image: 'shop/web:1'}]}}}}";
    space.apply(job).await;
    let slot = "deployment/web";
    check(
        &cluster,
        &space,
        slot,
        json!({"migrations": "role=migration"}),
        &["migration"],
    )
    .await;
    check(
        &cluster,
        &space,
        slot,
        json!({"migrations": "role=other"}),
        &[],
    )
    .await;
}
