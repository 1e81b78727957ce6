//! What `record` writes down, and what it will not.

use super::{recorded, refused, target};
use crate::cluster::{Cluster, at, manifest};
use serde_json::{Value, json};

#[tokio::test]
async fn a_moved_tag_is_recorded_by_the_digest_that_runs() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("record").await;
    let digest = format!("sha256:{}", "a".repeat(64));
    space.move_tag("shop/web:1", &digest).await;
    space.apply_object(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"LEVEL": "info"}})).await;
    space.apply_object(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web"}, "stringData": {"password": "hunter2"}})).await;
    let mut deployment = manifest::deployment("web", "shop/web:1", 2);
    deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"] = json!([
        {"configMapRef": {"name": "web"}}, {"secretRef": {"name": "web"}}, {"configMapRef": {"name": "not-there", "optional": true}},
    ]);
    space.apply_object(&deployment).await;
    space.wait_rolled_out("deployment/web").await;
    let target = target(&cluster, &space, &["deployment/web"], &json!({}));
    let release = recorded(&*target).await;
    let pin = super::pin(&release, "deployment/web");
    let pinned = format!("shop/web@{digest}");
    assert_eq!(pin.images, std::slice::from_ref(&pinned));
    let whole: &Value = pin.recorded.as_ref().unwrap();
    assert_eq!(
        at(whole, "/template/spec/containers/0/image"),
        pinned.as_str()
    );
    assert_eq!(at(whole, "/images/web"), pinned.as_str());
    assert_eq!(at(whole, "/written/web"), "shop/web:1");
    assert_eq!(at(whole, "/replicas"), 2);
    assert_eq!(at(whole, "/config-maps/web/data/LEVEL"), "info");
    assert_eq!(at(whole, "/config-maps/not-there"), &Value::Null);
    assert!(
        at(whole, "/secrets/web")
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
    assert!(at(whole, "/at").as_str().unwrap().ends_with('Z'), "{whole}");
    let text = whole.to_string();
    assert!(
        !text.contains("hunter2") && !text.contains("aHVudGVyMg"),
        "{text}"
    );
    assert_eq!(
        super::held(&*target, "deployment/web").await,
        pin.revision.0
    );
}

#[tokio::test]
async fn nothing_unproven_is_recorded() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("unproven").await;
    space.deployment("web", "shop/web:1", 2).await;
    space.wait_rolled_out("deployment/web").await;
    let target = target(&cluster, &space, &["deployment/web"], &json!({}));
    space.set_image("deployment/web", "shop/web:2-crash").await;
    space
        .wait("deployment/web", "it has begun", |web| {
            at(web, "/status/updatedReplicas") == 1
        })
        .await;
    refused(target.record().await, "its rollout is not done");
}

#[tokio::test]
async fn two_digests_of_one_tag_are_refused() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("twodigests").await;
    space.deployment("web", "shop/web:1", 1).await;
    space.wait_rolled_out("deployment/web").await;
    space
        .move_tag("shop/web:1", &format!("sha256:{}", "b".repeat(64)))
        .await;
    space
        .patch("deployment/web", json!({"spec": {"replicas": 2}}))
        .await;
    space.wait_rolled_out("deployment/web").await;
    let target = target(&cluster, &space, &["deployment/web"], &json!({}));
    refused(target.record().await, "two digests run of one tag");
}
