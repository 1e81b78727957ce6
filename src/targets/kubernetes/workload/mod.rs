//! Workloads as they are: template, images by the digests that run, revision and phase; one, or all in few requests.
//! Nothing is changed, and whether its pods are well is not asked.

mod all;
#[cfg(test)]
mod tests;

pub(super) use all::observe_all;

use super::Kubernetes;
use super::choose::Chosen;
use super::cluster::Cluster;
use super::owned::{Owned, is_observed, uid};
use super::pods;
use super::slots::{Kind, Place};
use super::template::{self, Images};
use crate::decide::rollout::{Workload, WorkloadKind};
use crate::model::state::{Held, Phase, Revision};
use crate::targets::TargetError;
use anyhow::anyhow;
use kube::api::DynamicObject;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Where the emergency step remembers how many there were.
pub(super) const REPLICAS: &str = "lastgood.dev/replicas";

/// How long a controller may take to notice a change before the workload counts as moving.
const NOTICE: Duration = Duration::from_secs(2);

/// A workload at one moment.
#[derive(Debug, Clone)]
pub(super) struct Observed {
    pub(super) place: Place,
    pub(super) object: DynamicObject,
    /// The pod template as the server has it.
    pub(super) template: Value,
    /// By the digests that run, where they are known.
    pub(super) images: Images,
    pub(super) revision: Revision,
    pub(super) phase: Phase,
    /// `spec.replicas`; of a DaemonSet how many should run.
    pub(super) replicas: u32,
}

impl Observed {
    pub(super) fn uid(&self) -> &str {
        uid(&self.object.metadata)
    }

    pub(super) fn held(&self) -> Held {
        Held {
            revision: Some(self.revision.clone()),
            phase: self.phase,
        }
    }

    pub(super) fn rollout(&self) -> Workload {
        rollout(&self.object, &self.place)
    }

    /// The template as it would be put back: with its images pinned.
    pub(super) fn pinned(&self) -> Value {
        let mut template = template::bare(&self.template);
        template::pin(&mut template, &self.images);
        template
    }
}

/// One workload; `None` when it does not exist.
pub(super) async fn observe(
    kubernetes: &Kubernetes,
    place: &Place,
) -> Result<Option<Observed>, TargetError> {
    let cluster = kubernetes.cluster().await?;
    let Some(object) = noticed(cluster, place).await? else {
        return Ok(None);
    };
    let known = if let Some(images) = known_images(kubernetes, &object)? {
        images
    } else {
        let owned = Owned::of(cluster, &object, place).await?;
        learn(kubernetes, place, &object, &owned)?
    };
    Ok(Some(observed(kubernetes, place, object, known)?))
}

/// One workload that has to exist.
pub(super) async fn existing(
    kubernetes: &Kubernetes,
    place: &Place,
) -> Result<Observed, TargetError> {
    observe(kubernetes, place)
        .await?
        .ok_or_else(|| missing(place))
}

pub(super) fn missing(place: &Place) -> TargetError {
    TargetError::Refused {
        what: format!("{place} does not exist"),
        allow: None,
        next: format!(
            "correct the name of the slot, or apply the manifest of {} first",
            place.name
        ),
    }
}

/// Reads a workload; a controller that has not noticed the last change yet is given a moment.
async fn noticed(cluster: &Cluster, place: &Place) -> Result<Option<DynamicObject>, TargetError> {
    const PAUSE: Duration = Duration::from_millis(100);
    let until = Instant::now() + NOTICE;
    loop {
        let object = cluster.get(place).await?;
        match object {
            Some(object) if !is_observed(&object) && Instant::now() < until => sleep(PAUSE).await,
            Some(_) | None => return Ok(object),
        }
    }
}

fn template_of(object: &DynamicObject) -> Result<&Value, TargetError> {
    object.data.pointer("/spec/template").ok_or_else(|| {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        TargetError::Failed(anyhow!("found {name} without a pod template, expected one"))
    })
}

/// The images, where no pod has to be asked. `None`: the pods know.
fn known_images(
    kubernetes: &Kubernetes,
    object: &DynamicObject,
) -> Result<Option<Images>, TargetError> {
    let template = template_of(object)?;
    let written = template::images_of(template);
    if template::is_pinned(&written) {
        return Ok(Some(written));
    }
    let key = template::revision(template, &written);
    Ok(kubernetes.memory.images(uid(&object.metadata), &key))
}

