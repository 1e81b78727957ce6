//! `/portForward` over WebSocket, subprotocol `v4.channel.k8s.io`: for the n-th port, channel 2n carries data and 2n+1
//! errors, and the first message of each is the port (little endian).
//!
//! The pod answers HTTP itself, or its annotation `lastgood-test/forward` names a real server.

use super::server::text;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use std::collections::BTreeMap;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

const PROTOCOL: &str = "v4.channel.k8s.io";

/// Where the bytes of a port go.
#[derive(Debug, Clone)]
enum End {
    Server(String),
    /// The pod itself, with this status code.
    Pod(u16),
    Refused(String),
}

/// Switches protocols, and forwards in a task of its own.
pub fn answer(request: Request<Incoming>, pod: &Pod, query: &str) -> Response<Full<Bytes>> {
    let header = |name| {
        request
            .headers()
            .get(&name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let offered = header(SEC_WEBSOCKET_PROTOCOL).unwrap_or_default();
    let Some(key) = header(SEC_WEBSOCKET_KEY).filter(|_| offered.contains(PROTOCOL)) else {
        return text(
            StatusCode::BAD_REQUEST,
            "expected a WebSocket of v4.channel.k8s.io",
        );
    };
    let accept = derive_accept_key(key.as_bytes());
    let ports = ports(query);
    let end = end(pod);
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else {
            return;
        };
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None);
        forward(socket.await, &ports, &end).await;
    });
    let mut response = text(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    let accept = HeaderValue::from_str(&accept).expect("base64 is a header value");
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

fn ports(query: &str) -> Vec<u16> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let pairs = pairs.filter(|(name, _)| name == "port" || name == "ports");
    pairs
        .flat_map(|(_, value)| {
            value
                .split(',')
                .filter_map(|port| port.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn end(pod: &Pod) -> End {
    let annotation = |key: &str| pod.metadata.annotations.as_ref()?.get(key).cloned();
    if let Some(address) = annotation("lastgood-test/forward") {
        return End::Server(address);
    }
    let status = annotation("lastgood-test/http").and_then(|code| code.parse().ok());
    if let Some(status) = status {
        return End::Pod(status);
    }
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    if phase != Some("Running") {
        return End::Refused("unable to do port forwarding: the pod is not running".to_owned());
    }
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    // A container that has crashed is not there to answer; what was asked for is a bad answer, so that is given.
    let is_well = statuses.into_iter().flatten().all(|status| status.ready);
    End::Pod(if is_well { 200 } else { 503 })
}

/// What the tasks of the ports send to the socket: channel and bytes, or that the port has ended (no bytes).
type Outgoing = mpsc::Sender<(u8, Bytes)>;

async fn forward<S>(socket: WebSocketStream<S>, ports: &[u16], end: &End)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut send, mut receive) = socket.split();
    let (outgoing, mut from_ports) = mpsc::channel(16);
    let mut to_ports = BTreeMap::new();
    for (index, port) in ports.iter().enumerate() {
        let data = u8::try_from(2 * index).expect("at most 128 ports");
        for channel in [data, data + 1] {
            let [low, high] = port.to_le_bytes();
            let hello = Message::binary(vec![channel, low, high]);
            if send.send(hello).await.is_err() {
                return;
            }
        }
        let (near, far) = tokio::io::duplex(64 * 1024);
        tokio::spawn(serve(far, end.clone(), data, outgoing.clone()));
        let (read, write) = tokio::io::split(near);
        tokio::spawn(pump(read, data, outgoing.clone()));
        to_ports.insert(data, write);
    }
    drop(outgoing);
    let mut open = ports.len();
    while 0 < open {
        tokio::select! {
            message = from_ports.recv() => match message {
                Some((_, bytes)) if bytes.is_empty() => open -= 1,
                Some((channel, bytes)) => {
                    let mut framed = vec![channel];
                    framed.extend_from_slice(&bytes);
                    if send.send(Message::binary(framed)).await.is_err() {
                        return;
                    }
                }
                None => break,
            },
            message = receive.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    let Some((channel, bytes)) = bytes.split_first() else { continue };
                    let port = to_ports.get_mut(channel);
                    if let Some(port) = port && port.write_all(bytes).await.is_err() {
                        to_ports.remove(channel);
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => (),
            },
        }
    }
    // The other side may have closed first.
    drop(send.close().await);
}

async fn pump(mut from: impl AsyncRead + Unpin, channel: u8, outgoing: Outgoing) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let bytes = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
        if outgoing.send((channel, bytes)).await.is_err() {
            return;
        }
    }
    drop(outgoing.send((channel, Bytes::new())).await);
}

async fn serve(mut stream: DuplexStream, end: End, channel: u8, outgoing: Outgoing) {
    let refusal = match end {
        End::Pod(status) => {
            drop(speak_http(&mut stream, status).await);
            return;
        }
        End::Server(address) => match TcpStream::connect(&address).await {
            Ok(mut server) => {
                drop(tokio::io::copy_bidirectional(&mut stream, &mut server).await);
                return;
            }
            Err(error) => format!("could not connect to {address}: {error}"),
        },
        End::Refused(why) => why,
    };
    drop(outgoing.send((channel + 1, Bytes::from(refusal))).await);
}

/// Answers every request on the connection; bodies of requests are not expected.
async fn speak_http(stream: &mut DuplexStream, status: u16) -> std::io::Result<()> {
    let body = if status == 200 {
        r#"{"status":"healthy"}"#
    } else {
        r#"{"status":"unhealthy"}"#
    };
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(buffer.get(..count).unwrap_or_default());
        while let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = request.drain(..end + 4).collect();
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let wants_close = head.contains("connection: close");
            let text = format!(
                "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: {}\r\n\r\n",
                body.len(),
                if wants_close { "close" } else { "keep-alive" },
            );
            stream.write_all(text.as_bytes()).await?;
            if !head.starts_with("head ") {
                stream.write_all(body.as_bytes()).await?;
            }
            if wants_close {
                return stream.shutdown().await;
            }
        }
    }
}
