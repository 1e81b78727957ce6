//! What the compose target sees of what is in place, on a real engine: the watching after a change, and the evidence before one.
//! Changes themselves are tested elsewhere.

mod evidence;
mod trouble;
mod watch;

use crate::compose_bed::Told;
use crate::docker::{App, Engine, Image, Project};
use lastgood::model::secret::Secret;
use lastgood::model::sighting::Symptom;
use lastgood::model::state::{Revision, Slot, Wanted};
use lastgood::model::verdict::Severity;
use lastgood::targets::{Attended, Base, Target, open};
use serde_json::{Value, json};

/// A target; `more` are further settings.
fn target(host: &str, project: &Project, more: &Value) -> Box<dyn Target> {
    let mut settings = json!({
        "project": project.name, "host": host, "check-images": false, "lease": false, "stable": "4s", "drift": [],
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        settings[key] = value.clone();
    }
    let base = Base {
        secrets: vec![Secret::new("hunter22")],
        ..Base::default()
    };
    open("compose", "shop", settings, &base).expect("the settings are good")
}

/// The service `web` holds this image.
fn held(image: &Image) -> Wanted {
    Wanted::from_iter([(Slot("web".to_owned()), Revision(image.digest.clone()))])
}

/// One service of this image, with more lines of its own.
fn one(image: &Image, more: &str) -> String {
    format!("services:\n  web:\n    image: {}\n{more}", image.pinned())
}

async fn attend(target: &dyn Target, held: &Wanted, told: &Told) -> Attended {
    let attended = target.attend(held, told).await;
    attended
        .expect("it can be looked at")
        .expect("a compose target attends")
}

/// The first sighting is of this kind and says this.
#[track_caller]
fn sighted(attended: &Attended, severity: Severity, symptom: Symptom, part: &str) {
    let first = attended.sightings.first();
    let is_it = first.is_some_and(|one| {
        one.severity == severity && one.symptom == symptom && one.what.contains(part)
    });
    assert!(
        is_it,
        "expected {severity:?} {symptom:?} with {part:?}, found {:#?}",
        attended.sightings
    );
}

async fn pushed(engine: &Engine, app: &App, tag: &str) -> Image {
    engine.push(app, "watch/web", tag).await
}
