//! The HTTP side: connections, routes, and what a fault does to an exchange. A request that meets a fault may end without
//! an answer; then its connection is closed. What a request means is in [`super::requests`].

use super::certify::cbor;
use super::envelope;
use super::faults::Fault;
use super::requests::{call, query, read_state};
use super::state::{Shared, now};
use bytes::Bytes;
use candid::Principal;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ic_transport_types::EnvelopeContent;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};

/// The largest ingress message of an application subnet; `install_code` with more is refused with 413.
const MESSAGE_BYTES_MAX: usize = 2 << 20;
/// More is not even read.
const BODY_BYTES_MAX: usize = 8 << 20;

pub(super) type Answer = Response<Full<Bytes>>;

/// The connection ends without an answer.
#[derive(Debug)]
pub struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut on purpose")
    }
}

impl std::error::Error for Cut {}

/// Serves until its task ends.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, Arc::clone(&shared)));
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // A client that goes away, and a cut on purpose: neither is an error of the double.
    drop(stream.set_nodelay(true));
    let service = hyper::service::service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { answer(shared, request).await }
    });
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    drop(served.await);
}

/// What a URL asks for.
pub(super) struct Route {
    pub(super) version: u32,
    /// The effective canister id, or the subnet of a `subnet/…` URL.
    pub(super) id: Principal,
    pub(super) is_subnet: bool,
    verb: String,
}

fn route(path: &str) -> Option<Route> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let ["api", version, scope, id, verb] = parts.as_slice() else {
        return None;
    };
    Some(Route {
        version: version.strip_prefix('v')?.parse().ok()?,
        is_subnet: match *scope {
            "canister" => false,
            "subnet" => true,
            _ => return None,
        },
        id: Principal::from_text(id).ok()?,
        verb: (*verb).to_owned(),
    })
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, Cut> {
    let path = request.uri().path().to_owned();
    if request.method() == Method::GET && path == "/api/v2/status" {
        return status(&shared).await;
    }
    let Some(route) = route(&path) else {
        return Ok(plain(
            StatusCode::NOT_FOUND,
            format!("no such path: {path}"),
        ));
    };
    if request.method() != Method::POST {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "POST is expected"));
    }
    let body = match Limited::new(request.into_body(), BODY_BYTES_MAX)
        .collect()
        .await
    {
        Ok(body) => body.to_bytes(),
        Err(error) => return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())),
    };
    let checked = match envelope::check(&body, now()) {
        Ok(checked) => checked,
        Err(why) => return Ok(plain(StatusCode::BAD_REQUEST, why)),
    };
    let size = body.len();
    match (&checked.content, route.verb.as_str()) {
        (EnvelopeContent::Call { .. }, "call") if (2..=4).contains(&route.version) => {
            if size > MESSAGE_BYTES_MAX {
                let text = format!(
                    "Request {} is too large. Message byte size {size} is larger than the max allowed {MESSAGE_BYTES_MAX}.",
                    checked.id
                );
                return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, text));
            }
            call(&shared, &route, &checked).await
        }
        (EnvelopeContent::Query { .. }, "query") if (2..=3).contains(&route.version) => {
            query(&shared, &route, &checked).await
        }
        (EnvelopeContent::ReadState { .. }, "read_state") if (2..=3).contains(&route.version) => {
            read_state(&shared, &route, &checked).await
        }
        (_, verb) => {
            let text = format!(
                "this kind of request is not for {verb} of version {}",
                route.version
            );
            Ok(plain(StatusCode::BAD_REQUEST, text))
        }
    }
}

async fn status(shared: &Shared) -> Result<Answer, Cut> {
    #[derive(Serialize)]
    struct Health {
        root_key: serde_bytes::ByteBuf,
        replica_health_status: &'static str,
        impl_version: &'static str,
        certified_height: u64,
    }
    let fault = shared.world().faults.take("status", None);
    if let Some(answer) = before(fault.as_ref()).await? {
        return Ok(answer);
    }
    let health = Health {
        root_key: serde_bytes::ByteBuf::from(shared.keys.root_key()),
        replica_health_status: "healthy",
        impl_version: "double",
        certified_height: 1,
    };
    after(fault.as_ref()).await?;
    Ok(encoded(&health))
}

/// What a fault does before the effect: a pause, the end, or an answer without effect.
pub(super) async fn before(fault: Option<&Fault>) -> Result<Option<Answer>, Cut> {
    match fault {
        Some(Fault::Delay(time)) => tokio::time::sleep(*time).await,
        Some(Fault::DropBefore) => return Err(Cut),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Lost) => return Ok(Some(plain(StatusCode::ACCEPTED, ""))),
        Some(Fault::Status(code)) => {
            let code = StatusCode::from_u16(*code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            return Ok(Some(plain(code, format!("told to answer {code}"))));
        }
        _ => {}
    }
    Ok(None)
}

/// What a fault does after the effect.
pub(super) async fn after(fault: Option<&Fault>) -> Result<Option<Answer>, Cut> {
    match fault {
        Some(Fault::DropAfter) => Err(Cut),
        Some(Fault::DelayAnswer(time)) => {
            tokio::time::sleep(*time).await;
            Ok(None)
        }
        Some(Fault::Garbage) => Ok(Some(plain(StatusCode::OK, "this is not CBOR"))),
        _ => Ok(None),
    }
}

pub(super) fn encoded<T: Serialize>(value: &T) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(cbor(value))));
    let kind = hyper::header::HeaderValue::from_static("application/cbor");
    answer
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, kind);
    answer
}

pub(super) fn plain(code: StatusCode, text: impl Into<String>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text.into())));
    *answer.status_mut() = code;
    answer
}
