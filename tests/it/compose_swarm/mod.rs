//! The stacks of a swarm, leases on engines, and Podman: what the Compose target does there, on real engines. Containers of projects are
//! tested elsewhere.

mod bed;
mod lease;
mod podman;
mod update;
mod watch;

use bed::Bed;
use lastgood::decide::diff;
use lastgood::decide::guard::{Permission, permit};
use lastgood::model::state::{Held, Phase, Revision, Slot, Wanted};
use lastgood::targets::{Base, ReleaseFacts, Story, Target, TargetError, Way, open};
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

/// What was told while a change was made.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Story for Told {
    fn progress(&self, slot: &Slot, text: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(format!("{slot}: {text}"));
    }
}

impl Told {
    #[track_caller]
    fn says(&self, text: &str) {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(
            lines.iter().any(|line| line.contains(text)),
            "{text:?} is not in {lines:#?}"
        );
    }
}

fn facts(told: &Told) -> ReleaseFacts<'_> {
    ReleaseFacts {
        run: None,
        commit: None,
        manifest: None,
        environment: "production",
        way: Way::Back,
        emergency: false,
        on_state_conflict: lastgood::model::plan::OnStateConflict::Stop,
        allowed: &[],
        story: Some(told),
    }
}

/// A target at an engine; `more`: its project or stack, and further settings.
fn target(host: &str, more: &Value) -> Box<dyn Target> {
    let mut settings =
        json!({"host": host, "stable": "0s", "drift": [], "healthy-deadline": "20s"});
    for (key, value) in more.as_object().into_iter().flatten() {
        settings[key] = value.clone();
    }
    open("compose", "shop", settings, &Base::default()).expect("the settings are good")
}

fn web() -> Slot {
    Slot("web".to_owned())
}

async fn held(target: &dyn Target) -> Held {
    let held = target
        .observe_one(&web())
        .await
        .expect("it can be observed");
    held.expect("there is a service web")
}

#[track_caller]
fn is(held: &Held, digest: &str, phase: Phase) {
    assert_eq!(
        (held.revision.clone(), held.phase),
        (Some(Revision(digest.to_owned())), phase)
    );
}

/// Brings `web` to a digest as the engine would: observed, planned, looked at, permitted, applied.
async fn bring(target: &dyn Target, digest: &str, told: &Told) -> Result<usize, TargetError> {
    let mut observed = target.observe().await?;
    observed.retain(|slot, _| *slot == web());
    let wanted = Wanted::from_iter([(web(), Revision(digest.to_owned()))]);
    let plan = diff::plan(&observed, &wanted);
    let facts = facts(told);
    assert_eq!(target.hazards(&plan, &facts).await?, Vec::new());
    let permission = Permission { allow: Vec::new() };
    let permitted = permit(plan, &permission).expect("no hazards");
    for change in permitted.changes() {
        target.apply(change, None, &facts).await?;
    }
    Ok(permitted.plan().changes.len())
}