/// Asks the pods, and keeps the answer: the revision of an unchanged template must not change while its pods come up.
fn learn(
    kubernetes: &Kubernetes,
    place: &Place,
    object: &DynamicObject,
    owned: &Owned,
) -> Result<Images, TargetError> {
    let template = template_of(object)?;
    let key = template::revision(template, &template::images_of(template));
    let images = running(template, place, object, owned);
    let uid = uid(&object.metadata);
    Ok(kubernetes.memory.keep_images(uid, key, images))
}

/// The images of a template by what its pods report: a digest counts when all that report one agree.
fn running(template: &Value, place: &Place, object: &DynamicObject, owned: &Owned) -> Images {
    let mut images = template::images_of(template);
    let Some(mark) = owned.mark(object, place) else {
        return images;
    };
    let pods: Vec<_> = owned
        .pods(object, place)
        .into_iter()
        .filter(|pod| mark.is_on(&pod.metadata))
        .map(|pod| pods::pod(pod, true, None))
        .filter(crate::decide::rollout::Pod::is_active)
        .collect();
    for (name, image) in &mut images {
        let digests: BTreeSet<&str> = pods
            .iter()
            .flat_map(|pod| &pod.containers)
            .filter(|container| container.name == *name)
            .filter_map(|container| template::digest(container.image_id.as_deref()?))
            .collect();
        if template::digest(image).is_none()
            && digests.len() == 1
            && let Some(digest) = digests.first()
        {
            *image = format!("{}@{digest}", template::repository(image));
        }
    }
    images
}

fn observed(
    kubernetes: &Kubernetes,
    place: &Place,
    object: DynamicObject,
    images: Images,
) -> Result<Observed, TargetError> {
    let template = template_of(&object)?.clone();
    let workload = rollout(&object, place);
    let observed = Observed {
        place: place.clone(),
        revision: template::revision(&template, &images),
        phase: phase(&workload, &object),
        replicas: workload.wanted,
        template,
        images,
        object,
    };
    kubernetes.memory.keep_observed(
        place,
        || Chosen {
            revision: observed.revision.clone(),
            template: observed.pinned(),
            annotations: None,
            source: "what was there before".to_owned(),
        },
        &observed.revision,
    );
    Ok(observed)
}

/// What the judgment of a rollout looks at.
pub(super) fn rollout(object: &DynamicObject, place: &Place) -> Workload {
    // The metadata of an object can always be written as JSON.
    let raw = serde_json::to_value(object).unwrap_or_default();
    pods::workload(rollout_kind(place.kind), &raw)
}

/// Kinds without pods have no rollout, and are never asked for one.
pub(super) const fn rollout_kind(kind: Kind) -> WorkloadKind {
    match kind {
        Kind::Deployment | Kind::Service | Kind::HttpRoute => WorkloadKind::Deployment,
        Kind::StatefulSet => WorkloadKind::StatefulSet,
        Kind::DaemonSet => WorkloadKind::DaemonSet,
    }
}

/// Where a workload is, by its counts alone: pods that crash are judged elsewhere.
fn phase(workload: &Workload, object: &DynamicObject) -> Phase {
    let old_remain = match workload.kind {
        WorkloadKind::Deployment | WorkloadKind::DaemonSet => workload.updated < workload.total,
        // Back on the revision that most pods never left, the two agree at once; the pods of the other one count.
        WorkloadKind::StatefulSet if workload.revisions_agree => workload.updated < workload.total,
        WorkloadKind::StatefulSet => {
            workload.updated < workload.wanted.saturating_sub(workload.partition)
        }
    };
    let annotations = object.metadata.annotations.as_ref();
    let is_remembered = annotations.is_some_and(|annotations| annotations.contains_key(REPLICAS));
    // First: nothing but being scaled back ends this, however many pods are still ending.
    if workload.wanted == 0 && is_remembered {
        Phase::Stopped
    } else if old_remain || !workload.is_observed() {
        Phase::Moving
    } else {
        Phase::Running
    }
}
