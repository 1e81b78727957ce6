//! The Docker engine: how it is reached, and its API. bollard asks; what its types would drop (containers are put back with every
//! field they have, also those of newer engines) is read and written as raw JSON over the same connection.
//! No judgment, and nothing here knows what a project is.

mod address;
mod context;
mod dial;
mod error;
mod ssh;
mod tls;
mod version;

pub(super) use address::fault;
pub(super) use error::EngineError;
pub(super) use ssh::unreadable as unreadable_known_host;

use crate::targets::compose::settings::Settings;
use crate::targets::{Base, TargetError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bollard::auth::DockerCredentials;
use bollard::{BollardRequest, Docker};
use bytes::Bytes;
use dial::Dial;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Longest wait for the answer of one request; of a stream, for its beginning. Whoever waits longer sets another timeout on a
/// clone of the typed client.
const ANSWER_MAX: Duration = Duration::from_mins(1);

/// Idle connections are closed after this, well before anything on the way forgets them.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// The largest answer that is read as a whole: a list of thousands of containers is a few million bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A connected engine.
#[derive(Clone)]
pub(super) struct Engine {
    wire: Client<Dial, Body>,
    docker: Docker,
    /// Where it is, in the form of `DOCKER_HOST`, for messages.
    at: String,
    agent: HeaderValue,
    /// Asked once.
    info: Arc<OnceCell<Value>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Connects, and agrees on a version of the API.
    ///
    /// # Errors
    /// `Usage` when what was given leads nowhere, before anything is contacted; `Refused` when what is there does not let us in or is too
    /// old; `Unreachable` when nothing answers there.
    pub(super) async fn open(settings: &Settings, base: &Base) -> Result<Self, TargetError> {
        let dial = Dial::new(settings, base)?;
        let at = dial.at().to_owned();
        let place = format!("{at} ({})", dial.from());
        let agent = HeaderValue::from_str(&base.net.user_agent)
            .unwrap_or_else(|_not_ascii| HeaderValue::from_static("lastgood"));
        let wire = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            // A request is sent once. By default one that found its connection closed is sent again over another; whether that is
            // right for a change is not for a connection pool to say.
            .retry_canceled_requests(false)
            .build(dial);
        let version = version::agree(&wire, &agent, &place).await?;
        let docker = Docker::connect_with_custom_transport(
            transport(wire.clone(), agent.clone()),
            Some("http://docker"),
            ANSWER_MAX.as_secs(),
            &version,
        )
        .map_err(|error| EngineError::from(error).reading(&place))?;
        Ok(Self {
            wire,
            docker,
            at,
            agent,
            info: Arc::default(),
        })
    }

    /// The typed client. Each answer, and the beginning of each stream, has a minute.
    pub(super) fn api(&self) -> &Docker {
        &self.docker
    }

    /// The typed client for what may take longer: stopping a container waits for its grace besides.
    pub(super) fn patient(&self, besides: Duration) -> Docker {
        self.docker.clone().with_timeout(ANSWER_MAX + besides)
    }

    /// Where it is, in the form of `DOCKER_HOST`.
    pub(super) fn at(&self) -> &str {
        &self.at
    }

    /// Who the engine says it is (`GET /info`); asked once.
    pub(super) async fn info(&self) -> Result<&Value, EngineError> {
        self.info.get_or_try_init(|| self.get("/info")).await
    }

    /// Reads one object as the engine describes it: `/containers/ID/json`.
    pub(super) async fn get(&self, path: &str) -> Result<Value, EngineError> {
        let asking = self.ask(Method::GET, path, None, None);
        within(ANSWER_MAX, asking).await
    }

    /// Sends one object as it is: `/containers/create?name=web`. Never tried again.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, EngineError> {
        self.post_as(path, body, None).await
    }

    /// The same with the login of a registry (`X-Registry-Auth`), for whoever will pull.
    pub(super) async fn post_as(
        &self,
        path: &str,
        body: &Value,
        login: Option<&DockerCredentials>,
    ) -> Result<Value, EngineError> {
        let asking = self.ask(Method::POST, path, Some(body), login);
        within(ANSWER_MAX, asking).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        login: Option<&DockerCredentials>,
    ) -> Result<Value, EngineError> {
        let version = self.docker.client_version();
        let path = format!("/v{version}{path}");
        send(&self.wire, &self.agent, method, &path, body, login).await
    }
}

/// # Errors
/// `TimedOut` past the bound: whether the engine did what was asked is not known then.
async fn within<T>(
    bound: Duration,
    asking: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    match tokio::time::timeout(bound, asking).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(EngineError::TimedOut { within: bound }),
    }
}

/// bollard over our own connections.
fn transport(
    wire: Client<Dial, Body>,
    agent: HeaderValue,
) -> impl Fn(BollardRequest) -> Answering + Send + Sync + 'static {
    move |request: BollardRequest| {
        let mut request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        request.headers_mut().insert(USER_AGENT, agent.clone());
        let answer = wire.request(request);
        Box::pin(async move { answer.await.map_err(bollard::errors::Error::from) })
    }
}

type Answering =
    Pin<Box<dyn Future<Output = Result<Response<Incoming>, bollard::errors::Error>> + Send>>;

async fn send(
    wire: &Client<Dial, Body>,
    agent: &HeaderValue,
    method: Method,
    path: &str,
    body: Option<&Value>,
    login: Option<&DockerCredentials>,
) -> Result<Value, EngineError> {
    let bytes = body.map(|body| Bytes::from(body.to_string()));
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://docker{path}"))
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, agent.clone());
    if let Some(value) = login.and_then(login_header) {
        request = request.header("X-Registry-Auth", value);
    }
    let request = request
        .body(
            Full::new(bytes.unwrap_or_default())
                .map_err(|never| match never {})
                .boxed_unsync(),
        )
        .map_err(|error| EngineError::Unreadable {
            what: format!("no request for {path}: {error}"),
        })?;
    read(wire.request(request).await?).await
}

/// The form of `X-Registry-Auth`: JSON in base64 for addresses. Marked, so that no log shows it.
fn login_header(login: &DockerCredentials) -> Option<HeaderValue> {
    let json = serde_json::to_vec(login).ok()?;
    let mut value = HeaderValue::try_from(URL_SAFE.encode(json)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

async fn read(answer: Response<Incoming>) -> Result<Value, EngineError> {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            return Err(match error.downcast::<hyper::Error>() {
                Ok(error) => EngineError::from(*error),
                Err(error) => EngineError::Unreadable {
                    what: format!("more than {ANSWER_BYTES_MAX} bytes ({error})"),
                },
            });
        }
    };
    if !status.is_success() {
        return Err(EngineError::status(status.as_u16(), &body));
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&body).map_err(|error| EngineError::Unreadable {
        what: error.to_string(),
    })
}
