//! One JSON patch and its answer, with those answers told apart where a caller goes on differently. What is patched is not here.

use super::super::Kubernetes;
use super::super::cluster::failed;
use super::super::slots::Place;
use crate::targets::TargetError;
use anyhow::anyhow;
use kube::Error;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::Value;

/// Owns the fields that we write: the same in every version, so that a later write of ours meets no conflict of its own.
pub(in super::super) const FIELD_MANAGER: &str = "lastgood";

#[derive(Debug)]
pub(super) enum Answer {
    /// The object as it is stored, or would be.
    Stored(Box<DynamicObject>),
    /// 409 or 422: the object is not as it was read, or the server does not accept the result.
    Refused(Refused),
    /// The request may have been carried out.
    Lost(String),
}

#[derive(Debug)]
pub(super) struct Refused {
    pub(super) code: u16,
    pub(super) message: String,
}

/// Carries a patch out; `dry`: asks what would be stored.
pub(super) async fn patch(
    kubernetes: &Kubernetes,
    place: &Place,
    operations: Vec<Value>,
    dry: bool,
) -> Result<Answer, TargetError> {
    let cluster = kubernetes.cluster().await?;
    let operations: json_patch::Patch = serde_json::from_value(Value::Array(operations))
        .map_err(|error| TargetError::Failed(anyhow!(error)))?;
    let parameters = PatchParams {
        dry_run: dry,
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let what = format!("could not change {place}");
    let answer = cluster
        .objects(place.kind, &place.namespace)
        .patch(&place.name, &parameters, &Patch::Json::<()>(operations))
        .await;
    match answer {
        Ok(object) => Ok(Answer::Stored(Box::new(object))),
        Err(Error::Api(status)) => match status.code {
            400 | 409 | 422 => Ok(Answer::Refused(Refused {
                code: status.code,
                message: status.message,
            })),
            403 if !is_permission(&status.message) => Err(TargetError::Refused {
                what: format!("{place} is not admitted: {}", status.message),
                allow: None,
                next: "ask whoever runs the admission rules or quota of the cluster".to_owned(),
            }),
            500 | 502 | 504 => Ok(Answer::Lost(format!(
                "{what}: {} ({})",
                status.message, status.code
            ))),
            _ => Err(failed(Error::Api(status), &what)),
        },
        Err(error) if was_sent(&error) => {
            let trouble = crate::net::trouble(&error).1;
            Ok(Answer::Lost(format!(
                "the answer was lost: {what}: {trouble}"
            )))
        }
        Err(error) => Err(failed(error, &what)),
    }
}

/// The server does not accept the result: with its own words.
pub(super) fn refused(place: &Place, status: &Refused) -> TargetError {
    TargetError::BadRelease {
        what: format!(
            "the server does not accept the template for {place}: {} ({})",
            status.message, status.code
        ),
        next: "record the release again on this cluster, or name another one: --run-id".to_owned(),
    }
}

/// A missing permission reads `… is forbidden: User "x" cannot patch resource "deployments" …`; admission and quotas answer with
/// the same code.
fn is_permission(message: &str) -> bool {
    message.contains(" cannot ") && message.contains(" resource ")
}

/// Whether the request may have reached the server: not when no connection came about.
fn was_sent(error: &Error) -> bool {
    match error {
        Error::HyperError(_) | Error::Service(_) | Error::SerdeError(_) => (),
        _ => return false,
    }
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.to_string().contains("(Connect)") {
            return false;
        }
        next = error.source();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_told_from_admission() {
        assert!(is_permission(
            r#"deployments.apps "web" is forbidden: User "ci" cannot patch resource "deployments" in API group "apps" in the namespace "shop""#
        ));
        assert!(!is_permission(
            r#"admission webhook "policy" denied the request: images must be signed"#
        ));
        assert!(!is_permission(
            r#"deployments.apps "web" is forbidden: exceeded quota: pods"#
        ));
    }
}
