//! Asking for one manifest until there is an answer or no sense in asking again: login, redirects, pauses, time. What the
//! manifest says is read by `manifest`.

use super::auth::{Auth, Authorization};
use super::challenge;
use super::credentials::Credentials;
use super::error::RegistryError;
use super::manifest::ACCEPT;
use super::reference::{Reference, is_loopback};
use super::wire::{self, Again, Failed, Fetched};
use crate::decide::pace::Backoff;
use http::{HeaderMap, Method, StatusCode, header};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

/// Pauses between tries, so one try more than these.
const PAUSES_MAX: u32 = 3;

/// Redirects within a registry that are followed.
const HOPS_MAX: u32 = 3;

/// How long to try, and how long to wait.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For one request, until its answer is read.
    pub deadline: Duration,
    /// For one call, whatever number of images, requests and pauses it takes.
    pub total: Duration,
    /// The longest `Retry-After` that is waited for.
    pub retry_after_max: Duration,
    /// Pauses between tries are 1, 2 and 4 of these.
    pub backoff_unit: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(15),
            total: Duration::from_mins(1),
            retry_after_max: Duration::from_secs(20),
            backoff_unit: Duration::from_millis(500),
        }
    }
}

#[derive(Debug)]
pub(super) struct Transport {
    http: reqwest::Client,
    auth: Auth,
    limits: Limits,
}

impl Transport {
    /// `http` must not follow redirects.
    pub(super) fn new(http: reqwest::Client, credentials: Credentials, limits: Limits) -> Self {
        let auth = Auth::new(
            http.clone(),
            credentials,
            limits.deadline,
            limits.retry_after_max,
        );
        Self { http, auth, limits }
    }

    pub(super) fn until(&self) -> Instant {
        Instant::now() + self.limits.total
    }

    /// 200, or 405 to a HEAD; everything else is an error.
    pub(super) async fn ask(
        &self,
        method: &Method,
        image: &Reference,
        until: Instant,
    ) -> Result<Fetched, RegistryError> {
        let mut pauses = Backoff::with_tries(self.limits.backoff_unit, PAUSES_MAX);
        let mut tries = 1;
        loop {
            let Ok(tried) = timeout_at(until, self.try_once(method, image)).await else {
                return Err(RegistryError::TimedOut {
                    host: image.host().to_owned(),
                    within: self.limits.total,
                    tries,
                });
            };
            let Failed { error, again } = match tried {
                Ok(fetched) => return Ok(fetched),
                Err(failed) => failed,
            };
            let backoff = pauses.next();
            let pause = match again {
                Again::Never => None,
                Again::AfterBackoff => backoff,
                Again::After(named) => backoff.map(|_| named),
            };
            let Some(pause) = pause.filter(|pause| Instant::now() + *pause < until) else {
                return Err(error.with_tries(tries));
            };
            tracing::info!(%error, ?pause, "asking the registry again");
            sleep(pause).await;
            tries += 1;
        }
    }

    async fn try_once(&self, method: &Method, image: &Reference) -> Result<Fetched, Failed> {
        let first = address(image);
        let mut url = first.clone();
        for _ in 0..=HOPS_MAX {
            let (fetched, used) = self.logged_in(method, image, &url).await?;
            if !fetched.status.is_redirection() {
                return self.read(method, image, fetched, used.as_ref());
            }
            let Some(to) = location(&url, &fetched.headers) else {
                return Err(elsewhere(&url, "nowhere"));
            };
            if to.origin() != first.origin() {
                return self.other_host(method, image, &url, to).await;
            }
            url = to;
        }
        Err(elsewhere(&url, "itself, again and again"))
    }

    /// Asks as before, and when that is not enough once more with a fresh login.
    async fn logged_in(
        &self,
        method: &Method,
        image: &Reference,
        url: &Url,
    ) -> Result<(Fetched, Option<Authorization>), Failed> {
        let known = self.auth.known(image).await;
        let fetched = self.send(method, url, known.as_ref()).await?;
        if fetched.status != StatusCode::UNAUTHORIZED {
            return Ok((fetched, known));
        }
        let challenge = challenge::read(&fetched.headers);
        let renewed = self
            .auth
            .renewed(image, challenge, known.as_ref(), &fetched);
        let renewed = renewed.await?;
        let fetched = self.send(method, url, Some(&renewed)).await?;
        Ok((fetched, Some(renewed)))
    }

    /// Another host (registry.k8s.io sends its clients to one) is asked without any login, and only for content that its
    /// digest proves, whoever sends it.
    async fn other_host(
        &self,
        method: &Method,
        image: &Reference,
        from: &Url,
        to: Url,
    ) -> Result<Fetched, Failed> {
        let is_safe = match to.scheme() {
            "https" => true,
            "http" => image.is_loopback() && to.host_str().is_some_and(is_loopback),
            _ => false,
        };
        let is_proven = *method == Method::GET && image.digest().is_some();
        if !is_safe || !is_proven {
            return Err(elsewhere(from, &wire::host(&to)));
        }
        let fetched = self.send(method, &to, None).await?;
        if fetched.status != StatusCode::OK {
            return Err(elsewhere(
                from,
                &format!(
                    "{}, which answers {}",
                    wire::host(&to),
                    fetched.status.as_u16()
                ),
            ));
        }
        Ok(fetched)
    }

    async fn send(
        &self,
        method: &Method,
        url: &Url,
        authorization: Option<&Authorization>,
    ) -> Result<Fetched, Failed> {
        let mut request = self
            .http
            .request(method.clone(), url.clone())
            .header(header::ACCEPT, ACCEPT);
        if let Some(value) = authorization.and_then(Authorization::header) {
            request = request.header(header::AUTHORIZATION, value);
        }
        wire::fetch(request, &wire::host(url), self.limits.deadline).await
    }

    fn read(
        &self,
        method: &Method,
        image: &Reference,
        fetched: Fetched,
        used: Option<&Authorization>,
    ) -> Result<Fetched, Failed> {
        match fetched.status {
            StatusCode::OK => Ok(fetched),
            StatusCode::METHOD_NOT_ALLOWED if *method == Method::HEAD => Ok(fetched),
            StatusCode::NOT_FOUND => Err(Failed::for_good(RegistryError::Missing {
                image: image.to_string(),
                said: fetched.said(std::iter::empty()),
            })),
            _ => Err(self.auth.refused(image, image.host(), &fetched, used)),
        }
    }
}

fn address(image: &Reference) -> Url {
    let scheme = if image.is_loopback() { "http" } else { "https" };
    let (host, repository, asked) = (image.host(), image.repository(), image.asked());
    format!("{scheme}://{host}/v2/{repository}/manifests/{asked}")
        .parse()
        .expect("the parts of a reference make a URL")
}

fn location(base: &Url, headers: &HeaderMap) -> Option<Url> {
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    let url = base.join(location).ok()?;
    url.has_host().then_some(url)
}

fn elsewhere(from: &Url, to: &str) -> Failed {
    Failed::for_good(RegistryError::Redirect {
        host: wire::host(from),
        to: to.to_owned(),
    })
}
