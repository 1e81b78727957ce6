//! Signals as the config writes them, and as they are probed. Secrets are only named here; their values come from the
//! environment that the caller hands over.

use super::StatusSet;
use crate::model::body::BodyMatch;
use crate::model::probe::Ask;
use crate::model::secret::Secret;
use reqwest::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use url::Url;

/// One signal: a URL that is probed, and what it must answer.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SignalSettings {
    /// What reports call it. Unique.
    pub name: String,
    /// `http` or `https`. Without a password: secrets belong into `headers-from-env`.
    pub url: String,
    /// Request method.
    #[serde(default)]
    pub method: Method,
    /// Request headers with plain values.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Request headers whose values are secret: each names the environment variable that holds it.
    #[serde(default)]
    pub headers_from_env: BTreeMap<String, String>,
    /// Statuses that are well. Default `2xx,3xx`. Redirects are not followed. 401, 403, 404, 407 and 429 never count
    /// against the service unless they are listed: they mean that the probe is wrong.
    #[serde(default)]
    pub expect_status: StatusSet,
    /// What the first 64 KiB of the body must contain: a text, or `/regex/`.
    #[serde(default)]
    pub expect_body: Option<String>,
    /// Whether this signal decides. `false`: it is only reported.
    #[serde(default = "gating")]
    pub gating: bool,
}

fn gating() -> bool {
    true
}

/// The method of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    #[default]
    Get,
    /// No body is asked for, so none can be expected.
    Head,
    /// With an empty body.
    Post,
}

/// A signal, ready to be probed.
#[derive(Debug, Clone)]
pub struct Signal {
    pub name: String,
    pub gating: bool,
    pub means: Means,
}

/// How a signal is asked.
#[derive(Debug, Clone)]
pub enum Means {
    Http(Page),
    /// A target asks; it says itself what an answer is worth.
    Query(Ask),
}

/// An address, and what it must answer.
#[derive(Debug, Clone)]
pub struct Page {
    pub url: Url,
    pub method: Method,
    /// Names are valid header names and values valid header values.
    pub headers: Vec<(String, Secret)>,
    pub expect_status: StatusSet,
    pub expect_body: Option<BodyMatch>,
}

/// A signal that cannot be probed as it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}")]
pub struct BadSignal {
    /// Relative to the signal: `headers-from-env.Authorization`.
    pub key: String,
    /// What was found and what was expected.
    pub what: String,
}

impl BadSignal {
    fn new(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            what: what.into(),
        }
    }
}

