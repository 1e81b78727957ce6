//! The HTTPS server of the kubelet, which the API server asks on behalf of its clients: `/containerLogs` and
//! `/portForward`.

use super::{forward, logs};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use rustls::ServerConfig;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The port it listens on.
pub async fn start(client: Client, tls: Arc<ServerConfig>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let tls = TlsAcceptor::from(tls);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection, tls.clone(), client.clone()));
        }
    });
    port
}

async fn serve(connection: TcpStream, tls: TlsAcceptor, client: Client) {
    let Ok(connection) = tls.accept(connection).await else {
        return;
    };
    let answer = service_fn(move |request| {
        let client = client.clone();
        async move { Ok::<_, Infallible>(answer(request, client).await) }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(connection), answer)
        .with_upgrades();
    // The API server may hang up at any time.
    drop(serving.await);
}

async fn answer(request: Request<Incoming>, client: Client) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let mut parts = path.trim_start_matches('/').split('/');
    let (verb, space, name) = (parts.next(), parts.next(), parts.next());
    let (Some(verb), Some(space), Some(name)) = (verb, space, name) else {
        return text(StatusCode::NOT_FOUND, "no such page");
    };
    let pod = match Api::<Pod>::namespaced(client, space).get(name).await {
        Ok(pod) => pod,
        Err(error) => return text(StatusCode::NOT_FOUND, &error.to_string()),
    };
    match (verb, request.method(), parts.next_back()) {
        ("containerLogs", &Method::GET, Some(container)) => {
            match logs::of(&pod, container, &logs::Question::of(&query)) {
                Ok(lines) => text(StatusCode::OK, &lines),
                Err(why) => text(StatusCode::BAD_REQUEST, &why),
            }
        }
        ("portForward", _, _) => forward::answer(request, &pod, &query),
        _ => text(StatusCode::NOT_FOUND, "no such page"),
    }
}

pub fn text(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text.to_owned()));
    *response.status_mut() = status;
    response
}
