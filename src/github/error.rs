//! What GitHub answers instead of what was asked for, told apart by what to do next. The reading of status, headers and
//! body is here; the advice to the operator is in `failure`, the waiting in `transport`.

use super::rate::Limit;
use super::wire::WireError;
use crate::model::ids::{CommitSha, RepoName, RunId};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use std::fmt;

/// Longest text of GitHub's that is repeated in a message, in characters.
const SAID_MAX: usize = 300;

/// Why GitHub did not give what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GithubError {
    #[error("GitHub rejected the token (401): {said}")]
    TokenRejected { said: String },
    #[error("the rate limit is used up ({used} of {limit} requests, {resource}); it resets at {}", at(until.as_ref()))]
    RateLimited {
        until: Option<Timestamp>,
        limit: String,
        used: String,
        resource: String,
    },
    #[error("GitHub asks to slow down (secondary rate limit), until {}: {said}", at(until.as_ref()))]
    SlowDown {
        until: Option<Timestamp>,
        said: String,
    },
    #[error("the token lacks a permission (403): {said}; this needs {needed}")]
    MissingPermission {
        /// As in a workflow's `permissions:` block, such as `actions: read`.
        needed: String,
        said: String,
    },
    #[error("an organisation policy forbids it (403): {said}")]
    OrganisationPolicy {
        said: String,
        /// Where the token can be authorised, when GitHub says so.
        authorise: Option<String>,
    },
    #[error("GitHub forbids it (403): {said}")]
    Forbidden { said: String },
    #[error("{what} was not found, or the token has no access to it (404)")]
    NotFound { what: Missing },
    #[error("{what} is gone (410): it has expired")]
    Gone { what: Missing },
    #[error("GitHub refused the request (422): {}", errors.join("; "))]
    Refused { errors: Vec<String> },
    #[error("found {found}, expected {expected}: GitHub or a proxy answered something else")]
    Page {
        found: String,
        expected: &'static str,
    },
    #[error("GitHub could not be reached at {host} ({tries} tries): {why}")]
    Unreachable {
        host: String,
        why: String,
        tries: u32,
        /// The certificate of the other side is not trusted.
        certificate: bool,
    },
    #[error("GitHub's answer cannot be read: {why}")]
    Unreadable { why: String },
}

/// What a 404 or 410 was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    Repository(RepoName),
    /// `known` are the workflow files that the repository does have, when they could be listed.
    Workflow {
        file: String,
        known: Vec<String>,
    },
    Run(RunId),
    Artifact(u64),
    Comparison {
        base: CommitSha,
        head: String,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(repo) => write!(f, "repository {repo}"),
            Self::Workflow { file, .. } => write!(f, "workflow {file}"),
            Self::Run(id) => write!(f, "run {id}"),
            Self::Artifact(id) => write!(f, "artifact {id}"),
            Self::Comparison { base, head } => {
                write!(f, "commit {} or {head}", base.short())
            }
        }
    }
}

/// One failed try, and whether another one makes sense.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: Box<GithubError>,
    pub(super) again: Again,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    AfterBackoff,
    AfterRateLimit(Limit),
}

impl Failed {
    pub(super) fn for_good(error: GithubError) -> Self {
        Self {
            error: Box::new(error),
            again: Again::Never,
        }
    }

    pub(super) fn for_now(error: GithubError) -> Self {
        Self {
            error: Box::new(error),
            again: Again::AfterBackoff,
        }
    }
}

