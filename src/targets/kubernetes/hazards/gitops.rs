//! Whether a `GitOps` controller owns an object: it would put back what Git says, seconds after a rollback. Pure: JSON in,
//! owner out.

use super::signs::text;
use crate::targets::kubernetes::slots::Place;
use serde_json::Value;

/// Who would put its own back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// An Argo CD Application, when its name is known.
    Argo(Option<String>),
    /// A Flux Kustomization: name and namespace.
    Kustomization(String, String),
    /// A Flux `HelmRelease`: name and namespace.
    HelmRelease(String, String),
    /// A Flux controller, by what it wrote into the object.
    Flux(String),
}

/// Label that Argo CD's label tracking uses, and that half of all charts set too (argo-cd: docs/user-guide/resource_tracking.md).
const INSTANCE: &str = "app.kubernetes.io/instance";

impl Owner {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Argo(Some(name)) => format!("the Argo CD application {name}"),
            Self::Argo(None) => "Argo CD".to_owned(),
            Self::Kustomization(name, _) => format!("the Flux Kustomization {name}"),
            Self::HelmRelease(name, _) => format!("the Flux HelmRelease {name}"),
            Self::Flux(manager) => format!("Flux ({manager})"),
        }
    }

    /// What would happen, and what to do instead.
    pub(super) fn what(&self, place: &Place) -> String {
        let suspend = match self {
            Self::Argo(name) => format!(
                "argocd app set {} --sync-policy none",
                name.as_deref().unwrap_or("NAME")
            ),
            Self::Kustomization(name, namespace) => {
                format!("flux suspend kustomization {name} -n {namespace}")
            }
            Self::HelmRelease(name, namespace) => {
                format!("flux suspend helmrelease {name} -n {namespace}")
            }
            Self::Flux(_) => "flux suspend".to_owned(),
        };
        format!(
            "{place} belongs to {}: it would soon put back what Git says; revert the commit in Git instead, or suspend it first ({suspend})",
            self.name()
        )
    }
}

/// The owner of an object, by the strongest sign first. `applications`: Argo CD Applications, for the label alone.
pub(super) fn owner(object: &Value, applications: &[Value]) -> Option<Owner> {
    if let Some(id) = text(object, "annotations", "argocd.argoproj.io/tracking-id") {
        // `application:group/Kind:namespace/name`
        let name = id.split(':').next().unwrap_or_default();
        return Some(Owner::Argo(some(name)));
    }
    if let Some(name) = text(object, "labels", "argocd.argoproj.io/instance") {
        return Some(Owner::Argo(some(name)));
    }
    if text(
        object,
        "annotations",
        "kustomize.toolkit.fluxcd.io/reconcile",
    ) == Some("disabled")
    {
        return None;
    }
    let flux = |kind: &str| {
        let name = text(object, "labels", &format!("{kind}.toolkit.fluxcd.io/name"))?;
        let namespace = text(
            object,
            "labels",
            &format!("{kind}.toolkit.fluxcd.io/namespace"),
        );
        Some((
            name.to_owned(),
            namespace.unwrap_or("flux-system").to_owned(),
        ))
    };
    if let Some((name, namespace)) = flux("kustomize") {
        return Some(Owner::Kustomization(name, namespace));
    }
    if let Some((name, namespace)) = flux("helm") {
        return Some(Owner::HelmRelease(name, namespace));
    }
    let instance = text(object, "labels", INSTANCE);
    let application = applications.iter().find(|application| {
        instance.is_some() && name(application) == instance && is_automated(application)
    });
    if let Some(application) = application {
        return Some(Owner::Argo(name(application).and_then(some)));
    }
    managers(object).find_map(|manager| match manager {
        "argocd-controller" | "argocd-application-controller" => Some(Owner::Argo(None)),
        "kustomize-controller"
        | "helm-controller"
        | "gotk-helm-controller"
        | "gotk-kustomize-controller" => Some(Owner::Flux(manager.to_owned())),
        _ => None,
    })
}

