//! How connections are made: names, TLS roots, a CA of the user's own, proxies. One place, one TLS provider (aws-lc-rs).
//! What is asked over them, and what an answer means, does not belong here.

mod names;

pub use names::Names;

use anyhow::Context as _;
use reqwest::{Certificate, Client, NoProxy, Proxy, redirect};
use std::error::Error;
use std::io;
use std::time::Duration;

/// Longest wait for a connection, TLS handshake included. Deadlines of whole requests are the caller's.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Idle connections are dropped after this: GitHub and Azure close theirs after a minute or more.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// What the caller's surroundings say about connections.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// PEM certificates trusted besides the bundled Mozilla roots.
    pub ca_pem: Option<Vec<u8>>,
    /// Proxy URL for http and https. The process environment is not consulted.
    pub proxy: Option<String>,
    /// Hosts reached without the proxy, in the form of `NO_PROXY`. This machine itself always is.
    pub no_proxy: Option<String>,
    pub user_agent: String,
}

/// What a client is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// GitHub's API: gzip, connections kept.
    Api,
    /// Artifact storage: no header of ours, bytes as they come.
    Blob,
    /// Health probes: a new connection each, bytes as they come.
    Probe,
}

/// Makes aws-lc-rs the TLS provider of every library in this process. Calling it again does nothing.
pub fn install_tls_provider() {
    // Err: one is installed already, and only this function installs one.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// A client for one purpose. No client follows redirects: a token must not travel, and a signed URL is asked for anew.
///
/// # Errors
/// The CA file holds no certificate, or the proxy is not a URL.
pub fn client(settings: &Settings, purpose: Purpose) -> anyhow::Result<Client> {
    install_tls_provider();
    let builder = Client::builder()
        .tls_certs_only(roots(settings)?)
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_MAX)
        .pool_idle_timeout(IDLE_MAX);
    let builder = match purpose {
        Purpose::Api => builder.user_agent(&settings.user_agent),
        Purpose::Blob => builder.no_gzip(),
        Purpose::Probe => builder
            .no_gzip()
            .pool_max_idle_per_host(0)
            .user_agent(&settings.user_agent),
    };
    let builder = match &settings.proxy {
        None => builder.no_proxy(),
        Some(url) => builder.proxy(proxy(url, settings.no_proxy.as_deref())?),
    };
    builder.build().context("could not set up TLS")
}

/// What went wrong with a connection, as far as it changes what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The other side's certificate is not trusted: trying again does not help.
    Certificate,
    /// The host name was not found.
    Name,
    /// Anything else: refused, reset, timed out, cut off.
    Other,
}

/// The innermost cause of a transport error, in words and without the URL, which may be a signed one.
pub fn trouble(error: &(dyn Error + 'static)) -> (Trouble, String) {
    const DEPTH_MAX: usize = 32;
    let mut kind = Trouble::Other;
    let mut text = String::new();
    let mut next = Some(error);
    for _ in 0..DEPTH_MAX {
        let Some(error) = next else { break };
        if let Some(reqwest) = error.downcast_ref::<reqwest::Error>() {
            reqwest_text(reqwest).clone_into(&mut text);
        } else {
            text = error.to_string();
        }
        if text.contains("dns error") {
            kind = Trouble::Name;
        }
        // An io::Error made of another error hides that error from `source`.
        let mut inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        // hyper-rustls puts the one of the handshake into another.
        while let Some(io) = inner.and_then(|inner| inner.downcast_ref::<io::Error>()) {
            inner = io.get_ref();
        }
        if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            if matches!(tls, rustls::Error::InvalidCertificate(_)) {
                kind = Trouble::Certificate;
            }
            return (kind, tls.to_string());
        }
        next = error.source();
    }
    (kind, text)
}

fn reqwest_text(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "could not connect"
    } else if error.is_body() || error.is_decode() {
        "the answer was cut off"
    } else {
        "the request failed"
    }
}

fn roots(settings: &Settings) -> anyhow::Result<Vec<Certificate>> {
    let mut roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .map(|root| Certificate::from_der(root.as_ref()))
        .collect::<Result<Vec<_>, _>>()
        .context("could not read the bundled TLS roots")?;
    if let Some(pem) = &settings.ca_pem {
        let own = Certificate::from_pem_bundle(pem).context("could not read the CA file")?;
        anyhow::ensure!(
            !own.is_empty(),
            "found no certificate in the CA file, expected PEM with BEGIN CERTIFICATE"
        );
        roots.extend(own);
    }
    Ok(roots)
}

fn proxy(url: &str, no_proxy: Option<&str>) -> anyhow::Result<Proxy> {
    const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";
    let list = match no_proxy {
        None | Some("") => THIS_MACHINE.to_owned(),
        Some(hosts) => format!("{hosts},{THIS_MACHINE}"),
    };
    // The URL may hold a password: it is not repeated in the message.
    let proxy = Proxy::all(url)
        .map_err(|_url_in_it| anyhow::anyhow!("the proxy is not a URL such as http://host:3128"))?;
    Ok(proxy.no_proxy(NoProxy::from_string(&list)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_for_each_purpose() {
        for purpose in [Purpose::Api, Purpose::Blob, Purpose::Probe] {
            client(&Settings::default(), purpose).unwrap();
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        #[track_caller]
        fn check(settings: &Settings, says: &str) {
            let error = client(settings, Purpose::Api).unwrap_err();
            assert!(format!("{error:#}").contains(says), "{error:#}");
        }
        let ca = |pem: &str| Settings {
            ca_pem: Some(pem.into()),
            ..Settings::default()
        };
        check(&ca(""), "found no certificate in the CA file");
        check(&ca("not PEM"), "found no certificate in the CA file");
        let proxy = Settings {
            proxy: Some("http://me:hunter2@:bad".into()),
            ..Settings::default()
        };
        check(&proxy, "the proxy is not a URL");
        let error = client(&proxy, Purpose::Api).unwrap_err();
        assert!(!format!("{error:#}").contains("hunter2"));
    }
}
