//! One change of one service.

use super::Compose;
use crate::model::plan::Change;
use crate::targets::{ReleaseFacts, TargetError};

pub(super) async fn apply(
    _compose: &Compose,
    _change: &Change,
    _facts: &ReleaseFacts<'_>,
) -> Result<(), TargetError> {
    Ok(())
}
