//! What a person will want to see of the state before a change.

use super::Compose;

pub(super) async fn gather(_compose: &Compose) -> Vec<(String, String)> {
    Vec::new()
}
