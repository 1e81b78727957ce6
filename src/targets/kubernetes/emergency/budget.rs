//! PodDisruptionBudgets. The server holds them against evictions only, so whoever deletes pods or scales must count by
//! himself.

use crate::targets::TargetError;
use crate::targets::kubernetes::cluster::{Cluster, failed, is_forbidden};
use crate::targets::kubernetes::readiness::{is_ending, is_ready};
use crate::targets::kubernetes::served::served;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{Selector, SelectorExt as _};
use serde_json::Value;

/// One budget, counted against the pods of its namespace.
#[derive(Debug)]
pub(super) struct Budget {
    name: String,
    selector: Option<Selector>,
    /// Pods that are Ready and stay.
    ready: u64,
    /// How many of them there must be.
    needed: u64,
    /// `IfHealthyBudget` and nothing else: pods that are not Ready count, too.
    guards_unready: bool,
}

impl Budget {
    fn of(object: &DynamicObject, is_beta: bool, pods: &[Pod]) -> Self {
        let spec = object.data.get("spec").unwrap_or(&Value::Null);
        let selector = spec
            .get("selector")
            .and_then(|selector| serde_json::from_value::<LabelSelector>(selector.clone()).ok())
            .and_then(|selector| Selector::try_from(selector).ok())
            // No labels at all: every pod in policy/v1, none in v1beta1.
            .filter(|selector| !(is_beta && selector.selects_all()));
        let mut budget = Self {
            name: object.name_any(),
            selector,
            ready: 0,
            needed: 0,
            guards_unready: spec
                .get("unhealthyPodEvictionPolicy")
                .and_then(Value::as_str)
                == Some("IfHealthyBudget"),
        };
        let own: Vec<&Pod> = pods.iter().filter(|pod| budget.covers(pod)).collect();
        let staying = own.iter().filter(|pod| is_ready(pod) && !is_ending(pod));
        budget.ready = staying.count() as u64;
        // The controller counts what the workload should have, and says so.
        let expected = object
            .data
            .pointer("/status/expectedPods")
            .and_then(Value::as_u64)
            .unwrap_or(0)
            .max(own.len() as u64);
        budget.needed = needed(spec, expected);
        budget
    }

    pub(super) fn covers(&self, pod: &Pod) -> bool {
        let selector = self.selector.as_ref();
        selector.is_some_and(|selector| selector.matches(pod.labels()))
    }

    /// Whether a pod that is not Ready may be deleted: it is not among those that must stay.
    pub(super) fn permits_unready(&self, pod: &Pod) -> bool {
        !self.covers(pod) || !self.guards_unready || self.needed <= self.ready
    }

    /// Whether `count` Ready pods may go away.
    pub(super) fn permits_loss_of(&self, count: u64) -> bool {
        count == 0 || self.needed + count <= self.ready
    }
}

impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the PodDisruptionBudget {} needs {} Ready pods, {} are",
            self.name, self.needed, self.ready
        )
    }
}

/// How many of `expected` pods a budget wants Ready. Percents are rounded up, as the controller does.
fn needed(spec: &Value, expected: u64) -> u64 {
    let count = |value: &Value| match value.as_str() {
        None => value.as_u64().unwrap_or(0),
        Some(text) => {
            let percent: u64 = text.trim_end_matches('%').parse().unwrap_or(0);
            (expected * percent).div_ceil(100)
        }
    };
    match (spec.get("minAvailable"), spec.get("maxUnavailable")) {
        (Some(min), _) if !min.is_null() => count(min),
        (_, Some(max)) if !max.is_null() => expected.saturating_sub(count(max)),
        _ => 0,
    }
}

