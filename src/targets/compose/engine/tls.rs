//! TLS to an engine: the certificates that were given, the handshake, and its failures in words. The bundled Mozilla roots count only
//! when no authority is given; the platform's never do.

use super::address::variable;
use super::context::{self, Context};
use super::error::{Unconnected, usage};
use crate::net;
use crate::targets::compose::settings::Settings;
use crate::targets::{Base, TargetError};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, InvalidMessage, RootCertStore,
};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longest handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// A file of certificates has a few thousand bytes; past this it is something else.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// One PEM text and where it was found, in words.
struct Pem {
    text: String,
    from: String,
}

/// What was given for TLS.
#[derive(Default)]
struct Material {
    ca: Option<Pem>,
    cert: Option<Pem>,
    key: Option<Pem>,
}

/// Whether certificates are given that only TLS can use, or TLS is asked for by `DOCKER_TLS_VERIFY`.
pub(super) fn is_asked_for(settings: &Settings, base: &Base) -> bool {
    settings.tls_dir.is_some()
        || settings.tls_ca_from.is_some()
        || settings.tls_cert_from.is_some()
        || variable(base, "DOCKER_TLS_VERIFY").is_some()
        || variable(base, "DOCKER_CERT_PATH").is_some()
}

/// Reads what was given for TLS.
pub(super) fn config(
    settings: &Settings,
    base: &Base,
    context: Option<&Context>,
) -> Result<Arc<ClientConfig>, TargetError> {
    net::install_tls_provider();
    let material = material(settings, base, context)?;
    let roots = roots(&material, base)?;
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let config = match (&material.cert, &material.key) {
        (Some(cert), Some(key)) => {
            let chain = certificates(cert)?;
            let key_text = PrivateKeyDer::from_pem_slice(key.text.as_bytes()).map_err(|error| {
                usage(
                    format!("{}: found no private key ({error}), expected PEM with BEGIN PRIVATE KEY, not encrypted", key.from),
                    "give the key.pem that belongs to the certificate",
                )
            })?;
            builder
                .with_client_auth_cert(chain, key_text)
                .map_err(|error| {
                    usage(
                        format!(
                            "{} and {} do not fit each other: {error}",
                            cert.from, key.from
                        ),
                        "give a certificate and the key that it was made for",
                    )
                })?
        }
        (None, None) => builder.with_no_client_auth(),
        (Some(found), None) | (None, Some(found)) => {
            return Err(usage(
                format!(
                    "found {} alone, expected the certificate and its key",
                    found.from
                ),
                "give cert.pem and key.pem, or neither",
            ));
        }
    };
    Ok(Arc::new(config))
}

fn material(
    settings: &Settings,
    base: &Base,
    context: Option<&Context>,
) -> Result<Material, TargetError> {
    if let Some(dir) = &settings.tls_dir {
        return files(&base.dir.join(dir), "tls-dir", true);
    }
    if settings.tls_ca_from.is_some() || settings.tls_cert_from.is_some() {
        let named = |key: &str, name: &Option<String>| match name {
            Some(name) => text(key, name, base).map(Some),
            None => Ok(None),
        };
        return Ok(Material {
            ca: named("tls-ca-from", &settings.tls_ca_from)?,
            cert: named("tls-cert-from", &settings.tls_cert_from)?,
            key: named("tls-key-from", &settings.tls_key_from)?,
        });
    }
    if let Some(context) = context {
        return files(&context.tls, "the context", false);
    }
    if let Some(dir) = variable(base, "DOCKER_CERT_PATH") {
        return files(&base.dir.join(dir), "DOCKER_CERT_PATH", true);
    }
    match context::directory(base) {
        // As Docker's client does.
        Some(dir) if variable(base, "DOCKER_TLS_VERIFY").is_some() => {
            files(&dir, "DOCKER_TLS_VERIFY", false)
        }
        Some(_) | None => Ok(Material::default()),
    }
}

fn text(key: &str, name: &str, base: &Base) -> Result<Pem, TargetError> {
    let Some(value) = variable(base, name) else {
        return Err(usage(
            format!("{key}: the variable {name} is not set, expected PEM text"),
            format!("set {name} in the environment of this command, from a secret"),
        ));
    };
    Ok(Pem {
        text: mended(value),
        from: format!("the variable {name}"),
    })
}

