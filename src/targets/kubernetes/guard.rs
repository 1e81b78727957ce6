//! Is this the cluster that the settings name? Asked before anything else. Nothing is changed, and nothing is guessed: what
//! cannot be told is refused.

use super::Kubernetes;
use super::cluster::{self, Cluster, failed};
use crate::targets::TargetError;
use futures_util::future::try_join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use std::collections::BTreeSet;
use url::Url;

/// The namespace that every cluster has, and whose UID no two clusters share.
const EVERY_CLUSTER_HAS: &str = "kube-system";

/// Compares the address, the context and the UID with the settings, then looks for every namespace.
///
/// # Errors
/// `Refused` with what was found and what was expected; `Unreachable` when the server does not answer.
pub(super) async fn guard(kubernetes: &Kubernetes) -> Result<(), TargetError> {
    let cluster = kubernetes.cluster().await?;
    let settings = &kubernetes.settings;
    check_server(settings.server.as_deref(), &cluster.server)?;
    check_context(settings.context.as_deref(), cluster.context.as_deref())?;
    if let Some(expected) = &settings.cluster_uid {
        let found = uid(cluster, expected).await?;
        if *expected != found {
            return Err(refused(
                format!(
                    "this is another cluster: its {EVERY_CLUSTER_HAS} has the UID {found}, expected {expected} (cluster-uid)"
                ),
                "give the credentials of the cluster that the settings name, or correct `cluster-uid`",
            ));
        }
    }
    let look = namespaces(kubernetes).into_iter();
    try_join_all(look.map(|name| check_namespace(kubernetes, cluster, name))).await?;
    Ok(())
}

/// Every namespace that the target looks at, each once.
pub(super) fn namespaces(kubernetes: &Kubernetes) -> BTreeSet<String> {
    let settings = &kubernetes.settings;
    let named = kubernetes.named.iter().map(|place| &place.namespace);
    std::iter::once(&settings.namespace)
        .chain(&settings.namespaces)
        .chain(named)
        .cloned()
        .collect()
}

fn check_server(expected: Option<&str>, found: &str) -> Result<(), TargetError> {
    let Some(expected) = expected else {
        return Ok(());
    };
    if normal(expected).is_some() && normal(expected) == normal(found) {
        return Ok(());
    }
    Err(refused(
        format!(
            "this is another cluster: the credentials lead to {found}, expected {expected} (server)"
        ),
        "give the kubeconfig of the cluster that the settings name, or correct `server`",
    ))
}

/// What of an address decides where it leads: scheme, host, port, path.
fn normal(address: &str) -> Option<(String, String, u16, String)> {
    let url = Url::parse(address).ok()?;
    Some((
        url.scheme().to_owned(),
        url.host_str()?.trim_end_matches('.').to_owned(),
        url.port_or_known_default()?,
        url.path().trim_end_matches('/').to_owned(),
    ))
}

fn check_context(expected: Option<&str>, found: Option<&str>) -> Result<(), TargetError> {
    match (expected, found) {
        (None, _) => Ok(()),
        (Some(expected), Some(found)) if expected == found => Ok(()),
        (Some(expected), Some(found)) => Err(refused(
            format!("the context is {found}, expected {expected} (context)"),
            "give a kubeconfig that has that context, or correct `context`",
        )),
        (Some(expected), None) => Err(refused(
            format!("found no kubeconfig, so there is no context; expected {expected} (context)"),
            "name the cluster by `server` or `cluster-uid` instead of `context`",
        )),
    }
}

async fn uid(cluster: &Cluster, expected: &str) -> Result<String, TargetError> {
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    match namespaces.get_metadata(EVERY_CLUSTER_HAS).await {
        Ok(found) => Ok(found.metadata.uid.unwrap_or_default()),
        Err(error) if cluster::is_forbidden(&error) => Err(refused(
            format!(
                "could not tell which cluster this is: the account may not read the UID of {EVERY_CLUSTER_HAS}, expected {expected} (cluster-uid)"
            ),
            "in namespace kube-system, grant the account a Role with `resources: [namespaces]`, `resourceNames: [kube-system]`, `verbs: [get]`; or name the cluster by `server`",
        )),
        Err(error) => Err(failed(error, "could not tell which cluster this is")),
    }
}

async fn check_namespace(
    kubernetes: &Kubernetes,
    cluster: &Cluster,
    name: String,
) -> Result<(), TargetError> {
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    match namespaces.get_metadata(&name).await {
        Ok(_) => Ok(()),
        Err(error) if cluster::is_absent(&error) => Err(refused(
            format!("there is no namespace {name} in {}", cluster.server),
            "correct the namespace in the settings of the target, or create it",
        )),
        Err(error) if cluster::is_forbidden(&error) => {
            // What lies in it proves it too.
            for place in kubernetes.named.iter().filter(|it| it.namespace == name) {
                if cluster.get(place).await?.is_some() {
                    return Ok(());
                }
            }
            Err(refused(
                format!(
                    "could not tell whether there is a namespace {name}: the account may not read it, and none of its slots was found"
                ),
                format!(
                    "in namespace {name}, grant the account a Role with `resources: [namespaces]`, `verbs: [get]`"
                ),
            ))
        }
        Err(error) => Err(failed(
            error,
            &format!("could not look for the namespace {name}"),
        )),
    }
}

fn refused(what: impl Into<String>, next: impl Into<String>) -> TargetError {
    TargetError::Refused {
        what: what.into(),
        allow: None,
        next: next.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_one_address_are_one_server() {
        #[track_caller]
        fn check(expected: &str, found: &str, same: bool) {
            let result = check_server(Some(expected), found);
            assert_eq!(result.is_ok(), same, "{expected} and {found}: {result:?}");
        }
        check("https://10.0.0.1:6443", "https://10.0.0.1:6443/", true);
        check(
            "https://API.example.com",
            "https://api.example.com:443/",
            true,
        );
        check("https://api.example.com.", "https://api.example.com", true);
        check(
            "https://[2001:DB8::1]:6443",
            "https://[2001:db8:0::1]:6443/",
            true,
        );
        check(
            "https://r/k8s/clusters/a",
            "https://r/k8s/clusters/a/",
            true,
        );
        check(
            "https://r/k8s/clusters/a",
            "https://r/k8s/clusters/b",
            false,
        );
        check("https://10.0.0.1:6443", "https://10.0.0.1:443", false);
        check("https://10.0.0.1", "https://10.0.0.2", false);
        check("https://10.0.0.1", "http://10.0.0.1", false);
        check("nonsense", "nonsense", false);
        assert!(check_server(None, "https://anything").is_ok());
    }

    #[test]
    fn another_context_is_refused_with_both_names() {
        assert!(check_context(None, None).is_ok());
        assert!(check_context(Some("prod"), Some("prod")).is_ok());
        let error = check_context(Some("prod"), Some("kind")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the context is kind, expected prod (context)"
        );
        let error = check_context(Some("prod"), None).unwrap_err();
        assert!(error.to_string().contains("no kubeconfig"), "{error}");
    }
}
