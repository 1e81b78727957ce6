//! After a rollout: what runs is what was put in place, by digest. A tag that moved, or somebody who rewrites images, shows here.

use super::super::cluster::Cluster;
use super::super::owned::Owned;
use super::super::pods;
use super::super::readiness::is_ready;
use super::super::slots::Place;
use super::super::template;
use crate::decide::rollout::stable::{self, Running};
use crate::model::state::Slot;
use crate::targets::TargetError;
use k8s_openapi::api::core::v1::Pod;
use kube::api::DynamicObject;
use serde_json::Value;

/// Every ready pod of the current template runs the digests that it names.
pub(super) async fn verify(
    cluster: &Cluster,
    place: &Place,
    slot: &Slot,
    object: &DynamicObject,
) -> Result<(), TargetError> {
    let template = object
        .data
        .pointer("/spec/template")
        .unwrap_or(&Value::Null);
    let mut images = template::images_of(template);
    // A tag may lead anywhere: what it led to before is not known here.
    images.retain(|_, image| template::digest(image).is_some());
    if images.is_empty() {
        return Ok(());
    }
    let owned = Owned::of(cluster, object, place).await?;
    let Some(mark) = owned.mark(object, place) else {
        return Ok(());
    };
    let pods = owned.pods(object, place).into_iter();
    let running: Vec<Running> = pods
        .filter(|pod| mark.is_on(&pod.metadata))
        .filter(|pod| is_ready(pod) && pods::pod(pod, true, None).is_active())
        .flat_map(running_in)
        .collect();
    match stable::other_images(slot, &images, &running) {
        None => Ok(()),
        Some(sighting) => Err(TargetError::Unhealthy {
            what: format!("{slot}: {}", sighting.what),
            advice: sighting.advice,
        }),
    }
}

/// Each container as its pod asks for it, and as the node reports it.
fn running_in(pod: &Pod) -> Vec<Running> {
    let (Some(spec), Some(status)) = (&pod.spec, &pod.status) else {
        return Vec::new();
    };
    let init = spec.init_containers.iter().flatten();
    let statuses = status.init_container_statuses.iter().flatten();
    let statuses: Vec<_> = statuses
        .chain(status.container_statuses.iter().flatten())
        .collect();
    init.chain(&spec.containers)
        .map(|container| Running {
            pod: pod.metadata.name.clone().unwrap_or_default(),
            container: container.name.clone(),
            asked: container.image.clone().unwrap_or_default(),
            image_id: statuses
                .iter()
                .find(|status| status.name == container.name)
                .map(|status| status.image_id.clone())
                .filter(|id| !id.is_empty()),
            architecture: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(asked: &str, image_id: &str, expected: bool) {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "web-1"},
            "spec": {"containers": [{"name": "c", "image": asked}]},
            "status": {"containerStatuses": [
                {"name": "c", "image": "app", "imageID": image_id, "ready": true, "restartCount": 0}]}
        }))
        .unwrap();
        let slot = Slot("deployment/web".to_owned());
        let images = template::Images::from([("c".to_owned(), format!("app@{}", one()))]);
        let found = stable::other_images(&slot, &images, &running_in(&pod));
        assert_eq!(found.is_some(), expected, "{asked} {image_id}: {found:?}");
    }

    fn one() -> String {
        format!("sha256:{}", "ab".repeat(32))
    }

    #[test]
    fn a_pod_that_runs_another_digest_than_it_asks_for_is_found() {
        let (pinned, other) = (
            format!("app@{}", one()),
            format!("sha256:{}", "cd".repeat(32)),
        );
        let id = |digest: &str| format!("docker-pullable://app@{digest}");
        check(&pinned, &id(&one()), false);
        // The node reports the digest of its platform, where an index was asked for.
        check(&pinned, &id(&other), false);
        check("app:1", &id(&one()), false);
        check("app:1", &id(&other), true);
        check("app:1", "", false);
    }
}
