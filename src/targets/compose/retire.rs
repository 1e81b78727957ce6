//! Images that were kept for a way back, and are no longer needed.

use super::Compose;
use crate::model::state::Revision;
use crate::targets::TargetError;

pub(super) async fn retire(
    _compose: &Compose,
    _keep: &[Revision],
) -> Result<Vec<String>, TargetError> {
    Ok(Vec::new())
}

pub(super) async fn keeps(_compose: &Compose, _revision: &Revision) -> bool {
    true
}
