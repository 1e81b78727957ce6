//! What `lastgood record` writes down of a cluster after a good deploy: all that is needed to put the same pods back, by digest.
//! Nothing unproven is recorded. Nothing is changed.

mod budget;
mod digests;
mod plain;

use super::Kubernetes;
use super::cluster::Cluster;
use super::config_maps;
use super::owned::list_pods;
use super::readiness::{is_ending, is_ready};
use super::slots::Kind;
use super::workload::{self, Observed};
use super::{route, service, template};
use crate::decide::rollout::{Standing, standing};
use crate::model::release::Pin;
use crate::model::state::{Phase, Slot};
use crate::targets::TargetError;
use indexmap::IndexMap;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde_json::{Value, json};

/// What each slot runs now.
///
/// # Errors
/// `Refused` when a rollout is not done, a pod is not Ready, or two digests run of one tag; or when there is too much to be
/// written down.
pub(super) async fn pins(kubernetes: &Kubernetes) -> Result<IndexMap<Slot, Pin>, TargetError> {
    let cluster = kubernetes.cluster().await?;
    let workloads = workload::observe_all(kubernetes).await?;
    let at = server_time(cluster).await;
    let mut pins = IndexMap::new();
    let mut held = IndexMap::new();
    for place in kubernetes.places() {
        let slot = kubernetes.slot(&place);
        let pin = match place.kind {
            Kind::Service => service::record(kubernetes, &place).await?,
            Kind::HttpRoute => route::record(kubernetes, &place).await?,
            Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => {
                let own = workloads.iter().find(|one| one.place == place);
                let own = own.ok_or_else(|| workload::missing(&place))?;
                let (pin, configuration) = of_workload(cluster, &slot, own, at).await?;
                held.insert(slot.clone(), configuration);
                pin
            }
        };
        pins.insert(slot, pin);
    }
    budget::fit(&mut pins, &mut held)?;
    Ok(pins)
}

async fn of_workload(
    cluster: &Cluster,
    slot: &Slot,
    observed: &Observed,
    at: Option<Timestamp>,
) -> Result<(Pin, config_maps::Configuration), TargetError> {
    let pods = list_pods(cluster, &observed.object, &observed.place).await?;
    proven(slot, observed, &pods)?;
    let raw = &observed.template;
    let images = digests::running(slot, raw, &pods)?;
    for warning in plain::secrets(slot, raw) {
        tracing::warn!("{warning}");
    }
    let configuration = config_maps::read(cluster, &observed.place, raw).await?;
    let mut pinned = template::bare(raw);
    template::pin(&mut pinned, &images);
    let mut recorded = json!({
        "template": pinned,
        "images": images,
        "written": digests::written(raw),
        "replicas": observed.replicas,
    });
    if let Some(at) = at {
        recorded["at"] = json!(at);
    }
    let pin = Pin {
        revision: template::revision(raw, &images),
        payload: None,
        images: images.into_values().collect(),
        recorded: Some(recorded),
    };
    Ok((pin, configuration))
}

/// Only what has come up is recorded: a release is put back because it once ran.
fn proven(slot: &Slot, observed: &Observed, pods: &[Pod]) -> Result<(), TargetError> {
    let refused = |why: String| {
        Err(TargetError::Refused {
            what: format!("{slot} is not recorded: {why}"),
            allow: None,
            next: "run `lastgood watch` first, and record what it finds healthy".to_owned(),
        })
    };
    if let Standing::Going { text } = standing(&observed.rollout()) {
        return refused(format!("its rollout is not done ({text})"));
    }
    match observed.phase {
        Phase::Running => (),
        Phase::Moving => return refused("its rollout is not done".to_owned()),
        Phase::Stopped => return refused("an emergency step has scaled it to 0".to_owned()),
    }
    match pods.iter().find(|pod| !is_ready(pod) && !is_ending(pod)) {
        None => Ok(()),
        Some(pod) => refused(format!("its pod {} is not Ready", pod.name_any())),
    }
}

/// The time as the server has it; `None` when it does not say.
async fn server_time(cluster: &Cluster) -> Option<Timestamp> {
    let request = http::Request::get("/version").body(kube::client::Body::empty());
    let response = cluster.client.send(request.ok()?).await.ok()?;
    let text = response.headers().get(http::header::DATE)?.to_str().ok()?;
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
    time.ok()
}

/// What is recorded of ConfigMaps and Secrets, beside the rest.
fn with_configuration(recorded: &mut Value, held: &config_maps::Configuration) {
    recorded["config-maps"] = Value::Object(held.config_maps.clone());
    recorded["secrets"] = Value::Object(held.secrets.clone());
}
