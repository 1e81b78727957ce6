//! The stacks of a swarm, leases on engines, and Podman: what the Compose target does there, on real engines. Containers of projects are
//! tested elsewhere. An engine in a swarm costs seconds, so what needs one shares it: side by side, each on a stack of its own.

mod changes;
mod kept;
mod lease;
mod podman;
mod stacks;
mod watch;

use crate::docker::{App, Image, Swarm};
use crate::told::Told;
use lastgood::decide::diff;
use lastgood::decide::guard::{Permission, permit};
use lastgood::model::state::{Held, Phase, Revision, Slot, Wanted};
use lastgood::targets::{Base, ReleaseFacts, Target, TargetError, open};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::sleep;

fn facts(told: &Told) -> ReleaseFacts<'_> {
    crate::compose_bed::facts(None, told)
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

fn stack(swarm: &Swarm, name: &str) -> Box<dyn Target> {
    target(swarm.host(), &json!({"stack": name}))
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
fn is(held: &Held, image: &Image, phase: Phase) {
    assert_eq!(
        (held.revision.clone(), held.phase),
        (Some(Revision(image.digest.clone())), phase)
    );
}

/// Waits until the service is at work on what it holds, in this way.
async fn settled(target: &dyn Target, phase: Phase) {
    let began = Instant::now();
    loop {
        let found = held(target).await;
        if found.phase == phase {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "expected {phase:?}, found {found:?}"
        );
        sleep(Duration::from_millis(100)).await;
    }
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

/// Two that are well, one that never gets healthy, one that ends by itself.
struct Images {
    v1: Image,
    v2: Image,
    bad: Image,
    crash: Image,
}

impl Images {
    async fn push(swarm: &Swarm) -> Self {
        let push = async |app: App, tag: &str| swarm.push(&app, "swarm/web", tag).await;
        Self {
            v1: push(App::new("v1"), "v1").await,
            v2: push(App::new("v2"), "v2").await,
            bad: push(App::new("v3").bad(), "bad").await,
            crash: push(App::new("v4").exits_after_ms(300), "crash").await,
        }
    }
}
