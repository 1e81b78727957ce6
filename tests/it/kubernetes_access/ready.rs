//! What `ready` finds, and that it changes nothing.

use super::{open, target};
use crate::cluster::{Cluster, User};
use lastgood::model::payload::Payloads;
use lastgood::targets::Finding;
use serde_json::json;

fn missing(findings: &[Finding]) -> Vec<String> {
    let bad = findings.iter().filter(|finding| !finding.ok);
    bad.map(|it| format!("{}: {}", it.check, it.detail))
        .collect()
}

#[tokio::test]
async fn everything_is_found_and_nothing_is_changed() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("ready").await;
    space.deployment("web", "shop/web:1", 1).await;
    space
        .patch(
            "deployment/web",
            json!({"spec": {"revisionHistoryLimit": 0}}),
        )
        .await;
    let mischief = cluster.mischief().await;
    let web = open(
        &space.name,
        &mischief.kubeconfig(User::Admin),
        &mischief.server(),
        &json!({}),
    );
    let findings = web.preflight(&Payloads::none()).await;
    assert_eq!(missing(&findings), [""; 0]);
    let told = |text: &str| findings.iter().any(|it| it.detail.contains(text));
    assert!(told("Kubernetes v1."), "{findings:#?}");
    assert!(told("keeps no history"), "{findings:#?}");
    let changes = mischief.mutations();
    let asks = changes
        .iter()
        .all(|it| it.path.ends_with("/selfsubjectaccessreviews"));
    assert!(asks, "{changes:?}");
}

#[tokio::test]
async fn each_missing_permission_is_named_once() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("ready").await;
    space.deployment("web", "shop/web:1", 1).await;
    let rules = json!([
        {"apiGroups": [""], "resources": ["namespaces", "pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list"]},
    ]);
    space.allow(User::Ci, rules).await;
    let web = target(
        &cluster,
        &space,
        User::Ci,
        &json!({"lease": false, "slots": ["deployment/web", "deployment/gone"]}),
    );
    let findings = web.preflight(&Payloads::none()).await;
    let missing = missing(&findings);
    assert_eq!(missing.len(), 2, "{missing:#?}");
    assert!(
        missing[0].ends_with("may not: patch deployments.apps"),
        "{missing:#?}"
    );
    assert!(
        missing[1].contains("there is no deployment gone"),
        "{missing:#?}"
    );
    let optional = findings
        .iter()
        .any(|it| it.ok && it.detail.contains("may not get pods/log"));
    assert!(optional, "{findings:#?}");
}
