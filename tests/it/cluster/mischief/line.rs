//! What goes over the wires of the proxy: questions to the API server, its watches until an order comes, web sockets, and
//! the answers that no server gave. Which request meets what is decided above.

use super::{Body, Order, State, Trick};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::json;
use std::io;
use tokio::net::TcpStream;

/// A connection of its own for every request: simple, and nothing is shared with the next.
pub(super) async fn ask(
    state: &State,
    request: Request<Full<Bytes>>,
) -> io::Result<Response<Incoming>> {
    let stream = TcpStream::connect(&state.upstream).await?;
    let name = ServerName::try_from("127.0.0.1").expect("an address is a name");
    let stream = state.connector.connect(name, stream).await?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(io::Error::other)?;
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await.map_err(io::Error::other)
}

pub(super) fn switched(
    down: Option<hyper::upgrade::OnUpgrade>,
    mut response: Response<Incoming>,
) -> Response<Body> {
    let up = hyper::upgrade::on(&mut response);
    tokio::spawn(async move {
        let Some(down) = down else { return };
        if let (Ok(down), Ok(up)) = tokio::join!(down, up) {
            let (mut down, mut up) = (TokioIo::new(down), TokioIo::new(up));
            // Either side may hang up.
            drop(tokio::io::copy_bidirectional(&mut down, &mut up).await);
        }
    });
    response.map(|_| Full::default().map_err(|never| match never {}).boxed())
}

/// The events of a watch, until an order comes.
pub(super) fn watched(
    body: impl hyper::body::Body<Data = Bytes, Error = io::Error> + Send + Sync + Unpin + 'static,
    state: &State,
) -> Body {
    let orders = state.orders.subscribe();
    let events = stream::unfold(Some((body, orders)), |open| async move {
        let (mut body, mut orders) = open?;
        tokio::select! {
            frame = body.frame() => Some((frame?, Some((body, orders)))),
            Ok(order) = orders.recv() => match order {
                Order::Drop => Some((Err(io::Error::other("the watch is cut on purpose")), None)),
                Order::Expire => Some((Ok(Frame::data(expired())), None)),
            },
        }
    });
    StreamBody::new(events).boxed()
}

/// The event with which the API server ends a watch that it can no longer serve.
fn expired() -> Bytes {
    let status = status(
        StatusCode::GONE,
        "Expired",
        "too old resource version: 1 (2)",
    );
    format!("{}\n", json!({"type": "ERROR", "object": status})).into()
}

fn status(code: StatusCode, reason: &str, message: &str) -> serde_json::Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16(),
    })
}

pub(super) fn refusal(trick: Trick) -> io::Result<Response<Body>> {
    let (code, reason, message) = match trick {
        Trick::Conflict => (
            StatusCode::CONFLICT,
            "Conflict",
            "the object has been modified; please apply your changes to the latest version and try again",
        ),
        Trick::Forbidden => (
            StatusCode::FORBIDDEN,
            "Forbidden",
            "access denied on purpose",
        ),
        Trick::TooManyRequests { .. } => (
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequests",
            "too many requests, please try again later",
        ),
        Trick::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            "the server is currently unable to handle the request",
        ),
        Trick::Gone => (StatusCode::OK, "", ""),
        Trick::Refuse | Trick::LoseReply | Trick::Delay(_) => {
            return Err(io::Error::other("the request is refused on purpose"));
        }
    };
    let text = match trick {
        Trick::Gone => expired(),
        _ => status(code, reason, message).to_string().into(),
    };
    let mut response = Response::new(Full::new(text).map_err(|never| match never {}).boxed());
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Trick::TooManyRequests { retry_after_s } = trick {
        headers.insert(RETRY_AFTER, HeaderValue::from(retry_after_s));
    }
    Ok(response)
}
