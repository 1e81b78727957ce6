//! Every secret of a request, so that it can be masked wherever it turns up: tokens, headers, and what is secret inside of
//! the credentials that a target is given. Nothing is used here.

use crate::cli::action;
use crate::cli::env::Env;
use crate::engine::request::Environment;
use crate::model::secret::{Secret, password_of};
use serde_json::Value;

/// Settings of targets that name an environment variable which holds a secret.
const NAMED_BY: [&str; 3] = ["kubeconfig-from", "token-from", "registry-auth-from"];

/// Settings of targets that name an environment variable which holds a private key, and the password of one.
const KEYS_NAMED_BY: [&str; 3] = ["identity-from", "ssh-key-from", "tls-key-from"];
const PASSWORDS_NAMED_BY: [&str; 2] = ["identity-password-from", "ssh-key-password-from"];

/// Where workflows keep the private key of an identity, also when no setting names it.
const USUAL_IDENTITY: &str = "DFX_IDENTITY_PEM";

/// Where the address of a Docker engine is read: it should hold no password, and whoever writes one into it finds out by a message.
const ENGINES_IN: [&str; 2] = ["DOCKER_HOST", "INPUT_DOCKER-HOST"];

/// Keys of a kubeconfig and of a docker `config.json` whose values are secret. The rest of either (addresses, names,
/// certificates) is not, and masking it would make every message unreadable.
const SECRET_KEYS: [&str; 11] = [
    "token",
    "password",
    "client-key-data",
    "client-secret",
    "id-token",
    "refresh-token",
    "access-token",
    "auth",
    "identitytoken",
    "registrytoken",
    // Of the variables of an exec plugin.
    "value",
];

/// A line of up to this many bytes says nothing by itself (`-----`, `users:`), and would be masked everywhere.
const LINE_BYTES_MAX: usize = 8;

/// How deep credentials are looked into: a kubeconfig is six mappings deep.
const DEPTH_MAX: usize = 16;

pub(super) fn all(env: &Env, token: Option<&Secret>, environment: &Environment) -> Vec<Secret> {
    let headers = environment
        .health
        .probes
        .iter()
        .filter_map(|probe| probe.page())
        .flat_map(|page| &page.headers);
    let mut secrets: Vec<Secret> = token
        .into_iter()
        .chain(headers.map(|(_, value)| value))
        .cloned()
        .collect();
    let named = environment
        .targets
        .iter()
        .flat_map(|target| NAMED_BY.map(|key| target.settings.get(key)))
        .flatten()
        .filter_map(|name| env.get(name.as_str()?));
    // A path of one line is no secret.
    let typed = action::kubeconfig(env).filter(|text| text.contains('\n') || text.contains('{'));
    let typed = typed.into_iter().chain(action::registry_auth(env));
    for text in typed.chain(named) {
        for part in parts(text) {
            let secret = Secret::new(part);
            if !secrets.contains(&secret) {
                secrets.push(secret);
            }
        }
    }
    for part in of_keys(env, environment)
        .into_iter()
        .chain(of_engines(env, environment))
    {
        let secret = Secret::new(part);
        if !secrets.contains(&secret) {
            secrets.push(secret);
        }
    }
    secrets
}

/// Passwords in addresses of engines.
fn of_engines(env: &Env, environment: &Environment) -> Vec<String> {
    let hosts = environment.targets.iter();
    let hosts = hosts.filter_map(|target| target.settings.get("host")?.as_str());
    ENGINES_IN
        .iter()
        .filter_map(|name| env.get(name))
        .chain(hosts)
        .filter_map(password_of)
        .map(str::to_owned)
        .collect()
}

/// Private keys line by line, and their passwords whole.
fn of_keys(env: &Env, environment: &Environment) -> Vec<String> {
    let named = |key: &'static str| {
        let settings = environment.targets.iter();
        settings.filter_map(move |target| env.get(target.settings.get(key)?.as_str()?))
    };
    let is_key = |text: &&str| text.contains('\n') || text.contains("-----");
    let typed = [action::identity(env), action::ssh_key(env)];
    let typed = typed.into_iter().flatten().filter(is_key);
    let mut parts = Vec::new();
    for text in KEYS_NAMED_BY
        .into_iter()
        .flat_map(named)
        .chain(typed)
        .chain(env.get(USUAL_IDENTITY))
    {
        // As it stands, and as it is once a `\n` of a secret store became a line break.
        lines(text, &mut parts);
        lines(&text.replace("\\r", "").replace("\\n", "\n"), &mut parts);
    }
    let passwords = PASSWORDS_NAMED_BY.into_iter().flat_map(named);
    for password in passwords.chain(action::identity_password(env)) {
        lines(password, &mut parts);
    }
    parts
}

