//! Programs that a kubeconfig names to get credentials (`exec`): found before they are run, and refused with a way out when
//! they are not there, as in a container that holds nothing but this program.

use super::refused;
use crate::model::secret::Secret;
use crate::targets::TargetError;
use kube::client::AuthError;
use kube::config::{ExecConfig, ExecInteractiveMode};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How each plugin's token is got without it. First match of the program's name.
const INSTEAD: &[(&str, &str)] = &[
    (
        "aws",
        "aws eks get-token --cluster-name NAME --query status.token --output text",
    ),
    (
        "aws-iam-authenticator",
        "aws-iam-authenticator token -i NAME --token-only",
    ),
    ("gke-gcloud-auth-plugin", "gcloud auth print-access-token"),
    (
        "kubelogin",
        "kubelogin get-token --server-id 6dae42f8-4368-4678-94ff-3960e28e3630 --login azurecli, or `az aks get-credentials --admin`",
    ),
    ("kubectl-oidc_login", "kubectl oidc-login get-token"),
    (
        "doctl",
        "doctl kubernetes cluster kubeconfig exec-credential --version=v1 NAME",
    ),
    ("oci", "oci ce cluster generate-token --cluster-id ID"),
    ("tsh", "tctl auth sign --format=kubernetes"),
];

/// Makes the plugin ready to be run: its program by its full path, never on a terminal.
pub(super) fn ready(
    mut exec: ExecConfig,
    dir: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<ExecConfig, TargetError> {
    let program = exec.command.clone().unwrap_or_default();
    if exec.interactive_mode == Some(ExecInteractiveMode::Always) {
        return Err(refused(
            format!("the kubeconfig's auth plugin {program:?} wants a terminal"),
            way_out(&program),
        ));
    }
    let Some(path) = find(&program, dir, environment) else {
        return Err(refused(
            format!(
                "the kubeconfig wants the auth plugin {program:?}, and no such program is here"
            ),
            way_out(&program),
        ));
    };
    exec.command = Some(path.display().to_string());
    // Neither asks on our terminal nor writes to it.
    exec.interactive_mode = Some(ExecInteractiveMode::Never);
    Ok(exec)
}

/// A provider that was built into kubectl until 1.26.
pub(super) fn legacy(provider: &str) -> TargetError {
    let plugin = match provider {
        "gcp" => "gke-gcloud-auth-plugin",
        "azure" => "kubelogin",
        "oidc" => "kubectl-oidc_login",
        _ => provider,
    };
    refused(
        format!(
            "the kubeconfig uses the auth provider {provider:?}, which kubectl itself dropped in 1.26"
        ),
        way_out(plugin),
    )
}

/// What to give instead of a plugin.
fn way_out(program: &str) -> String {
    let name = Path::new(program)
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let command = INSTEAD
        .iter()
        .find(|(plugin, _)| *plugin == name)
        .map_or("kubectl create token SERVICE-ACCOUNT --duration 1h", |it| {
            it.1
        });
    format!(
        "get a token in a step before (`{command}`), put it into a variable, and give `token-from`, `server` and `ca-from`; or run the program outside of the container, where the plugin is"
    )
}

/// By `PATH` when it is a bare name, else from the kubeconfig's directory, as kubectl does.
fn find(program: &str, dir: &Path, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    if program.is_empty() {
        return None;
    }
    if program.contains('/') {
        return Some(dir.join(program)).filter(|path| is_program(path));
    }
    environment
        .get("PATH")?
        .split(':')
        .filter(|entry| entry.starts_with('/'))
        .map(|entry| Path::new(entry).join(program))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// The plugin did not end in time.
pub(super) fn timed_out(plugin: Option<&ExecConfig>, after: Duration) -> TargetError {
    refused(
        format!(
            "{} did not end within {} s",
            described(plugin),
            after.as_secs()
        ),
        way_out(program(plugin)),
    )
}

/// The client could not be set up: what the plugin said last, without what it printed as credentials.
pub(super) fn failed(
    plugin: Option<&ExecConfig>,
    error: &kube::Error,
    secrets: &[Secret],
) -> TargetError {
    let kube::Error::Auth(cause) = error else {
        return refused(
            format!("could not set up the connection: {}", setup_text(error)),
            "give a kubeconfig whose certificates and keys are complete and in PEM",
        );
    };
    let why = match cause {
        AuthError::AuthExecRun { cmd: _, out } => {
            let said = complaint(&out.stderr, secrets);
            let code = out.status.code().map_or_else(
                || "was killed".to_owned(),
                |code| format!("ended with code {code}"),
            );
            if said.is_empty() {
                code
            } else {
                format!("{code}: {said}")
            }
        }
        AuthError::AuthExecStart(error) => format!("could not be started: {error}"),
        AuthError::AuthExecParse(_) => "answered something that is no ExecCredential".to_owned(),
        AuthError::ExecPluginFailed => "answered an ExecCredential without status".to_owned(),
        AuthError::MalformedTokenExpirationDate(_) => {
            "answered an expiration that is no time".to_owned()
        }
        AuthError::ReadTokenFile(error, path) => {
            return refused(
                format!("could not read the token file {}: {error}", path.display()),
                "give a kubeconfig whose token file exists here",
            );
        }
        AuthError::InvalidBasicAuth(_) | AuthError::InvalidBearerToken(_) => {
            return refused(
                "the credentials of the kubeconfig cannot stand in an HTTP header",
                "give the token as one line without blanks",
            );
        }
        _ => "failed".to_owned(),
    };
    refused(
        format!("{} {why}", described(plugin)),
        way_out(program(plugin)),
    )
}

fn program(plugin: Option<&ExecConfig>) -> &str {
    plugin
        .and_then(|it| it.command.as_deref())
        .unwrap_or_default()
}

fn described(plugin: Option<&ExecConfig>) -> String {
    match plugin {
        Some(exec) => format!("the auth plugin {}", exec.command.as_deref().unwrap_or("?")),
        None => "the authentication of the kubeconfig".to_owned(),
    }
}

/// What is wrong with certificates and keys, without any of their bytes.
fn setup_text(error: &kube::Error) -> String {
    match error {
        kube::Error::InferKubeconfig(error) => match error {
            kube::config::KubeconfigError::LoadClientCertificate(_) => {
                "the client certificate cannot be read".to_owned()
            }
            kube::config::KubeconfigError::LoadClientKey(_) => {
                "the client key is missing or cannot be read".to_owned()
            }
            _ => "the kubeconfig cannot be used".to_owned(),
        },
        kube::Error::RustlsTls(error) => error.to_string(),
        _ => "the certificates cannot be used".to_owned(),
    }
}

/// What it wrote to say why, on one line, bounded, secrets masked.
fn complaint(bytes: &[u8], secrets: &[Secret]) -> String {
    const CHARS_MAX: usize = 300;
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = secrets
        .iter()
        .filter(|secret| !secret.expose().is_empty())
        .fold(words.join(" "), |line, secret| {
            line.replace(secret.expose(), "***")
        });
    line.chars()
        .filter(|c| !c.is_control())
        .take(CHARS_MAX)
        .collect()
}
