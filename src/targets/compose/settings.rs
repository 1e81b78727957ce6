//! Settings of a `compose` target, and what holds of them beyond their types.

use super::engine;
use crate::targets::BadSettings;
use crate::targets::settings::{
    Time, check_pattern, check_payload, check_time, check_window, check_windows,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of a `compose` target.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// The name of the Compose project, as `docker compose ls` shows it.
    #[serde(default)]
    pub project: Option<String>,
    /// In place of `project`: the name of a stack of a swarm, as `docker stack ls` shows it.
    #[serde(default)]
    pub stack: Option<String>,
    /// The services that are observed and put back. Default: all that the project or the stack has.
    #[serde(default)]
    pub services: Vec<String>,
    /// What of the artifact holds image references, when no `lastgood.json` says what ran: the path or wildcard of a JSON
    /// or text file. Default: nothing.
    #[serde(default)]
    pub payload: Option<String>,

    /// Where the engine is: `ssh://deploy@web-1`, `tcp://web-1:2376` or `unix:///var/run/docker.sock`. Default: the input
    /// `docker-host`, then `DOCKER_HOST`, then the current context of Docker's own client, then its socket.
    #[serde(default)]
    pub host: Option<String>,
    /// The context of Docker's own client that says where the engine is.
    #[serde(default)]
    pub context: Option<String>,
    /// The name or the ID of the engine, as `docker info` shows them. Another one is refused.
    #[serde(default)]
    pub engine: Option<String>,
    /// The private key for `ssh://`: a file. A relative path starts at the repository. Default: the input `ssh-key`, then the agent
    /// of `SSH_AUTH_SOCK`, then the usual files in `~/.ssh`.
    #[serde(default)]
    pub ssh_key: Option<String>,
    /// The environment variable that holds the text of that key.
    #[serde(default)]
    pub ssh_key_from: Option<String>,
    /// The environment variable that holds the password of that key, when it is encrypted.
    #[serde(default)]
    pub ssh_key_password_from: Option<String>,
    /// The key that the host of `ssh://` must show, as a line of a `known_hosts` file, with or without the host before it. Default: the input
    /// `ssh-known-hosts`, then `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`.
    #[serde(default)]
    pub ssh_known_hosts: Vec<String>,
    /// For `tcp://` with TLS: the directory with `ca.pem`, `cert.pem` and `key.pem`. Default: `DOCKER_CERT_PATH`.
    #[serde(default)]
    pub tls_dir: Option<String>,
    /// The environment variable that holds the PEM text of the certificate authority of the engine.
    #[serde(default)]
    pub tls_ca_from: Option<String>,
    /// The environment variable that holds the PEM text of our certificate.
    #[serde(default)]
    pub tls_cert_from: Option<String>,
    /// The environment variable that holds the PEM text of the key of our certificate.
    #[serde(default)]
    pub tls_key_from: Option<String>,

    /// Whether images are proven to be there, on the engine or in their registry, before a change.
    #[serde(default = "yes")]
    pub check_images: bool,
    /// The environment variable that holds the credentials of registries, as the text of a docker `config.json`. Default: the input
    /// `registry-auth`.
    #[serde(default)]
    pub registry_auth_from: Option<String>,
    /// How many images that were built on the engine, and so are in no registry, are kept for each service.
    #[serde(default = "keep")]
    pub keep: usize,

    /// Whether a new container is started after the old one has stopped (`stop-first`) or before (`start-first`, which needs room for two
    /// and no ports of the host).
    #[serde(default)]
    pub order: Order,
    /// How long a container may take to stop before it is killed, 0s to 1h. Default: its own grace, or 10s.
    #[serde(default)]
    pub stop_grace: Option<Time>,
    /// Wait until a new container is healthy by its HEALTHCHECK, 1s to 1h. A HEALTHCHECK that takes longer by its own settings (start
    /// period + interval × (retries + 1) + timeout) gets that, up to 1h.
    #[serde(default = "healthy_deadline")]
    pub healthy_deadline: Time,
    /// How long a container without a HEALTHCHECK must run, and not restart, before the old one is removed, 1s to 10m.
    #[serde(default = "running_for")]
    pub running_for: Time,
    /// Whether services that depend on a changed one with `restart: true` are restarted after it.
    #[serde(default = "yes")]
    pub restart_dependents: bool,
    /// Whether a mark on the engine keeps two operations apart.
    #[serde(default = "yes")]
    pub lease: bool,

    /// How long containers are watched after a change: they must not restart, end or become unhealthy, 0s to 1h.
    #[serde(default = "stable")]
    pub stable: Time,
    /// When it is looked whether the images that were put in place are still there, after the change, each up to 1h.
    #[serde(default = "drift")]
    pub drift: Vec<Time>,
    /// Lines of the containers' logs that count as errors: a regular expression. Default: logs are not judged.
    #[serde(default)]
    pub log_errors: Option<String>,
    /// How many such lines since the change, within 2 minutes, are too many.
    #[serde(default = "log_errors_max")]
    pub log_errors_max: u32,
}

