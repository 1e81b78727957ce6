//! Why a probe got no answer, in a few stable words: reports count equal texts, so no address, port or time is in them.

use rustls::CertificateError;
use std::error::Error;
use std::io::{self, ErrorKind};

/// Longest piece of a library's own words.
const WORDS_MAX: usize = 80;

/// `connection refused`, `TLS: certificate expired`, `DNS: cannot resolve example.org`.
pub(super) fn words(error: &reqwest::Error, host: &str) -> String {
    let chain = || {
        let first: &(dyn Error + 'static) = error;
        // Bounded: an error that contains itself would be a bug, but not ours to hang on.
        std::iter::successors(Some(first), |error| cause(*error)).take(20)
    };
    if let Some(tls) = chain().find_map(|error| error.downcast_ref::<rustls::Error>()) {
        return format!("TLS: {}", tls_words(tls));
    }
    if chain().any(|error| error.to_string().starts_with("dns error")) {
        return format!("DNS: cannot resolve {host}");
    }
    if let Some(kind) = chain().find_map(|error| Some(error.downcast_ref::<io::Error>()?.kind()))
        && let Some(words) = io_words(kind)
    {
        return words.to_owned();
    }
    let last = chain().last().map(ToString::to_string).unwrap_or_default();
    match last.as_str() {
        "connection closed before message completed" => CLOSED.to_owned(),
        last if last.starts_with("invalid HTTP") => "not HTTP".to_owned(),
        last => format!("no answer: {}", short(last)),
    }
}

const CLOSED: &str = "connection closed before the answer was complete";

/// The next error of the chain; I/O errors hide theirs inside.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let inner = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
        .map(|inner| {
            let inner: &(dyn Error + 'static) = inner;
            inner
        });
    inner.or_else(|| error.source())
}

fn io_words(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::ConnectionRefused => Some("connection refused"),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            Some("connection reset")
        }
        ErrorKind::HostUnreachable => Some("host unreachable"),
        ErrorKind::NetworkUnreachable => Some("network unreachable"),
        ErrorKind::TimedOut => Some("connection timed out"),
        ErrorKind::UnexpectedEof => Some(CLOSED),
        _ => None,
    }
}

fn tls_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(certificate) => certificate_words(certificate),
        rustls::Error::InvalidMessage(_) => "the answer is not TLS".to_owned(),
        other => short(&other.to_string()),
    }
}

/// The library's own words hold times, names and keys, which differ from probe to probe.
fn certificate_words(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "certificate is for another name"
        }
        CertificateError::UnknownIssuer => "certificate of an unknown issuer",
        CertificateError::Revoked => "certificate revoked",
        CertificateError::BadSignature => "certificate with a bad signature",
        _ => "certificate not acceptable",
    }
    .to_owned()
}

fn short(text: &str) -> String {
    text.chars().take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{AlertDescription, InvalidMessage, pki_types::UnixTime};
    use std::time::Duration;

    #[track_caller]
    fn check(error: impl Into<rustls::Error>, expected: &str) {
        assert_eq!(tls_words(&error.into()), expected);
    }

    #[test]
    fn tls_errors_have_stable_words() {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(1_700_000_000));
        check(
            CertificateError::ExpiredContext {
                time,
                not_after: time,
            },
            "certificate expired",
        );
        check(
            CertificateError::UnknownIssuer,
            "certificate of an unknown issuer",
        );
        check(InvalidMessage::InvalidContentType, "the answer is not TLS");
        check(
            rustls::Error::AlertReceived(AlertDescription::HandshakeFailure),
            "received fatal alert: HandshakeFailure",
        );
    }
}
