//! The windows of a Service or an `HTTPRoute`: its addresses, and whether it stays what it was.

use super::read;
use super::schedule::looks;
use super::shared::bounded;
use super::slot::{Known, Next, Watch};
use crate::decide::rollout::{Pod, stable};
use crate::model::sighting::Sighting;
use crate::targets::TargetError;
use crate::targets::kubernetes::pods;
use crate::targets::kubernetes::slots::Kind;
use k8s_openapi::api::core::v1 as api;
use kube::api::{Api, ListParams};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

impl Watch<'_> {
    pub(super) async fn stay_routed(&self, known: &mut Known) {
        let began = Instant::now();
        let settings = &self.target.settings;
        let drift: Vec<Duration> = settings.drift.iter().map(|time| time.0).collect();
        for look in looks(settings.stable.0, &drift) {
            sleep_until(began + look.at).await;
            if self.look_routed(known).await == Next::End {
                return;
            }
        }
        if known.ledger.is_in_doubt() || known.trouble.is_some() {
            sleep(Duration::from_secs(2)).await;
            self.look_routed(known).await;
        }
    }

    async fn look_routed(&self, known: &mut Known) -> Next {
        let object = match read::object(self.cluster, self.place).await {
            Ok(Some(object)) => object,
            Ok(None) => return self.conclude_gone(known),
            Err(error) => {
                known.trouble = Some(error);
                return Next::GoOn;
            }
        };
        known.looks += 1;
        known.trouble = None;
        if self.check_drift(known, &object) == Next::End {
            return Next::End;
        }
        let seen = match self.place.kind {
            Kind::Service => self.leads_nowhere().await,
            Kind::HttpRoute | Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => None,
        };
        self.take(known, seen.into_iter().collect())
    }

    async fn leads_nowhere(&self) -> Option<Sighting> {
        let namespace = &self.place.namespace;
        let services = self.shared.services(self.cluster, self.slot, namespace);
        let services = services.await?;
        let service = services.0.get(&self.place.name)?;
        if !service.ready.is_empty() {
            return None;
        }
        let read = self.selected(&service.selector).await;
        let selected = self
            .shared
            .or_tell(self.slot, "the pods of the service", read)?;
        let selected: Vec<&Pod> = selected.iter().collect();
        stable::no_endpoints(self.slot, &self.place.name, 0, &selected)
    }

    async fn selected(&self, selector: &BTreeMap<String, String>) -> Result<Vec<Pod>, TargetError> {
        let labels: Vec<String> = selector
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let client = self.cluster.client.clone();
        let pods: Api<api::Pod> = Api::namespaced(client, &self.place.namespace);
        let params = ListParams::default().labels(&labels.join(","));
        let what = format!("could not list the pods of {}", self.place);
        let list = bounded(&what, pods.list(&params)).await?;
        let nodes = self.shared.nodes(self.cluster).await;
        let nodes = nodes.as_ref().map(|nodes| &nodes.ready);
        let read = |pod| pods::pod(pod, true, nodes);
        Ok(list.items.iter().map(read).collect())
    }
}
