//! Services that are watched after a change.

use super::bed::bed;
use super::{Bed, Told, held, target, web};
use lastgood::model::sighting::Symptom;
use lastgood::model::state::{Revision, Wanted};
use lastgood::targets::{Attended, Target};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

fn stack(bed: &Bed, name: &str) -> Box<dyn Target> {
    target(bed.host(), &json!({"stack": name, "stable": "6s"}))
}

async fn attended(target: &dyn Target, digest: &str) -> Attended {
    let wanted = Wanted::from_iter([(web(), Revision(digest.to_owned()))]);
    let told = Told::default();
    target.attend(&wanted, &told).await.unwrap().unwrap()
}

#[tokio::test]
async fn tasks_that_end_again_and_again_are_seen() {
    let Some(bed) = bed() else { return };
    let _made = bed.service("loop", &bed.stored("crash"), &[]);
    let target = stack(&bed, "loop");
    held(&*target).await;
    let seen = attended(&*target, bed.digest("crash")).await;
    let first = seen.sightings.first().unwrap();
    assert!(
        matches!(first.symptom, Symptom::CrashLoop | Symptom::NoneAvailable),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_service_that_stays_is_quiet_and_one_that_is_changed_is_not() {
    let Some(bed) = bed() else { return };
    let made = bed.service("still", &bed.stored("v1"), &[]);
    let target = stack(&bed, "still");
    while !matches!(
        held(&*target).await.phase,
        lastgood::model::state::Phase::Running
    ) {
        sleep(Duration::from_millis(100)).await;
    }
    let seen = attended(&*target, bed.digest("v1")).await;
    assert_eq!(seen.sightings, Vec::new());
    assert!(Duration::from_secs(6) <= seen.watched);
    let image = bed.stored("v2");
    bed.docker(&[
        "service",
        "update",
        "-d",
        "--no-resolve-image",
        "--image",
        &image,
        &made.name,
    ]);
    let seen = attended(&*target, bed.digest("v1")).await;
    assert_eq!(seen.sightings[0].symptom, Symptom::DriftedBack);
    drop(made);
    let seen = attended(&*target, bed.digest("v1")).await;
    assert!(seen.sightings[0].what.contains("gone"), "{seen:?}");
}
