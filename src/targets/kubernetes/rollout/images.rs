//! After a rollout: what runs is what was put in place, by digest. A tag that moved, or somebody who rewrites images, shows here.

use super::super::cluster::Cluster;
use super::super::owned::Owned;
use super::super::pods;
use super::super::slots::Place;
use super::super::template::{self, Images};
use crate::decide::rollout::{Pod, advice};
use crate::model::sighting::Symptom;
use crate::model::state::Slot;
use crate::targets::TargetError;
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
    let images = template::images_of(template);
    if images
        .values()
        .all(|image| template::digest(image).is_none())
    {
        return Ok(());
    }
    let owned = Owned::of(cluster, object, place).await?;
    let Some(mark) = owned.mark(object, place) else {
        return Ok(());
    };
    let pods = owned.pods(object, place).into_iter();
    let pods: Vec<Pod> = pods
        .filter(|pod| mark.is_on(&pod.metadata))
        .map(|pod| pods::pod(pod, true, None))
        .filter(|pod| pod.is_ready && pod.is_active())
        .collect();
    match other_image(&images, &pods) {
        None => Ok(()),
        Some(what) => Err(TargetError::Unhealthy {
            what: format!("{slot}: {what}"),
            advice: advice(Symptom::ImageNotReverted).to_owned(),
        }),
    }
}

/// The first container that runs something else. Nodes that report no digest of a registry say nothing.
fn other_image(images: &Images, pods: &[Pod]) -> Option<String> {
    pods.iter().find_map(|pod| {
        pod.containers.iter().find_map(|container| {
            let wanted = template::digest(images.get(&container.name)?)?;
            let found = template::digest(container.image_id.as_deref()?)?;
            (found != wanted).then(|| {
                format!(
                    "container {} of pod {} runs {found}, expected {wanted}",
                    container.name, pod.name
                )
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_that_runs_another_digest_is_found() {
        let (one, two) = (
            format!("sha256:{}", "ab".repeat(32)),
            format!("sha256:{}", "cd".repeat(32)),
        );
        let images = Images::from([
            ("c".to_owned(), format!("app@{one}")),
            ("tagged".to_owned(), "x:1".to_owned()),
        ]);
        let pod = |id: &str| {
            let pod = serde_json::from_value(
                json!({"metadata": {"name": "web-1"}, "status": {"containerStatuses": [
                {"name": "c", "image": "app", "imageID": id, "ready": true, "restartCount": 0},
                {"name": "tagged", "image": "x", "imageID": format!("x@{two}"), "ready": true, "restartCount": 0}]}}),
            );
            pods::pod(&pod.unwrap(), true, None)
        };
        assert_eq!(
            other_image(&images, &[pod(&format!("docker-pullable://app@{one}"))]),
            None
        );
        assert_eq!(other_image(&images, &[pod(&two)]), None);
        let found = other_image(&images, &[pod(&format!("app@{two}"))]).unwrap();
        assert!(found.contains("web-1") && found.contains(&two), "{found}");
    }
}