/// The budgets of a namespace; `None`: they may not be listed.
pub(super) async fn read(
    cluster: &Cluster,
    namespace: &str,
) -> Result<Option<Vec<Budget>>, TargetError> {
    let kind = "PodDisruptionBudget";
    let Some(resource) = served(cluster, "policy", &["v1", "v1beta1"], kind).await? else {
        return Ok(Some(Vec::new()));
    };
    let what = |objects: &str| format!("could not list the {objects} of namespace {namespace}");
    let objects: Api<DynamicObject> =
        Api::namespaced_with(cluster.client.clone(), namespace, &resource);
    let found = match objects.list(&ListParams::default()).await {
        Ok(found) => found,
        Err(error) if is_forbidden(&error) => return Ok(None),
        Err(error) => return Err(failed(error, &what("PodDisruptionBudgets"))),
    };
    if found.items.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let pods = pods.list(&ListParams::default()).await;
    let pods = pods.map_err(|error| failed(error, &what("pods")))?.items;
    let is_beta = resource.version == "v1beta1";
    let budgets = found.items.iter();
    Ok(Some(
        budgets
            .map(|object| Budget::of(object, is_beta, &pods))
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, is_ready: bool) -> Pod {
        let status = if is_ready { "True" } else { "False" };
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"app": "web"}},
            "status": {"conditions": [{"type": "Ready", "status": status}]},
        }))
        .unwrap()
    }

    fn budget(spec: &Value, is_beta: bool, pods: &[Pod]) -> Budget {
        let object = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"}, "spec": spec});
        Budget::of(&serde_json::from_value(object).unwrap(), is_beta, pods)
    }

    #[track_caller]
    fn check(limit: &Value, expected: u64) {
        assert_eq!(needed(limit, 5), expected, "{limit}");
    }

    #[test]
    fn percents_are_rounded_up() {
        check(&json!({"minAvailable": 2}), 2);
        check(&json!({"minAvailable": "50%"}), 3);
        check(&json!({"maxUnavailable": 1}), 4);
        check(&json!({"maxUnavailable": "30%"}), 3);
        check(&json!({"maxUnavailable": 9}), 0);
        check(&json!({}), 0);
    }

    #[test]
    fn ready_pods_are_counted_and_unready_ones_are_free() {
        let pods = [pod("a", true), pod("b", true), pod("c", false)];
        let selector = json!({"matchLabels": {"app": "web"}});
        let own = budget(
            &json!({"selector": selector, "minAvailable": 2}),
            false,
            &pods,
        );
        assert_eq!(
            own.to_string(),
            "the PodDisruptionBudget web needs 2 Ready pods, 2 are"
        );
        assert!(own.permits_unready(&pods[2]));
        assert!(!own.permits_loss_of(1));
        assert!(own.permits_loss_of(0));
        let less = budget(
            &json!({"selector": selector, "minAvailable": 1}),
            false,
            &pods,
        );
        assert!(less.permits_loss_of(1) && !less.permits_loss_of(2));
    }

    #[test]
    fn a_strict_budget_guards_unready_pods_while_too_few_are_ready() {
        let pods = [pod("a", true), pod("b", false)];
        let strict = |min: u64| json!({"selector": {"matchLabels": {"app": "web"}}, "minAvailable": min, "unhealthyPodEvictionPolicy": "IfHealthyBudget"});
        assert!(!budget(&strict(2), false, &pods).permits_unready(&pods[1]));
        assert!(budget(&strict(1), false, &pods).permits_unready(&pods[1]));
        let mut always = strict(2);
        always["unhealthyPodEvictionPolicy"] = json!("AlwaysAllow");
        assert!(budget(&always, false, &pods).permits_unready(&pods[1]));
    }

    #[test]
    fn an_empty_selector_is_everything_or_nothing_by_version() {
        let pods = [pod("a", true)];
        let spec = json!({"selector": {}, "minAvailable": 1});
        assert!(budget(&spec, false, &pods).covers(&pods[0]));
        assert!(!budget(&spec, true, &pods).covers(&pods[0]));
        assert!(!budget(&json!({"minAvailable": 1}), false, &pods).covers(&pods[0]));
    }
}
