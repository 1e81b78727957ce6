//! Which permissions are used, given the slots and the settings. Every verb in here is really asked of the API somewhere, and
//! docs/targets/kubernetes.md has the same as a Role. Pure.

use crate::targets::kubernetes::settings::Settings;
use crate::targets::kubernetes::slots::{Kind, Place};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One verb on one resource in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Permission {
    pub(super) namespace: String,
    /// API group, empty for the core.
    pub(super) group: &'static str,
    pub(super) resource: &'static str,
    pub(super) subresource: Option<&'static str>,
    pub(super) verb: &'static str,
    /// What is given up without it. `None`: nothing works without it.
    pub(super) without: Option<&'static str>,
}

impl Permission {
    /// As in `kubectl auth can-i`.
    pub(super) fn rule(&self) -> String {
        let dot = if self.group.is_empty() { "" } else { "." };
        let sub = self.subresource.map(|sub| format!("/{sub}"));
        let sub = sub.unwrap_or_default();
        format!("{} {}{dot}{}{sub}", self.verb, self.resource, self.group)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in namespace {}", self.rule(), self.namespace)
    }
}

const APPS: &str = "apps";
const CORE: &str = "";
const WATCHED: [&str; 4] = ["get", "list", "watch", "patch"];

/// Everything that is asked of the API, each once, by namespace.
pub(super) fn needed(settings: &Settings, places: &[Place]) -> Vec<Permission> {
    let mut all = BTreeSet::new();
    for (namespace, kinds) in kinds(settings, places) {
        let mut rules = Rules {
            namespace,
            all: &mut all,
        };
        for kind in &kinds {
            rules.object(*kind);
        }
        if kinds.iter().any(|kind| kind.is_workload()) {
            rules.workloads(settings, &kinds);
        }
    }
    let mut home = Rules {
        namespace: settings.namespace.clone(),
        all: &mut all,
    };
    if settings.lease {
        home.add(
            "coordination.k8s.io",
            "leases",
            &["get", "create", "update"],
        );
    }
    all.into_iter().collect()
}

/// The kinds that are looked at in each namespace.
fn kinds(settings: &Settings, places: &[Place]) -> BTreeMap<String, BTreeSet<Kind>> {
    let mut kinds: BTreeMap<String, BTreeSet<Kind>> = BTreeMap::new();
    for place in places {
        let of = kinds.entry(place.namespace.clone()).or_default();
        of.insert(place.kind);
    }
    if settings.selector.is_some() {
        let namespaces = match settings.namespaces.as_slice() {
            [] => std::slice::from_ref(&settings.namespace),
            named => named,
        };
        for namespace in namespaces {
            let of = kinds.entry(namespace.clone()).or_default();
            of.extend(Kind::ALL.iter().filter(|kind| kind.is_workload()));
        }
    }
    kinds
}

struct Rules<'a> {
    namespace: String,
    all: &'a mut BTreeSet<Permission>,
}

