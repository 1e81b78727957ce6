//! `--to-revision`: what a target keeps under a number of its own. Which number that is, the operator says; nothing is
//! chosen here, and "the previous one" is never meant.

use super::request::Numbered;
use super::share::Share;
use crate::model::outcome::{Failure, Outcome};
use crate::model::payload::Payloads;
use crate::model::state::{Slot, Wanted};
use crate::targets::Target;

/// Every number is for a slot that exists, and each slot has one, before anything is contacted.
pub(super) fn check(targets: &[Box<dyn Target>], numbered: &[Numbered]) -> Result<(), Failure> {
    let slots: Vec<Slot> = targets.iter().flat_map(|target| target.slots()).collect();
    let open = targets.iter().any(|target| target.finds_slots());
    let known = slots
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    for (index, one) in numbered.iter().enumerate() {
        let same = |other: &&Numbered| other.slot == one.slot;
        let twice = numbered.iter().take(index).find(same);
        let wrong = match &one.slot {
            _ if let Some(other) = twice => format!(
                "found {} and {} for one slot, expected one number",
                other.number, one.number
            ),
            Some(slot) if slots.contains(slot) || open => continue,
            Some(slot) => format!("found slot {slot}, expected one of: {known}"),
            None if slots.len() == 1 && !open => continue,
            None => format!(
                "found {} without a slot, expected SLOT=NUMBER, with one of: {known}",
                one.number
            ),
        };
        return Err(
            Failure::msg(Outcome::Usage, format!("--to-revision: {wrong}"))
                .hint("slots are named by the targets of the environment"),
        );
    }
    Ok(())
}

/// What one target should hold. Slots without a number are left alone. A slot that one target names is never looked for in
/// another that finds its own.
pub(super) async fn share(
    targets: &[Box<dyn Target>],
    target: &dyn Target,
    numbered: &[Numbered],
) -> Result<Share, Failure> {
    let slots = target.slots();
    let is_named = |slot: &Slot| {
        targets
            .iter()
            .any(|other| !other.finds_slots() && other.slots().contains(slot))
    };
    let mut wanted = Wanted::new();
    for one in numbered {
        let slot = match &one.slot {
            Some(slot) => slot,
            None => match slots.first() {
                Some(slot) => slot,
                None => continue,
            },
        };
        let may_find = target.finds_slots() && !is_named(slot);
        if !slots.contains(slot) && !may_find {
            continue;
        }
        let revision = target
            .numbered(slot, &one.number)
            .await
            .map_err(|error| error.failure(target.name()))?;
        wanted.insert(slot.clone(), revision);
    }
    Ok(Share {
        wanted,
        payloads: Payloads::none(),
    })
}
