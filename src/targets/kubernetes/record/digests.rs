//! Which bytes run: the digests of the images of Ready pods. Pure.

use super::template::{self, Images};
use crate::model::state::Slot;
use crate::targets::TargetError;
use crate::targets::kubernetes::readiness::{is_ending, is_ready};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The image of every container by digest: the one that the template names, else the one that all its Ready pods run.
///
/// # Errors
/// `Refused` when pods run different digests of one tag, or none is known.
pub(super) fn running(slot: &Slot, template: &Value, pods: &[Pod]) -> Result<Images, TargetError> {
    let mut images = template::images_of(template);
    let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| is_ready(pod) && !is_ending(pod)) {
        for status in statuses(pod) {
            if let Some(digest) = template::digest(&status.image_id) {
                seen.entry(&status.name).or_default().insert(digest);
            }
        }
    }
    for (container, image) in &mut images {
        if template::digest(image).is_some() {
            continue;
        }
        let digests: Vec<&str> = seen
            .get(container.as_str())
            .into_iter()
            .flatten()
            .copied()
            .collect();
        match digests.as_slice() {
            [digest] => *image = format!("{}@{digest}", template::repository(image)),
            [] => return Err(unknown(slot, container, image)),
            [one, other, ..] => {
                return Err(TargetError::Refused {
                    what: format!(
                        "{slot} is not recorded: two digests run of one tag, container {container} runs {image} as {one} and as {other}"
                    ),
                    allow: None,
                    next: "deploy the image by digest (name@sha256:…), or restart the rollout so that all pods run the same".to_owned(),
                });
            }
        }
    }
    Ok(images)
}

/// The image of every container as somebody wrote it.
pub(super) fn written(template: &Value) -> BTreeMap<String, String> {
    let containers = |key: &str| {
        let list = template
            .pointer(&format!("/spec/{key}"))
            .and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let all = containers("containers")
        .into_iter()
        .chain(containers("initContainers"));
    all.filter_map(|container| {
        let text = |key: &str| container.get(key)?.as_str().map(str::to_owned);
        Some((text("name")?, text("image")?))
    })
    .collect()
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.iter();
    status.flat_map(|status| {
        let own = status.container_statuses.iter().flatten();
        own.chain(status.init_container_statuses.iter().flatten())
    })
}

fn unknown(slot: &Slot, container: &str, image: &str) -> TargetError {
    TargetError::Refused {
        what: format!(
            "{slot} is not recorded: no Ready pod says which digest container {container} runs of {image}"
        ),
        allow: None,
        next: "scale it up, or deploy the image by digest (name@sha256:…), or take it out of the slots"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(digit: char, is_ready: bool) -> Pod {
        let digest = format!("sha256:{}", digit.to_string().repeat(64));
        serde_json::from_value(json!({"metadata": {}, "status": {
            "conditions": [{"type": "Ready", "status": if is_ready { "True" } else { "False" }}],
            "containerStatuses": [{"name": "web", "image": "shop/web:1", "imageID": format!("docker-pullable://shop/web@{digest}"), "ready": is_ready, "restartCount": 0}],
        }}))
        .unwrap()
    }

    fn template(image: &str) -> Value {
        json!({"spec": {"containers": [{"name": "web", "image": image}]}})
    }

    fn slot() -> Slot {
        Slot("deployment/web".to_owned())
    }

    #[test]
    fn the_digest_that_runs_is_recorded() {
        let images = running(
            &slot(),
            &template("shop/web:1"),
            &[pod('a', true), pod('a', true), pod('b', false)],
        );
        assert_eq!(
            images.unwrap()["web"],
            format!("shop/web@sha256:{}", "a".repeat(64))
        );
        assert_eq!(written(&template("shop/web:1"))["web"], "shop/web:1");
    }

    #[test]
    fn a_pinned_template_needs_no_pods() {
        let image = format!("shop/web:1@sha256:{}", "c".repeat(64));
        let images = running(&slot(), &template(&image), &[]).unwrap();
        assert_eq!(images["web"], format!("shop/web@sha256:{}", "c".repeat(64)));
    }

    #[test]
    fn two_digests_of_one_tag_are_refused() {
        let error = running(
            &slot(),
            &template("shop/web:1"),
            &[pod('a', true), pod('b', true)],
        );
        let text = error.unwrap_err().to_string();
        assert!(text.contains("two digests run of one tag"), "{text}");
    }

    #[test]
    fn an_unknown_digest_is_refused() {
        let error = running(&slot(), &template("shop/web:1"), &[pod('a', false)]).unwrap_err();
        assert!(error.to_string().contains("no Ready pod says"), "{error}");
    }
}
