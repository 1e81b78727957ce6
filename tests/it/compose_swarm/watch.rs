//! Services that are watched after a change.

use super::{Images, Told, held, settled, target, web};
use crate::docker::{Image, Swarm};
use lastgood::model::sighting::Symptom;
use lastgood::model::state::{Phase, Revision, Wanted};
use lastgood::targets::{Attended, Target};
use serde_json::json;
use std::time::Duration;

fn stack(swarm: &Swarm, name: &str) -> Box<dyn Target> {
    target(swarm.host(), &json!({"stack": name, "stable": "6s"}))
}

async fn attended(target: &dyn Target, image: &Image) -> Attended {
    let wanted = Wanted::from_iter([(web(), Revision(image.digest.clone()))]);
    let told = Told::default();
    target.attend(&wanted, &told).await.unwrap().unwrap()
}

pub(super) async fn tasks_that_end_again_and_again_are_seen(swarm: &Swarm, images: &Images) {
    let crash = &images.crash;
    swarm.service("loop", &crash.stored("crash"), &[]).await;
    let target = stack(swarm, "loop");
    held(&*target).await;
    let seen = attended(&*target, crash).await;
    let first = seen.sightings.first().unwrap();
    assert!(
        matches!(first.symptom, Symptom::CrashLoop | Symptom::NoneAvailable),
        "{seen:?}"
    );
}

pub(super) async fn one_that_stays_is_quiet_and_one_that_is_changed_is_not(
    swarm: &Swarm,
    images: &Images,
) {
    let Images { v1, v2, .. } = images;
    let name = swarm.service("still", &v1.stored("v1"), &[]).await;
    let target = stack(swarm, "still");
    settled(&*target, Phase::Running).await;
    let seen = attended(&*target, v1).await;
    assert_eq!(seen.sightings, Vec::new());
    assert!(Duration::from_secs(6) <= seen.watched);
    swarm.put(&name, &v2.stored("v2")).await;
    let seen = attended(&*target, v1).await;
    assert_eq!(seen.sightings[0].symptom, Symptom::DriftedBack);
    swarm.docker(&["service", "rm", &name]).await;
    let seen = attended(&*target, v1).await;
    assert!(seen.sightings[0].what.contains("gone"), "{seen:?}");
}
