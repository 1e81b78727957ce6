//! A Compose project of the bed, and changes of it as the product makes them.

use crate::compose_bed::{Told, apply, facts};
use crate::docker::{self, App, Engine, Image, ask, name};
use lastgood::decide::guard::{Permission, permit};
use lastgood::model::plan::{Change, Plan};
use lastgood::model::state::{Revision, Slot};
use lastgood::targets::{Base, Target, TargetError, open};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Mutex;

/// The images of these tests, by tag.
fn apps() -> [(&'static str, App); 7] {
    let versioned = |version: &str| {
        let app = App::new(version).with("KEEP", "image");
        app.change("VOLUME /data")
            .change(&format!("LABEL from={version}"))
    };
    let plain = |version: &str| App::new(version).without_health();
    // It says the same at its start and at its end: whoever reads its log may be late, and see the next start.
    let crash = plain("crash").exits_after_ms(100).with("EXIT_CODE", "3");
    let crash = crash.starts_after_ms(60_000);
    [
        ("v1", versioned("v1")),
        ("v2", versioned("v2")),
        ("bad", App::new("bad").bad()),
        ("crash", crash.with("SAY", "this is the end")),
        ("plain", plain("plain")),
        ("other", plain("other")),
        ("stubborn", App::new("stubborn").ignores_term()),
    ]
}

/// A project of its own; taken down at the end.
#[derive(Debug)]
pub(super) struct Project {
    bed: docker::Project,
    images: BTreeMap<&'static str, Image>,
    settings: Mutex<Value>,
    told: Told,
}

impl Deref for Project {
    type Target = docker::Project;

    fn deref(&self) -> &docker::Project {
        &self.bed
    }
}

impl Project {
    /// Brings a project up; `None` without an engine. `IMAGE` in the file is the name of the demo image without its tag.
    pub(super) async fn up(file: &str) -> Option<Self> {
        let engine = Engine::find()?;
        let mut images = BTreeMap::new();
        for (tag, app) in apps() {
            images.insert(tag, engine.push(&app, "swap/app", tag).await);
        }
        let file = file.replace("IMAGE", &images["v1"].name);
        let bed = docker::Project::new(&engine, "swap", |_| file);
        let settings = json!({"project": bed.name,
            "healthy-deadline": "20s", "running-for": "1s", "stop-grace": "5s"});
        bed.up().await;
        Some(Self {
            bed,
            images,
            settings: Mutex::new(settings),
            told: Told::default(),
        })
    }

    pub(super) fn image(&self, tag: &str) -> &Image {
        &self.images[tag]
    }

    pub(super) fn set(&self, key: &str, value: Value) {
        self.settings.lock().unwrap()[key] = value;
    }

    /// The target, as another run of the program opens it.
    pub(super) fn target(&self, host: &str) -> Box<dyn Target> {
        let mut settings = self.settings.lock().unwrap().clone();
        settings["host"] = json!(host);
        open("compose", "shop", settings, &Base::default()).unwrap()
    }

    /// One change, on the engine itself.
    pub(super) async fn apply(&self, change: Change) -> Result<(), TargetError> {
        self.apply_at(change, self.engine.host()).await
    }

    /// One change, by way of another socket.
    pub(super) async fn apply_at(&self, change: Change, host: &str) -> Result<(), TargetError> {
        apply(self.target(host).as_ref(), change, &self.told).await
    }

    pub(super) fn install(&self, service: &str, from: &str, to: &str) -> Change {
        let revision = |tag| Revision(self.image(tag).digest.clone());
        Change::Install {
            slot: Slot(service.to_owned()),
            from: Some(revision(from)),
            to: revision(to),
        }
    }

    /// What the next run does for this image: a plan of what is there now, carried out.
    pub(super) async fn again(&self, service: &str, to: &str) -> Result<(), TargetError> {
        let image = self.image(to);
        let slot = Slot(service.to_owned());
        let replicas = self.containers(service).await;
        let mut named = replicas.iter().filter(|raw| !name(raw).ends_with("-aside"));
        let holds = named.all(|raw| raw["Image"] == image.id.as_str());
        let revision = Revision(image.digest.clone());
        let change = if holds {
            Change::Start { slot, revision }
        } else {
            let to = revision;
            Change::Install {
                slot,
                from: None,
                to,
            }
        };
        self.apply(change).await
    }

    /// One container has the name of the service, runs, and answers with this version; nothing else is left.
    pub(super) async fn serves(&self, service: &str, version: &str) {
        let raw = self.container(service).await;
        assert_eq!(name(&raw), format!("{}-{service}-1", self.name));
        assert_eq!(ask(&raw, "/").await, version);
    }

    /// The first change of a plan of several, carried out as the product does it: after the last look at the whole.
    pub(super) async fn first_of(&self, changes: Vec<Change>) -> Result<(), TargetError> {
        let target = self.target(self.engine.host());
        let facts = facts(None, &self.told);
        let plan = Plan {
            before: target.observe().await?,
            changes,
            hazards: Vec::new(),
        };
        target.hazards(&plan, &facts).await?;
        let permitted = permit(plan, &Permission::default()).unwrap();
        let change = permitted.changes().next().unwrap();
        target.apply(change, None, &facts).await
    }

    /// A change that is dropped once this was told; then what is told at the end of the command.
    pub(super) async fn dropped_at(&self, change: Change, told: &str) -> Result<(), TargetError> {
        let target = self.target(self.engine.host());
        let heard = Told::default();
        tokio::select! {
            biased;
            () = heard.until(told) => (),
            applied = apply(target.as_ref(), change, &heard) => panic!("{told} was not told: {applied:?}"),
        }
        target.stand_up().await
    }

    /// What was told so far.
    pub(super) fn told(&self) -> String {
        self.told.text()
    }
}
