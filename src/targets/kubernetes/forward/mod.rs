//! Ports of pods at addresses of this machine, for probes: one listener for each destination, a port-forward through the API
//! server for each connection. What an answer means is the prober's.
//!
//! A connection that cannot be made is reset, as a service would reset it that is not there.

mod connection;
mod destination;

use super::Kubernetes;
use super::cluster::{Cluster, failed};
use crate::targets::TargetError;
use connection::Ring;
use destination::Destination;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections of one listener at a time: probes are asked one by one, so more is somebody else.
const CONNECTIONS_MAX: usize = 64;

/// After an error of `accept` itself (no file descriptors left).
const PAUSE: Duration = Duration::from_millis(100);

/// The listeners of a target. They end with it.
#[derive(Debug, Default)]
pub(super) struct Forwards(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    /// By what was asked for.
    addresses: BTreeMap<String, SocketAddr>,
    /// Aborted on drop.
    listeners: JoinSet<()>,
}

/// An address of this machine that leads to `to`: `deployment/web:8001`, `service/web:80`, `pod/web-0:http`, each with a
/// namespace before it where it is another than the target's. Asked again, the answer is the same.
///
/// # Errors
/// `Refused` when there is no such destination, or ports may not be forwarded.
pub(super) async fn forward(target: &Kubernetes, to: &str) -> Result<SocketAddr, TargetError> {
    let open = || {
        let open = &target.forwards.0;
        open.lock().unwrap_or_else(PoisonError::into_inner)
    };
    if let Some(address) = open().addresses.get(to) {
        return Ok(*address);
    }
    let destination = Destination::parse(to, &target.settings.namespace)?;
    let cluster = target.cluster().await?.clone();
    check_permission(&cluster, &destination).await?;
    // Proves that there is such an object with such a port; pods may come later.
    drop(destination.route(&cluster).await?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(|error| anyhow::Error::new(error).context("could not listen on 127.0.0.1"))?;
    let address = listener
        .local_addr()
        .map_err(|error| anyhow::Error::new(error).context("could not listen on 127.0.0.1"))?;
    let ring = Ring::new(cluster, destination);
    let mut open = open();
    open.listeners.spawn(listen(listener, Arc::new(ring)));
    open.addresses.insert(to.to_owned(), address);
    Ok(address)
}

/// Accepts until it is dropped, and its connections with it.
async fn listen(listener: TcpListener, ring: Arc<Ring>) {
    let mut connections = JoinSet::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let ring = Arc::clone(&ring);
                connections.spawn(async move {
                    ring.carry(stream).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to be forwarded could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Otherwise every probe would fail, and a release that is well would look dead.
async fn check_permission(cluster: &Cluster, destination: &Destination) -> Result<(), TargetError> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(destination.namespace.clone()),
                verb: Some("create".to_owned()),
                resource: Some("pods".to_owned()),
                subresource: Some("portforward".to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let review = reviews
        .create(&PostParams::default(), &review)
        .await
        .map_err(|error| failed(error, "could not ask whether ports may be forwarded"))?;
    if review.status.is_some_and(|status| status.allowed) {
        return Ok(());
    }
    Err(TargetError::Refused {
        what: format!(
            "this account may not forward ports of pods in namespace {}",
            destination.namespace
        ),
        allow: None,
        next: "grant it the verb create on pods/portforward, or give the probe a URL without `via`"
            .to_owned(),
    })
}
