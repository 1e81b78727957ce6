//! Keys and certificates of a test cluster, made here: one authority, one serving certificate for 127.0.0.1 (API server,
//! kubelet, the mischief proxy), one key pair for service-account tokens. They live as long as the cluster.

use super::files::{Files, write_secret};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::sync::Arc;

/// Writes all of them.
pub fn make(files: &Files) {
    let authority_key = key();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    named(&mut authority, "the authority of a test cluster");
    let certificate = authority
        .self_signed(&authority_key)
        .expect("a fresh key signs");
    write_secret(&files.ca_certificate(), &certificate.pem());
    write_secret(&files.ca_key(), &authority_key.serialize_pem());

    let issuer = Issuer::new(authority, authority_key);
    let server_key = key();
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let mut server = CertificateParams::new(names).expect("an address and a name");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    named(&mut server, "a server of a test cluster");
    let certificate = server
        .signed_by(&server_key, &issuer)
        .expect("a fresh key signs");
    write_secret(&files.certificate(), &certificate.pem());
    write_secret(&files.key(), &server_key.serialize_pem());

    let accounts = key();
    write_secret(&files.account_key(), &accounts.serialize_pem());
    write_secret(&files.account_public_key(), &accounts.public_key_pem());
}

/// For a server on 127.0.0.1 that clients of the cluster trust. HTTP/1.1 only: upgrades are part of the tests.
pub fn server_config(files: &Files) -> Arc<ServerConfig> {
    let chain = certificates(&files.certificate());
    let key = PrivateKeyDer::from_pem_file(files.key()).expect("the keeper wrote a key");
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("the certificate belongs to the key");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// For a client that trusts the cluster's authority only.
pub fn client_config(files: &Files) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.ca_certificate()) {
        roots.add(certificate).expect("it is an authority");
    }
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

fn certificates(path: &std::path::Path) -> Vec<CertificateDer<'static>> {
    let text = fs::read(path).expect("the keeper wrote a certificate");
    CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .expect("certificates in PEM")
}

fn key() -> KeyPair {
    KeyPair::generate().expect("the system has random bytes")
}

fn named(params: &mut CertificateParams, name: &str) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
}
