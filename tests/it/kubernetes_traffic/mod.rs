//! Traffic, records and emergencies against a real API server: what the Kubernetes target does to Services and
//! workloads that do not come up. Rollouts that go well are tested elsewhere.

mod emergency;
mod record;
mod restore;
mod service;

use crate::cluster::{Cluster, Space, User};
use crate::told::Told;
use lastgood::decide::diff;
use lastgood::decide::guard::{Permission, permit};
use lastgood::model::plan::{Change, Plan};
use lastgood::model::release::{Pin, Release};
use lastgood::model::state::{Revision, Slot, Wanted};
use lastgood::targets::{Base, ReleaseFacts, Target, TargetError, Way, open};
use serde_json::{Value, json};

/// A target with these slots; `more` are further settings.
fn target(cluster: &Cluster, space: &Space, slots: &[&str], more: &Value) -> Box<dyn Target> {
    let mut settings = json!({
        "namespace": space.name, "slots": slots, "server": cluster.server(),
        "kubeconfig": cluster.kubeconfig(User::Admin),
        "check-images": false, "lease": false, "rollout-deadline": "30s", "stable": "0s", "drift": [],
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        settings[key] = value.clone();
    }
    open("kubernetes", "shop", settings, &Base::default()).expect("the settings are good")
}

/// Brings one slot to a revision as the engine would: observed, planned, permitted, applied.
async fn bring(
    target: &dyn Target,
    slot: &str,
    revision: &str,
    facts: &ReleaseFacts<'_>,
) -> Result<Vec<Change>, TargetError> {
    let slot = Slot(slot.to_owned());
    let mut observed = target.observe().await?;
    observed.retain(|name, _| *name == slot);
    let wanted = Wanted::from_iter([(slot, Revision(revision.to_owned()))]);
    let permission = Permission { allow: Vec::new() };
    let permitted = permit(diff::plan(&observed, &wanted), &permission).expect("no hazards");
    for change in permitted.changes() {
        target.apply(change, None, facts).await?;
    }
    Ok(permitted.plan().changes.clone())
}

/// The plan for one slot, before anything is asked about it.
async fn planned(target: &dyn Target, slot: &str, revision: &str) -> Plan {
    let observed = target.observe().await.expect("it can be observed");
    let wanted = Wanted::from_iter([(Slot(slot.to_owned()), Revision(revision.to_owned()))]);
    diff::plan(&observed, &wanted)
}

fn facts<'a>(told: &'a Told, manifest: Option<&'a Release>) -> ReleaseFacts<'a> {
    ReleaseFacts {
        run: None,
        commit: None,
        manifest,
        environment: "production",
        way: Way::Back,
        emergency: false,
        on_state_conflict: lastgood::model::plan::OnStateConflict::Stop,
        allowed: &[],
        story: Some(told),
    }
}

/// A manifest as `record` would write it.
async fn recorded(target: &dyn Target) -> Release {
    let pins = target.record().await.expect("it can be recorded");
    Release {
        schema: 1,
        repository: None,
        run: None,
        attempt: None,
        commit: None,
        environment: None,
        slots: pins.expect("this target records"),
        baseline: None,
        tool: "test".to_owned(),
    }
}

fn pin<'a>(release: &'a Release, slot: &str) -> &'a Pin {
    &release.slots[&Slot(slot.to_owned())]
}

async fn held(target: &dyn Target, slot: &str) -> String {
    let held = target
        .observe_one(&Slot(slot.to_owned()))
        .await
        .expect("it can be observed");
    let held = held.expect("it is there");
    held.revision.expect("it holds something").0
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, TargetError>, text: &str) {
    match answer {
        Err(TargetError::Refused { what, .. }) => assert!(what.contains(text), "{what}"),
        other => panic!("expected a refusal with {text:?}, found {other:?}"),
    }
}
