//! Which way in is taken: what the settings name, else the action's input, else what kubectl would take, else the pod that
//! this runs in. The first that is given is taken, also when it then does not work: another cluster is never tried.

use super::{Access, address, refused};
use crate::model::secret::Secret;
use crate::targets::kubernetes::settings::Settings;
use crate::targets::{Base, TargetError};
use kube::config::AuthInfo;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a pod finds its service account (kubernetes.io/docs/tasks/run-application/access-api-from-pod).
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A kubeconfig is a few kilobytes; past this it is something else.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// One way in.
pub(super) enum Way {
    Kubeconfig(Found),
    Token(Given),
    InCluster(Account),
}

/// The text of a kubeconfig.
pub(super) struct Found {
    /// Where it was found, in words.
    pub(super) from: String,
    pub(super) text: Secret,
    /// Paths in it start here.
    pub(super) dir: PathBuf,
}

/// Server and token of the settings.
pub(super) struct Given {
    server: String,
    token: Secret,
    ca: Option<Vec<u8>>,
}

/// The service account of the pod that this runs in.
pub(super) struct Account {
    host: String,
    port: String,
    dir: PathBuf,
}

pub(super) fn choose(settings: &Settings, base: &Base) -> Result<Way, TargetError> {
    let variable = |name: &str| {
        base.environment
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.trim().is_empty())
    };
    if let Some(name) = &settings.kubeconfig_from {
        let text = named(base, name, "kubeconfig-from", "the text of a kubeconfig")?;
        return Ok(text_of(format!("the variable {name}"), text, &base.dir));
    }
    if let Some(path) = &settings.kubeconfig {
        return file(&base.dir.join(path), "the setting kubeconfig");
    }
    if let (Some(name), Some(server)) = (&settings.token_from, &settings.server) {
        let token = named(base, name, "token-from", "a bearer token")?;
        return Ok(Way::Token(Given {
            server: server.clone(),
            token: Secret::new(token.trim()),
            ca: ca(settings, base)?,
        }));
    }
    if let Some(input) = variable("INPUT_KUBECONFIG") {
        let path = base.dir.join(input.trim());
        // The input is a text of many lines, or a path.
        return if !input.contains('\n') && path.is_file() {
            file(&path, "the input kubeconfig")
        } else {
            Ok(text_of("the input kubeconfig".to_owned(), input, &base.dir))
        };
    }
    if let Some(list) = variable("KUBECONFIG") {
        return file(&base.dir.join(only(list)?), "KUBECONFIG");
    }
    if let Some(home) = variable("HOME") {
        let path = Path::new(home).join(".kube/config");
        if path.is_file() {
            return file(&path, "the default kubeconfig");
        }
    }
    if let Some(host) = variable("KUBERNETES_SERVICE_HOST") {
        return Ok(Way::InCluster(Account {
            host: host.to_owned(),
            port: variable("KUBERNETES_SERVICE_PORT")
                .unwrap_or("443")
                .to_owned(),
            dir: PathBuf::from(SERVICE_ACCOUNT),
        }));
    }
    Err(refused(
        "found no way into the cluster: no kubeconfig, no token, and this is no pod",
        "give the input `kubeconfig`, or `token-from` with `server` and `ca-from` in the settings of the target",
    ))
}

/// The one file of a `KUBECONFIG`. Merging files decides silently which cluster is meant, so there must be one.
fn only(list: &str) -> Result<&str, TargetError> {
    let mut paths = list
        .split(':')
        .map(str::trim)
        .filter(|path| !path.is_empty());
    match (paths.next(), paths.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(refused(
            format!("KUBECONFIG is the list {list:?}, expected one file"),
            "name one file with `kubeconfig` in the settings of the target, or merge them: kubectl config view --flatten",
        )),
    }
}

fn text_of(from: String, text: &str, dir: &Path) -> Way {
    Way::Kubeconfig(Found {
        from,
        text: Secret::new(text),
        dir: dir.to_owned(),
    })
}

