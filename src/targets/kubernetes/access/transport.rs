//! How long an answer is waited for, and which requests are sent again. Reads are sent again after 429, 502, 503, 504 and
//! lost connections; changes only after 429, which says that nothing was done. Everything ends in bounded time.
//! What an answer means to us is not decided here.

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use kube::Client;
use kube::client::Body;
use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for the whole answer of a read.
const READ_MAX: Duration = Duration::from_secs(30);

/// Longest wait for the answer of a change: above the server's own limit of 60 s (`--request-timeout`), so that its verdict
/// is heard.
const CHANGE_MAX: Duration = Duration::from_secs(65);

/// All waiting between the tries of one request.
const WAITS_MAX: Duration = Duration::from_secs(30);

/// Between tries, when the server does not say; doubled each time.
const WAIT_FIRST: Duration = Duration::from_millis(200);
const WAIT_LONGEST: Duration = Duration::from_secs(5);

/// Tries of a read whose connection was refused or lost: a wrong address should be told soon.
const LOST_TRIES: u32 = 3;

/// A list of everything in a large namespace is tens of megabytes.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A client that waits and tries again within bounds.
pub(super) fn patient(client: Client, namespace: &str) -> Client {
    Client::new(Patient { client }, namespace)
}

/// Whether a failed request never reached the server: nothing was done.
pub(in crate::targets::kubernetes) fn is_unsent(error: &(dyn Error + 'static)) -> bool {
    causes(error)
        .find_map(|cause| cause.downcast_ref::<hyper_util::client::legacy::Error>())
        .is_some_and(hyper_util::client::legacy::Error::is_connect)
}

/// Whether it was the credentials that could not be had. The error's own text must not be shown: it may hold what an auth
/// plugin printed.
pub(in crate::targets::kubernetes) fn is_authentication(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        cause.is::<kube::client::AuthError>()
            || matches!(cause.downcast_ref(), Some(kube::Error::Auth(_)))
    })
}

/// An error and what is below it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    const DEPTH_MAX: usize = 32;
    std::iter::successors(Some(error), |error| (**error).source()).take(DEPTH_MAX)
}

struct Patient {
    client: Client,
}

type Answer = Result<Response<Body>, kube::Error>;

impl tower_service::Service<Request<Body>> for Patient {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(ask(self.client.clone(), request))
    }
}

/// What kind of request it is, as far as waiting and trying again go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Changes nothing, and its answer ends.
    Read,
    /// Changes nothing, and its answer goes on: a watch, a followed log.
    Stream,
    /// Becomes another protocol: port-forward.
    Upgrade,
    Change,
}

fn kind<B>(request: &Request<B>) -> Kind {
    let query = request.uri().query().unwrap_or_default();
    let has = |pair: &str| query.split('&').any(|it| it == pair);
    // Reviews answer a question; a dry run changes nothing.
    let asks = request.uri().path().ends_with("accessreviews") || has("dryRun=All");
    if request.headers().contains_key(header::UPGRADE) {
        Kind::Upgrade
    } else if request.method() == Method::GET {
        if has("watch=true") || has("watch=1") || has("follow=true") {
            Kind::Stream
        } else {
            Kind::Read
        }
    } else if asks {
        Kind::Read
    } else {
        Kind::Change
    }
}

async fn ask(client: Client, request: Request<Body>) -> Answer {
    let kind = kind(&request);
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut waited = Duration::ZERO;
    for tried in 1_u32.. {
        let mut again = Request::new(Body::from(body.clone()));
        again.method_mut().clone_from(&parts.method);
        again.uri_mut().clone_from(&parts.uri);
        again.headers_mut().clone_from(&parts.headers);
        again.extensions_mut().clone_from(&parts.extensions);
        let answer = once(&client, kind, again).await;
        let Some(wait) = wait(kind, &answer, tried) else {
            return answer;
        };
        waited = waited.saturating_add(wait);
        if WAITS_MAX < waited {
            return answer;
        }
        tracing::debug!(
            path = parts.uri.path(),
            wait_ms = wait.as_millis(),
            "asking the API server again"
        );
        tokio::time::sleep(wait).await;
    }
    Err(lost("asked too often"))
}

/// Sends it once. Answers that end are read to their end, so that one which is cut off is not taken for an answer.
async fn once(client: &Client, kind: Kind, request: Request<Body>) -> Answer {
    let longest = match kind {
        Kind::Read | Kind::Stream | Kind::Upgrade => READ_MAX,
        Kind::Change => CHANGE_MAX,
    };
    let until = Instant::now() + longest;
    let late = || {
        let seconds = longest.as_secs();
        kube::Error::Service(Box::new(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {seconds} s"),
        )))
    };
    let response = tokio::time::timeout_at(until, client.send(request));
    let response = response.await.map_err(|_elapsed| late())??;
    match kind {
        Kind::Stream | Kind::Upgrade => return Ok(response),
        Kind::Read | Kind::Change => (),
    }
    let (parts, body) = response.into_parts();
    let body = tokio::time::timeout_at(until, Limited::new(body, ANSWER_BYTES_MAX).collect());
    let body = body
        .await
        .map_err(|_elapsed| late())?
        .map_err(kube::Error::Service)?;
    Ok(Response::from_parts(parts, Body::from(body.to_bytes())))
}

fn lost(what: &str) -> kube::Error {
    kube::Error::Service(Box::new(io::Error::other(what)))
}

/// How long to wait before asking again; `None`: this is the answer.
fn wait(kind: Kind, answer: &Answer, tried: u32) -> Option<Duration> {
    let doubled = WAIT_FIRST
        .saturating_mul(2_u32.saturating_pow(tried - 1))
        .min(WAIT_LONGEST);
    let is_read = match kind {
        Kind::Read | Kind::Stream | Kind::Upgrade => true,
        Kind::Change => false,
    };
    match answer {
        Ok(response) => {
            let status = response.status();
            let is_busy = status == StatusCode::TOO_MANY_REQUESTS
                || (is_read && matches!(status.as_u16(), 502..=504));
            is_busy.then(|| said(response).unwrap_or(doubled))
        }
        Err(error) => {
            let is_final = crate::net::trouble(error).0 == crate::net::Trouble::Certificate
                || !matches!(error, kube::Error::Service(_) | kube::Error::HyperError(_));
            (is_read && !is_final && tried < LOST_TRIES).then_some(doubled)
        }
    }
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3); API servers send no dates. At least a little: 0 would be a busy loop.
fn said(response: &Response<Body>) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    let seconds = text.trim().parse::<u32>().ok()?;
    Some(Duration::from_secs(seconds.into()).max(WAIT_FIRST))
}
