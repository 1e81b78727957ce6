//! What is written down of every service.

use super::Compose;
use crate::model::release::Pin;
use crate::model::state::Slot;
use crate::targets::TargetError;
use indexmap::IndexMap;

pub(super) async fn pins(_compose: &Compose) -> Result<IndexMap<Slot, Pin>, TargetError> {
    Ok(IndexMap::new())
}
