//! What the tests of the Compose target share: what a change is told, what was told, and what lies between the product and an engine.
//! The engine itself, images and projects: see `crate::docker`.

mod proxy;

pub use crate::told::Told;
pub use proxy::{Mischief, Proxy};

use lastgood::decide::guard::{Permission, permit};
use lastgood::model::plan::{Change, OnStateConflict, Plan};
use lastgood::model::release::{Pin, Release};
use lastgood::model::state::{Slot, State};
use lastgood::targets::{ReleaseFacts, Target, TargetError, Way};

/// A manifest with these pins.
pub fn release(pins: impl IntoIterator<Item = (Slot, Pin)>) -> Release {
    Release {
        schema: 1,
        repository: None,
        run: None,
        attempt: None,
        commit: None,
        environment: None,
        slots: pins.into_iter().collect(),
        baseline: None,
        tool: "0".to_owned(),
    }
}

/// A rollback, to what a manifest says.
pub fn facts<'a>(manifest: Option<&'a Release>, told: &'a Told) -> ReleaseFacts<'a> {
    ReleaseFacts {
        run: None,
        commit: None,
        manifest,
        environment: "production",
        way: Way::Back,
        emergency: false,
        on_state_conflict: OnStateConflict::Stop,
        allowed: &[],
        story: Some(told),
    }
}

/// One change, as a plan of it alone has it.
pub async fn apply(target: &dyn Target, change: Change, told: &Told) -> Result<(), TargetError> {
    let plan = Plan {
        before: State::new(),
        changes: vec![change],
        hazards: Vec::new(),
    };
    let permitted = permit(plan, &Permission::default()).unwrap();
    let change = permitted.changes().next().unwrap();
    target.apply(change, None, &facts(None, told)).await
}