/// Secret stores often keep the line breaks of a PEM text as `\n`, or with a carriage return before them.
pub(super) fn mended(text: &str) -> String {
    let text = if text.contains("\\n") {
        text.replace("\\r", "").replace("\\n", "\n")
    } else {
        text.to_owned()
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut text = lines.join("\n").trim().to_owned();
    text.push('\n');
    text
}

fn files(dir: &Path, from: &str, must_exist: bool) -> Result<Material, TargetError> {
    let one = |name: &str| -> Result<Option<Pem>, TargetError> {
        let path: PathBuf = dir.join(name);
        let bad = |why: String| {
            usage(
                format!("{from}: {} could not be read: {why}", path.display()),
                "let this command read ca.pem, cert.pem and key.pem there",
            )
        };
        let size = match fs::metadata(&path) {
            Ok(found) => found.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(bad(error.to_string())),
        };
        if FILE_BYTES_MAX < size {
            return Err(bad(format!(
                "it has {size} bytes, expected at most {FILE_BYTES_MAX}"
            )));
        }
        let text = fs::read_to_string(&path).map_err(|error| bad(error.to_string()))?;
        Ok(Some(Pem {
            text: mended(&text),
            from: path.display().to_string(),
        }))
    };
    let found = Material {
        ca: one("ca.pem")?,
        cert: one("cert.pem")?,
        key: one("key.pem")?,
    };
    if must_exist && found.ca.is_none() && found.cert.is_none() {
        return Err(usage(
            format!(
                "{from}: found no ca.pem and no cert.pem in {}",
                dir.display()
            ),
            "give the directory that holds ca.pem, cert.pem and key.pem; in a job of its own they must be written there first",
        ));
    }
    Ok(found)
}

fn roots(material: &Material, base: &Base) -> Result<RootCertStore, TargetError> {
    let mut store = RootCertStore::empty();
    if let Some(ca) = &material.ca {
        for certificate in certificates(ca)? {
            store.add(certificate).map_err(|error| {
                usage(
                    format!(
                        "{}: found a certificate that cannot be one of an authority: {error}",
                        ca.from
                    ),
                    "give the ca.pem of the engine",
                )
            })?;
        }
        return Ok(store);
    }
    store.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    if let Some(own) = &base.net.ca_pem {
        let own = CertificateDer::pem_slice_iter(own).flatten();
        store.add_parsable_certificates(own);
    }
    Ok(store)
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, TargetError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.text.as_bytes()).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(usage(
            format!(
                "{}: found no certificate, expected PEM with BEGIN CERTIFICATE",
                pem.from
            ),
            "give the text of a PEM file",
        )),
        Err(error) => Err(usage(
            format!("{}: found PEM that cannot be read: {error}", pem.from),
            "give the whole text of a PEM file, with its line breaks",
        )),
    }
}

/// Makes the handshake.
pub(super) async fn connect(
    tcp: TcpStream,
    host: &str,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, Unconnected> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_not_a_name| {
        Unconnected::refused(
            format!("{host:?} is no host that a certificate can be for"),
            "name the host as its certificate does",
        )
    })?;
    let connecting = TlsConnector::from(config).connect(name, tcp);
    let Ok(connected) = tokio::time::timeout(HANDSHAKE_MAX, connecting).await else {
        return Err(Unconnected::failed(format!(
            "no TLS handshake within {HANDSHAKE_MAX:?}"
        )));
    };
    connected.map_err(|error| {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>());
        tls.and_then(refusal)
            .unwrap_or_else(|| Unconnected::failed(format!("the TLS handshake broke off: {error}")))
    })
}

/// A handshake that will fail the next time too, in words. `None`: it may work the next time.
pub(super) fn refusal(error: &Error) -> Option<Unconnected> {
    let (what, next) = match error {
        Error::InvalidCertificate(wrong) => certificate(wrong),
        Error::AlertReceived(alert) => (
            alert_words(*alert)?,
            "give a certificate that the engine's authority (its --tlscacert) has signed, with its key: cert.pem and key.pem",
        ),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => (
            "what listens there does not speak TLS".to_owned(),
            "set the port that the engine serves with TLS, usually 2376",
        ),
        // Foreign, and there are many.
        _ => return None,
    };
    Some(Unconnected::refused(what, next))
}

fn certificate(wrong: &CertificateError) -> (String, &'static str) {
    let (what, next) = match wrong {
        // A bad signature: an authority of the same name that was made anew.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "the engine's certificate is signed by nobody who is trusted here",
            "give the authority that signed it: ca.pem in tls-dir, or tls-ca-from",
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "the engine's certificate has expired",
            "renew the engine's certificate",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "the engine's certificate is not valid yet",
            "set the clock of the engine's host, or of this one",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "the engine's certificate is for another host",
            "write the host as the certificate's subjectAltName does, or make one that names this host",
        ),
        // Foreign, and there are many.
        _ => (
            "the engine's certificate does not hold",
            "make the engine a certificate that its authority signs, with subjectAltName and extendedKeyUsage serverAuth",
        ),
    };
    (format!("{what} ({wrong})"), next)
}

fn alert_words(alert: AlertDescription) -> Option<String> {
    let what = match alert {
        AlertDescription::CertificateRequired => "the engine asks for a certificate of ours",
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError
        | AlertDescription::HandshakeFailure => "the engine refuses our certificate",
        // Foreign, and about the protocol.
        _ => return None,
    };
    Some(format!("{what} (TLS alert {alert:?})"))
}
