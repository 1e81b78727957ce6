//! What is refused, before anything is changed, with the one next action.

use super::shop::Shop;
use crate::cluster::{User, at};
use serde_json::json;

#[tokio::test]
async fn another_cluster_than_the_one_that_is_meant() {
    let Some(shop) = Shop::open("guard").await else {
        return;
    };
    shop.record(11).await;
    shop.set_image("shop/web:2-crash").await;
    shop.configure("slots: [deployment/web], cluster-uid: 00000000-0000-0000-0000-000000000000");
    let requests = shop.stage.world.requests().len();
    let out = shop.run(&["rollback"]).await;
    out.ended(15, "refused").says("cluster");
    assert_eq!(shop.image().await, "shop/web:2-crash");
    assert_eq!(
        shop.stage.world.requests().len(),
        requests,
        "GitHub was asked"
    );
}

#[tokio::test]
async fn a_workload_that_git_owns() {
    let Some(shop) = Shop::open("gitops").await else {
        return;
    };
    shop.record(11).await;
    shop.space
        .patch(
            "deployment/web",
            json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}}}),
        )
        .await;
    shop.set_image("shop/web:2-crash").await;
    let out = shop.run(&["rollback"]).await;
    out.ended(15, "refused")
        .says("Argo CD")
        .says("--allow gitops:deployment/web");
    assert_eq!(shop.image().await, "shop/web:2-crash");
    let allowed = shop.run(&["rollback", "--allow", "gitops"]).await;
    allowed.ended(0, "restored");
}

#[tokio::test]
async fn a_paused_deployment() {
    let Some(shop) = Shop::open("paused").await else {
        return;
    };
    shop.record(11).await;
    shop.set_image("shop/web:2-crash").await;
    shop.space
        .patch("deployment/web", json!({"spec": {"paused": true}}))
        .await;
    let out = shop.run(&["rollback"]).await;
    out.ended(15, "refused").says("paused");
    let allowed = shop
        .run(&["rollback", "--allow", "paused:deployment/web"])
        .await;
    allowed.ended(0, "restored");
    let web = shop.space.get("deployment/web").await;
    assert_ne!(*at(&web, "/spec/paused"), json!(true));
}

#[tokio::test]
async fn an_account_without_the_permission() {
    let Some(shop) = Shop::open("rbac").await else {
        return;
    };
    shop.record(11).await;
    shop.set_image("shop/web:2-crash").await;
    shop.configure_as(User::Nobody, "slots: [deployment/web]", None);
    let out = shop.run(&["rollback"]).await;
    out.ended(15, "refused").says("403");
    assert_eq!(shop.image().await, "shop/web:2-crash");
}

#[tokio::test]
async fn what_is_not_proven_is_not_recorded() {
    let Some(shop) = Shop::open("unproven").await else {
        return;
    };
    shop.set_image("shop/web:2-crash").await;
    shop.space
        .wait_pods("app=web", "one crashes", |pods| {
            pods.iter()
                .any(|pod| *at(pod, "/status/containerStatuses/0/ready") == json!(false))
        })
        .await;
    let path = shop.stage.path("record");
    std::fs::create_dir(&path).unwrap();
    let out = shop
        .run(&["record", "--path", path.to_str().unwrap()])
        .await;
    assert_eq!(out.code, Some(15), "{out}");
    assert!(!path.join("lastgood.json").exists());
}

#[tokio::test]
async fn two_targets_with_one_slot() {
    let Some(shop) = Shop::open("twins").await else {
        return;
    };
    let config = std::fs::read_to_string(shop.stage.path(".github/lastgood.yml")).unwrap();
    let start = config.find("{ name: shop").unwrap();
    let end = config.rfind("}]").unwrap();
    let target = config.get(start..=end).unwrap();
    let twin = target.replace("name: shop", "name: twin");
    shop.stage.file(
        ".github/lastgood.yml",
        &config.replace(target, &format!("{target}, {twin}")),
    );
    let out = shop.run(&["rollback"]).await;
    assert_eq!(out.code, Some(2), "{out}");
    out.says("both have the slot deployment/web");
}
