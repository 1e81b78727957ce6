//! The `kubernetes` target through the library, against a real API server: what it observes, plans and puts back, and every trap
//! of the controllers that it has to know. The command as a whole is tested elsewhere.

mod rollback;
mod traps;
mod trouble;

use crate::cluster::{Cluster, Space, User, at};
use indexmap::IndexMap;
use lastgood::decide::diff;
use lastgood::decide::guard::{Permission, permit};
use lastgood::model::payload::Payloads;
use lastgood::model::plan::{Permitted, Plan};
use lastgood::model::release::{MANIFEST_SCHEMA, Pin, Release};
use lastgood::model::state::{Held, Revision, Slot, State, Wanted};
use lastgood::targets::{Base, ReleaseFacts, Story, Target, TargetError, Way, open};
use serde_json::{Value, json};
use std::fmt::Debug;
use std::path::Path;
use std::sync::Mutex;

/// A namespace with slots, and the target that is opened anew for every command.
struct Bench {
    cluster: Cluster,
    space: Space,
    slots: Vec<&'static str>,
    more: Value,
}

impl Bench {
    /// `None`: no servers, said loudly.
    async fn new(prefix: &str, slots: &[&'static str]) -> Option<Self> {
        let cluster = Cluster::start().await?;
        let space = cluster.space(prefix).await;
        Some(Self {
            cluster,
            space,
            slots: slots.to_vec(),
            more: json!({}),
        })
    }

    /// As another run of the program would.
    fn target(&self) -> Box<dyn Target> {
        self.target_of(&self.cluster.kubeconfig(User::Admin))
    }

    fn target_of(&self, kubeconfig: &Path) -> Box<dyn Target> {
        let mut settings = json!({
            "namespace": self.space.name, "slots": self.slots, "context": "test",
            "kubeconfig": kubeconfig, "check-images": false, "rollout-deadline": "20s",
        });
        for (key, value) in self.more.as_object().unwrap() {
            settings[key] = value.clone();
        }
        open("kubernetes", "shop", settings, &Base::default()).unwrap()
    }

    /// What runs now, as `record` would write it down.
    async fn recorded(&self) -> Release {
        let target = self.target();
        let mut pins = IndexMap::new();
        for (slot, held) in target.observe().await.unwrap() {
            let live = self.space.get(&slot.0).await;
            let mut template = at(&live, "/spec/template").clone();
            let mut images = serde_json::Map::new();
            for container in template["spec"]["containers"].as_array_mut().unwrap() {
                let name = container["name"].as_str().unwrap().to_owned();
                let image = self.running(&slot.0, &name).await;
                container["image"] = json!(image);
                images.insert(name, json!(image));
            }
            let pin = Pin {
                revision: held.revision.unwrap(),
                payload: None,
                images: images
                    .values()
                    .map(|image| image.as_str().unwrap().to_owned())
                    .collect(),
                recorded: Some(json!({"template": template, "images": images})),
            };
            pins.insert(slot, pin);
        }
        manifest(pins)
    }

    /// The digest that a container of the workload runs in its pods.
    async fn running(&self, slot: &str, container: &str) -> String {
        let name = slot.rsplit('/').next().unwrap();
        let pods = self.space.pods(&format!("app={name}")).await;
        let statuses = pods
            .iter()
            .filter(|pod| at(pod, "/metadata/deletionTimestamp").is_null())
            .flat_map(|pod| {
                at(pod, "/status/containerStatuses")
                    .as_array()
                    .cloned()
                    .unwrap_or_default()
            });
        let mut ids: Vec<String> = statuses
            .filter(|status| status["name"] == container)
            .map(|status| status["imageID"].as_str().unwrap().to_owned())
            .collect();
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
        ids.remove(0)
    }

    async fn image(&self, slot: &str) -> String {
        let live = self.space.get(slot).await;
        let image = at(&live, "/spec/template/spec/containers/0/image");
        image.as_str().unwrap().to_owned()
    }
}

fn manifest(slots: IndexMap<Slot, Pin>) -> Release {
    Release {
        schema: MANIFEST_SCHEMA,
        repository: None,
        run: None,
        attempt: None,
        commit: None,
        environment: None,
        slots,
        baseline: None,
        tool: "test".to_owned(),
    }
}

fn facts(manifest: Option<&Release>, way: Way) -> ReleaseFacts<'_> {
    ReleaseFacts {
        run: None,
        commit: None,
        manifest,
        environment: "prod",
        way,
        emergency: false,
        on_state_conflict: lastgood::model::plan::OnStateConflict::Stop,
        allowed: &[],
        story: None,
    }
}

/// Lines in the order they were told.
#[derive(Debug, Default)]
struct Lines(Mutex<Vec<String>>);

impl Story for Lines {
    fn progress(&self, _slot: &Slot, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

/// Plans what a release wants, and permits these hazards.
async fn planned(
    target: &dyn Target,
    facts: &ReleaseFacts<'_>,
    allow: &[&str],
) -> Result<(Wanted, Permitted), TargetError> {
    let wanted = target.wanted(facts, &Payloads::none()).await?;
    let permitted = permitted(target, &wanted, facts, allow).await?;
    Ok((wanted, permitted))
}

async fn permitted(
    target: &dyn Target,
    wanted: &Wanted,
    facts: &ReleaseFacts<'_>,
    allow: &[&str],
) -> Result<Permitted, TargetError> {
    let mut plan: Plan = diff::plan(&target.observe().await?, wanted);
    plan.hazards = target.hazards(&plan, facts).await?;
    let allow = allow.iter().map(|&name| name.to_owned()).collect();
    Ok(permit(plan, &Permission { allow }).expect("the hazards are allowed"))
}

/// Side by side, as the engine does it; the first error comes back.
async fn carry_out(
    target: &dyn Target,
    permitted: &Permitted,
    facts: &ReleaseFacts<'_>,
) -> Result<(), TargetError> {
    let changes = permitted
        .changes()
        .map(|change| target.apply(change, None, facts));
    let done = futures_util::future::join_all(changes).await;
    done.into_iter().collect()
}

/// The way back to a recorded release, as one command: afterwards there is nothing left to plan.
async fn roll_back(bench: &Bench, release: &Release) -> Result<usize, TargetError> {
    let target = bench.target();
    let facts = facts(Some(release), Way::Back);
    let (wanted, permitted) = planned(target.as_ref(), &facts, &[]).await?;
    let changes = permitted.plan().changes.len();
    carry_out(target.as_ref(), &permitted, &facts).await?;
    let after = target.observe().await?;
    assert_eq!(diff::plan(&after, &wanted).changes, []);
    // Another process sees the same.
    let seen = bench.target().observe().await?;
    assert_eq!(diff::plan(&seen, &wanted).changes, []);
    Ok(changes)
}

fn slot(name: &str) -> Slot {
    Slot(name.to_owned())
}

fn revision(state: &State, name: &str) -> Revision {
    held(state, name).revision.clone().unwrap()
}

fn held<'a>(state: &'a State, name: &str) -> &'a Held {
    &state[&slot(name)]
}

#[track_caller]
fn refused<T: Debug>(result: Result<T, TargetError>, text: &str) -> TargetError {
    let error = result.unwrap_err();
    assert!(error.to_string().contains(text), "{error}");
    error
}
