//! The test that every target passes: a new one implements [`World`] and calls [`check`].

use super::{ReleaseFacts, Target, TargetError, Way};
use crate::decide::diff;
use crate::decide::guard::{self, Permission};
use crate::model::ids::RunId;
use crate::model::payload::{Expected, Measured, Payloads, Promise, Verified};
use crate::model::plan::{Change, Permitted, Plan};
use crate::model::state::Wanted;
use async_trait::async_trait;

/// The outside of a target under test.
#[async_trait]
pub(crate) trait World: Send + Sync {
    /// Opens the target anew, as another run of the program would.
    fn target(&self) -> Box<dyn Target>;
    /// The payload of the release with this number; 1 and 2 differ in every slot.
    fn payload(&self, release: u64) -> Option<Measured>;
    /// From now on a change of the slot with this index fails in the middle, until [`World::mend`].
    fn break_change(&self, index: usize);
    fn mend(&self);
    /// Somebody else changes the first slot.
    fn meddle(&self);
}

/// Runs the whole contract, each part in a fresh world.
pub(crate) async fn check<W: World>(fresh: impl Fn() -> W) {
    applying_leaves_nothing_to_plan(&fresh()).await;
    applying_twice_does_no_harm(&fresh()).await;
    let changes = fresh().target().slots().len();
    for index in 0..changes {
        failing_and_running_again_finishes(&fresh(), index).await;
        stopping_between_changes_and_running_again_finishes(&fresh(), index).await;
    }
    what_somebody_else_changed_is_left_alone(&fresh()).await;
}

async fn applying_leaves_nothing_to_plan<W: World>(world: &W) {
    // Back and forth: a release that was there before is put back just as well.
    for release in [1, 2, 1] {
        let target = world.target();
        let (wanted, plan) = planned(world, release).await;
        assert_eq!(plan.changes.len(), target.slots().len());
        carry_out(world, &plan, release).await.unwrap();
        assert_eq!(left(world, &wanted).await, []);
    }
}

async fn applying_twice_does_no_harm<W: World>(world: &W) {
    put(world, 1).await;
    let (wanted, plan) = planned(world, 2).await;
    carry_out(world, &plan, 2).await.unwrap();
    carry_out(world, &plan, 2).await.unwrap();
    assert_eq!(left(world, &wanted).await, []);
}

async fn failing_and_running_again_finishes<W: World>(world: &W, index: usize) {
    put(world, 1).await;
    let (_wanted, plan) = planned(world, 2).await;
    world.break_change(index);
    carry_out(world, &plan, 2).await.expect_err("it was broken");
    world.mend();
    put(world, 2).await;
}

async fn stopping_between_changes_and_running_again_finishes<W: World>(world: &W, index: usize) {
    put(world, 1).await;
    let (_wanted, mut plan) = planned(world, 2).await;
    plan.changes.truncate(index);
    carry_out(world, &plan, 2).await.unwrap();
    put(world, 2).await;
}

async fn what_somebody_else_changed_is_left_alone<W: World>(world: &W) {
    put(world, 1).await;
    let (_wanted, plan) = planned(world, 2).await;
    world.meddle();
    let before = world.target().observe().await.unwrap();
    let error = carry_out(world, &plan, 2).await.unwrap_err();
    assert!(matches!(error, TargetError::Conflict { .. }), "{error:?}");
    assert_eq!(world.target().observe().await.unwrap(), before);
    // Planned anew, from what is there now, it goes through.
    put(world, 2).await;
}

/// Brings the world to a release, in as many rounds as `Start` after `Install` may need.
pub(crate) async fn put<W: World>(world: &W, release: u64) {
    let (wanted, plan) = planned(world, release).await;
    carry_out(world, &plan, release).await.unwrap();
    assert_eq!(left(world, &wanted).await, []);
}

async fn planned<W: World>(world: &W, release: u64) -> (Wanted, Plan) {
    let target = world.target();
    let payload = world.payload(release);
    let wanted = target
        .wanted(&facts(release), &Payloads::shared(payload))
        .await
        .unwrap();
    let plan = diff::plan(&target.observe().await.unwrap(), &wanted);
    (wanted, plan)
}

async fn left<W: World>(world: &W, wanted: &Wanted) -> Vec<Change> {
    diff::plan(&world.target().observe().await.unwrap(), wanted).changes
}

/// Carries a plan out, each change by a target of its own: nothing may depend on what an object remembers.
pub(crate) async fn carry_out<W: World>(
    world: &W,
    plan: &Plan,
    release: u64,
) -> Result<(), TargetError> {
    let payload = world.payload(release).map(verified);
    for change in permitted(plan.clone()).changes() {
        let target = world.target();
        target
            .apply(change, payload.as_ref(), &facts(release))
            .await?;
    }
    Ok(())
}

/// Every plan of these tests is without hazards.
pub(crate) fn permitted(plan: Plan) -> Permitted {
    guard::permit(plan, &Permission { allow: Vec::new() }).unwrap()
}

pub(crate) fn facts(release: u64) -> ReleaseFacts<'static> {
    ReleaseFacts {
        run: Some(RunId(release)),
        commit: None,
        manifest: None,
        environment: "test",
        way: Way::Back,
        emergency: false,
        on_state_conflict: crate::model::plan::OnStateConflict::Stop,
        allowed: &[],
        story: None,
    }
}

pub(crate) fn verified(measured: Measured) -> Verified {
    let expected = Expected {
        digest: measured.digest,
        size_bytes: Some(measured.size_bytes),
        promised_by: Promise::Operator,
    };
    Verified::check(measured, &expected).unwrap()
}
