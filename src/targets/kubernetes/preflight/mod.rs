//! What `ready` tells of a cluster: its version, every permission, whether the slots are there and can go back, whether the
//! images that run are still in their registries. Nothing is changed: an access review is a question.

mod permissions;
mod slot;

use super::cluster::{Cluster, failed};
use super::slots::Place;
use super::{Kubernetes, guard, images};
use crate::targets::{Finding, TargetError};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use permissions::Permission;
use std::collections::{BTreeMap, BTreeSet};

/// Questions that are under way at once: an API server cuts off whoever asks more of them (API priority and fairness).
const PARALLEL: usize = 32;

/// The oldest version that this is tested with; older ones have no `Lease` v1 and no `managedFields`.
const MINOR_MIN: u32 = 20;

/// Everything a change needs, looked at. Never fails: what cannot be looked at is a finding.
pub(super) async fn findings(kubernetes: &Kubernetes) -> Vec<Finding> {
    if let Err(error) = guard::guard(kubernetes).await {
        return vec![finding_of("cluster", error)];
    }
    let cluster = match kubernetes.cluster().await {
        Ok(cluster) => cluster,
        Err(error) => return vec![finding_of("cluster", error)],
    };
    let (version, permissions, slots) = tokio::join!(
        version(cluster),
        permissions(kubernetes, cluster),
        slots(kubernetes, cluster),
    );
    let mut findings = vec![version];
    findings.extend(permissions);
    findings.extend(slots);
    findings
}

async fn version(cluster: &Cluster) -> Finding {
    const CHECK: &str = "cluster";
    let info = match cluster.client.apiserver_version().await {
        Ok(info) => info,
        Err(error) => {
            return finding_of(
                CHECK,
                failed(error, "could not ask for the server's version"),
            );
        }
    };
    let found = format!("Kubernetes {} at {}", info.git_version, cluster.server);
    // Managed clusters write "27+".
    let digits: String = info
        .minor
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let is_old = digits.parse::<u32>().is_ok_and(|minor| minor < MINOR_MIN) && info.major == "1";
    if is_old {
        return Finding::bad(
            CHECK,
            format!("found {found}, expected 1.{MINOR_MIN} or newer"),
            "upgrade the cluster",
        );
    }
    Finding::ok(CHECK, found)
}

async fn permissions(kubernetes: &Kubernetes, cluster: &Cluster) -> Vec<Finding> {
    const CHECK: &str = "permission";
    let needed = permissions::needed(&kubernetes.settings, &kubernetes.named);
    let mut reviews = Vec::new();
    for permission in &needed {
        reviews.push(review(cluster, permission));
    }
    let answers: Vec<_> = stream::iter(reviews).buffered(PARALLEL).collect().await;
    let mut findings = Vec::new();
    let mut missing: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut granted = 0_usize;
    for (permission, answer) in needed.iter().zip(answers) {
        match answer {
            Err(error) => return vec![finding_of(CHECK, error)],
            Ok(true) => granted += 1,
            Ok(false) => match permission.without {
                None => {
                    let of = missing.entry(&permission.namespace).or_default();
                    of.insert(permission.rule());
                }
                Some(without) => findings.push(Finding::ok(
                    CHECK,
                    format!("the account may not {permission}: {without}"),
                )),
            },
        }
    }
    findings.extend(missing.into_iter().map(|(namespace, rules)| {
        let rules: Vec<String> = rules.into_iter().collect();
        Finding::bad(
            CHECK,
            format!(
                "in namespace {namespace} the account may not: {}",
                rules.join("; ")
            ),
            "grant it the Role in docs/targets/kubernetes.md, by a RoleBinding in that namespace",
        )
    }));
    let told = format!("{granted} of {} permissions are granted", needed.len());
    findings.insert(0, Finding::ok(CHECK, told));
    findings
}

async fn review(cluster: &Cluster, permission: &Permission) -> Result<bool, TargetError> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let question = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(permission.namespace.clone()),
                verb: Some(permission.verb.to_owned()),
                group: Some(permission.group.to_owned()),
                resource: Some(permission.resource.to_owned()),
                subresource: permission.subresource.map(str::to_owned),
                // A Role may name the one namespace that it permits to read.
                name: (permission.resource == "namespaces").then(|| permission.namespace.clone()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer = reviews.create(&PostParams::default(), &question).await;
    let answer = answer.map_err(|error| {
        failed(
            error,
            &format!("could not ask whether the account may {permission}"),
        )
    })?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// The slots, and then the images that run in them.
async fn slots(kubernetes: &Kubernetes, cluster: &Cluster) -> Vec<Finding> {
    let places = kubernetes.places();
    let looks = places.iter().map(|place| look(cluster, place));
    let mut findings = Vec::new();
    let mut running = BTreeSet::new();
    for (finding, images) in join_all(looks).await {
        findings.push(finding);
        running.extend(images);
    }
    let running: Vec<String> = running.into_iter().collect();
    match images::images_present(kubernetes, &running).await {
        Ok(present) => findings.extend(present),
        Err(error) => findings.push(finding_of("image", error)),
    }
    findings
}

async fn look(cluster: &Cluster, place: &Place) -> (Finding, Vec<String>) {
    const CHECK: &str = "slot";
    match cluster.get(place).await {
        Ok(Some(object)) => match serde_json::to_value(object) {
            Ok(object) => (slot::finding(place, &object), slot::images(&object)),
            Err(error) => (
                finding_of(CHECK, TargetError::Failed(error.into())),
                Vec::new(),
            ),
        },
        Ok(None) => {
            let missing = Finding::bad(
                CHECK,
                format!("there is no {place}"),
                "correct the slots in the settings of the target, or deploy it first",
            );
            (missing, Vec::new())
        }
        Err(error) => (finding_of(CHECK, error), Vec::new()),
    }
}

fn finding_of(check: &str, error: TargetError) -> Finding {
    Finding::of(check, error, "cluster")
}
