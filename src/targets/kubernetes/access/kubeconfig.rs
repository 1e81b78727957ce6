//! Reads a kubeconfig: one context, its cluster and its user. Files that it names are read from its directory. What would
//! make the connection unsafe, or needs a program that is not here, is refused. No secret of it reaches a message.

use super::way::{Found, read};
use super::{Access, address, plugin, proxy, refused};
use crate::targets::TargetError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, Cluster, Context, ExecAuthCluster, Kubeconfig};
use std::collections::BTreeMap;
use std::path::Path;

/// Names of contexts that a refusal lists at most.
const NAMES_MAX: usize = 8;

/// What a context of a kubeconfig leads to.
pub(super) fn access(
    found: &Found,
    wanted: Option<&str>,
    environment: &BTreeMap<String, String>,
) -> Result<Access, TargetError> {
    let kubeconfig = parse(found)?;
    let (name, context) = context(&kubeconfig, wanted, &found.from)?;
    let missing = |kind: &str, what: &str| {
        refused(
            format!(
                "{}: context {name} names the {kind} {what:?}, which is not in there",
                found.from
            ),
            "give a complete kubeconfig: kubectl config view --raw --flatten --minify",
        )
    };
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|named| named.name == context.cluster)
        .and_then(|named| named.cluster.clone())
        .ok_or_else(|| missing("cluster", &context.cluster))?;
    let auth = match &context.user {
        None => AuthInfo::default(),
        Some(user) => kubeconfig
            .auth_infos
            .iter()
            .find(|named| named.name == *user)
            .and_then(|named| named.auth_info.clone())
            .ok_or_else(|| missing("user", user))?,
    };
    let server = server(&cluster, found)?;
    let ca = certificate_authority(&cluster, found)?;
    let auth = credentials(auth, &cluster, ca.as_deref(), found, environment)?;
    let proxy = cluster.proxy_url.as_deref().filter(|url| !url.is_empty());
    Ok(Access {
        server,
        context: Some(name),
        ca,
        tls_server_name: cluster.tls_server_name,
        auth,
        proxy: proxy.map(proxy::usable).transpose()?,
        compress: cluster.disable_compression != Some(true),
    })
}

fn parse(found: &Found) -> Result<Kubeconfig, TargetError> {
    let kubeconfig = Kubeconfig::from_yaml(found.text.expose()).map_err(|error| {
        // The cause quotes the text, which holds keys: only where it is may be said.
        let place = match &error {
            kube::config::KubeconfigError::Parse(cause) => cause
                .location()
                .map(|at| format!(", see line {}", at.line())),
            _ => None,
        };
        refused(
            format!(
                "{} is not a kubeconfig{}",
                found.from,
                place.unwrap_or_default()
            ),
            "give the YAML that `kubectl config view --raw --flatten --minify` prints",
        )
    })?;
    if kubeconfig.contexts.is_empty() {
        return Err(refused(
            format!(
                "{} has no contexts, expected a kubeconfig with at least one",
                found.from
            ),
            "give the YAML that `kubectl config view --raw --flatten --minify` prints",
        ));
    }
    Ok(kubeconfig)
}

fn context(
    kubeconfig: &Kubeconfig,
    wanted: Option<&str>,
    from: &str,
) -> Result<(String, Context), TargetError> {
    let current = kubeconfig.current_context.as_deref();
    let Some(name) = wanted.or(current).filter(|name| !name.is_empty()) else {
        return Err(refused(
            format!("{from} has no current context, and the settings name none"),
            "name one with `context` in the settings of the target",
        ));
    };
    let context = kubeconfig
        .contexts
        .iter()
        .find(|named| named.name == name)
        .and_then(|named| named.context.clone());
    if let Some(context) = context {
        return Ok((name.to_owned(), context));
    }
    let names = kubeconfig.contexts.iter().map(|named| named.name.as_str());
    let names: Vec<&str> = names.take(NAMES_MAX).collect();
    Err(refused(
        format!(
            "{from} has no context {name:?}; it has {}",
            names.join(", ")
        ),
        "correct `context` in the settings of the target, or give the kubeconfig of that cluster",
    ))
}