/// What is secret in a text: of a mapping the values of secret keys, of anything else every line that says something.
fn parts(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let read = serde_saphyr::from_str::<Value>(text);
    if let Ok(value @ (Value::Object(_) | Value::Array(_))) = read {
        inside(&value, false, 0, &mut parts);
        return parts;
    }
    lines(text, &mut parts);
    let values = text.lines().filter_map(|line| line.split_once(':'));
    let secret = values
        .filter(|(key, _)| SECRET_KEYS.contains(&key.trim_matches([' ', '-', '\t', '"'])))
        .map(|(_, value)| value.trim())
        .filter(|value| !value.is_empty());
    parts.extend(secret.map(str::to_owned));
    parts
}

fn inside(value: &Value, is_secret: bool, depth: usize, parts: &mut Vec<String>) {
    match value {
        Value::String(text) if is_secret => lines(text, parts),
        Value::Object(fields) if depth < DEPTH_MAX => {
            for (key, field) in fields {
                let is_secret = SECRET_KEYS.contains(&key.as_str());
                if key == "auth" {
                    parts.extend(field.as_str().and_then(encoded_password));
                }
                inside(field, is_secret, depth + 1, parts);
            }
        }
        Value::Array(items) if depth < DEPTH_MAX => {
            for item in items {
                inside(item, is_secret, depth + 1, parts);
            }
        }
        Value::Object(_)
        | Value::Array(_)
        | Value::String(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_) => (),
    }
}

/// Docker keeps `user:password` in base64: whoever decodes it shows the password.
fn encoded_password(auth: &str) -> Option<String> {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(auth.trim())
        .ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (_, password) = text.split_once(':')?;
    Some(password.to_owned()).filter(|password| !password.is_empty())
}

/// A text of one line is taken whole, however short; of several, those that are long enough.
fn lines(text: &str, parts: &mut Vec<String>) {
    let text = text.trim();
    if !text.is_empty() && !text.contains('\n') {
        parts.push(text.to_owned());
        return;
    }
    let long = text.lines().map(str::trim);
    parts.extend(
        long.filter(|line| LINE_BYTES_MAX < line.len())
            .map(str::to_owned),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wanted: &[&str]) {
        assert_eq!(parts(text), wanted);
    }

    #[test]
    fn of_a_kubeconfig_only_the_credentials_are_secret() {
        check(
            "apiVersion: v1\nkind: Config\ncurrent-context: prod\nclusters:\n- name: prod\n  cluster: {server: https://10.0.0.1:6443}\n\
             users:\n- name: ci\n  user:\n    client-certificate-data: Y2VydA==\n    client-key-data: a2V5a2V5a2V5\n    token: s3cr3t\n\
             - name: old\n  user: {username: admin, password: hunter2}\n",
            &["a2V5a2V5a2V5", "s3cr3t", "hunter2"],
        );
        check(
            r#"{"users":[{"name":"ci","user":{"exec":{"command":"aws","env":[{"name":"AWS_SECRET_ACCESS_KEY","value":"wJalrXUt"}]}}}]}"#,
            &["wJalrXUt"],
        );
    }

    #[test]
    fn a_kubeconfig_that_holds_no_credentials_is_no_secret() {
        check(
            "current-context: prod\nusers:\n- name: ci\n  user: {exec: {command: aws}}\n",
            &[],
        );
    }

    #[test]
    fn of_registry_credentials_only_the_credentials_are_secret() {
        check(
            r#"{"auths": {"ghcr.io": {"auth": "Ym90OnB3"}, "quay.io": {"username": "bot", "password": "pw12"}}}"#,
            &["pw", "Ym90OnB3", "pw12"],
        );
    }

    #[test]
    fn what_cannot_be_read_is_secret_line_by_line() {
        check("eyJhbGciOi.eyJpc3Mi.c2ln\n", &["eyJhbGciOi.eyJpc3Mi.c2ln"]);
        check(
            "users:\n- user:\n\ttoken: s3cr3t-s3cr3t\n",
            &["token: s3cr3t-s3cr3t", "s3cr3t-s3cr3t"],
        );
        check("", &[]);
    }
}