impl Rules<'_> {
    fn add(&mut self, group: &'static str, resource: &'static str, verbs: &[&'static str]) {
        self.rule(group, resource, verbs, None);
    }

    /// `resource` may have a subresource: `pods/log`.
    fn rule(
        &mut self,
        group: &'static str,
        resource: &'static str,
        verbs: &[&'static str],
        without: Option<&'static str>,
    ) {
        let (resource, subresource) = match resource.split_once('/') {
            Some((resource, sub)) => (resource, Some(sub)),
            None => (resource, None),
        };
        self.all.extend(verbs.iter().map(|verb| Permission {
            namespace: self.namespace.clone(),
            group,
            resource,
            subresource,
            verb,
            without,
        }));
    }

    fn object(&mut self, kind: Kind) {
        match kind {
            Kind::Deployment => {
                self.add(APPS, "deployments", &WATCHED);
                self.add(APPS, "replicasets", &["list"]);
            }
            Kind::StatefulSet => {
                self.add(APPS, "statefulsets", &WATCHED);
                self.add(APPS, "controllerrevisions", &["list"]);
                // A pod that is stuck on the bad revision is deleted (kubernetes/kubernetes#67250).
                self.add(CORE, "pods", &["delete"]);
            }
            Kind::DaemonSet => {
                self.add(APPS, "daemonsets", &WATCHED);
                self.add(APPS, "controllerrevisions", &["list"]);
            }
            Kind::Service => {
                self.add(CORE, "services", &["get", "list", "patch"]);
                self.add("discovery.k8s.io", "endpointslices", &["list"]);
            }
            Kind::HttpRoute => {
                self.add(
                    "gateway.networking.k8s.io",
                    "httproutes",
                    &["get", "list", "patch"],
                );
            }
        }
    }

    fn workloads(&mut self, settings: &Settings, kinds: &BTreeSet<Kind>) {
        self.add(CORE, "pods", &["get", "list", "watch"]);
        self.add(CORE, "events", &["list"]);
        let config = "what ConfigMaps held is neither recorded nor compared";
        if settings.restore_config {
            self.add(CORE, "configmaps", &["get", "create", "patch"]);
        } else {
            self.rule(CORE, "configmaps", &["get"], Some(config));
        }
        let logs = "logs are not part of the evidence";
        let logs = settings.log_errors.is_none().then_some(logs);
        self.rule(CORE, "pods/log", &["get"], logs);
        let secrets = "a Secret that changed since is not told of";
        self.rule(CORE, "secrets", &["get"], Some(secrets));
        let forward = "probes with `via` cannot reach pods";
        self.rule(CORE, "pods/portforward", &["get", "create"], Some(forward));
        if !kinds.contains(&Kind::StatefulSet) {
            let ladder = "`--emergency` cannot delete pods that are not ready";
            self.rule(CORE, "pods", &["delete"], Some(ladder));
        }
        let endpoints = "Services without ready endpoints are not told of";
        if !kinds.contains(&Kind::Service) {
            self.rule(CORE, "services", &["list"], Some(endpoints));
            self.rule(
                "discovery.k8s.io",
                "endpointslices",
                &["list"],
                Some(endpoints),
            );
        }
        let budgets = "`--emergency` deletes one pod at a time and does not scale to 0, because it sees no disruption budgets";
        self.rule("policy", "poddisruptionbudgets", &["list"], Some(budgets));
        let scalers = "`--emergency` does not see autoscalers";
        self.rule(
            "autoscaling",
            "horizontalpodautoscalers",
            &["list"],
            Some(scalers),
        );
        if settings.migrations.is_some() {
            self.add("batch", "jobs", &["list"]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::kubernetes::settings;

    fn of(yaml: &str) -> Vec<Permission> {
        let settings: Settings = serde_saphyr::from_str(yaml).unwrap();
        let places = settings::check(&settings).unwrap();
        needed(&settings, &places)
    }

    #[track_caller]
    fn check(yaml: &str, rule: &str, expected: Option<bool>) {
        let found = of(yaml);
        let permission = found.iter().find(|it| it.to_string() == rule);
        let essential = permission.map(|it| it.without.is_none());
        assert_eq!(essential, expected, "{rule} of {yaml}: {found:#?}");
    }

    #[test]
    fn what_is_used_is_asked_for_and_nothing_else() {
        let web = "{namespace: shop, context: c, slots: [deployment/web]}";
        check(web, "patch deployments.apps in namespace shop", Some(true));
        check(web, "watch deployments.apps in namespace shop", Some(true));
        check(web, "list replicasets.apps in namespace shop", Some(true));
        check(web, "get pods/log in namespace shop", Some(false));
        check(web, "get secrets in namespace shop", Some(false));
        check(web, "delete pods in namespace shop", Some(false));
        check(web, "patch statefulsets.apps in namespace shop", None);
        check(web, "patch configmaps in namespace shop", None);
        check(web, "list jobs.batch in namespace shop", None);
        check(
            web,
            "update leases.coordination.k8s.io in namespace shop",
            Some(true),
        );
        let db = "{namespace: shop, context: c, slots: [db/statefulset/main], lease: false}";
        check(db, "delete pods in namespace db", Some(true));
        check(
            db,
            "list controllerrevisions.apps in namespace db",
            Some(true),
        );
        check(
            db,
            "update leases.coordination.k8s.io in namespace shop",
            None,
        );
        check(db, "get pods in namespace shop", None);
        let all = "{namespace: shop, context: c, selector: app=web, namespaces: [a, b], restore-config: true, migrations: m=1, log-errors: ERROR}";
        check(all, "patch daemonsets.apps in namespace a", Some(true));
        check(all, "patch statefulsets.apps in namespace b", Some(true));
        check(all, "patch deployments.apps in namespace shop", None);
        check(all, "patch configmaps in namespace a", Some(true));
        check(all, "list jobs.batch in namespace b", Some(true));
        check(all, "get pods/log in namespace b", Some(true));
        let route = "{namespace: shop, context: c, slots: [httproute/web, service/web]}";
        check(
            route,
            "patch httproutes.gateway.networking.k8s.io in namespace shop",
            Some(true),
        );
        check(
            route,
            "list endpointslices.discovery.k8s.io in namespace shop",
            Some(true),
        );
        check(route, "list pods in namespace shop", None);
    }

    #[test]
    fn each_is_asked_once() {
        let found =
            of("{namespace: shop, context: c, slots: [deployment/a, deployment/b, statefulset/c]}");
        let mut rules: Vec<String> = found.iter().map(ToString::to_string).collect();
        let count = rules.len();
        rules.dedup();
        assert_eq!(rules.len(), count);
    }
}