/// Whether only the Applications can tell who owns it.
pub(super) fn needs_applications(object: &Value) -> bool {
    text(object, "labels", INSTANCE).is_some() && owner(object, &[]).is_none()
}

fn some(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}

fn name(object: &Value) -> Option<&str> {
    object.pointer("/metadata/name")?.as_str()
}

fn is_automated(application: &Value) -> bool {
    application
        .pointer("/spec/syncPolicy/automated")
        .is_some_and(|automated| {
            automated.is_object() && automated.get("enabled") != Some(&Value::Bool(false))
        })
}

/// Who wrote into the object, other than into its status.
fn managers(object: &Value) -> impl Iterator<Item = &str> {
    object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|entry| entry.get("subresource").is_none_or(|it| it == ""))
        .filter_map(|entry| entry.get("manager")?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn application(name: &str, policy: &Value) -> Value {
        json!({"metadata": {"name": name}, "spec": {"syncPolicy": policy}})
    }

    #[test]
    fn each_sign_names_its_owner() {
        #[track_caller]
        fn check(metadata: &Value, expected: Option<&str>) {
            let applications = [
                application("shop", &json!({"automated": {"selfHeal": true}})),
                application("plain", &json!({"automated": {}})),
                application("manual", &json!({"syncOptions": []})),
                application("off", &json!({"automated": {"enabled": false}})),
            ];
            let object = json!({ "metadata": metadata });
            let found = owner(&object, &applications).map(|owner| owner.name());
            assert_eq!(found.as_deref(), expected, "{metadata}");
        }
        let label = |name: &str| json!({"labels": {"app.kubernetes.io/instance": name}});
        check(
            &json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}}),
            Some("the Argo CD application shop"),
        );
        check(
            &json!({"labels": {"argocd.argoproj.io/instance": "shop"}}),
            Some("the Argo CD application shop"),
        );
        check(&label("shop"), Some("the Argo CD application shop"));
        check(&label("plain"), Some("the Argo CD application plain"));
        check(&label("manual"), None);
        check(&label("off"), None);
        check(&label("other"), None);
        check(
            &json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux"}}),
            Some("the Flux Kustomization apps"),
        );
        check(
            &json!({"labels": {"helm.toolkit.fluxcd.io/name": "web"}}),
            Some("the Flux HelmRelease web"),
        );
        check(
            &json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"},
                    "annotations": {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}}),
            None,
        );
        check(
            &json!({"managedFields": [{"manager": "argocd-controller"}]}),
            Some("Argo CD"),
        );
        check(
            &json!({"managedFields": [{"manager": "kubectl"}, {"manager": "kustomize-controller"}]}),
            Some("Flux (kustomize-controller)"),
        );
        check(
            &json!({"managedFields": [{"manager": "helm-controller", "subresource": "status"}]}),
            None,
        );
        check(
            &json!({"annotations": {"meta.helm.sh/release-name": "web"}}),
            None,
        );
        check(&json!({}), None);
    }

    #[test]
    fn applications_are_asked_for_only_where_they_decide() {
        let ask = |metadata: Value| needs_applications(&json!({ "metadata": metadata }));
        assert!(ask(
            json!({"labels": {"app.kubernetes.io/instance": "shop"}})
        ));
        assert!(!ask(json!({"labels": {"app": "shop"}})));
        assert!(!ask(
            json!({"labels": {"app.kubernetes.io/instance": "shop"},
                            "annotations": {"argocd.argoproj.io/tracking-id": "shop:a/b:c/d"}})
        ));
    }

    #[test]
    fn the_advice_names_the_command() {
        let place = Place::parse("deployment/web", "shop").unwrap();
        let what = Owner::Kustomization("apps".to_owned(), "flux".to_owned()).what(&place);
        assert!(
            what.contains("flux suspend kustomization apps -n flux"),
            "{what}"
        );
        let what = Owner::Argo(Some("shop".to_owned())).what(&place);
        assert!(
            what.contains("argocd app set shop --sync-policy none"),
            "{what}"
        );
    }
}
