//! One HTTP request and its answer, bounded in time and size; and what every refusing status means, whoever sent it.
//! Logins, redirects and trying again are above it.

use super::error::{RegistryError, Said};
use crate::model::secret::Secret;
use crate::net;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use reqwest::{RequestBuilder, Response};
use serde::Deserialize;
use std::time::Duration;
use url::Url;

/// The specification has clients accept manifests of at least 4 MiB, and registries refuse larger ones.
pub(super) const MANIFEST_BYTES_MAX: usize = 4 << 20;

/// Longest text of a registry that is repeated, in characters.
const SAID_CHARS_MAX: usize = 300;

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// One failed try, and whether another one makes sense.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: RegistryError,
    pub(super) again: Again,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    AfterBackoff,
    After(Duration),
}

impl Failed {
    pub(super) fn for_good(error: RegistryError) -> Self {
        let again = Again::Never;
        Self { error, again }
    }

    fn for_now(error: RegistryError) -> Self {
        let again = Again::AfterBackoff;
        Self { error, again }
    }
}

/// Host and port, as messages name it.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Sends and reads, within the deadline.
pub(super) async fn fetch(
    request: RequestBuilder,
    host: &str,
    deadline: Duration,
) -> Result<Fetched, Failed> {
    let exchange = async {
        let response = request.send().await.map_err(|error| lost(host, &error))?;
        read(response, host).await
    };
    match tokio::time::timeout(deadline, exchange).await {
        Ok(result) => result,
        Err(_elapsed) => Err(Failed::for_now(RegistryError::TimedOut {
            host: host.to_owned(),
            within: deadline,
            tries: 1,
        })),
    }
}

async fn read(mut response: Response, host: &str) -> Result<Fetched, Failed> {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(host, &error))? {
        if MANIFEST_BYTES_MAX < body.len() + chunk.len() {
            // Of a refusal the beginning is enough.
            if !status.is_success() {
                break;
            }
            return Err(Failed::for_good(RegistryError::Unreadable {
                host: host.to_owned(),
                found: format!("an answer of more than {MANIFEST_BYTES_MAX} bytes"),
                expected: "a manifest of at most 4 MiB",
            }));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Fetched {
        status,
        headers,
        body: body.into(),
    })
}

fn lost(host: &str, error: &reqwest::Error) -> Failed {
    let (trouble, why) = net::trouble(error);
    let certificate = trouble == net::Trouble::Certificate;
    let error = RegistryError::Unreachable {
        host: host.to_owned(),
        why,
        tries: 1,
        certificate,
    };
    if certificate {
        Failed::for_good(error)
    } else {
        Failed::for_now(error)
    }
}

impl Fetched {
    /// What a status means that every server may send: 429, 5xx, and what no registry answers.
    pub(super) fn trouble(
        &self,
        host: &str,
        said: Said,
        anonymous: Option<String>,
        retry_after_max: Duration,
    ) -> Failed {
        let host = host.to_owned();
        let retry_after = self.retry_after();
        let named = retry_after.filter(|wait| *wait <= retry_after_max);
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => Failed {
                error: RegistryError::RateLimited {
                    host,
                    retry_after,
                    said,
                    anonymous,
                },
                again: named.map_or(Again::Never, Again::After),
            },
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => Failed {
                error: RegistryError::Server {
                    host,
                    status: status.as_u16(),
                    said,
                    tries: 1,
                },
                again: named.map_or(Again::AfterBackoff, Again::After),
            },
            status => Failed::for_good(RegistryError::Unreadable {
                host,
                found: format!("status {}{said}", status.as_u16()),
                expected: "an answer of the OCI Distribution API",
            }),
        }
    }

    /// `Retry-After` in seconds, or as a date counted from the server's own `Date`.
    fn retry_after(&self) -> Option<Duration> {
        let text = |name| self.headers.get(name)?.to_str().ok().map(str::trim);
        let value = text(header::RETRY_AFTER)?;
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = |text| jiff::fmt::rfc2822::parse(text).ok();
        let seconds = date(value)?.timestamp().as_second()
            - date(text(header::DATE)?)?.timestamp().as_second();
        Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }

    /// Codes and messages of the body, without any of the secrets.
    pub(super) fn said<'a>(&self, secrets: impl Iterator<Item = &'a Secret>) -> Said {
        #[derive(Deserialize)]
        struct Errors {
            #[serde(default)]
            errors: Vec<One>,
            #[serde(default)]
            details: Option<String>,
        }
        #[derive(Deserialize)]
        struct One {
            #[serde(default)]
            code: String,
            #[serde(default)]
            message: String,
        }
        let Ok(errors) = serde_json::from_slice::<Errors>(&self.body) else {
            return Said::default();
        };
        let mut words: Vec<String> = errors
            .errors
            .iter()
            .map(|one| format!("{} {}", one.code, one.message))
            .collect();
        words.extend(errors.details);
        let mut text = words.join("; ");
        for secret in secrets.filter(|secret| !secret.expose().is_empty()) {
            text = text.replace(secret.expose(), "***");
        }
        let text: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(SAID_CHARS_MAX)
            .collect();
        Said(text.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(headers: &[(&'static str, &'static str)], body: &'static str) -> Fetched {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Fetched {
            status: StatusCode::TOO_MANY_REQUESTS,
            headers: headers.collect(),
            body: body.into(),
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        #[track_caller]
        fn check(headers: &[(&'static str, &'static str)], expected: Option<u64>) {
            let found = fetched(headers, "").retry_after();
            assert_eq!(found, expected.map(Duration::from_secs));
        }
        let now = ("date", "Fri, 31 Dec 1999 23:59:00 GMT");
        let at = ("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT");
        check(&[("retry-after", " 7 ")], Some(7));
        check(&[now, at], Some(59));
        check(&[("date", at.1), ("retry-after", now.1)], Some(0));
        check(&[at], None);
        check(&[("retry-after", "soon"), now], None);
        check(&[], None);
    }

    #[test]
    fn words_are_one_bounded_line_without_secrets() {
        #[track_caller]
        fn check(body: &'static str, expected: &str) {
            let secrets = [Secret::new("hunter2"), Secret::new("")];
            assert_eq!(fetched(&[], body).said(secrets.iter()).0, expected);
        }
        check(
            r#"{"errors":[{"code":"DENIED","message":"no\n::warning::x"},{"message":"for hunter2","detail":{}}]}"#,
            "DENIED no ::warning::x;  for ***",
        );
        check(
            r#"{"details":"incorrect username or password"}"#,
            "incorrect username or password",
        );
        check("<html>hunter2</html>", "");
        check("{}", "");
        check("", "");
    }
}
