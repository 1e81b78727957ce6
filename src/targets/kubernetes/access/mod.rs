//! How the API server is reached: which address, which certificates, which credentials, how long and how often it is asked.
//! What is asked of it does not belong here, and nothing is asked to get here.

mod kubeconfig;
mod plugin;
mod proxy;
mod roots;
#[cfg(test)]
mod tests;
mod transport;
mod way;

pub(super) use transport::{is_authentication, is_unsent};

use super::cluster::Cluster;
use super::settings::Settings;
use crate::targets::{Base, TargetError};
use kube::config::AuthInfo;
use kube::{Client, Config};
use std::time::Duration;
use way::Way;

/// Longest wait for a connection, TLS handshake included.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Longest wait for an auth plugin: it may have to ask its own service.
const PLUGIN_MAX: Duration = Duration::from_mins(1);

/// How one API server is reached.
struct Access {
    server: http::Uri,
    /// The context of the kubeconfig, when there is one.
    context: Option<String>,
    /// PEM text of the cluster's own certificate authority.
    ca: Option<Vec<u8>>,
    /// Name in the server's certificate, when it is not the host's.
    tls_server_name: Option<String>,
    auth: AuthInfo,
    proxy: Option<http::Uri>,
    compress: bool,
}

/// Sets up the client. Only an auth plugin is run; the server is not contacted.
///
/// # Errors
/// `Refused`: there is no way in, or the one there is cannot be used; with what to give instead.
pub(super) async fn open(settings: &Settings, base: &Base) -> Result<Cluster, TargetError> {
    let access = match way::choose(settings, base)? {
        Way::Kubeconfig(found) => {
            kubeconfig::access(&found, settings.context.as_deref(), &base.environment)?
        }
        Way::Token(given) => given.access()?,
        Way::InCluster(account) => account.access()?,
    };
    let server = access.server.to_string();
    let context = access.context.clone();
    let plugin = access.auth.exec.clone();
    let config = config(access, base)?;
    // An auth plugin runs here, and whoever runs it waits for it.
    let client = tokio::task::spawn_blocking(move || Client::try_from(config));
    let client = tokio::time::timeout(PLUGIN_MAX, client)
        .await
        .map_err(|_elapsed| plugin::timed_out(plugin.as_ref(), PLUGIN_MAX))?
        .map_err(|error| TargetError::Failed(anyhow::Error::new(error)))?
        .map_err(|error| plugin::failed(plugin.as_ref(), &error, &base.secrets))?;
    Ok(Cluster {
        client: transport::patient(client, &settings.namespace),
        server,
        context,
    })
}

fn config(access: Access, base: &Base) -> Result<Config, TargetError> {
    let mut config = Config::new(access.server.clone());
    config.root_cert = Some(roots::trusted(access.ca.as_deref(), &base.net)?);
    config.connect_timeout = Some(CONNECT_MAX);
    config.auth_info = access.auth;
    config.proxy_url = match access.proxy {
        Some(own) => Some(own),
        None => proxy::between(&access.server, &base.net)?,
    };
    config.tls_server_name = access.tls_server_name;
    config.disable_compression = !access.compress;
    // Ours knows which requests may be sent again.
    config.default_retry = false;
    if let Ok(agent) = http::HeaderValue::from_str(&base.net.user_agent)
        && !agent.is_empty()
    {
        config.headers.push((http::header::USER_AGENT, agent));
    }
    Ok(config)
}

fn refused(what: impl Into<String>, next: impl Into<String>) -> TargetError {
    TargetError::Refused {
        what: what.into(),
        allow: None,
        next: next.into(),
    }
}

/// The address of an API server. Only https: a token or a certificate goes over it.
fn address(text: &str) -> Result<http::Uri, TargetError> {
    let uri = text.parse::<http::Uri>().ok();
    let usable = uri.filter(|uri| {
        let bare = uri.authority().is_some_and(|it| !it.as_str().contains('@'));
        uri.scheme_str() == Some("https") && bare && uri.query().is_none()
    });
    // What is written there may hold a password: it is not repeated.
    usable.ok_or_else(|| {
        refused(
            "the address of the API server is not an https address without user and query",
            "give it as in https://10.0.0.1:6443",
        )
    })
}
