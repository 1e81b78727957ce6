//! One change of one object, which the server makes only to the object that was read: a JSON patch with a test on its
//! resourceVersion, under our own field manager. What is changed, and what is done when somebody was faster, is the callers'.

use super::cluster::{changed_failed, failed};
use crate::targets::TargetError;
use anyhow::Context as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::{Error, ResourceExt as _};
use serde_json::{Value, json};

/// Whose fields they are that we write, in `managedFields` of every object.
pub(super) const FIELD_MANAGER: &str = "lastgood";

/// How often an object is read again because somebody else changed it in between.
pub(super) const TRIES_MAX: usize = 5;

/// What became of a change.
#[derive(Debug)]
pub(super) enum Edited {
    Done(Box<DynamicObject>),
    /// Somebody else changed the object since it was read. Nothing was changed.
    Stale,
}

/// Applies `ops` (RFC 6902) to the object as it was read.
///
/// # Errors
/// The server refuses the change for another reason than a newer object; `OutcomeUnknown` when its answer was lost. `what` says
/// what was being done, without the cause.
pub(super) async fn edit(
    objects: &Api<DynamicObject>,
    object: &DynamicObject,
    ops: Vec<Value>,
    what: &str,
) -> Result<Edited, TargetError> {
    let read = object.resource_version();
    let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": read});
    let ops: Vec<Value> = std::iter::once(test).chain(ops).collect();
    let patch: json_patch::Patch =
        serde_json::from_value(Value::Array(ops)).context("a patch of ours is no JSON patch")?;
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let name = object.name_any();
    let error = match objects
        .patch(&name, &params, &Patch::Json::<()>(patch))
        .await
    {
        Ok(object) => return Ok(Edited::Done(Box::new(object))),
        Err(error) => error,
    };
    let code = match &error {
        Error::Api(status) => status.code,
        _ => 0,
    };
    match code {
        // Another writer came between our test and the store.
        409 => Ok(Edited::Stale),
        // A test that did not hold, or a value that is not valid: the object itself tells which.
        422 => match objects.get_opt(&name).await {
            Ok(Some(now)) if now.resource_version() == read => Err(failed(error, what)),
            Ok(_) => Ok(Edited::Stale),
            Err(error) => Err(failed(error, what)),
        },
        _ => Err(changed_failed(error, what)),
    }
}

/// One part of a JSON pointer (RFC 6901), such as the name of an annotation.
pub(super) fn pointer_part(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_slash_is_one_part() {
        assert_eq!(
            pointer_part("lastgood.dev/replicas"),
            "lastgood.dev~1replicas"
        );
        assert_eq!(pointer_part("a~1"), "a~01");
    }
}
