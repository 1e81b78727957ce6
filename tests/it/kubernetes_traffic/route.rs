//! Weights of an HTTPRoute. The server has no Gateway API of its own, so the test brings a small definition of it.

use super::{Told, bring, facts, held, recorded, refused, target};
use crate::cluster::{Cluster, Space, at};
use lastgood::model::plan::Change;
use lastgood::model::state::{Revision, Slot};
use serde_json::json;

/// As much of the Gateway API's own definition as matters here.
const DEFINITION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: httproutes.gateway.networking.k8s.io
  annotations: {api-approved.kubernetes.io: https://github.com/kubernetes-sigs/gateway-api/pull/2466}
spec:
  group: gateway.networking.k8s.io
  names: {kind: HTTPRoute, listKind: HTTPRouteList, plural: httproutes, singular: httproute}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          x-kubernetes-preserve-unknown-fields: true
";

async fn shop(cluster: &Cluster, prefix: &str, stable: u32, canary: u32) -> Space {
    cluster.apply(DEFINITION).await;
    let space = cluster.space(prefix).await;
    let definitions = "customresourcedefinition/httproutes.gateway.networking.k8s.io";
    space
        .wait(definitions, "it is established", |definition| {
            at(
                crate::cluster::condition(definition, "Established"),
                "/status",
            ) == "True"
        })
        .await;
    let yaml = format!(
        "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: web}}
spec:
  parentRefs: [{{name: gateway}}]
  rules:
    - matches: [{{path: {{type: PathPrefix, value: /}}}}]
      backendRefs:
        - {{name: stable, port: 80, weight: {stable}}}
        - {{name: canary, port: 80, weight: {canary}}}
"
    );
    space.apply(&yaml).await;
    space
}

#[tokio::test]
async fn weights_go_back_in_steps() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = shop(&cluster, "route", 0, 100).await;
    let steps = json!({"steps": [50, 25, 10]});
    let target = target(&cluster, &space, &["httproute/web"], &steps);
    let change = Change::Install {
        slot: Slot("httproute/web".to_owned()),
        from: Some(Revision(held(&*target, "httproute/web").await)),
        to: Revision("rule0:stable=100,canary=0".to_owned()),
    };
    let path = target.path(&change);
    assert_eq!(path.len(), 3);
    let told = Told::default();
    for revision in path.iter().chain([change.to()]) {
        bring(&*target, "httproute/web", &revision.0, &facts(&told, None))
            .await
            .unwrap();
        assert_eq!(held(&*target, "httproute/web").await, revision.0);
    }
    let route = space.get("httproute/web").await;
    assert_eq!(at(&route, "/spec/rules/0/backendRefs/0/weight"), 100);
    assert_eq!(
        at(&route, "/spec/rules/0/matches/0/path/value"),
        "/",
        "the rest is as it was"
    );
    told.says("traffic goes to rule0:stable=90,canary=10");
    let release = recorded(&*target).await;
    let pin = super::pin(&release, "httproute/web");
    assert_eq!(
        pin.recorded,
        Some(json!({"rules": [{"stable": 100, "canary": 0}]}))
    );
}

#[tokio::test]
async fn other_backends_and_other_drivers_are_refused() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = shop(&cluster, "driven", 50, 50).await;
    let target = target(&cluster, &space, &["httproute/web"], &json!({}));
    let told = Told::default();
    let told = facts(&told, None);
    let other = bring(&*target, "httproute/web", "rule0:stable=100,green=0", &told).await;
    refused(other, "other backends");
    space.patch("httproute/web", json!({"metadata": {"annotations": {"helm.toolkit.fluxcd.io/driftDetection": "disabled", "app.kubernetes.io/managed-by": "flagger"}}})).await;
    let flagger = bring(
        &*target,
        "httproute/web",
        "rule0:stable=100,canary=0",
        &told,
    )
    .await;
    refused(flagger, "driven by Flagger");
    assert_eq!(
        held(&*target, "httproute/web").await,
        "rule0:stable=50,canary=50"
    );
}
