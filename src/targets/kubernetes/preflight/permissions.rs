//! Which permissions are used, given the slots and the settings. Every verb in here is really asked of the API somewhere, and
//! docs/targets/kubernetes.md has the same as a Role. Pure.

use crate::targets::kubernetes::settings::Settings;
use crate::targets::kubernetes::slots::{Kind, Place};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One verb on one resource in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Permission {
    /// Empty for what lies in no namespace.
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
        match self.namespace.as_str() {
            "" => write!(f, "{} in the whole cluster", self.rule()),
            namespace => write!(f, "{} in namespace {namespace}", self.rule()),
        }
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
        // A Role in a namespace permits to read that namespace itself.
        let namespace = "a namespace without slots in it cannot be told from one that is missing, and Secrets that changed are not told of";
        rules.rule(CORE, "namespaces", &["get"], Some(namespace));
    }
    if settings.cluster_uid.is_some() {
        let mut system = Rules {
            namespace: "kube-system".to_owned(),
            all: &mut all,
        };
        system.add(CORE, "namespaces", &["get"]);
    }
    let has_workloads =
        settings.selector.is_some() || places.iter().any(|it| it.kind.is_workload());
    if has_workloads {
        let mut cluster = Rules {
            namespace: String::new(),
            all: &mut all,
        };
        let nodes = "a bad node is not told from a bad release";
        cluster.rule(CORE, "nodes", &["get", "list"], Some(nodes));
        let argo = "a workload that Argo CD tracks by a label alone is not recognised";
        cluster.rule("argoproj.io", "applications", &["list"], Some(argo));
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
                self.add(CORE, "services", &["get", "patch"]);
                self.add(CORE, "pods", &["list", "watch"]);
                // The wanted colour is scaled up before the switch.
                self.add(APPS, "deployments", &["get", "list", "patch"]);
                self.add(APPS, "statefulsets", &["get", "list", "patch"]);
                // Where traffic goes; a server without EndpointSlices has Endpoints.
                self.add("discovery.k8s.io", "endpointslices", &["list", "watch"]);
                self.rule(
                    CORE,
                    "endpoints",
                    &["list", "watch"],
                    Some("nothing is missed on a server with EndpointSlices"),
                );
                self.scalers("the wanted colour is scaled up beyond what its autoscaler permits");
            }
            Kind::HttpRoute => {
                self.add(
                    "gateway.networking.k8s.io",
                    "httproutes",
                    &["get", "list", "watch", "patch"],
                );
            }
        }
    }

    fn scalers(&mut self, without: &'static str) {
        self.rule(
            "autoscaling",
            "horizontalpodautoscalers",
            &["list"],
            Some(without),
        );
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
        self.rule(CORE, "services", &["list"], Some(endpoints));
        if !kinds.contains(&Kind::Service) {
            self.rule(CORE, "services", &["get"], Some(forward));
            self.rule(
                "discovery.k8s.io",
                "endpointslices",
                &["list"],
                Some(endpoints),
            );
            self.rule(
                CORE,
                "endpoints",
                &["list"],
                Some("nothing is missed on a server with EndpointSlices"),
            );
            self.scalers("`--emergency` does not see autoscalers");
        }
        let budgets = "`--emergency` deletes one pod at a time and does not scale to 0, because it sees no disruption budgets";
        self.rule("policy", "poddisruptionbudgets", &["list"], Some(budgets));
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
        check(route, "watch pods in namespace shop", Some(true));
        check(route, "delete pods in namespace shop", None);
        check(
            route,
            "patch deployments.apps in namespace shop",
            Some(true),
        );
        check(route, "list nodes in the whole cluster", None);
        check(web, "list nodes in the whole cluster", Some(false));
        check(web, "get namespaces in namespace shop", Some(false));
        let uid = "{namespace: shop, cluster-uid: u, slots: [deployment/web]}";
        check(uid, "get namespaces in namespace kube-system", Some(true));
    }

    /// Group, resource and verb of each rule of the Role and the `ClusterRole` on the page.
    fn documented() -> BTreeSet<(String, String, String)> {
        let page = include_str!("../../../../docs/targets/kubernetes.md");
        let (_, page) = page.split_once("## Permissions").unwrap();
        let (_, page) = page.split_once("```yaml\n").unwrap();
        let (text, _) = page.split_once("```").unwrap();
        let mut found = BTreeSet::new();
        for document in text.split("\n---\n") {
            let document: serde_json::Value = serde_saphyr::from_str(document).unwrap();
            let texts = |rule: &serde_json::Value, key: &str| -> Vec<String> {
                serde_json::from_value(rule[key].clone()).unwrap()
            };
            for rule in document["rules"].as_array().into_iter().flatten() {
                for group in texts(rule, "apiGroups") {
                    for resource in texts(rule, "resources") {
                        let verbs = texts(rule, "verbs").into_iter();
                        found.extend(verbs.map(|verb| (group.clone(), resource.clone(), verb)));
                    }
                }
            }
        }
        found
    }

    #[test]
    fn the_role_on_the_page_is_what_is_used() {
        let used = of(
            "{namespace: shop, cluster-uid: u, restore-config: true, migrations: m=1, log-errors: E, slots: [deployment/a, statefulset/b, daemonset/c, service/d, httproute/e]}",
        );
        let used: BTreeSet<(String, String, String)> = used
            .iter()
            .map(|it| {
                let sub = it
                    .subresource
                    .map(|sub| format!("/{sub}"))
                    .unwrap_or_default();
                let resource = format!("{}{sub}", it.resource);
                (it.group.to_owned(), resource, it.verb.to_owned())
            })
            .collect();
        let documented = documented();
        let missing: Vec<_> = used.difference(&documented).collect();
        let unused: Vec<_> = documented.difference(&used).collect();
        assert!(
            missing.is_empty() && unused.is_empty(),
            "not on the page: {missing:?}; not used: {unused:?}"
        );
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