impl Signal {
    /// Resolves what the config writes; `environment` is the process environment.
    pub fn resolve(
        settings: &SignalSettings,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, BadSignal> {
        if settings.name.trim().is_empty() {
            return Err(BadSignal::new("name", "found nothing, expected a name"));
        }
        let expect_body = match (&settings.expect_body, settings.method) {
            (Some(_), Method::Head) => {
                return Err(BadSignal::new(
                    "expect-body",
                    "found an expected body with method HEAD, expected method GET or POST",
                ));
            }
            (Some(text), Method::Get | Method::Post) => {
                Some(BodyMatch::parse(text).map_err(|what| BadSignal::new("expect-body", what))?)
            }
            (None, _) => None,
        };
        Ok(Self {
            name: settings.name.clone(),
            gating: settings.gating,
            means: Means::Http(Page {
                url: probe_url("url", &settings.url)?,
                method: settings.method,
                headers: headers(settings, environment)?,
                expect_status: settings.expect_status.clone(),
                expect_body,
            }),
        })
    }
}

/// A URL that can be probed: http or https, without credentials.
pub(super) fn probe_url(key: &str, text: &str) -> Result<Url, BadSignal> {
    let url: Url = text.parse().map_err(|error: url::ParseError| {
        BadSignal::new(key, format!("found {text:?}, expected a URL: {error}"))
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        let what = format!("found scheme {}, expected http or https", url.scheme());
        return Err(BadSignal::new(key, what));
    }
    // Not quoted: it would be in the log for ever.
    if url.password().is_some() || !url.username().is_empty() {
        return Err(BadSignal::new(
            key,
            "found a user name or password, expected none; put Authorization into headers-from-env",
        ));
    }
    Ok(url)
}

fn headers(
    settings: &SignalSettings,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<(String, Secret)>, BadSignal> {
    let mut headers = Vec::new();
    for (name, value) in &settings.headers {
        let key = format!("headers.{name}");
        if is_secret(name) {
            return Err(BadSignal::new(
                key,
                "found a secret header in the config, expected it in headers-from-env",
            ));
        }
        headers.push(header(&key, name, value)?);
    }
    for (name, variable) in &settings.headers_from_env {
        let key = format!("headers-from-env.{name}");
        let Some(value) = environment.get(variable).filter(|value| !value.is_empty()) else {
            return Err(BadSignal::new(
                key,
                format!(
                    "found no environment variable {variable:?}, expected it to hold the value; pass it to this step"
                ),
            ));
        };
        headers.push(header(&key, name, value.trim())?);
    }
    Ok(headers)
}

/// The value is not quoted in the error: it may be secret.
fn header(key: &str, name: &str, value: &str) -> Result<(String, Secret), BadSignal> {
    let ok = name.parse::<HeaderName>().is_ok() && HeaderValue::from_str(value).is_ok();
    if !ok {
        let what = "found characters that no header has, expected visible ASCII";
        return Err(BadSignal::new(key, what));
    }
    // We write these ourselves: one connection for each probe, and no body.
    const OURS: [&str; 4] = [
        "connection",
        "content-length",
        "transfer-encoding",
        "upgrade",
    ];
    if OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
        let what = "found a header of the connection itself, expected any other";
        return Err(BadSignal::new(key, what));
    }
    Ok((name.to_owned(), Secret::new(value)))
}

fn is_secret(name: &str) -> bool {
    const SECRET: [&str; 4] = [
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
    ];
    SECRET
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(more: &serde_json::Value, expected: Result<&str, &str>) {
        let mut settings = json!({"name": "home", "url": "http://127.0.0.1/up"});
        settings
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let env = [("TOKEN".to_owned(), "hunter2\n".to_owned())].into();
        let signal = serde_json::from_value(settings)
            .map_err(|error| error.to_string())
            .and_then(|settings| Signal::resolve(&settings, &env).map_err(|bad| bad.to_string()));
        match (signal, expected) {
            (Ok(signal), Ok(text)) => {
                let shown = format!("{signal:?}");
                assert!(shown.contains(text), "{shown}");
                assert!(!shown.contains("hunter2"), "{shown}");
            }
            (Err(error), Err(text)) => assert!(error.contains(text), "{error}"),
            (got, _) => panic!("{got:?}"),
        }
    }

    #[test]
    fn signals_are_resolved_or_refused_with_their_key() {
        check(&json!({}), Ok("method: Get"));
        check(
            &json!({"method": "HEAD", "gating": false}),
            Ok("gating: false"),
        );
        check(
            &json!({"headers": {"Accept": "text/html"}}),
            Ok("(\"Accept\", ***)"),
        );
        check(
            &json!({"headers-from-env": {"Authorization": "TOKEN"}}),
            Ok("(\"Authorization\", ***)"),
        );
        check(&json!({"expect-body": "/ok|well/"}), Ok("Matches"));
        check(&json!({"name": " "}), Err("name: found nothing"));
        check(
            &json!({"url": "up"}),
            Err("url: found \"up\", expected a URL"),
        );
        check(
            &json!({"url": "ftp://x/"}),
            Err("url: found scheme ftp, expected http or https"),
        );
        check(
            &json!({"url": "http://me:pw@x/"}),
            Err("put Authorization into headers-from-env"),
        );
        check(&json!({"method": "get"}), Err("unknown variant `get`"));
        check(
            &json!({"headers": {"Cookie": "a=b"}}),
            Err("headers.Cookie: found a secret header"),
        );
        check(
            &json!({"headers": {"Connection": "keep-alive"}}),
            Err("headers.Connection: found a header of"),
        );
        check(
            &json!({"headers": {"A B": "c"}}),
            Err("headers.A B: found characters"),
        );
        check(
            &json!({"headers-from-env": {"Authorization": "TOKN"}}),
            Err("headers-from-env.Authorization: found no environment variable \"TOKN\""),
        );
        check(
            &json!({"method": "HEAD", "expect-body": "x"}),
            Err("expected method GET or POST"),
        );
        check(&json!({"expect-status": "ok"}), Err("found status \"ok\""));
        check(&json!({"expect": 1}), Err("unknown field `expect`"));
    }
}
