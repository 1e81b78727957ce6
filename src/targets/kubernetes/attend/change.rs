//! Who changed an object last, and when, as the server wrote it down (`metadata.managedFields`), and what a release fixes
//! of it. Pure reading of one object.

use crate::targets::kubernetes::hazards;
use crate::targets::kubernetes::slots::Kind;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::DynamicObject;
use serde_json::Value;

/// The part of an object that its slot holds a revision of.
pub(super) fn fixed(kind: Kind, object: &DynamicObject) -> &Value {
    object
        .data
        .pointer(match kind {
            Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => "/spec/template",
            Kind::Service => "/spec/selector",
            Kind::HttpRoute => "/spec/rules",
        })
        .unwrap_or(&Value::Null)
}

/// In words, for a sighting.
pub(super) const fn fixed_words(kind: Kind) -> &'static str {
    match kind {
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => "the pod template",
        Kind::Service => "the selector",
        Kind::HttpRoute => "the rules",
    }
}

/// The newest write to that part.
fn last(kind: Kind, object: &DynamicObject) -> Option<&ManagedFieldsEntry> {
    let owns = |entry: &&ManagedFieldsEntry| {
        let field = match kind {
            Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => "f:template",
            Kind::Service => "f:selector",
            Kind::HttpRoute => "f:rules",
        };
        entry
            .fields_v1
            .as_ref()
            .and_then(|fields| fields.0.get("f:spec")?.get(field))
            .is_some()
    };
    object
        .metadata
        .managed_fields
        .as_ref()?
        .iter()
        .filter(owns)
        // Times are whole seconds: of two in one, the controller is the one that comes after a person.
        .max_by_key(|entry| {
            let manager = entry.manager.as_deref().unwrap_or_default();
            (entry.time.as_ref().map(|time| time.0), is_gitops(manager))
        })
}

/// When that part was last written, by the server's clock, in whole seconds.
pub(super) fn changed_at(kind: Kind, object: &DynamicObject) -> Option<Timestamp> {
    Some(last(kind, object)?.time.as_ref()?.0)
}

/// Who changed it, and which `GitOps` controller it belongs to where that can be told.
pub(super) fn who(kind: Kind, object: &DynamicObject) -> Option<String> {
    let by = changed_by(kind, object);
    let raw = serde_json::to_value(object).unwrap_or_default();
    let Some(owner) = hazards::owner(&raw) else {
        return by;
    };
    Some(match by {
        Some(by) if is_gitops(&by) => {
            format!("{owner} ({by}), which put it back")
        }
        Some(by) => format!("{by}; it belongs to {owner}"),
        None => owner,
    })
}

fn is_gitops(manager: &str) -> bool {
    ["argocd", "kustomize-controller", "helm-controller"]
        .iter()
        .any(|writer| manager.contains(writer))
}

/// `field manager argocd-controller (Apply, 2026-11-21T15:00:00Z)`.
pub(super) fn changed_by(kind: Kind, object: &DynamicObject) -> Option<String> {
    let entry = last(kind, object)?;
    let mut facts: Vec<String> = entry.operation.iter().cloned().collect();
    facts.extend(entry.time.as_ref().map(|time| time.0.to_string()));
    let name = entry.manager.as_deref().unwrap_or("without a name");
    Some(format!("field manager {name} ({})", facts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_newest_writer_of_the_template_is_named() {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "managedFields": [
                {"manager": "lastgood", "operation": "Update", "time": "2026-11-21T15:00:00Z",
                 "fieldsV1": {"f:spec": {"f:template": {}}}},
                {"manager": "argocd-controller", "operation": "Apply", "time": "2026-11-21T15:00:07Z",
                 "fieldsV1": {"f:spec": {"f:template": {"f:spec": {}}}}},
                {"manager": "kube-controller-manager", "operation": "Update", "time": "2026-11-21T15:00:09Z",
                 "fieldsV1": {"f:status": {}}},
            ]},
            "spec": {"template": {"spec": {}}},
        }))
        .unwrap();
        assert_eq!(
            changed_by(Kind::Deployment, &object).unwrap(),
            "field manager argocd-controller (Apply, 2026-11-21T15:00:07Z)"
        );
        assert_eq!(
            changed_at(Kind::Deployment, &object).unwrap().to_string(),
            "2026-11-21T15:00:07Z"
        );
        assert_eq!(fixed(Kind::Deployment, &object), &json!({"spec": {}}));
        assert_eq!(changed_by(Kind::Service, &object), None);
        let mut owned = object.clone();
        let id = "shop:apps/Deployment:shop/web".to_owned();
        owned.metadata.annotations =
            Some([("argocd.argoproj.io/tracking-id".to_owned(), id)].into());
        assert_eq!(
            who(Kind::Deployment, &owned).unwrap(),
            "the Argo CD application shop (field manager argocd-controller (Apply, 2026-11-21T15:00:07Z)), which put it back"
        );
        owned.metadata.managed_fields.as_mut().unwrap().remove(1);
        assert_eq!(
            who(Kind::Deployment, &owned).unwrap(),
            "field manager lastgood (Update, 2026-11-21T15:00:00Z); it belongs to the Argo CD application shop"
        );
    }
}
