//! What a release wants of every service.

use super::Compose;
use crate::model::payload::Measured;
use crate::model::state::Wanted;
use crate::targets::{ReleaseFacts, TargetError};

pub(super) async fn wanted(
    _compose: &Compose,
    _facts: &ReleaseFacts<'_>,
    _payload: Option<&Measured>,
) -> Result<Wanted, TargetError> {
    Ok(Wanted::new())
}
