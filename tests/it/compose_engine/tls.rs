//! TLS, with certificates of an authority made for the test.

use super::asked::Given;
use super::double::{self, VERSION};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// An authority and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
struct Signed {
    cert: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn sign(&self, name: &str, usage: ExtendedKeyUsagePurpose, until: i32) -> Signed {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        Signed {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }

    fn server(&self) -> Signed {
        self.sign("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth, 2099)
    }

    fn client(&self) -> Signed {
        self.sign("lastgood", ExtendedKeyUsagePurpose::ClientAuth, 2099)
    }
}

/// An engine behind TLS, for as long as it is held.
struct Served {
    at: String,
    task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `demands`: the authority whose certificates are let in.
async fn serve(signed: &Signed, demands: Option<&Authority>) -> Served {
    lastgood::net::install_tls_provider();
    let builder = ServerConfig::builder();
    let builder = match demands {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.0.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(signed.cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).unwrap();
    let config = builder.with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("tcp://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            drop(tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    double::serve(stream, VERSION).await;
                }
            }));
        }
    });
    Served { at, task }
}

fn write(dir: &Path, ca: &str, client: Option<&Signed>) {
    fs::write(dir.join("ca.pem"), ca).unwrap();
    if let Some(client) = client {
        fs::write(dir.join("cert.pem"), &client.cert).unwrap();
        fs::write(dir.join("key.pem"), &client.key).unwrap();
    }
}

#[tokio::test]
async fn an_engine_that_demands_a_certificate_lets_ours_in() {
    let authority = Authority::new();
    let client = authority.client();
    let served = serve(&authority.server(), Some(&authority)).await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &authority.pem(), Some(&client));
    let given = || Given::new(dir.path()).variable("DOCKER_HOST", &served.at);
    given().set("tls-dir", ".").is_let_in().await;
    let path = dir.path().display().to_string();
    given()
        .variable("DOCKER_CERT_PATH", &path)
        .variable("DOCKER_TLS_VERIFY", "1")
        .is_let_in()
        .await;
    // As a secret store bends them.
    given()
        .set("tls-ca-from", "CA")
        .set("tls-cert-from", "CERT")
        .set("tls-key-from", "KEY")
        .variable("CA", authority.pem().replace('\n', "\\n"))
        .variable("CERT", client.cert.replace('\n', "\r\n"))
        .variable("KEY", &client.key)
        .is_let_in()
        .await;
}

#[tokio::test]
async fn a_certificate_of_ours_that_is_missing_or_foreign_is_said() {
    let authority = Authority::new();
    let served = serve(&authority.server(), Some(&authority)).await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &authority.pem(), None);
    let given = Given::new(dir.path())
        .set("host", served.at.as_str())
        .set("tls-dir", ".");
    given
        .is_refused(&["asks for a certificate of ours", "cert.pem and key.pem"])
        .await;
    write(
        dir.path(),
        &authority.pem(),
        Some(&Authority::new().client()),
    );
    given.is_refused(&["refuses our certificate"]).await;
    let (one, other) = (authority.client(), authority.client());
    let key = other.key;
    write(
        dir.path(),
        &authority.pem(),
        Some(&Signed {
            cert: one.cert,
            key,
        }),
    );
    given.is_usage(&["do not fit each other"]).await;
    fs::remove_file(dir.path().join("key.pem")).unwrap();
    given.is_usage(&["cert.pem alone"]).await;
}

#[tokio::test]
async fn an_engine_that_proves_nothing_is_refused() {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &authority.pem(), None);
    let usage = ExtendedKeyUsagePurpose::ServerAuth;
    let cases = [
        (Authority::new().server(), "signed by nobody who is trusted"),
        (
            authority.sign("127.0.0.1", usage.clone(), 2021),
            "has expired",
        ),
        (
            authority.sign("10.0.0.7", usage, 2099),
            "is for another host",
        ),
    ];
    for (signed, says) in cases {
        let served = serve(&signed, None).await;
        let given = Given::new(dir.path())
            .set("host", served.at.as_str())
            .set("tls-dir", ".");
        given.is_refused(&[says, &served.at]).await;
    }
    // Without an authority of ours only the public ones count.
    let served = serve(&authority.server(), None).await;
    let https = served.at.replace("tcp", "https");
    let given = Given::new(dir.path()).set("host", https);
    given
        .is_refused(&["ca.pem in tls-dir, or tls-ca-from"])
        .await;
}

#[tokio::test]
async fn what_does_not_speak_tls_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("tcp://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(tokio::spawn(double::serve(stream, VERSION)));
        }
    });
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &Authority::new().pem(), None);
    let given = Given::new(dir.path()).set("host", at.as_str());
    given.is_let_in().await;
    given
        .set("tls-dir", ".")
        .is_refused(&["does not speak TLS", "2376"])
        .await;
    task.abort();
}

#[tokio::test]
async fn texts_that_are_no_certificates_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let given = Given::new(dir.path())
        .set("host", "tcp://127.0.0.1:1")
        .set("tls-dir", ".");
    given
        .is_usage(&["tls-dir: found no ca.pem and no cert.pem"])
        .await;
    write(dir.path(), "hello", None);
    given.is_usage(&["ca.pem: found no certificate"]).await;
}
