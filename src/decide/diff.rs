//! The difference of what a target holds and what it should hold. One function for every target.

use crate::model::plan::{Change, Plan};
use crate::model::state::{Held, Phase, State, Wanted};

/// What would make `observed` hold what is `wanted`, in the order of `wanted`. Slots that are not wanted are left alone. A slot in
/// the middle of a change is installed anew even when it shows the right revision: nobody knows how that change ends.
/// Hazards are added by the target.
pub fn plan(observed: &State, wanted: &Wanted) -> Plan {
    let mut changes = Vec::new();
    for (slot, to) in wanted {
        let from = observed.get(slot).and_then(|held| held.revision.clone());
        let right = from.as_ref() == Some(to);
        let phase = observed.get(slot).map(|held: &Held| held.phase);
        match phase {
            Some(Phase::Running) if right => (),
            Some(Phase::Stopped) if right => changes.push(Change::Start {
                slot: slot.clone(),
                revision: to.clone(),
            }),
            Some(Phase::Running | Phase::Stopped | Phase::Moving) | None => {
                changes.push(Change::Install {
                    slot: slot.clone(),
                    from,
                    to: to.clone(),
                });
            }
        }
    }
    Plan {
        before: observed.clone(),
        changes,
        hazards: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::state::{Revision, Slot};
    use proptest::prelude::*;

    /// `api=1 web=2! db=3~ new=`: revision, `!` stopped, `~` moving, nothing: empty.
    fn state(text: &str) -> State {
        text.split_whitespace()
            .map(|part| {
                let (slot, held) = part.split_once('=').unwrap();
                let phase = match held.chars().last() {
                    Some('!') => Phase::Stopped,
                    Some('~') => Phase::Moving,
                    _ => Phase::Running,
                };
                let revision = held.trim_end_matches(['!', '~']);
                let revision = (!revision.is_empty()).then(|| Revision(revision.to_owned()));
                (Slot(slot.to_owned()), Held { revision, phase })
            })
            .collect()
    }

    fn wanted(text: &str) -> Wanted {
        state(text)
            .into_iter()
            .map(|(slot, held)| (slot, held.revision.unwrap()))
            .collect()
    }

    #[track_caller]
    fn check(observed: &str, wants: &str, expected: &str) {
        let plan = plan(&state(observed), &wanted(wants));
        let found: Vec<String> = plan.changes.iter().map(ToString::to_string).collect();
        assert_eq!(found.join(", "), expected);
        assert_eq!(plan.before, state(observed));
        assert!(plan.hazards.is_empty());
    }

    #[test]
    fn plans() {
        check("api=1", "api=1", "");
        check("api=2 web=1", "api=1 web=1", "install api: 2 -> 1");
        check(
            "api=2 web=2",
            "web=1 api=1",
            "install web: 2 -> 1, install api: 2 -> 1",
        );
        check("api=1!", "api=1", "start api (holds 1)");
        check("api=2!", "api=1", "install api: 2 -> 1");
        check("api=1~", "api=1", "install api: 1 -> 1");
        check("api=", "api=1", "install api: (empty) -> 1");
        check("", "api=1", "install api: (empty) -> 1");
        check("api=1 other=9", "api=1", "");
        check("api=1", "", "");
    }

    fn any_state() -> impl Strategy<Value = State> {
        proptest::collection::vec((0..5_u8, 0..4_u8, 0..3_u8), 0..6).prop_map(|slots| {
            slots
                .into_iter()
                .map(|(slot, revision, phase)| {
                    let held = Held {
                        revision: (revision != 0).then(|| Revision(revision.to_string())),
                        phase: [Phase::Running, Phase::Stopped, Phase::Moving][usize::from(phase)],
                    };
                    (Slot(slot.to_string()), held)
                })
                .collect()
        })
    }

    fn any_wanted() -> impl Strategy<Value = Wanted> {
        proptest::collection::vec((0..5_u8, 1..4_u8), 0..6).prop_map(|slots| {
            slots
                .into_iter()
                .map(|(slot, revision)| (Slot(slot.to_string()), Revision(revision.to_string())))
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn carrying_a_plan_out_leaves_nothing_to_plan(before in any_state(), wanted in any_wanted()) {
            let plan_made = plan(&before, &wanted);
            let mut after = before.clone();
            for change in &plan_made.changes {
                prop_assert_eq!(
                    change.from(),
                    before.get(change.slot()).and_then(|held| held.revision.as_ref())
                );
                let held = Held { revision: Some(change.to().clone()), phase: Phase::Running };
                after.insert(change.slot().clone(), held);
            }
            prop_assert_eq!(plan(&after, &wanted).changes, vec![]);
            for (slot, held) in &before {
                if !wanted.contains_key(slot) {
                    prop_assert_eq!(after.get(slot), Some(held));
                }
            }
        }

        #[test]
        fn stopping_in_the_middle_and_planning_again_finishes(
            before in any_state(), wanted in any_wanted(), stop in 0..6_usize
        ) {
            let mut world = before.clone();
            for change in plan(&before, &wanted).changes.iter().take(stop) {
                let held = Held { revision: Some(change.to().clone()), phase: Phase::Running };
                world.insert(change.slot().clone(), held);
            }
            let rest = plan(&world, &wanted);
            let all = plan(&before, &wanted).changes.len();
            prop_assert_eq!(rest.changes.len(), all.saturating_sub(stop));
        }
    }
}
