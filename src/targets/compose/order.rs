//! Which services others depend on.

use super::Compose;
use crate::model::state::Slot;

pub(super) fn rank(_compose: &Compose, _slot: &Slot) -> u8 {
    0
}
