//! What the Kubernetes target sees of what is in place, against a real API server: the watching after a change, ports that are
//! forwarded for probes, and the evidence before a change. Changes themselves are tested elsewhere.

mod evidence;
mod forward;
mod interrupted;
mod watch;

use crate::cluster::{Cluster, Mischief, Space, User, manifest};
use crate::told::Told;
use lastgood::model::secret::Secret;
use lastgood::model::sighting::{Sighting, Symptom};
use lastgood::model::state::Wanted;
use lastgood::targets::{Attended, Base, Target, open};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A target; `more` are further settings. The windows are a few seconds long.
fn target(
    cluster: &Cluster,
    kubeconfig: &Path,
    space: &Space,
    slots: &[&str],
    more: &Value,
) -> Box<dyn Target> {
    let mut settings = json!({
        "namespace": space.name, "slots": slots, "server": cluster.server(), "kubeconfig": kubeconfig,
        "check-images": false, "lease": false, "rollout-deadline": "40s", "stable": "4s", "drift": [],
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        settings[key] = value.clone();
    }
    let base = Base {
        secrets: vec![Secret::new("hunter22")],
        ..Base::default()
    };
    open("kubernetes", "shop", settings, &base).expect("the settings are good")
}

/// Watches everything that the slots hold now.
async fn attend(target: &dyn Target, told: &Told) -> Attended {
    let held = held(target).await;
    let attended = target.attend(&held, told).await;
    attended
        .expect("it can be looked at")
        .expect("a Kubernetes target attends")
}

async fn held(target: &dyn Target) -> Wanted {
    let state = target.observe().await.expect("it can be observed");
    let revisions = state
        .into_iter()
        .filter_map(|(slot, held)| Some((slot, held.revision?)));
    revisions.collect()
}

/// The sighting of this symptom.
#[track_caller]
fn sighted(attended: &Attended, symptom: Symptom) -> &Sighting {
    let found = attended.sightings.iter().find(|one| one.symptom == symptom);
    found.unwrap_or_else(|| panic!("no {symptom:?} in {:#?}", attended.sightings))
}

/// Until requests like this were made so often.
async fn asked(proxy: &Mischief, part: &str, times: usize) {
    let began = Instant::now();
    loop {
        let seen = proxy.seen();
        let count = seen.iter().filter(|one| one.path.contains(part)).count();
        if times <= count {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(40),
            "{part} was asked for {count} times"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

/// A Deployment whose pods have these annotations.
fn annotated(name: &str, image: &str, replicas: u32, annotations: &Value) -> Value {
    let mut object = manifest::deployment(name, image, replicas);
    object["spec"]["template"]["metadata"]["annotations"] = annotations.clone();
    object
}

async fn start() -> Option<(Cluster, Space)> {
    let cluster = Cluster::start().await?;
    let space = cluster.space("watch").await;
    Some((cluster, space))
}

fn admin(cluster: &Cluster) -> std::path::PathBuf {
    cluster.kubeconfig(User::Admin)
}
