//! What every service runs.

use super::{Compose, project};
use crate::model::state::{Held, Slot, State};
use crate::targets::TargetError;

pub(super) async fn all(compose: &Compose) -> Result<State, TargetError> {
    let name = compose.settings.project.clone().unwrap_or_default();
    project::read(compose, compose.engine().await?, &name).await?;
    Ok(State::new())
}

pub(super) async fn one(compose: &Compose, slot: &Slot) -> Result<Option<Held>, TargetError> {
    Ok(all(compose).await?.shift_remove(slot))
}
