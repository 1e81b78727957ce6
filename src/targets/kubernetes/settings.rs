//! Settings of a `kubernetes` target, and what holds of them beyond their types.

use super::slots::{self, Place, is_label};
use crate::targets::BadSettings;
use crate::targets::settings::{Time, check_pattern, check_payload, check_time, check_windows};
use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of a `kubernetes` target.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// The namespace of slots that name none. It must exist.
    pub namespace: String,
    /// The objects whose revision is observed and restored: `deployment/web`, `statefulset/db`, `daemonset/agent`,
    /// `service/web` (its selector), `httproute/web` (its weights); `other-namespace/deployment/web` elsewhere.
    #[serde(default)]
    pub slots: Vec<String>,
    /// Besides `slots`: every Deployment, StatefulSet and DaemonSet with these labels, as in `kubectl -l`.
    #[serde(default)]
    pub selector: Option<String>,
    /// Where `selector` looks. Default: `namespace`.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// What of the artifact holds image references, when no `lastgood.json` says what ran: the path or wildcard of a JSON
    /// or text file. Default: nothing.
    #[serde(default)]
    pub payload: Option<String>,

    /// The address of the API server, such as `https://10.0.0.1:6443`. With `token-from` it is connected to; with a kubeconfig it
    /// must be the one in there.
    #[serde(default)]
    pub server: Option<String>,
    /// The UID of the namespace `kube-system`, which no two clusters share.
    #[serde(default)]
    pub cluster_uid: Option<String>,
    /// The context of the kubeconfig. Default: its current one.
    #[serde(default)]
    pub context: Option<String>,
    /// A kubeconfig file. A relative path starts at the repository. Default: the input `kubeconfig`, then `KUBECONFIG`, then
    /// `~/.kube/config`, then the service account of the pod that this runs in.
    #[serde(default)]
    pub kubeconfig: Option<String>,
    /// The environment variable that holds the text of a kubeconfig.
    #[serde(default)]
    pub kubeconfig_from: Option<String>,
    /// The environment variable that holds a bearer token, for use with `server`.
    #[serde(default)]
    pub token_from: Option<String>,
    /// A PEM file with the certificate authority of `server`. Default: the bundled roots and the CA file of the command.
    #[serde(default)]
    pub ca: Option<String>,
    /// The environment variable that holds the PEM text of that certificate authority.
    #[serde(default)]
    pub ca_from: Option<String>,

    /// Whether images are proven present in their registry before a change.
    #[serde(default = "yes")]
    pub check_images: bool,
    /// The environment variable that holds the credentials of registries, as the text of a docker `config.json`.
    #[serde(default)]
    pub registry_auth_from: Option<String>,
    /// Whether ConfigMaps are put back to what they held when the release was recorded.
    #[serde(default)]
    pub restore_config: bool,
    /// Labels of Jobs that migrate data: one that ran since the good release is a hazard.
    #[serde(default)]
    pub migrations: Option<String>,
    /// Whether a Lease object in `namespace` keeps two operations apart.
    #[serde(default = "yes")]
    pub lease: bool,

    /// Longest wait for a rollout, by our own clock, 1s to 2h.
    #[serde(default = "rollout_deadline")]
    pub rollout_deadline: Time,
    /// How long restarts must not grow after a rollout, 0s to 1h.
    #[serde(default = "stable")]
    pub stable: Time,
    /// When it is looked whether the images that were put in place are still there, after the rollout, each up to 1h.
    #[serde(default = "drift")]
    pub drift: Vec<Time>,
    /// Lines of the pods' logs that count as errors: a regular expression. Default: logs are not judged.
    #[serde(default)]
    pub log_errors: Option<String>,
    /// How many such lines since the change, within 2 minutes, are too many.
    #[serde(default = "log_errors_max")]
    pub log_errors_max: u32,
    /// The share of traffic that the other backends get in each step of a gradual change of an HTTPRoute, in percent, such as `[50, 25, 10]`.
    /// A verdict stands between two steps. Default: at once.
    #[serde(default)]
    pub steps: Vec<u8>,
}

const fn yes() -> bool {
    true
}

fn rollout_deadline() -> Time {
    Time::seconds(600)
}

fn stable() -> Time {
    Time::seconds(30)
}

fn drift() -> Vec<Time> {
    vec![Time::seconds(10), Time::seconds(60)]
}

const fn log_errors_max() -> u32 {
    10
}

const HOUR: u64 = 3600;