fn server(cluster: &Cluster, found: &Found) -> Result<http::Uri, TargetError> {
    if cluster.insecure_skip_tls_verify == Some(true) {
        return Err(refused(
            format!(
                "{} has insecure-skip-tls-verify: true; anybody in between could answer",
                found.from
            ),
            "remove that line and give the cluster's CA as certificate-authority-data, and tls-server-name when the name differs",
        ));
    }
    address(cluster.server.as_deref().unwrap_or_default())
}

fn certificate_authority(cluster: &Cluster, found: &Found) -> Result<Option<Vec<u8>>, TargetError> {
    either(
        cluster.certificate_authority_data.as_deref(),
        cluster.certificate_authority.as_deref(),
        "certificate-authority",
        found,
    )
}

/// The decoded data, else the file's bytes; the data wins, as with kubectl.
fn either(
    data: Option<&str>,
    file: Option<&str>,
    key: &str,
    found: &Found,
) -> Result<Option<Vec<u8>>, TargetError> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        // Line breaks come from `base64` without -w0.
        let data: String = data.split_ascii_whitespace().collect();
        return STANDARD.decode(data).map(Some).map_err(|_quotes_it| {
            refused(
                format!("{}: {key}-data is not base64", found.from),
                "give the kubeconfig as `kubectl config view --raw` prints it",
            )
        });
    }
    let Some(file) = file.filter(|file| !file.is_empty()) else {
        return Ok(None);
    };
    read(&found.dir.join(file), &format!("{} of {}", key, found.from)).map(Some)
}

/// The user's credentials with every file read; a plugin made ready to be run.
fn credentials(
    mut auth: AuthInfo,
    cluster: &Cluster,
    ca: Option<&[u8]>,
    found: &Found,
    environment: &BTreeMap<String, String>,
) -> Result<AuthInfo, TargetError> {
    if let Some(provider) = &auth.auth_provider {
        return Err(plugin::legacy(&provider.name));
    }
    let encoded = |bytes: Vec<u8>| STANDARD.encode(bytes);
    let file = auth.client_certificate.take();
    auth.client_certificate_data = either(
        auth.client_certificate_data.as_deref(),
        file.as_deref(),
        "client-certificate",
        found,
    )?
    .map(encoded);
    if auth.client_key_data.is_none()
        && let Some(file) = auth.client_key.take()
    {
        let key = either(None, Some(&file), "client-key", found)?;
        auth.client_key_data = key.map(|key| encoded(key).into());
    }
    if auth.client_certificate_data.is_some() != auth.client_key_data.is_some() {
        return Err(refused(
            format!(
                "{} has only one of client certificate and client key",
                found.from
            ),
            "give both, or a token",
        ));
    }
    if auth.token.is_none()
        && let Some(file) = auth.token_file.take()
    {
        token_file(&mut auth, &found.dir.join(file), found)?;
    }
    if let Some(exec) = auth.exec.take() {
        let mut exec = plugin::ready(exec, &found.dir, environment)?;
        if exec.provide_cluster_info {
            exec.cluster = Some(described(cluster, ca)?);
        }
        auth.exec = Some(exec);
    }
    Ok(auth)
}

/// By path, so that a renewed token is seen; by value when it ends in a line break, which no header can hold.
fn token_file(auth: &mut AuthInfo, path: &Path, found: &Found) -> Result<(), TargetError> {
    let bytes = read(path, &format!("tokenFile of {}", found.from))?;
    let token = String::from_utf8_lossy(&bytes).into_owned();
    if token.trim() == token {
        auth.token_file = Some(path.display().to_string());
    } else {
        auth.token = Some(token.trim().to_owned().into());
    }
    Ok(())
}

/// What a plugin with `provideClusterInfo` is told.
fn described(cluster: &Cluster, ca: Option<&[u8]>) -> Result<ExecAuthCluster, TargetError> {
    let told = Cluster {
        certificate_authority: None,
        certificate_authority_data: ca.map(|ca| STANDARD.encode(ca)),
        ..cluster.clone()
    };
    ExecAuthCluster::try_from(&told).map_err(|error| TargetError::Failed(error.into()))
}
