//! Probes that are queries: the target of the slot is found by its name, and says whether it can answer. What is asked, and
//! what a reply is worth, is the target's.

use super::operation::Operation;
use super::request::Query;
use crate::model::outcome::{Failure, Outcome};
use crate::model::probe::{Ask, Question};
use crate::targets::Target;

/// The target that owns the slot. Contacts nothing.
///
/// # Errors
/// No target has it.
pub(super) fn owner<'a>(
    operation: &'a Operation,
    probe: &str,
    query: &Query,
) -> Result<&'a dyn Target, Failure> {
    let owner = operation
        .targets
        .iter()
        .find(|target| target.slots().contains(&query.slot));
    let Some(target) = owner else {
        let known = operation.targets.iter().flat_map(|target| target.slots());
        let known: Vec<String> = known.map(|slot| slot.to_string()).collect();
        let expected = if known.is_empty() {
            "a slot of a target, and no target has one".to_owned()
        } else {
            format!("one of: {}", known.join(", "))
        };
        return Err(Failure::msg(
            Outcome::Usage,
            format!(
                "probe {probe}: found the slot {}, expected {expected}",
                query.slot
            ),
        )
        .hint("name a slot of the environment's targets in `query.slot`"));
    };
    Ok(target.as_ref())
}

/// Has the question looked at by the target that owns the slot.
pub(super) async fn open(
    operation: &Operation,
    probe: &str,
    query: &Query,
    question: &Question,
) -> Result<Ask, Failure> {
    let target = owner(operation, probe, query)?;
    target
        .question(&query.slot, question)
        .await
        .map_err(|error| error.failure(target.name()))
}
