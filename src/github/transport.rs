//! octocrab as the transport: base path, token, sending; and around it our own deadlines, tries and waiting, because its
//! retries know no bound. Every request carries each header once: octocrab's own request builder would add
//! `X-GitHub-Api-Version` and a `User-Agent` beside ours, so requests are built here.

use super::client::Limits;
use super::error::{self, Again, Failed, GithubError, Missing};
use super::rate::Limit;
use crate::decide::pace::{Backoff, Wait, rate_limit_wait};
use crate::model::secret::Secret;
use crate::net;
use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Limited};
use jiff::Timestamp;
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::service::middleware::reqwest_connector::ReqwestConnector;
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use url::Url;

/// The version whose answers `wire` reads; every supported GitHub Enterprise Server knows it.
const API_VERSION: &str = "2022-11-28";

/// A page of 100 runs has about 2 MB.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// Redirects within the API that are followed: a renamed repository takes one.
const HOPS_MAX: u32 = 3;

pub(super) struct Transport {
    octocrab: Octocrab,
    base: Url,
    limits: Limits,
    requests: AtomicU32,
    spent: Mutex<Spent>,
}

/// One call, whatever number of requests it takes.
pub(super) struct Call<'a> {
    /// From `/repos/` on.
    pub(super) path: &'a str,
    /// What a 404 or 410 would be about.
    pub(super) what: &'a Missing,
    /// The permission it takes, as in a `permissions:` block.
    pub(super) needed: &'a str,
    pub(super) wanted: Wanted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Json,
    /// A redirect to where the bytes are, or the bytes.
    Artifact,
}

#[derive(Debug)]
pub(super) enum Answer {
    Json(Bytes),
    Elsewhere(Url),
    Body(reqwest::Response),
}

type Incoming = Response<BoxBody<Bytes, octocrab::Error>>;

/// Time that calls of one client took together: the bounds are for the whole command.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    /// Asking, and pausing before asking again.
    busy: Duration,
    /// Waiting for rate limits.
    waited: Duration,
}

impl Transport {
    pub(super) fn new(
        http: reqwest::Client,
        api_url: &str,
        token: Option<&Secret>,
        limits: Limits,
    ) -> anyhow::Result<Self> {
        let expected =
            || format!("found API URL {api_url:?}, expected one such as https://api.github.com");
        let base: Url = api_url.parse().with_context(expected)?;
        anyhow::ensure!(
            matches!(base.scheme(), "http" | "https") && base.has_host(),
            expected()
        );
        let uri: Uri = base.as_str().parse().with_context(expected)?;
        let auth = match token {
            None => AuthState::None,
            Some(token) => {
                // octocrab would panic or fail on each request.
                http::HeaderValue::from_str(token.expose()).ok().context(
                    "the token holds a character that no token has, such as a line break",
                )?;
                AuthState::AccessToken {
                    token: token.expose().into(),
                }
            }
        };
        let built = OctocrabBuilder::new_empty()
            .with_service(ReqwestConnector::new(http))
            .with_layer(&BaseUriLayer::new(uri))
            .with_auth(auth)
            .build();
        let octocrab = match built {
            Ok(octocrab) => octocrab,
            Err(never) => match never {},
        };
        Ok(Self {
            octocrab,
            base,
            limits,
            requests: AtomicU32::new(0),
            spent: Mutex::default(),
        })
    }