/// What an error answer means.
pub(super) fn read(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    what: &Missing,
    needed: &str,
    host: &str,
) -> Failed {
    let wire: Option<WireError> = serde_json::from_slice(body).ok();
    let said = wire
        .as_ref()
        .map_or_else(String::new, |wire| cut(&wire.message));
    let rate = Limit::read(headers);
    let what = what.clone();
    match status {
        StatusCode::UNAUTHORIZED => Failed::for_good(GithubError::TokenRejected { said }),
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
            limited_or_forbidden(status, headers, rate, said, needed)
        }
        StatusCode::NOT_FOUND if wire.is_some() || body.is_empty() => {
            Failed::for_good(GithubError::NotFound { what })
        }
        StatusCode::GONE => Failed::for_good(GithubError::Gone { what }),
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => {
            let mut errors = vec![said];
            errors.extend(wire.unwrap_or_default().errors.iter().map(error_text));
            errors.retain(|error| !error.is_empty());
            Failed::for_good(GithubError::Refused { errors })
        }
        status if status.is_server_error() => Failed::for_now(GithubError::Unreachable {
            host: host.to_owned(),
            why: format!("it answered {status}"),
            tries: 1,
            certificate: false,
        }),
        status => Failed::for_now(GithubError::Page {
            found: format!("an answer {status} with {}", content(headers, body)),
            expected: "JSON",
        }),
    }
}

fn limited_or_forbidden(
    status: StatusCode,
    headers: &HeaderMap,
    rate: Limit,
    said: String,
    needed: &str,
) -> Failed {
    let text = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or("unknown").to_owned()
    };
    let lower = said.to_lowercase();
    if rate.headers.remaining == Some(0) && rate.headers.retry_after_s.is_none() {
        return Failed {
            error: Box::new(GithubError::RateLimited {
                until: rate
                    .headers
                    .reset_unix
                    .and_then(|reset| Timestamp::from_second(reset).ok()),
                limit: text("x-ratelimit-limit"),
                used: text("x-ratelimit-used"),
                resource: text("x-ratelimit-resource"),
            }),
            again: Again::AfterRateLimit(rate),
        };
    }
    if status == StatusCode::TOO_MANY_REQUESTS
        || rate.headers.retry_after_s.is_some()
        || lower.contains("secondary rate limit")
    {
        return Failed {
            error: Box::new(GithubError::SlowDown { until: None, said }),
            again: Again::AfterRateLimit(rate),
        };
    }
    let sso = headers
        .get("x-github-sso")
        .and_then(|sso| sso.to_str().ok());
    Failed::for_good(
        if sso.is_some() || lower.contains("saml") || lower.contains("ip allow list") {
            GithubError::OrganisationPolicy {
                said,
                authorise: sso
                    .and_then(|sso| sso.split_once("url="))
                    .map(|(_required, url)| cut(url)),
            }
        } else if lower.contains("resource not accessible") {
            let accepted = headers.get("x-accepted-github-permissions");
            let accepted = accepted.and_then(|names| names.to_str().ok());
            GithubError::MissingPermission {
                needed: accepted.map_or_else(
                    || needed.to_owned(),
                    |names| cut(&names.replace('=', ": ").replace('_', "-")),
                ),
                said,
            }
        } else {
            GithubError::Forbidden { said }
        },
    )
}

/// One of the `errors` of a 422 in words.
fn error_text(error: &serde_json::Value) -> String {
    let field = |name: &str| error.get(name).and_then(serde_json::Value::as_str);
    cut(&match (error.as_str(), field("message")) {
        (Some(text), _) | (None, Some(text)) => text.to_owned(),
        (None, None) => ["resource", "field", "code"]
            .into_iter()
            .filter_map(field)
            .collect::<Vec<_>>()
            .join(" "),
    })
}

/// What kind of text an answer holds, for a message: never the text itself.
pub(super) fn content(headers: &HeaderMap, body: &[u8]) -> String {
    let start = body.trim_ascii_start();
    if start.starts_with(b"<") {
        return "an HTML page".to_owned();
    }
    let kind = headers.get(http::header::CONTENT_TYPE);
    match kind.and_then(|kind| kind.to_str().ok()) {
        Some(kind) => format!("content of type {}", cut(kind)),
        None => format!("{} bytes of unnamed content", body.len()),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(SAID_MAX).collect()
}

fn at(time: Option<&Timestamp>) -> String {
    time.map_or_else(|| "an unknown time".to_owned(), Timestamp::to_string)
}
