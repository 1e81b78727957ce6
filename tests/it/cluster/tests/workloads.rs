//! The controllers are real: they roll out, give up, and refuse.

use crate::cluster::{Cluster, User, at, condition, manifest};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_deployment_becomes_available_and_is_replaced() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("available").await;
    let yaml = format!(
        "{}\n---\n{}",
        manifest::deployment("web", "shop/web:1", 3),
        manifest::service("web"),
    );
    assert_eq!(space.apply(&yaml).await.len(), 2);
    space.wait_rolled_out("deployment/web").await;
    space
        .wait("endpoints/web", "three pods serve", |endpoints| {
            at(endpoints, "/subsets/0/addresses")
                .as_array()
                .is_some_and(|all| all.len() == 3)
        })
        .await;
    space.set_image("deployment/web", "shop/web:2").await;
    space.wait_rolled_out("deployment/web").await;
    let pods = space
        .wait_pods("app=web", "only new pods are left", |pods| pods.len() == 3)
        .await;
    for pod in &pods {
        let id = at(pod, "/status/containerStatuses/0/imageID");
        assert_eq!(
            *id,
            format!("shop/web@{}", manifest::digest_of("shop/web:2"))
        );
    }
}

#[tokio::test]
async fn a_crash_passes_the_progress_deadline() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("deadline").await;
    let mut web = manifest::deployment("web", "shop/web:1", 2);
    web["spec"]["progressDeadlineSeconds"] = json!(2);
    space.apply_object(&web).await;
    space.wait_rolled_out("deployment/web").await;
    space.set_image("deployment/web", "shop/web:2-crash").await;
    let gave_up =
        |web: &Value| at(condition(web, "Progressing"), "/reason") == "ProgressDeadlineExceeded";
    let web = space
        .wait("deployment/web", "its deadline passed", gave_up)
        .await;
    assert_eq!(
        *at(&web, "/status/availableReplicas"),
        2,
        "the old pods serve"
    );
}

#[tokio::test]
async fn stateful_sets_and_daemon_sets_roll_out() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("kinds").await;
    space.stateful_set("db", "shop/db:1", 2).await;
    space.daemon_set("agent", "shop/agent:1").await;
    space.wait_rolled_out("statefulset/db").await;
    let agent = space
        .wait("daemonset/agent", "it is on every node", |agent| {
            at(agent, "/status/numberAvailable") == 3
        })
        .await;
    assert_eq!(*at(&agent, "/status/desiredNumberScheduled"), 3);
    space.delete("statefulset/db").await;
    space.wait_gone("statefulset/db").await;
    assert_eq!(space.find("statefulset/db").await, None);
}

#[tokio::test]
async fn who_may_do_nothing_is_refused() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("refused").await;
    let pods = Api::<Pod>::namespaced(cluster.client_of(User::Ci).await, &space.name);
    let refused = pods.list(&ListParams::default()).await;
    assert!(matches!(refused, Err(kube::Error::Api(error)) if error.code == 403));
    for (resource, verb) in [("pods", "list"), ("services", "get")] {
        let rules = json!([{"apiGroups": [""], "resources": [resource], "verbs": [verb]}]);
        space.allow(User::Ci, rules).await;
    }
    // RBAC reads its rules from a cache.
    let since = Instant::now();
    while let Err(error) = pods.list(&ListParams::default()).await {
        assert!(since.elapsed() < Duration::from_secs(10), "{error}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_quota_and_a_disruption_budget_have_their_controllers() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("quota").await;
    let quota =
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {pods: '1'}}}";
    let budget = "{apiVersion: policy/v1beta1, kind: PodDisruptionBudget, metadata: {name: web}, spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}}";
    space.apply(&format!("{quota}\n---\n{budget}")).await;
    space
        .wait("resourcequota/small", "it is counted", |quota| {
            at(quota, "/status/hard/pods") == "1"
        })
        .await;
    space.deployment("web", "shop/web:1", 2).await;
    space
        .wait("deployment/web", "one pod is too many", |web| {
            at(condition(web, "ReplicaFailure"), "/status") == "True"
        })
        .await;
    space
        .wait("poddisruptionbudget/web", "it counts", |budget| {
            at(budget, "/status/currentHealthy") == 1
        })
        .await;
}

#[tokio::test]
async fn a_test_can_have_a_node_of_its_own() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("node").await;
    let node = space.name.clone();
    cluster.node(&node).await;
    let mut web = manifest::deployment("web", "shop/web:1", 1);
    web["spec"]["template"]["spec"]["nodeSelector"] = json!({"lastgood-test/node": node});
    web["spec"]["template"]["spec"]["tolerations"] =
        json!([{"key": "lastgood-test", "operator": "Exists"}]);
    space.apply_object(&web).await;
    space.wait_rolled_out("deployment/web").await;
    let pods = space.pods("app=web").await;
    assert_eq!(*at(&pods[0], "/spec/nodeName"), node);
}

#[tokio::test]
async fn a_hundred_deployments_come_up_together() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("hundred").await;
    let since = Instant::now();
    let all: Vec<_> = (0..100)
        .map(|number| manifest::deployment(&format!("web-{number}"), "shop/web:1", 1).to_string())
        .collect();
    space.apply(&all.join("\n---\n")).await;
    space
        .wait_pods("", "a hundred pods are ready", |pods| {
            let ready = pods
                .iter()
                .filter(|pod| at(condition(pod, "Ready"), "/status") == "True");
            ready.count() == 100
        })
        .await;
    eprintln!(
        "a hundred deployments were ready after {} ms",
        since.elapsed().as_millis()
    );
}
