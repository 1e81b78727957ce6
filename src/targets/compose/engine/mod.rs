//! The Docker engine: how it is reached, and its API. bollard asks; what its types would drop (containers are put back with every
//! field they have, also those of newer engines) is read and written as raw JSON over the same connection.
//! No judgment, and nothing here knows what a project is.

mod dial;
mod error;

pub(super) use error::EngineError;

use crate::targets::compose::settings::Settings;
use crate::targets::{Base, TargetError};
use bollard::{BollardRequest, ClientVersion, Docker};
use bytes::Bytes;
use dial::Dial;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// Longest wait for the answer of one request that is not a stream. Stopping a container waits for its grace besides.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// The oldest API that is spoken: that of engine 20.10.
const OLDEST: ClientVersion = ClientVersion {
    major_version: 1,
    minor_version: 41,
};

type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A connected engine.
#[derive(Clone)]
pub(super) struct Engine {
    wire: Client<Dial, Body>,
    docker: Docker,
    /// Where it is, in the form of `DOCKER_HOST`, for messages.
    at: String,
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
    /// `Refused` when the settings lead nowhere, `Unreachable` when nothing answers there.
    pub(super) async fn open(settings: &Settings, base: &Base) -> Result<Self, TargetError> {
        let dial = Dial::new(settings, base)?;
        let at = dial.at().to_owned();
        let wire = Client::builder(TokioExecutor::new()).build(dial);
        let asked = wire.clone();
        let transport = move |request: BollardRequest| {
            let wire = asked.clone();
            async move {
                let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
                wire.request(request)
                    .await
                    .map_err(bollard::errors::Error::from)
            }
        };
        let docker = Docker::connect_with_custom_transport(
            transport,
            Some("http://docker"),
            ANSWER_MAX.as_secs(),
            bollard::API_DEFAULT_VERSION,
        )
        .map_err(|error| EngineError::from(error).reading(&at))?;
        let docker = docker
            .negotiate_version()
            .await
            .map_err(|error| EngineError::from(error).reading(&at))?;
        let version = docker.client_version();
        if (version.major_version, version.minor_version)
            < (OLDEST.major_version, OLDEST.minor_version)
        {
            return Err(TargetError::Refused {
                what: format!(
                    "the engine at {at} speaks API {version}, expected {OLDEST} or newer"
                ),
                allow: None,
                next: "update Docker on that host to 20.10 or newer".to_owned(),
            });
        }
        Ok(Self { wire, docker, at })
    }

    /// The typed client.
    pub(super) fn api(&self) -> &Docker {
        &self.docker
    }

    /// Where it is, in the form of `DOCKER_HOST`.
    pub(super) fn at(&self) -> &str {
        &self.at
    }

    /// Reads one object as the engine describes it: `/containers/ID/json`.
    pub(super) async fn get(&self, path: &str) -> Result<Value, EngineError> {
        self.ask(Method::GET, path, None).await
    }

    /// Sends one object as it is: `/containers/create?name=web`. Never tried again.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, EngineError> {
        self.ask(Method::POST, path, Some(body)).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, EngineError> {
        let version = self.docker.client_version();
        let bytes = body
            .map(|body| Bytes::from(body.to_string()))
            .unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("http://docker/v{version}{path}"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(
                Full::new(bytes)
                    .map_err(|never| match never {})
                    .boxed_unsync(),
            )
            .map_err(|error| EngineError::Unreadable {
                what: format!("no request for {path}: {error}"),
            })?;
        let asked = async {
            let answer = self.wire.request(request).await?;
            read(answer).await
        };
        match tokio::time::timeout(ANSWER_MAX, asked).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(EngineError::TimedOut { within: ANSWER_MAX }),
        }
    }
}

async fn read(answer: Response<Incoming>) -> Result<Value, EngineError> {
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
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