/// Checks what the types cannot say; answers the slots that are named.
pub(super) fn check(settings: &Settings) -> Result<Vec<Place>, BadSettings> {
    for (key, namespace) in std::iter::once(("namespace".to_owned(), &settings.namespace)).chain(
        settings
            .namespaces
            .iter()
            .enumerate()
            .map(|(index, name)| (format!("namespaces[{index}]"), name)),
    ) {
        if !is_label(namespace) {
            return Err(BadSettings::new(
                &key,
                format!("found {namespace:?}, expected the name of a namespace"),
            ));
        }
    }
    let places = slots::named(&settings.slots, &settings.namespace)?;
    if places.is_empty() && settings.selector.is_none() {
        return Err(BadSettings::new(
            "slots",
            "found neither slots nor selector, expected at least one: deployment/web",
        ));
    }
    check_cluster_is_named(settings)?;
    check_access(settings)?;
    check_watching(settings)?;
    if let Some(payload) = &settings.payload {
        check_payload("payload", payload)?;
    }
    Ok(places)
}

/// Nothing is guessed: the current context of whoever runs this may be any cluster.
fn check_cluster_is_named(settings: &Settings) -> Result<(), BadSettings> {
    let named = [&settings.server, &settings.cluster_uid, &settings.context];
    if named.iter().all(|name| name.is_none()) {
        return Err(BadSettings::new(
            "",
            "found none of server, cluster-uid and context, expected at least one: the cluster must be named",
        ));
    }
    if let Some(server) = &settings.server {
        let is_https = url::Url::parse(server).is_ok_and(|url| {
            url.scheme() == "https" && url.has_host() && url.username().is_empty()
        });
        if !is_https {
            return Err(BadSettings::new(
                "server",
                format!("found {server:?}, expected an address such as https://10.0.0.1:6443"),
            ));
        }
    }
    Ok(())
}

fn check_access(settings: &Settings) -> Result<(), BadSettings> {
    let ways = [
        ("kubeconfig", settings.kubeconfig.is_some()),
        ("kubeconfig-from", settings.kubeconfig_from.is_some()),
        ("token-from", settings.token_from.is_some()),
    ];
    let mut given = ways.iter().filter(|(_, given)| *given);
    if let (Some((first, _)), Some((second, _))) = (given.next(), given.next()) {
        return Err(BadSettings::new(
            second,
            format!("found {first} and {second}, expected one of them"),
        ));
    }
    if settings.token_from.is_some() && settings.server.is_none() {
        return Err(BadSettings::new(
            "token-from",
            "found token-from without server, expected both",
        ));
    }
    if settings.ca.is_some() && settings.ca_from.is_some() {
        return Err(BadSettings::new(
            "ca-from",
            "found ca and ca-from, expected one of them",
        ));
    }
    Ok(())
}

fn check_watching(settings: &Settings) -> Result<(), BadSettings> {
    check_time(
        "rollout-deadline",
        settings.rollout_deadline,
        Time::seconds(2 * HOUR),
    )?;
    check_windows(settings.stable, &settings.drift)?;
    check_pattern("log-errors", settings.log_errors.as_deref())?;
    if let Some((index, step)) = settings
        .steps
        .iter()
        .enumerate()
        .find(|(_, step)| !(1..=99).contains(*step))
    {
        return Err(BadSettings::new(
            &format!("steps[{index}]"),
            format!("found {step}, expected percents from 1 to 99"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::settings::parse;
    use serde_json::{Value, json};

    #[track_caller]
    fn refused(change: &Value, key: &str, text: &str) {
        let mut settings =
            json!({"namespace": "shop", "slots": ["deployment/web"], "context": "prod"});
        for (name, value) in change.as_object().unwrap() {
            settings[name] = value.clone();
        }
        let error = parse::<Settings>(settings)
            .and_then(|settings| check(&settings))
            .unwrap_err();
        assert_eq!(error.key, key);
        assert!(error.what.contains(text), "{error}");
    }

    #[test]
    fn mistakes_are_named() {
        refused(&json!({"namespace": "Shop"}), "namespace", "Shop");
        refused(&json!({"slots": []}), "slots", "neither slots nor selector");
        refused(&json!({"slots": ["pod/web"]}), "slots[0]", "KIND/NAME");
        refused(&json!({"context": null}), "", "the cluster must be named");
        refused(&json!({"server": "http://x"}), "server", "https://");
        refused(&json!({"token-from": "T"}), "token-from", "without server");
        refused(
            &json!({"kubeconfig": "a", "kubeconfig-from": "B"}),
            "kubeconfig-from",
            "one of them",
        );
        refused(
            &json!({"rollout-deadline": "0s"}),
            "rollout-deadline",
            "1s to",
        );
        refused(&json!({"stable": "2h"}), "stable", "at most 1h");
        refused(
            &json!({"log-errors": "("}),
            "log-errors",
            "regular expression",
        );
        refused(&json!({"steps": [50, 0]}), "steps[1]", "1 to 99");
        refused(&json!({"colour": "blue"}), "colour", "unknown field");
    }
}
