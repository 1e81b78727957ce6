//! What several slots need of the same moment: nodes, events, Services and their addresses, read once per namespace and
//! kept for one look. No judgment.

use super::endpoints::{self, Services};
use crate::model::state::Slot;
use crate::targets::kubernetes::Kubernetes;
use crate::targets::kubernetes::cluster::{Cluster, failed};
use crate::targets::kubernetes::pods;
use crate::targets::{Story, TargetError};
use k8s_openapi::api::core::v1 as api;
use kube::api::{Api, ListParams};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// Longest wait for one answer. The watch API has its own.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(10);

/// One look's worth: slots are looked at side by side, not at the same instant.
const AGE_MAX: Duration = Duration::from_millis(1500);

/// Nodes change rarely, and a cluster may have thousands.
const NODES_AGE_MAX: Duration = Duration::from_secs(10);

/// Events of a namespace, at most: they are kept for an hour, and a crash loop writes many.
const EVENTS_MAX: u32 = 500;

const NODES_MAX: u32 = 500;

/// Awaits an answer, but not for ever.
pub(super) async fn bounded<T>(
    what: &str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, TargetError> {
    match timeout(ANSWER_MAX, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(failed(error, what)),
        Err(_elapsed) => Err(no_answer(what)),
    }
}

pub(super) fn no_answer(what: &str) -> TargetError {
    TargetError::Unreachable {
        what: format!("{what}: no answer within {} s", ANSWER_MAX.as_secs()),
    }
}

/// Every object of a list, page by page.
pub(super) async fn all<K>(api: &Api<K>) -> kube::Result<Vec<K>>
where
    K: Clone + DeserializeOwned + Debug,
{
    /// With [`PAGE`] more than any namespace holds; a server that never ends its list is not followed for ever.
    const PAGES_MAX: usize = 40;
    const PAGE: u32 = 500;
    let mut params = ListParams::default().limit(PAGE);
    let mut items = Vec::new();
    for _ in 0..PAGES_MAX {
        let list = api.list(&params).await?;
        items.extend(list.items);
        match list.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => params = ListParams::default().limit(PAGE).continue_token(&next),
            None => break,
        }
    }
    Ok(items)
}

/// A node, as far as a judgment needs it.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    pub(super) ready: BTreeMap<String, bool>,
    pub(super) architecture: BTreeMap<String, String>,
}

/// Answers by key, with the time they were asked for. `None`: could not be read.
type Kept<T> = Mutex<BTreeMap<String, (Instant, Option<Arc<T>>)>>;

#[derive(Debug)]
pub(super) struct Shared<'a> {
    target: &'a Kubernetes,
    story: &'a dyn Story,
    nodes: Kept<Nodes>,
    events: Kept<Vec<api::Event>>,
    services: Kept<Services>,
    flavour: endpoints::Known,
    /// What could not be read, each told once.
    told: StdMutex<BTreeSet<String>>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(target: &'a Kubernetes, story: &'a dyn Story) -> Self {
        Self {
            target,
            story,
            nodes: Mutex::default(),
            events: Mutex::default(),
            services: Mutex::default(),
            flavour: endpoints::Known::default(),
            told: StdMutex::default(),
        }
    }

    /// `None`: nodes may not be read, as is usual for an account of one namespace.
    pub(super) async fn nodes(&self, cluster: &Cluster) -> Option<Arc<Nodes>> {
        let read = async {
            let nodes: Api<api::Node> = Api::all(cluster.client.clone());
            let params = ListParams::default().limit(NODES_MAX);
            let list = bounded("could not list nodes", nodes.list(&params)).await?;
            // A node that is not in the list counts as gone, so half a list is worse than none.
            if list.metadata.continue_.is_some_and(|next| !next.is_empty()) {
                return Ok::<_, TargetError>(None);
            }
            let architecture = |node: &api::Node| {
                let info = node.status.as_ref()?.node_info.as_ref()?;
                Some((node.metadata.name.clone()?, info.architecture.clone()))
            };
            Ok(Some(Nodes {
                ready: pods::readiness(&list.items),
                architecture: list.items.iter().filter_map(architecture).collect(),
            }))
        };
        kept(&self.nodes, "", NODES_AGE_MAX, async {
            match read.await {
                Ok(nodes) => nodes,
                Err(error) => {
                    tracing::debug!(%error, "nodes are not looked at");
                    None
                }
            }
        })
        .await
    }

    /// Warnings of a namespace.
    pub(super) async fn events(
        &self,
        cluster: &Cluster,
        slot: &Slot,
        namespace: &str,
    ) -> Option<Arc<Vec<api::Event>>> {
        let read = async {
            let events: Api<api::Event> = Api::namespaced(cluster.client.clone(), namespace);
            let params = ListParams::default()
                .fields("type=Warning")
                .limit(EVENTS_MAX);
            bounded("could not list events", events.list(&params)).await
        };
        kept(&self.events, namespace, AGE_MAX, async {
            let list = self.or_tell(slot, "events", read.await)?;
            Some(list.items)
        })
        .await
    }

    /// The Services of a namespace with their ready addresses.
    pub(super) async fn services(
        &self,
        cluster: &Cluster,
        slot: &Slot,
        namespace: &str,
    ) -> Option<Arc<Services>> {
        kept(&self.services, namespace, AGE_MAX, async {
            let read = endpoints::read(cluster, namespace, &self.flavour).await;
            self.or_tell(slot, "services and their endpoints", read)
        })
        .await
    }

    /// What cannot be read is told once, and no reason to stop looking at the rest.
    pub(super) fn or_tell<T>(
        &self,
        slot: &Slot,
        what: &str,
        read: Result<T, TargetError>,
    ) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(error) => {
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                if told.insert(format!("{slot} {what}")) {
                    let text = format!("could not look at {what}, and goes on without: {error}");
                    self.story.progress(slot, &self.target.masked(&text));
                }
                None
            }
        }
    }
}

/// One request for all who ask at about the same time.
async fn kept<T>(
    cell: &Kept<T>,
    key: &str,
    age_max: Duration,
    read: impl Future<Output = Option<T>>,
) -> Option<Arc<T>> {
    let mut cell = cell.lock().await;
    if let Some((at, value)) = cell.get(key)
        && at.elapsed() < age_max
    {
        return value.clone();
    }
    let value = read.await.map(Arc::new);
    cell.insert(key.to_owned(), (Instant::now(), value.clone()));
    value
}