/// Which of two containers goes first, in the words of Compose's `update_config`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Stopped, then started: the service is away in between.
    #[default]
    StopFirst,
    /// Started and healthy, then the old one is stopped.
    StartFirst,
}

const fn yes() -> bool {
    true
}

const fn keep() -> usize {
    5
}

fn healthy_deadline() -> Time {
    Time::seconds(120)
}

fn running_for() -> Time {
    Time::seconds(3)
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

/// Checks what the types cannot say.
pub(super) fn check(settings: &Settings) -> Result<(), BadSettings> {
    check_place(settings)?;
    check_times(settings)?;
    check_stack(settings)?;
    if let Some(payload) = &settings.payload {
        check_payload("payload", payload)?;
    }
    check_pattern("log-errors", settings.log_errors.as_deref())
}

fn check_place(settings: &Settings) -> Result<(), BadSettings> {
    match (&settings.project, &settings.stack) {
        (None, None) => {
            return Err(BadSettings::new(
                "project",
                "found neither project nor stack, expected one of them: `docker compose ls` shows the projects",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(BadSettings::new(
                "stack",
                "found project and stack, expected one of them",
            ));
        }
        (Some(project), None) => check_name("project", project)?,
        (None, Some(stack)) => check_name("stack", stack)?,
    }
    for (index, service) in settings.services.iter().enumerate() {
        let key = format!("services[{index}]");
        check_name(&key, service)?;
        if settings
            .services
            .iter()
            .take(index)
            .any(|other| other == service)
        {
            return Err(BadSettings::new(
                &key,
                format!("found {service} twice, expected each once"),
            ));
        }
    }
    let ways = [
        ("host", settings.host.is_some()),
        ("context", settings.context.is_some()),
    ];
    one_of(&ways)?;
    if let Some(fault) = settings.host.as_deref().and_then(engine::fault) {
        return Err(BadSettings::new("host", fault));
    }
    for (index, lines) in settings.ssh_known_hosts.iter().enumerate() {
        if let Some(line) = engine::unreadable_known_host(lines) {
            return Err(BadSettings::new(
                &format!("ssh-known-hosts[{index}]"),
                format!(
                    "found {line:?}, expected a line such as `web-1 ssh-ed25519 AAAA…`, as `ssh-keyscan HOST` prints them"
                ),
            ));
        }
    }
    one_of(&[
        ("ssh-key", settings.ssh_key.is_some()),
        ("ssh-key-from", settings.ssh_key_from.is_some()),
    ])?;
    let tls = [
        ("tls-ca-from", settings.tls_ca_from.is_some()),
        ("tls-cert-from", settings.tls_cert_from.is_some()),
        ("tls-key-from", settings.tls_key_from.is_some()),
    ];
    for way in tls {
        one_of(&[("tls-dir", settings.tls_dir.is_some()), way])?;
    }
    if settings.tls_cert_from.is_some() != settings.tls_key_from.is_some() {
        return Err(BadSettings::new(
            "tls-cert-from",
            "found one of tls-cert-from and tls-key-from, expected both or none",
        ));
    }
    Ok(())
}

/// What a stack would pay no heed to is refused; a value that says what is the default anyway cannot be told from none.
fn check_stack(settings: &Settings) -> Result<(), BadSettings> {
    const OWN: &str =
        "a swarm goes by what its services say (`update_config`, `stop_grace_period`)";
    const NONE: &str = "nothing of a swarm is done by it";
    if settings.stack.is_none() {
        return Ok(());
    }
    for (key, is_written, why) in [
        ("order", settings.order != Order::StopFirst, OWN),
        ("stop-grace", settings.stop_grace.is_some(), OWN),
        ("running-for", settings.running_for != running_for(), OWN),
        ("restart-dependents", !settings.restart_dependents, NONE),
        ("keep", settings.keep != keep(), NONE),
        ("log-errors", settings.log_errors.is_some(), NONE),
        (
            "log-errors-max",
            settings.log_errors_max != log_errors_max(),
            NONE,
        ),
    ] {
        if is_written {
            return Err(BadSettings::new(
                key,
                format!("found it with `stack`, expected it with `project` only: {why}"),
            ));
        }
    }
    Ok(())
}

fn one_of(ways: &[(&str, bool)]) -> Result<(), BadSettings> {
    let mut given = ways.iter().filter(|(_, given)| *given);
    if let (Some((first, _)), Some((second, _))) = (given.next(), given.next()) {
        return Err(BadSettings::new(
            second,
            format!("found {first} and {second}, expected one of them"),
        ));
    }
    Ok(())
}

fn check_name(key: &str, name: &str) -> Result<(), BadSettings> {
    let is_name = !name.is_empty()
        && name.len() <= 255
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if is_name {
        return Ok(());
    }
    Err(BadSettings::new(
        key,
        format!("found {name:?}, expected a name of letters, digits, `.`, `_` and `-`"),
    ))
}

fn check_times(settings: &Settings) -> Result<(), BadSettings> {
    check_time(
        "healthy-deadline",
        settings.healthy_deadline,
        Time::seconds(HOUR),
    )?;
    check_time("running-for", settings.running_for, Time::seconds(600))?;
    check_windows(settings.stable, &settings.drift)?;
    match settings.stop_grace {
        Some(grace) => check_window("stop-grace", grace),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::settings::parse;
    use serde_json::{Value, json};

    #[track_caller]
    fn refused(change: &Value, key: &str, text: &str) {
        let mut settings = json!({"project": "shop"});
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
    fn a_password_in_the_host_is_not_repeated() {
        for host in [
            "ssh://deploy:hunter2@web-1",
            "tcp://admin:hunter2@web-1:2376",
        ] {
            let settings = json!({"project": "shop", "host": host});
            let error = check(&parse::<Settings>(settings).unwrap()).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains(":***@web-1") && !text.contains("hunter2"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_only_the_environment_can_decide_is_no_mistake_here() {
        let settings =
            json!({"project": "shop", "host": "tcp://web-1:2376", "ssh-known-hosts": ["# ours"]});
        check(&parse::<Settings>(settings).unwrap()).unwrap();
    }

    #[test]
    fn mistakes_are_named() {
        refused(
            &json!({"project": null}),
            "project",
            "neither project nor stack",
        );
        refused(&json!({"stack": "shop"}), "stack", "one of them");
        refused(&json!({"project": "a b"}), "project", "a b");
        refused(&json!({"services": ["web", "web"]}), "services[1]", "twice");
        refused(
            &json!({"host": "ssh://x", "context": "prod"}),
            "context",
            "one of them",
        );
        refused(&json!({"host": "ftp://web-1"}), "host", "one of ssh://");
        refused(&json!({"host": "http://web-1"}), "host", "not encrypted");
        refused(
            &json!({"ssh-known-hosts": ["web-1 ssh-ed25519"]}),
            "ssh-known-hosts[0]",
            "ssh-keyscan",
        );
        refused(
            &json!({"ssh-key": "a", "ssh-key-from": "B"}),
            "ssh-key-from",
            "one of them",
        );
        refused(
            &json!({"tls-dir": "a", "tls-ca-from": "B"}),
            "tls-ca-from",
            "one of them",
        );
        refused(
            &json!({"tls-key-from": "B"}),
            "tls-cert-from",
            "both or none",
        );
        for (key, value) in [
            ("order", json!("start-first")),
            ("stop-grace", json!("1s")),
            ("running-for", json!("5s")),
            ("restart-dependents", json!(false)),
            ("keep", json!(1)),
            ("log-errors", json!("ERROR")),
            ("log-errors-max", json!(1)),
        ] {
            let stack = json!({"project": null, "stack": "shop", (key): value});
            refused(&stack, key, "expected it with `project` only");
        }
        refused(&json!({"order": "both"}), "order", "unknown variant");
        refused(
            &json!({"healthy-deadline": "0s"}),
            "healthy-deadline",
            "1s to",
        );
        refused(&json!({"stable": "2h"}), "stable", "at most 1h");
        refused(
            &json!({"log-errors": "("}),
            "log-errors",
            "regular expression",
        );
        refused(&json!({"sevices": []}), "sevices", "unknown field");
    }
}