    pub(super) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Asks until there is an answer that can be read, or no sense in asking again, or no time.
    pub(super) async fn ask<T>(
        &self,
        call: &Call<'_>,
        read: impl Fn(Answer) -> Result<T, String>,
    ) -> Result<T, GithubError> {
        let earlier = *self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let started = Instant::now();
        let mut waited = earlier.waited;
        let result = self.ask_within(call, read, earlier, &mut waited).await;
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner) = Spent {
            busy: earlier.busy
                + started
                    .elapsed()
                    .saturating_sub(waited.saturating_sub(earlier.waited)),
            waited,
        };
        result
    }

    async fn ask_within<T>(
        &self,
        call: &Call<'_>,
        read: impl Fn(Answer) -> Result<T, String>,
        earlier: Spent,
        waited_for_limits: &mut Duration,
    ) -> Result<T, GithubError> {
        let started = Instant::now();
        let mut limited = 0;
        let mut tries = 1;
        let mut pauses = Backoff::new(self.limits.backoff_unit);
        loop {
            let tried = self.try_once(call).await.and_then(|answer| {
                read(answer).map_err(|why| Failed::for_now(GithubError::Unreadable { why }))
            });
            let Failed { error, again } = match tried {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let pause = match again {
                Again::Never => return Err(*error),
                Again::AfterBackoff => {
                    let waited_here = waited_for_limits.saturating_sub(earlier.waited);
                    let busy = earlier.busy + started.elapsed().saturating_sub(waited_here);
                    let pause = pauses
                        .next()
                        .filter(|pause| busy + *pause <= self.limits.total);
                    let Some(pause) = pause else {
                        return Err(with_tries(*error, tries));
                    };
                    tries += 1;
                    pause
                }
                Again::AfterRateLimit(limit) => {
                    let left = self
                        .limits
                        .rate_limit_wait_max
                        .saturating_sub(*waited_for_limits);
                    let pause = match limit_pause(limit, limited, left) {
                        Ok(pause) => pause,
                        Err(until) => return Err(with_until(*error, until)),
                    };
                    limited += 1;
                    *waited_for_limits += pause;
                    pause
                }
            };
            tracing::info!(%error, ?pause, "asking GitHub again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_once(&self, call: &Call<'_>) -> Result<Answer, Failed> {
        let deadline = self.limits.deadline;
        match tokio::time::timeout(deadline, self.request(call)).await {
            Ok(result) => result,
            Err(_elapsed) => Err(self.unreachable(
                format!("no answer within {} s", deadline.as_secs_f32()),
                net::Trouble::Other,
            )),
        }
    }

    async fn request(&self, call: &Call<'_>) -> Result<Answer, Failed> {
        let mut path = call.path.to_owned();
        for _ in 0..=HOPS_MAX {
            let response = self.send(&path).await?;
            let status = response.status();
            if status == StatusCode::OK && call.wanted == Wanted::Artifact {
                return artifact_body(response);
            }
            if status == StatusCode::OK {
                let (parts, body) = response.into_parts();
                let body = self.body(body).await?;
                if body.trim_ascii_start().starts_with(b"<") {
                    let found = error::content(&parts.headers, &body);
                    return Err(page(found, "JSON"));
                }
                return Ok(Answer::Json(body));
            }
            if status.is_redirection() {
                let location = self.location(&response, call.wanted)?;
                if location.origin() == self.base.origin() && call.wanted == Wanted::Json {
                    let query = location
                        .query()
                        .map_or_else(String::new, |query| format!("?{query}"));
                    path = format!("{}{query}", location.path());
                    continue;
                }
                if call.wanted == Wanted::Artifact && status != StatusCode::MOVED_PERMANENTLY {
                    return Ok(Answer::Elsewhere(location));
                }
                if location.origin() == self.base.origin() {
                    location.path().clone_into(&mut path);
                    continue;
                }
                let host = location.host_str().unwrap_or("nowhere").to_owned();
                return Err(page(format!("a redirect to {host}"), "JSON"));
            }
            let (parts, body) = response.into_parts();
            let body = self.body(body).await?;
            return Err(error::read(
                status,
                &parts.headers,
                &body,
                call.what,
                call.needed,
                self.host(),
            ));
        }
        Err(page(format!("more than {HOPS_MAX} redirects"), "JSON"))
    }

    async fn send(&self, path: &str) -> Result<Incoming, Failed> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(path)
            .header(header::ACCEPT, "application/vnd.github+json")
            .header("x-github-api-version", API_VERSION)
            .header(header::CONTENT_LENGTH, "0")
            .body(OctoBody::empty())
            .map_err(|error| {
                Failed::for_good(GithubError::Unreadable {
                    why: format!("the path {path:?} is not valid: {error}"),
                })
            })?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.octocrab
            .execute(request)
            .await
            .map_err(|error| self.not_sent(&error))
    }

    async fn body(&self, body: BoxBody<Bytes, octocrab::Error>) -> Result<Bytes, Failed> {
        match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                let why = format!("it has more than {ANSWER_BYTES_MAX} bytes");
                Err(Failed::for_good(GithubError::Unreadable { why }))
            }
            Err(error) => Err(self.not_sent(&*error)),
        }
    }

    fn location(&self, response: &Incoming, wanted: Wanted) -> Result<Url, Failed> {
        let status = response.status();
        let expected = match wanted {
            Wanted::Json => "JSON",
            Wanted::Artifact => "a redirect to the artifact",
        };
        let header = response.headers().get(header::LOCATION);
        let Some(location) = header.and_then(|location| location.to_str().ok()) else {
            return Err(page(format!("{status} without Location"), expected));
        };
        let url = self.base.join(location).ok();
        url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                page(
                    format!("{status} to something that is not a web address"),
                    expected,
                )
            })
    }

    fn not_sent(&self, error: &(dyn std::error::Error + 'static)) -> Failed {
        let (trouble, why) = net::trouble(error);
        self.unreachable(why, trouble)
    }

    fn unreachable(&self, why: String, trouble: net::Trouble) -> Failed {
        let certificate = trouble == net::Trouble::Certificate;
        let error = GithubError::Unreachable {
            host: self.host().to_owned(),
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

    fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }
}

/// A 200 where a redirect was expected: the artifact itself, unless it says that it is a page.
fn artifact_body(response: Incoming) -> Result<Answer, Failed> {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("text/html") || kind.starts_with("application/json") {
        let found = error::content(response.headers(), b"");
        return Err(page(found, "a redirect to the artifact"));
    }
    let (parts, body) = response.into_parts();
    let response = Response::from_parts(parts, reqwest::Body::wrap(body));
    Ok(Answer::Body(response.into()))
}

fn page(found: String, expected: &'static str) -> Failed {
    Failed::for_now(GithubError::Page { found, expected })
}

/// How long to wait for a rate limit, or when it ends if that is too long.
fn limit_pause(limit: Limit, limited: u32, left: Duration) -> Result<Duration, Option<i64>> {
    // Without the server's time a wait for its reset cannot be told: from the beginning of time it is longer than any cap.
    let now = limit.now_unix.unwrap_or(0);
    match rate_limit_wait(limit.headers, limited, now, left) {
        Wait::Sleep(pause) => Ok(pause),
        Wait::GiveUp { until } => Err(until.filter(|_| limit.now_unix.is_some())),
    }
}

fn with_tries(error: GithubError, count: u32) -> GithubError {
    match error {
        GithubError::Unreachable {
            host,
            why,
            certificate,
            ..
        } => GithubError::Unreachable {
            host,
            why,
            tries: count,
            certificate,
        },
        other => other,
    }
}

fn with_until(error: GithubError, end: Option<i64>) -> GithubError {
    let end = end.and_then(|end| Timestamp::from_second(end).ok());
    match error {
        GithubError::RateLimited {
            until,
            limit,
            used,
            resource,
        } => GithubError::RateLimited {
            until: until.or(end),
            limit,
            used,
            resource,
        },
        GithubError::SlowDown { until, said } => GithubError::SlowDown {
            until: until.or(end),
            said,
        },
        other => other,
    }
}
