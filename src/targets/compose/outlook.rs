//! The last look before a plan is permitted.

use super::Compose;
use crate::model::plan::{Hazard, Plan};
use crate::targets::{ReleaseFacts, TargetError};

pub(super) async fn hazards(
    _compose: &Compose,
    _plan: &Plan,
    _facts: &ReleaseFacts<'_>,
) -> Result<Vec<Hazard>, TargetError> {
    Ok(Vec::new())
}
