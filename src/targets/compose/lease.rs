//! A mark on the engine that keeps two operations apart.

use super::Compose;
use crate::targets::{Claim, TargetError};

pub(super) async fn take(_compose: &Compose, _claim: &Claim) -> Result<bool, TargetError> {
    Ok(false)
}

pub(super) async fn give_back(_compose: &Compose, _claim: &Claim) {}