fn file(path: &Path, from: &str) -> Result<Way, TargetError> {
    let text = String::from_utf8(read(path, from)?).map_err(|_not_text| {
        refused(
            format!("{from} {} is not text", path.display()),
            "give a kubeconfig: YAML in UTF-8",
        )
    })?;
    Ok(Way::Kubeconfig(Found {
        from: format!("{from} ({})", path.display()),
        text: Secret::new(text),
        dir: path.parent().map_or_else(PathBuf::new, Path::to_owned),
    }))
}

/// Reads a file of credentials; the error has its path and nothing of what is in it.
pub(super) fn read(path: &Path, what: &str) -> Result<Vec<u8>, TargetError> {
    let unreadable = |why: String| {
        refused(
            format!("{what}: could not read {}: {why}", path.display()),
            "give the path of a file that exists and that this command may read",
        )
    };
    let size = fs::metadata(path)
        .map_err(|error| unreadable(error.to_string()))?
        .len();
    if FILE_BYTES_MAX < size {
        return Err(unreadable(format!(
            "it has {size} bytes, expected at most {FILE_BYTES_MAX}"
        )));
    }
    fs::read(path).map_err(|error| unreadable(error.to_string()))
}

/// The value of a variable that the settings name.
fn named<'a>(base: &'a Base, name: &str, key: &str, holds: &str) -> Result<&'a str, TargetError> {
    base.environment
        .get(name)
        .map(String::as_str)
        .filter(|value| !value.trim().is_empty())
        .ok_or_else(|| {
            refused(
                format!("{key}: the variable {name} is not set, expected {holds}"),
                format!("set {name} in the environment of this command, from a secret"),
            )
        })
}

fn ca(settings: &Settings, base: &Base) -> Result<Option<Vec<u8>>, TargetError> {
    if let Some(path) = &settings.ca {
        return read(&base.dir.join(path), "the setting ca").map(Some);
    }
    let Some(name) = &settings.ca_from else {
        return Ok(None);
    };
    let pem = named(base, name, "ca-from", "the PEM text of a certificate")?;
    Ok(Some(pem.as_bytes().to_vec()))
}

/// Credentials that are a token and nothing else.
fn bearer(token: &Secret) -> AuthInfo {
    AuthInfo {
        token: Some(token.expose().to_owned().into()),
        ..AuthInfo::default()
    }
}

impl Given {
    pub(super) fn access(self) -> Result<Access, TargetError> {
        if !self.token.expose().chars().all(|c| c.is_ascii_graphic()) {
            return Err(refused(
                "token-from: the token holds blanks or line breaks, expected one word",
                "give the token itself, not a file or a kubeconfig with it",
            ));
        }
        Ok(Access {
            server: address(&self.server)?,
            context: None,
            ca: self.ca,
            tls_server_name: None,
            auth: bearer(&self.token),
            proxy: None,
            compress: true,
        })
    }
}

impl Account {
    pub(super) fn access(self) -> Result<Access, TargetError> {
        let ca = read(&self.dir.join("ca.crt"), "the service account of this pod")?;
        let token = self.dir.join("token");
        read(&token, "the service account of this pod")?;
        let host = match self.host.parse::<std::net::Ipv6Addr>() {
            Ok(ip) => format!("[{ip}]"),
            Err(_not_ipv6) => self.host,
        };
        Ok(Access {
            server: address(&format!("https://{host}:{}", self.port))?,
            context: None,
            ca: Some(ca),
            tls_server_name: None,
            // By path: such tokens are renewed in place.
            auth: AuthInfo {
                token_file: Some(token.display().to_string()),
                ..AuthInfo::default()
            },
            proxy: None,
            compress: true,
        })
    }

    #[cfg(test)]
    pub(super) fn at(host: &str, port: &str, dir: &Path) -> Self {
        Self {
            host: host.to_owned(),
            port: port.to_owned(),
            dir: dir.to_owned(),
        }
    }
}
