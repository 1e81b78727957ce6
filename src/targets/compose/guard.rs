//! Whether the engine is the one that the settings name.

use super::Compose;
use crate::targets::TargetError;

/// Asks the engine who it is.
pub(super) async fn guard(compose: &Compose) -> Result<(), TargetError> {
    compose.engine().await?;
    Ok(())
}
