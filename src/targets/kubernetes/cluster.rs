//! The connection to one cluster: objects in and out as the server has them, fields we do not know included. Errors of the API
//! become the errors of a target here. What is read or changed, and why, is the callers'.

use super::access;
use super::settings::Settings;
use super::slots::{Kind, Place};
use crate::net::Trouble;
use crate::targets::{Base, TargetError};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::core::Status;
use kube::{Client, Error};

/// A connected cluster.
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) client: Client,
    /// Address of the API server, as connected to.
    pub(super) server: String,
    /// The context of the kubeconfig, when there is one.
    pub(super) context: Option<String>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("server", &self.server)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    pub(super) async fn open(settings: &Settings, base: &Base) -> Result<Self, TargetError> {
        crate::net::install_tls_provider();
        access::open(settings, base).await
    }

    /// The objects of a kind in a namespace.
    pub(super) fn objects(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &resource(kind))
    }

    /// One object, `None` when it does not exist.
    pub(super) async fn get(&self, place: &Place) -> Result<Option<DynamicObject>, TargetError> {
        let objects = self.objects(place.kind, &place.namespace);
        objects
            .get_opt(&place.name)
            .await
            .map_err(|error| failed(error, &format!("could not read {place}")))
    }
}

/// Where the API has the objects of a kind.
pub(super) fn resource(kind: Kind) -> ApiResource {
    let (group, version) = match kind {
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => ("apps", "v1"),
        Kind::Service => ("", "v1"),
        Kind::HttpRoute => ("gateway.networking.k8s.io", "v1"),
    };
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind.name()))
}

/// The status code of an answer that is an error: 409 and 422 of a change that named a version, 410 of a watch. `None`: there
/// was no answer.
pub(super) fn code(error: &Error) -> Option<u16> {
    match error {
        Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// Whether there is no such object, or no such kind of object.
pub(super) fn is_absent(error: &Error) -> bool {
    code(error) == Some(404)
}

/// Whether the account may not do it.
pub(super) fn is_forbidden(error: &Error) -> bool {
    code(error) == Some(403)
}

/// The error of a request that changes nothing, with what it was for and one next action.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what map_err hands over"
)]
pub(super) fn failed(error: Error, what: &str) -> TargetError {
    match &error {
        Error::Api(status) => answered(status, what),
        Error::HyperError(_) | Error::Service(_) | Error::Auth(_) => not_answered(&error, what),
        other => TargetError::Failed(anyhow::anyhow!("{what}: {other}")),
    }
}

/// The error of a change: where nobody knows whether it was made, it says so.
pub(super) fn changed_failed(error: Error, what: &str) -> TargetError {
    let unknown = |why: String| TargetError::OutcomeUnknown {
        what: format!("{what}: {why}; whether it was done is not known"),
    };
    match &error {
        // A webhook that cannot be asked comes before the change is stored.
        Error::Api(status) if status.code == 500 && status.message.contains("webhook") => {
            answered(status, what)
        }
        Error::Api(status) if matches!(status.code, 408 | 500 | 502..=504) => {
            unknown(format!("{} ({})", status.message, status.code))
        }
        Error::HyperError(_) | Error::Service(_) if may_have_arrived(&error) => {
            unknown(crate::net::trouble(&error).1)
        }
        // The answer was not JSON: something between us and the server wrote it.
        Error::SerdeError(_) | Error::FromUtf8(_) => {
            unknown("the answer cannot be read".to_owned())
        }
        _ => failed(error, what),
    }
}

fn may_have_arrived(error: &Error) -> bool {
    !access::is_unsent(error)
        && !access::is_authentication(error)
        && crate::net::trouble(error).0 != Trouble::Certificate
}

fn answered(status: &Status, what: &str) -> TargetError {
    match status.code {
        401 => TargetError::Refused {
            what: format!("{what}: the API server does not accept the credentials (401)"),
            allow: None,
            next: "renew the token or client certificate that is given to this command: it is wrong, of another cluster, or expired".to_owned(),
        },
        403 => TargetError::Refused {
            what: format!("{what}: {} (403)", status.message),
            allow: None,
            next: "grant that permission to the account; docs/targets/kubernetes.md has the Role"
                .to_owned(),
        },
        429 => TargetError::Unreachable {
            what: format!("{what}: the API server asks to be left alone for now (429)"),
        },
        500 | 502..=504 => TargetError::Unreachable {
            what: format!("{what}: {} ({})", status.message, status.code),
        },
        code => TargetError::Failed(anyhow::anyhow!("{what}: {} ({code})", status.message)),
    }
}

fn not_answered(error: &Error, what: &str) -> TargetError {
    // Its cause may hold what an auth plugin printed.
    if access::is_authentication(error) {
        return TargetError::Refused {
            what: format!("{what}: the credentials could not be renewed"),
            allow: None,
            next: "run the auth plugin or read the token file of the kubeconfig by hand to see why"
                .to_owned(),
        };
    }
    match crate::net::trouble(error) {
        (Trouble::Certificate, text) => TargetError::Refused {
            what: format!("{what}: the certificate of the API server is not trusted: {text}"),
            allow: None,
            next: "give the cluster's certificate authority: `certificate-authority-data` in the kubeconfig, or `ca-from`".to_owned(),
        },
        (Trouble::Name, _) => TargetError::Unreachable {
            what: format!("{what}: the host name of the API server was not found"),
        },
        (Trouble::Other, text) => TargetError::Unreachable {
            what: format!("{what}: {text}"),
        },
    }
}
