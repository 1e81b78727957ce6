//! ConfigMaps that go back together with the workload that reads them.

use super::{Told, bring, facts, recorded, refused, target};
use crate::cluster::{Cluster, Space, at, manifest};
use lastgood::model::payload::Payloads;
use serde_json::{Value, json};

async fn shop(cluster: &Cluster, prefix: &str, immutable: bool) -> Space {
    let space = cluster.space(prefix).await;
    space.apply_object(&config_map("info", immutable)).await;
    let mut deployment = manifest::deployment("web", "shop/web:1", 1);
    deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
        json!([{"configMapRef": {"name": "web"}}]);
    space.apply_object(&deployment).await;
    space.wait_rolled_out("deployment/web").await;
    space
}

fn config_map(level: &str, immutable: bool) -> Value {
    let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"LEVEL": level}});
    if immutable {
        map["immutable"] = json!(true);
    }
    map
}

#[tokio::test]
async fn a_config_map_goes_back_before_its_workload() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = shop(&cluster, "restore", false).await;
    let target = target(
        &cluster,
        &space,
        &["deployment/web"],
        &json!({"restore-config": true}),
    );
    let release = recorded(&*target).await;
    let good = super::pin(&release, "deployment/web").revision.0.clone();
    space.set_image("deployment/web", "shop/web:2").await;
    space
        .patch(
            "configmap/web",
            json!({"data": {"LEVEL": "debug", "NEW": "1"}}),
        )
        .await;
    space.wait_rolled_out("deployment/web").await;
    let told = Told::default();
    let wanted = target
        .wanted(&facts(&told, Some(&release)), &Payloads::none())
        .await;
    assert_eq!(wanted.unwrap().len(), 1);
    let plan = super::planned(&*target, "deployment/web", &good).await;
    let hazards = target.hazards(&plan, &facts(&told, Some(&release))).await;
    assert!(hazards.unwrap().is_empty());
    told.says("LEVEL was \"info\" and is \"debug\"; is put back");
    let evidence = target.evidence().await;
    let file = |name: &str| evidence.iter().find(|(file, _)| file == name);
    assert!(file("configmap-web.json").unwrap().1.contains("debug"));
    assert!(
        file("configmaps.diff.txt")
            .unwrap()
            .1
            .contains("NEW is new")
    );
    bring(
        &*target,
        "deployment/web",
        &good,
        &facts(&told, Some(&release)),
    )
    .await
    .unwrap();
    let map = space.get("configmap/web").await;
    assert_eq!(at(&map, "/data"), &json!({"LEVEL": "info"}));
    told.says("putting the ConfigMap web back");
    let managers = at(&map, "/metadata/managedFields").to_string();
    assert!(managers.contains("\"lastgood\""), "{managers}");

    space.delete("configmap/web").await;
    space.set_image("deployment/web", "shop/web:3").await;
    space.wait_rolled_out("deployment/web").await;
    bring(
        &*target,
        "deployment/web",
        &good,
        &facts(&told, Some(&release)),
    )
    .await
    .unwrap();
    assert_eq!(at(&space.get("configmap/web").await, "/data/LEVEL"), "info");
}

#[tokio::test]
async fn an_immutable_config_map_that_differs_is_refused() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = shop(&cluster, "immutable", true).await;
    let target = target(
        &cluster,
        &space,
        &["deployment/web"],
        &json!({"restore-config": true}),
    );
    let release = recorded(&*target).await;
    let good = super::pin(&release, "deployment/web").revision.0.clone();
    space.delete("configmap/web").await;
    space.apply_object(&config_map("debug", true)).await;
    space.set_image("deployment/web", "shop/web:2").await;
    space.wait_rolled_out("deployment/web").await;
    let told = Told::default();
    let wanted = target
        .wanted(&facts(&told, Some(&release)), &Payloads::none())
        .await;
    assert_eq!(wanted.unwrap().len(), 1);
    let plan = super::planned(&*target, "deployment/web", &good).await;
    let answer = target.hazards(&plan, &facts(&told, Some(&release))).await;
    refused(answer, "it is immutable and holds something else");
    let answer = bring(
        &*target,
        "deployment/web",
        &good,
        &facts(&told, Some(&release)),
    )
    .await;
    refused(answer, "it is immutable and holds something else");
    let web = space.get("deployment/web").await;
    assert_eq!(
        at(&web, "/spec/template/spec/containers/0/image"),
        "shop/web:2",
        "nothing was changed"
    );
}
