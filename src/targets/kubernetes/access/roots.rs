//! Which certificate authorities are trusted: the cluster's own when it is named, else the bundled roots and the CA file of
//! the command. The platform's trust store is never asked: a scratch container has none, and it would differ by machine.

use super::refused;
use crate::net;
use crate::targets::TargetError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The trusted roots, each in DER.
pub(super) fn trusted(
    cluster: Option<&[u8]>,
    net: &net::Settings,
) -> Result<Vec<Vec<u8>>, TargetError> {
    if let Some(pem) = cluster {
        return certificates(pem, "the certificate authority of the cluster");
    }
    let mut roots: Vec<Vec<u8>> = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .map(|root| root.as_ref().to_vec())
        .collect();
    if let Some(pem) = &net.ca_pem {
        roots.extend(certificates(pem, "the CA file of the command")?);
    }
    Ok(roots)
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<Vec<u8>>, TargetError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem)
        .map(|certificate| certificate.map(|it| it.to_vec()))
        .collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        // The cause would quote what is there, and that may be a key.
        Ok(_) | Err(_) => Err(refused(
            format!("{what} holds no readable certificate, expected PEM with BEGIN CERTIFICATE"),
            "give the cluster's certificate authority: kubectl config view --raw --minify -o jsonpath='{.clusters[0].cluster.certificate-authority-data}' | base64 -d",
        )),
    }
}
