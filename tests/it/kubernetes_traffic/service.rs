//! Blue and green behind one Service.

use super::{Told, bring, facts, held, recorded, refused, target};
use crate::cluster::{Cluster, Space, at, manifest};
use lastgood::targets::TargetError;
use serde_json::{Value, json};

const BLUE: &str = "app=web,color=blue";
const GREEN: &str = "app=web,color=green";

/// Green is live with its pods; blue has as many as is said.
async fn shop(cluster: &Cluster, prefix: &str, blue: u32, green: u32) -> Space {
    let space = cluster.space(prefix).await;
    for (color, count) in [("blue", blue), ("green", green)] {
        space
            .apply_object(&colored(color, "shop/web:1", count))
            .await;
    }
    let mut service = manifest::service("web");
    service["spec"]["selector"]["color"] = json!("green");
    space.apply_object(&service).await;
    for color in ["blue", "green"] {
        space
            .wait_rolled_out(&format!("deployment/web-{color}"))
            .await;
    }
    space
}

fn colored(color: &str, image: &str, count: u32) -> Value {
    let labels = json!({"app": "web", "color": color});
    let mut deployment = manifest::deployment(&format!("web-{color}"), image, count);
    deployment["spec"]["selector"]["matchLabels"] = labels.clone();
    deployment["spec"]["template"]["metadata"]["labels"] = labels;
    deployment
}

#[tokio::test]
async fn the_old_colour_is_scaled_up_before_traffic_goes_there() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = shop(&cluster, "blue", 0, 3).await;
    let target = target(&cluster, &space, &["service/web"], &json!({}));
    assert_eq!(held(&*target, "service/web").await, GREEN);
    let told = Told::default();
    let changes = bring(&*target, "service/web", BLUE, &facts(&told, None))
        .await
        .unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(held(&*target, "service/web").await, BLUE);
    let blue = space.get("deployment/web-blue").await;
    assert_eq!(at(&blue, "/spec/replicas"), 3, "as many as the live colour");
    let endpoints = space.get("endpoints/web").await;
    let addresses = at(&endpoints, "/subsets/0/addresses")
        .as_array()
        .map_or(0, Vec::len);
    assert_eq!(addresses, 3, "{endpoints}");
    told.says("scaling web-blue up from 0 to 3");
    told.says("3 of 3 addresses are of app=web,color=blue");
    let again = bring(&*target, "service/web", BLUE, &facts(&told, None))
        .await
        .unwrap();
    assert!(again.is_empty(), "there is nothing left to do");
}

#[tokio::test]
async fn one_ready_pod_does_not_take_the_traffic_of_three() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = shop(&cluster, "small", 1, 3).await;
    let target = target(&cluster, &space, &["service/web"], &json!({}));
    let told = Told::default();
    let plan = super::planned(&*target, "service/web", BLUE).await;
    let facts = facts(&told, None);
    assert!(target.hazards(&plan, &facts).await.unwrap().is_empty());
    told.says("deployment web-blue will be scaled up from 1 to 3 before traffic goes there");
    let blue = space.get("deployment/web-blue").await;
    assert_eq!(at(&blue, "/spec/replicas"), 1, "a plan changes nothing");
    bring(&*target, "service/web", BLUE, &facts).await.unwrap();
    let blue = space.get("deployment/web-blue").await;
    assert_eq!(at(&blue, "/spec/replicas"), 3);
    told.says("app=web,color=blue: 3 of 3 ready");
}

#[tokio::test]
async fn no_switch_goes_to_a_colour_without_pods() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = shop(&cluster, "nopods", 1, 1).await;
    let quick = json!({"rollout-deadline": "2s"});
    let target = target(&cluster, &space, &["service/web"], &quick);
    let told = Told::default();
    let red = bring(
        &*target,
        "service/web",
        "app=web,color=red",
        &facts(&told, None),
    )
    .await;
    refused(red, "no Deployment or StatefulSet makes any");
    space
        .set_image("deployment/web-blue", "shop/web:2-unready")
        .await;
    space
        .patch(
            "deployment/web-blue",
            json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}}),
        )
        .await;
    space
        .wait_pods("color=blue", "none is ready", |pods| {
            pods.iter()
                .all(|pod| at(pod, "/status/containerStatuses/0/ready") == false)
        })
        .await;
    let blue = bring(&*target, "service/web", BLUE, &facts(&told, None)).await;
    refused(blue, "0 of 1 pods were Ready after 2s");
    assert_eq!(held(&*target, "service/web").await, GREEN);
}

#[tokio::test]
async fn a_service_that_somebody_switched_is_left_alone() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = shop(&cluster, "conflict", 1, 1).await;
    let target = target(&cluster, &space, &["service/web"], &json!({}));
    let release = recorded(&*target).await;
    let pin = super::pin(&release, "service/web");
    assert_eq!(
        pin.recorded,
        Some(json!({"selector": {"app": "web", "color": "green"}, "replicas": 1}))
    );
    let observed = target.observe().await.unwrap();
    space
        .patch(
            "service/web",
            json!({"spec": {"selector": {"color": "red"}}}),
        )
        .await;
    let wanted = [(
        lastgood::model::state::Slot("service/web".to_owned()),
        lastgood::model::state::Revision(BLUE.to_owned()),
    )];
    let plan = lastgood::decide::diff::plan(&observed, &wanted.into_iter().collect());
    let permission = lastgood::decide::guard::Permission { allow: Vec::new() };
    let permitted = lastgood::decide::guard::permit(plan, &permission).unwrap();
    let told = Told::default();
    for change in permitted.changes() {
        let answer = target.apply(change, None, &facts(&told, None)).await;
        assert!(
            matches!(answer, Err(TargetError::Conflict { .. })),
            "{answer:?}"
        );
    }
    assert_eq!(held(&*target, "service/web").await, "app=web,color=red");
    refused(target.record().await, "none of the pods");
}

#[tokio::test]
async fn a_service_without_a_selector_is_refused() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("noselector").await;
    let mut service = manifest::service("web");
    service["spec"].as_object_mut().unwrap().remove("selector");
    space.apply_object(&service).await;
    let target = target(&cluster, &space, &["service/web"], &json!({}));
    refused(target.observe().await, "has no selector");
}
