//! The connection to one cluster: objects in and out as the server has them, fields we do not know included. Errors of the API
//! become the errors of a target here. What is read or changed, and why, is the callers'.

use super::access;
use super::settings::Settings;
use super::slots::{Kind, Place};
use crate::targets::{Base, TargetError};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
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

/// The error of a request, with what it was for and one next action.
pub(super) fn failed(error: Error, what: &str) -> TargetError {
    match error {
        Error::Api(status) => match status.code {
            401 => TargetError::Refused {
                what: format!("{what}: the API server does not accept the credentials (401)"),
                allow: None,
                next: "renew the token or kubeconfig that is given to this command".to_owned(),
            },
            403 => TargetError::Refused {
                what: format!("{what}: {} (403)", status.message),
                allow: None,
                next:
                    "grant that permission to the account; docs/targets/kubernetes.md has the Role"
                        .to_owned(),
            },
            429 | 500 | 502 | 503 | 504 => TargetError::Unreachable {
                what: format!("{what}: {} ({})", status.message, status.code),
            },
            code => TargetError::Failed(anyhow::anyhow!("{what}: {} ({code})", status.message)),
        },
        Error::HyperError(_) | Error::Service(_) => TargetError::Unreachable {
            what: format!("{what}: {}", crate::net::trouble(&error).1),
        },
        other => TargetError::Failed(anyhow::Error::new(other).context(what.to_owned())),
    }
}
