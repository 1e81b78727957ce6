//! Which proxy is between: the one of the kubeconfig's cluster, else the command's, except for hosts that are reached without.

use super::refused;
use crate::net;
use crate::targets::TargetError;
use hyper_util::client::proxy::matcher::Matcher;

/// This machine itself is always reached without a proxy.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// The command's proxy, when it is between us and the server.
pub(super) fn between(
    server: &http::Uri,
    net: &net::Settings,
) -> Result<Option<http::Uri>, TargetError> {
    let Some(proxy) = &net.proxy else {
        return Ok(None);
    };
    let without = match net.no_proxy.as_deref() {
        None | Some("") => THIS_MACHINE.to_owned(),
        Some(hosts) => format!("{hosts},{THIS_MACHINE}"),
    };
    let proxy = usable(proxy)?;
    let matcher = Matcher::builder()
        .all(proxy.to_string())
        .no(without)
        .build();
    Ok(matcher.intercept(server).map(|_| proxy))
}

/// A proxy that the connection to an API server can go through: by CONNECT, over http.
pub(super) fn usable(proxy: &str) -> Result<http::Uri, TargetError> {
    let uri = proxy.parse::<http::Uri>().ok();
    // The URL may hold a password: it is not repeated in the message.
    uri.filter(|uri| uri.scheme_str() == Some("http") && uri.authority().is_some())
        .ok_or_else(|| {
            refused(
                "the proxy to the API server is not an http:// address; others cannot be used here",
                "give one such as http://host:3128, or exempt the API server with NO_PROXY",
            )
        })
}
